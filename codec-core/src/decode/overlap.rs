//! The last stage: from decided spectra to samples (Spec §9.5).

use crate::transform::stft::{Complex32, Transform};
use alloc::vec;
use alloc::vec::Vec;

/// Adds up the spectra of one channel as they come.
#[derive(Debug, Clone)]
pub struct OverlapAdd {
    transform: Transform,
    /// Signal and sum of squared windows from position `start` on.
    sum: Vec<f32>,
    weight: Vec<f32>,
    start: i64,
    /// The next frame.
    frame: usize,
    /// Scratch of one transform.
    packed: Vec<Complex32>,
}

impl OverlapAdd {
    /// Begins a channel. Its first samples lie before the stream: half a transform, centred on sample 0.
    #[must_use]
    pub fn new(transform: &Transform) -> Self {
        OverlapAdd::from_frame(transform, 0)
    }

    /// Begins the same channel with fine frame `frame`, whose first sample is the first to come out.
    #[must_use]
    pub fn starting_at(&self, frame: usize) -> Self {
        OverlapAdd::from_frame(&self.transform, frame)
    }

    fn from_frame(transform: &Transform, frame: usize) -> Self {
        let n = transform.n_fft();
        OverlapAdd {
            transform: transform.clone(),
            sum: Vec::new(),
            weight: Vec::new(),
            start: frame as i64 * transform.hop() as i64 - n as i64 / 2,
            frame,
            packed: vec![Complex32::default(); n],
        }
    }

    /// Position of the sample that comes out next; negative ones lie before the stream.
    #[must_use]
    pub fn position(&self) -> i64 {
        self.start
    }

    /// Takes the spectra of the next frames (frames x bins, flat) and appends the samples that no later frame reaches
    /// to `pcm`.
    pub fn push(&mut self, spectra: &[Complex32], pcm: &mut Vec<f32>) {
        let frames = spectra.len() / self.transform.bins();
        let (hop, n) = (self.transform.hop(), self.transform.n_fft());
        let at = self.first_sample() - self.start;
        if frames > 0 {
            let needed = at as usize + (frames - 1) * hop + n;
            self.sum.resize(needed, 0.0);
            self.weight.resize(needed, 0.0);
        }
        self.transform
            .overlap_add(spectra, at, &mut self.packed, &mut self.sum);
        self.transform.overlap_weight(frames, at, &mut self.weight);
        self.frame += frames;
        self.give((self.first_sample() - self.start) as usize, pcm);
    }

    /// Ends the channel: the rest of the samples.
    pub fn finish(&mut self, pcm: &mut Vec<f32>) {
        self.give(self.sum.len(), pcm);
    }

    /// First sample of the next frame.
    fn first_sample(&self) -> i64 {
        self.frame as i64 * self.transform.hop() as i64 - self.transform.n_fft() as i64 / 2
    }

    fn give(&mut self, ready: usize, pcm: &mut Vec<f32>) {
        let ready = ready.min(self.sum.len());
        let samples = self.sum.drain(..ready).zip(self.weight.drain(..ready));
        pcm.extend(samples.map(|(x, w)| if w > 1e-8 { x / w } else { 0.0 }));
        self.start += ready as i64;
    }
}
