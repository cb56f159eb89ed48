//! Segments in, PCM out (Spec §8 and §9).
//!
//! The decoder works in fixed blocks of one segment, whatever the caller's pieces: the same segments give
//! the same PCM. A block looks ahead by [`LOOKAHEAD`] samples and is tied to its past by [`TIED`] samples
//! of decided spectra, so that no seam is heard.

use crate::analysis::phase_bits;
use crate::error::{Error, Result};
use crate::image::{drop_front, frames_of};
use crate::lattice::Lattice;
pub use crate::levels::LOUDEST;
use crate::levels::{self, magnitude};
use crate::network::{Completion, Network};
use crate::phase::{self, StoredPhase};
use crate::planes::{planes, Planes};
use crate::settings::{is_too_short, SHORT_SEGMENTS};
use crate::stft::{level, Complex32, Transform};
use crate::waveform::{self, LowBand};
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::Header;
use codec_format::model::Model;
use codec_format::symbols::{Segment, SparseImage};
use ndarray::{Array2, Axis};

/// Samples a block sees beyond its end, as a multiple of the transform length.
pub const LOOKAHEAD: usize = 4;
/// Samples of decided spectra before a block that its phases must agree with, as a multiple of the
/// transform length.
pub const TIED: usize = 2;

/// A streaming decoder.
///
/// Memory does not grow with the stream: a few segments of images and spectra.
#[derive(Debug)]
pub struct Decoder {
    header: Header,
    expected: u32,
    channels: Vec<Channel>,
    trim: Trim,
}

impl Decoder {
    /// A decoder for a stream with this header.
    ///
    /// `model` must be the one the header names; `None` fills the image by interpolation, which is what
    /// streams that name none ask for.
    ///
    /// # Errors
    /// [`Error::Model`] if the model does not fit the header, [`Error::Settings`] if the header's
    /// transform is not supported, its frames too dense or its segments too short (Spec §9).
    pub fn new(header: &Header, model: Option<&Model>) -> Result<Self> {
        if is_too_short(&header.stft, header.segment_frames) {
            return Err(Error::Settings {
                what: SHORT_SEGMENTS,
            });
        }
        let network = match model {
            Some(model) => Network::new(model, header)?,
            None => Network::interpolation(header),
        };
        let transform = Transform::new(
            &header.stft,
            usize::from(header.stft.hop) / network.upsampling(),
        )?;
        let channels = (0..header.coded.channels)
            .map(|_| Channel::new(header, network.clone(), transform.clone()))
            .collect();
        let trim = Trim {
            skip: u64::from(header.pre_skip),
            left: header.total_samples.map(|n| wanted(header, n)),
        };
        Ok(Decoder {
            header: header.clone(),
            expected: 0,
            channels,
            trim,
        })
    }

    /// Takes the next segment and returns the PCM that became final: one vector per channel, all of the
    /// same length (empty at first: the decoder runs about two segments behind), at the coded rate,
    /// nominally in -1..=1.
    ///
    /// # Errors
    /// [`Error::Settings`] if the segment is out of order or its shape is not the header's.
    pub fn push(&mut self, segment: &Segment) -> Result<Vec<Vec<f32>>> {
        if segment.index != self.expected {
            return Err(Error::Settings {
                what: "segments must come in order, lost ones concealed",
            });
        }
        let bins = self.header.stft.bins();
        let frames = segment.channels.first().map_or(0, |c| c.frames);
        if segment.channels.len() != self.channels.len()
            || segment
                .channels
                .iter()
                .any(|c| c.bins != bins || c.frames != frames || c.mask().len() != bins * frames)
            || !self.low_fits(segment)
        {
            return Err(Error::Settings {
                what: "segment and header differ in shape",
            });
        }
        self.expected += 1;
        for (channel, image) in self.channels.iter_mut().zip(&segment.channels) {
            channel.push(image.clone());
        }
        Ok(self.collect())
    }

    /// Whether the waveform layer is as long as the header says, and a threshold is there for every frame of it.
    fn low_fits(&self, segment: &Segment) -> bool {
        let count = self.header.coefficients();
        let fits = |c: &SparseImage| {
            c.waveform().len() == count * c.frames
                && (count == 0 || c.thresholds().len() == c.frames)
        };
        segment.channels.iter().all(fits)
    }

    /// Stands in for a lost segment of `frames` frames: nothing is kept, the background falls silent.
    ///
    /// # Errors
    /// As [`Decoder::push`].
    pub fn conceal(&mut self, frames: usize) -> Result<Vec<Vec<f32>>> {
        let image = SparseImage {
            phases: Default::default(),
            ..SparseImage::silent(&self.header, frames)
        };
        let channels = vec![image; self.channels.len()];
        self.push(&Segment {
            index: self.expected,
            channels,
        })
    }

    /// Sets the number of source samples, once a stream's trailer has told it.
    pub fn set_total(&mut self, total_samples: u64) {
        self.trim.total(wanted(&self.header, total_samples));
    }

    /// Ends the stream and returns the rest of the PCM.
    pub fn finish(mut self) -> Vec<Vec<f32>> {
        for channel in &mut self.channels {
            channel.finish();
        }
        self.collect()
    }

    fn collect(&mut self) -> Vec<Vec<f32>> {
        let mut out: Vec<Vec<f32>> = self
            .channels
            .iter_mut()
            .map(|c| core::mem::take(&mut c.pcm))
            .collect();
        self.trim.apply(&mut out);
        out
    }
}

/// The PCM of a whole clip: one vector per channel, at the coded rate.
///
/// # Errors
/// As [`Decoder::new`] and [`Decoder::push`].
pub fn decode(
    header: &Header,
    model: Option<&Model>,
    segments: &[Segment],
) -> Result<Vec<Vec<f32>>> {
    let mut decoder = Decoder::new(header, model)?;
    let mut out = vec![Vec::new(); usize::from(header.coded.channels)];
    let mut take = |pieces: Vec<Vec<f32>>| {
        for (all, piece) in out.iter_mut().zip(pieces) {
            all.extend(piece);
        }
    };
    for segment in segments {
        take(decoder.push(segment)?);
    }
    take(decoder.finish());
    Ok(out)
}

/// The dense image of a whole stream, per channel: fine frames x bins in dB (Spec §8), and the hop in
/// samples between its frames.
///
/// # Errors
/// As [`Decoder::new`] and [`Decoder::push`].
pub fn dense_images(
    header: &Header,
    model: Option<&Model>,
    segments: &[Segment],
) -> Result<(Vec<Array2<f32>>, usize)> {
    let network = match model {
        Some(model) => Network::new(model, header)?,
        None => Network::interpolation(header),
    };
    let lattice = Lattice::of(header);
    let origin = levels::origin(&header.quantiser);
    let up = network.upsampling();
    let transform = Transform::new(&header.stft, usize::from(header.stft.hop) / up)?;
    let mut out = Vec::new();
    for channel in 0..usize::from(header.coded.channels) {
        let images: Vec<&SparseImage> = segments
            .iter()
            .filter_map(|s| s.channels.get(channel))
            .collect();
        let mut all = Planes::zeros(0, header.stft.bins());
        for (i, current) in images.iter().enumerate() {
            let before = i.checked_sub(1).map(|i| images[i]);
            all.append(&planes(
                header,
                lattice.as_ref(),
                before,
                current,
                images.get(i + 1).copied(),
            ));
        }
        let mut low = LowBand::of(header);
        let spectra = low.as_mut().map(|low| {
            images.iter().for_each(|image| low.push(header, image));
            low.take(&transform, all.frames() * up)
        });
        if let Some(spectra) = &spectra {
            waveform::cover(&mut all, spectra.view(), up, origin);
        }
        let mut dense = network.run(&all).mapv(|x| x + origin);
        if let Some(spectra) = &spectra {
            for ((frame, bin), &z) in spectra.indexed_iter() {
                dense[(frame, bin)] = level(z);
            }
        }
        out.push(dense);
    }
    Ok((out, transform.hop()))
}

/// Coded samples a caller gets of `total` source samples: all but the pre-skip.
fn wanted(header: &Header, total: u64) -> u64 {
    header
        .coded_samples(total)
        .saturating_sub(u64::from(header.pre_skip))
}

/// Pre-skip and end of the stream, in coded samples.
#[derive(Debug)]
struct Trim {
    skip: u64,
    left: Option<u64>,
}

impl Trim {
    fn total(&mut self, samples: u64) {
        if self.left.is_none() {
            self.left = Some(samples);
        }
    }

    fn apply(&mut self, pcm: &mut [Vec<f32>]) {
        let len = pcm.first().map_or(0, Vec::len);
        let skip = (self.skip.min(len as u64)) as usize;
        self.skip -= skip as u64;
        let mut keep = len - skip;
        if let Some(left) = &mut self.left {
            keep = keep.min(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= keep as u64;
        }
        for channel in pcm {
            channel.drain(..skip);
            channel.truncate(keep);
        }
    }
}

/// One channel on its way from symbols to sound. Positions are absolute; deques start at `*_start`.
#[derive(Debug)]
struct Channel {
    header: Header,
    completion: Completion,
    transform: Transform,
    lattice: Option<Lattice>,
    /// The segment whose planes are due once its successor is known, and its predecessor.
    before: Option<SparseImage>,
    current: Option<SparseImage>,
    /// Coded frames given to the network.
    planes_end: usize,
    /// Dense levels (dB above the origin) from fine frame `dense_start` on.
    dense: Array2<f32>,
    dense_start: usize,
    /// Coded frames at which the segments pushed so far end, oldest first, not yet made sound.
    ends: Vec<usize>,
    /// The lowest band, and its spectra on the fine grid from `dense_start` on: frames x covered bins.
    low: Option<LowBand>,
    low_spectra: Array2<Complex32>,
    /// Stored phases: coded frame, bin, index.
    stored: Vec<(usize, usize, u16)>,
    /// First fine frame without decided phases, and the spectra decided just before it.
    undecided: usize,
    tied: Vec<Complex32>,
    /// Overlap-added signal and weights from position `sum_start` on.
    sum: Vec<f32>,
    weight: Vec<f32>,
    sum_start: i64,
    pcm: Vec<f32>,
}

impl Channel {
    fn new(header: &Header, network: Network, transform: Transform) -> Self {
        let bins = header.stft.bins();
        Channel {
            header: header.clone(),
            lattice: Lattice::of(header),
            before: None,
            current: None,
            planes_end: 0,
            dense: Array2::zeros((0, bins)),
            dense_start: 0,
            ends: Vec::new(),
            low: LowBand::of(header),
            low_spectra: Array2::from_elem((0, header.covered_bins()), Complex32::default()),
            stored: Vec::new(),
            undecided: 0,
            tied: Vec::new(),
            sum: Vec::new(),
            weight: Vec::new(),
            sum_start: -(transform.n_fft() as i64) / 2,
            pcm: Vec::new(),
            completion: Completion::new(network),
            transform,
        }
    }

    fn push(&mut self, image: SparseImage) {
        if let Some(low) = &mut self.low {
            low.push(&self.header, &image);
        }
        self.advance(Some(&image));
        let start = self.planes_end;
        self.ends.push(start + image.frames);
        for (pixel, &index) in image.phases.mask.iter_ones().zip(&image.phases.angles) {
            self.stored
                .push((start + pixel / image.bins, pixel % image.bins, index));
        }
        self.before = self.current.take();
        self.current = Some(image);
        self.work(false);
    }

    fn finish(&mut self) {
        self.advance(None);
        self.current = None;
        self.append(Completion::finish);
        self.work(true);
    }

    fn append(&mut self, dense: impl FnOnce(&mut Completion) -> Array2<f32>) {
        let dense = dense(&mut self.completion);
        if !dense.is_empty() {
            // Both have the stream's bins, so appending cannot fail.
            let _ = self.dense.append(Axis(0), dense.view());
        }
    }

    /// Makes the planes of the current segment, now that the one after it is known.
    fn advance(&mut self, after: Option<&SparseImage>) {
        if let Some(current) = &self.current {
            let mut made = planes(
                &self.header,
                self.lattice.as_ref(),
                self.before.as_ref(),
                current,
                after,
            );
            if let Some(low) = &mut self.low {
                let up = self.completion.network().upsampling();
                let spectra = low.take(&self.transform, made.frames() * up);
                let origin = levels::origin(&self.header.quantiser);
                waveform::cover(&mut made, spectra.view(), up, origin);
                // Both have as many bins, so appending cannot fail.
                let _ = self.low_spectra.append(Axis(0), spectra.view());
            }
            self.planes_end += made.frames();
            self.append(|completion| completion.push(&made));
        }
    }

    fn work(&mut self, last: bool) {
        let up = self.completion.network().upsampling();
        let ahead = LOOKAHEAD * self.transform.n_fft() / self.transform.hop();
        while let Some(&end) = self.ends.first() {
            let have = self.dense_start + self.dense.nrows();
            if have < end * up || (!last && have < end * up + ahead) {
                break;
            }
            self.synthesise(end * up, (end * up + ahead).min(have));
            self.ends.remove(0);
        }
        self.emit(last);
    }

    /// Decides the phases of fine frames up to `end`, seeing those up to `seen`, and adds them to the sum.
    fn synthesise(&mut self, end: usize, seen: usize) {
        let bins = self.transform.bins();
        let up = self.completion.network().upsampling();
        let start = self.undecided;
        let tied = self.tied.len() / bins;
        let first = start - tied;
        let origin = levels::origin(&self.header.quantiser);
        let mut magnitudes = frames_of(
            self.dense.view(),
            first - self.dense_start..seen - self.dense_start,
        )
        .mapv(|x| magnitude(x + origin));
        let bits = phase_bits(self.header.phase);
        let mut stored: Vec<StoredPhase> = self
            .stored
            .iter()
            .filter(|&&(frame, ..)| frame * up >= start && frame * up < seen)
            .map(|&(frame, bin, index)| {
                let angle = f32::from(index) / (1u32 << bits) as f32 * 2.0 * core::f32::consts::PI;
                let (sin, cos) = libm::sincosf(angle);
                StoredPhase {
                    frame: frame * up - first,
                    bin,
                    unit: Complex32::new(cos, sin),
                }
            })
            .collect();
        // The lowest band is known: its magnitudes and phases both.
        let low = self.low_spectra.indexed_iter();
        let within = start - self.dense_start..seen - self.dense_start;
        for ((frame, bin), &z) in low.filter(|((frame, _), _)| within.contains(frame)) {
            let frame = frame + self.dense_start - first;
            let (size, unit) = waveform::polar(z);
            magnitudes[(frame, bin)] = size;
            stored.push(StoredPhase { frame, bin, unit });
        }
        let block = phase::Block {
            magnitudes: magnitudes.view(),
            known: &self.tied,
            stored: &stored,
            first_frame: first as u64,
            window: self.header.stft.window,
        };
        let spectra = phase::rebuild(&self.transform, &block);

        let (hop, n) = (self.transform.hop() as i64, self.transform.n_fft());
        let fresh = &spectra[(start - first) * bins..(end - first) * bins];
        let needed = ((end as i64 - 1) * hop + n as i64 / 2 - self.sum_start).max(0) as usize;
        if needed > self.sum.len() {
            self.sum.resize(needed, 0.0);
            self.weight.resize(needed, 0.0);
        }
        let at = start as i64 * hop - n as i64 / 2 - self.sum_start;
        let mut packed = vec![Complex32::default(); n];
        self.transform
            .overlap_add(fresh, at, &mut packed, &mut self.sum);
        self.transform
            .overlap_weight(end - start, at, &mut self.weight);

        self.undecided = end;
        let keep = (TIED * n / hop as usize).min(end);
        let from = end - keep;
        // The tie never reaches back before the block: it was as long, or from the stream's start, already.
        self.tied = spectra[(from - first) * bins..(end - first) * bins].to_vec();
        let drop = (end - self.tied.len() / bins) - self.dense_start;
        self.dense = drop_front(&self.dense, drop);
        self.low_spectra = drop_front(&self.low_spectra, drop);
        self.dense_start += drop;
        self.stored.retain(|&(frame, ..)| frame * up >= end);
    }

    /// Moves samples that no later frame reaches from the sum to the PCM.
    fn emit(&mut self, last: bool) {
        let end = if last {
            self.sum_start + self.sum.len() as i64
        } else {
            self.undecided as i64 * self.transform.hop() as i64 - self.transform.n_fft() as i64 / 2
        };
        let ready = ((end - self.sum_start).max(0) as usize).min(self.sum.len());
        let silent = ((-self.sum_start).max(0) as usize).min(ready);
        for (x, w) in self.sum[silent..ready]
            .iter()
            .zip(&self.weight[silent..ready])
        {
            self.pcm.push(if *w > 1e-8 { x / w } else { 0.0 });
        }
        self.sum.drain(..ready);
        self.weight.drain(..ready);
        self.sum_start += ready as i64;
    }
}
