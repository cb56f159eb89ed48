//! The first stage: from the symbols of a frame to the network's input (Spec §8.1, §8.2).

use super::low_band::LowBand;
use super::synthesis::Known;
use crate::error::Result;
use crate::planes::{PlaneRow, Planes};
use crate::quantise::lattice::Filling;
use crate::quantise::levels;
use crate::transform::circle::Circle;
use crate::transform::lanes::LaneTransform;
use codec_format::header::{Header, MaskKind, PhaseKind, Quantiser};
use codec_format::memory::{Heap, Memory};
use codec_format::symbols::{Row, RowBuffer, SparseImage};

/// In place of a level, where a pixel is not kept.
const NOT_KEPT: i16 = i16::MIN;

/// Lays out one channel, frame by frame. A frame comes out once the lattice column behind it has gone in, and the blocks
/// of the waveform layer that reach into its fine frames.
#[derive(Debug)]
pub struct PlaneBuilder<M: Memory = Heap> {
    bins: usize,
    covered: usize,
    up: usize,
    quantiser: Quantiser,
    /// Step of the ridge mask's thresholds.
    threshold_step: Option<u8>,
    low: Option<LowBand<M>>,
    background: Background<M>,
    /// Frames held that have not come out, at most, and those whose stored phases are.
    held: usize,
    known: usize,
    /// Of every frame held: its kept levels ([`NOT_KEPT`] elsewhere) and its threshold.
    kept: M::Of<i16>,
    thresholds: M::Of<i16>,
    /// Stored phases of every frame held: an index and one, or 0; empty where the stream stores none.
    angles: M::Of<u16>,
    /// Frames that went in and came out, counted from the start of the stream.
    pushed: usize,
    given: usize,
    ended: bool,
    /// The frame that came out last.
    row: OutRow<M>,
}

/// A frame of planes.
#[derive(Debug)]
struct OutRow<M: Memory> {
    values: M::Of<i16>,
    image: M::Of<i16>,
    background: M::Of<i16>,
    kept: M::Of<u8>,
}

impl<M: Memory> PlaneBuilder<M> {
    /// A channel of a stream with this header, `up` fine frames for each of its frames. What is [known](Self::known) of
    /// a frame can be asked until `later` more have come out. [`reset`](Self::reset) comes first.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) if there is no memory left.
    pub fn new(header: &Header, up: usize, later: usize, memory: &mut M) -> Result<Self> {
        let bins = header.stft.bins();
        let (n, hop) = (usize::from(header.stft.n_fft), usize::from(header.stft.hop));
        let every = header.lattice.map_or(1, |shape| usize::from(shape.every));
        // From the centre of a frame to the end of its last fine one.
        let reach = n / 2 + hop - hop / up.max(1);
        let blocks = header.waveform.map_or(0, |_| reach.div_ceil(hop));
        let held = (every / 2).max(blocks) + 1;
        let known = held + later;
        Ok(PlaneBuilder {
            bins,
            covered: header.covered_bins(),
            up,
            quantiser: header.quantiser,
            threshold_step: match header.mask {
                MaskKind::Ridge { threshold_step } => Some(threshold_step),
                _ => None,
            },
            low: LowBand::of(header, up, known, memory)?,
            background: Background::new(header, held, memory)?,
            held,
            known,
            kept: memory.take(held * bins)?,
            thresholds: memory.take(held)?,
            angles: memory.take(match header.phase {
                PhaseKind::None => 0,
                _ => known * bins,
            })?,
            pushed: 0,
            given: 0,
            ended: false,
            row: OutRow {
                values: memory.take(bins)?,
                image: memory.take(bins)?,
                background: memory.take(bins)?,
                kept: memory.take(bins)?,
            },
        })
    }

    /// Begins with coded frame `start`, as if nothing came before. `header` is the one it was made for.
    pub fn reset(&mut self, header: &Header, start: usize) {
        (self.pushed, self.given, self.ended) = (start, start, false);
        self.background.reset(header, start);
        if let Some(low) = &mut self.low {
            low.reset(start);
        }
    }

    /// Coded frames after which a frame comes out, at most.
    #[must_use]
    pub fn delay(&self) -> usize {
        self.held - 1
    }

    /// Takes the next frame; `transform` is the stream's. [`advance`](Self::advance) must have given all it can before.
    pub fn push(&mut self, row: &Row<'_>, transform: &mut LaneTransform<M>) {
        let (slot, bins) = (self.pushed % self.held, self.bins);
        let base = match (self.threshold_step, row.threshold) {
            (Some(step), Some(index)) => levels::threshold(step, index),
            _ => 0,
        };
        self.thresholds[slot] = levels::clamp(base);
        let kept = &mut self.kept[slot * bins..][..bins];
        kept.fill(NOT_KEPT);
        for (y, &q) in kept.iter_mut().zip(row.kept) {
            if let Some(q) = q.checked_sub(1) {
                *y = levels::clamp(base + levels::value(&self.quantiser, q as u8));
            }
        }
        if !self.angles.is_empty() {
            let angles = &mut self.angles[self.pushed % self.known * bins..][..bins];
            angles.fill(0);
            let stored = row.angles.len().min(bins);
            angles[..stored].copy_from_slice(&row.angles[..stored]);
        }
        self.background.push(row.column, self.pushed);
        if let Some(low) = &mut self.low {
            low.push(row, transform);
        }
        self.pushed += 1;
    }

    /// Ends the channel: [`advance`](Self::advance) gives the rest.
    pub fn end(&mut self, transform: &mut LaneTransform<M>) {
        self.ended = true;
        if let Some(low) = &mut self.low {
            low.end(self.pushed * self.up, transform);
        }
    }

    /// The next frame's planes, if all they depend on is there.
    pub fn advance(&mut self) -> Option<PlaneRow<'_>> {
        let frame = self.given;
        if frame == self.pushed || !self.ended && self.background.waits(frame) {
            return None;
        }
        if let Some(low) = &self.low {
            if low.made() < (frame + 1) * self.up {
                return None;
            }
        }
        self.given += 1;
        let (slot, bins) = (frame % self.held, self.bins);
        let row = &mut self.row;
        self.background.fill(frame, &mut row.background);
        if self.threshold_step.is_some() {
            let threshold = self.thresholds[slot];
            row.background
                .iter_mut()
                .for_each(|x| *x = threshold.min(*x));
        }
        let kept = &mut self.kept[slot * bins..][..bins];
        if let Some(low) = &self.low {
            // The pixels that the waveform layer covers count as kept.
            let origin = levels::origin_level(&self.quantiser);
            let spectrum = low.spectrum(frame * self.up);
            for (y, [re, im]) in kept[..self.covered].iter_mut().zip(spectrum) {
                let above = levels::of_power(re * re + im * im) - origin;
                *y = above.clamp(0, i32::from(levels::HIGHEST)) as i16;
            }
        }
        let out = row.values.iter_mut().zip(row.image.iter_mut());
        let out = out.zip(row.kept.iter_mut().zip(row.background.iter()));
        for (((value, image), (mask, &background)), &x) in out.zip(kept.iter()) {
            let there = x != NOT_KEPT;
            *mask = u8::from(there);
            *value = if there { x } else { 0 };
            *image = if there { x } else { background };
        }
        Some(PlaneRow {
            values: &row.values,
            image: &row.image,
            background: &row.background,
            kept: &row.kept,
        })
    }

    /// What the stream itself says of fine frame `fine`, whose coded frame has come out.
    #[must_use]
    pub fn known(&self, fine: usize) -> Known<'_> {
        let first = fine % self.up == 0 && !self.angles.is_empty();
        let slot = fine / self.up % self.known * self.bins;
        Known {
            low: self.low.as_ref().map_or(&[], |low| low.spectrum(fine)),
            stored: first.then(|| &self.angles[slot..slot + self.bins]),
        }
    }
}

/// The lattice of the frames that are held, between the columns beside each.
#[derive(Debug)]
struct Background<M: Memory> {
    filling: Option<Filling<M>>,
    bands: usize,
    held: usize,
    /// Of every frame held the two columns it lies between, and the weight of the later one.
    columns: M::Of<u8>,
    weights: M::Of<u16>,
    /// The latest column and the one before.
    latest: M::Of<u8>,
    before: M::Of<u8>,
    /// Whether there has been a column, and frames since it began.
    begun: bool,
    at: usize,
    /// The first frame that lacks its later column.
    waiting: usize,
}

impl<M: Memory> Background<M> {
    fn new(header: &Header, held: usize, memory: &mut M) -> Result<Self> {
        let filling = match header.lattice {
            Some(shape) => Some(Filling::new(header, shape, memory)?),
            None => None,
        };
        let bands = filling.as_ref().map_or(0, Filling::bands);
        Ok(Background {
            filling,
            bands,
            held,
            columns: memory.take(2 * held * bands)?,
            weights: memory.take(held)?,
            latest: memory.take(bands)?,
            before: memory.take(bands)?,
            begun: false,
            at: 0,
            waiting: 0,
        })
    }

    fn reset(&mut self, header: &Header, start: usize) {
        if let Some(filling) = &mut self.filling {
            filling.reset(header);
        }
        (self.begun, self.at, self.waiting) = (false, 0, start);
    }

    /// Takes the column that begins with frame `frame`, if one does, and places the frame.
    fn push(&mut self, column: Option<&[u8]>, frame: usize) {
        let Some(filling) = &self.filling else {
            self.waiting = frame + 1;
            return;
        };
        let (held, bands) = (self.held, self.bands);
        let both = |frame: usize| frame % held * 2 * bands..(frame % held * 2 + 2) * bands;
        if let Some(column) = column.filter(|column| column.len() == bands) {
            core::mem::swap(&mut self.latest, &mut self.before);
            self.latest.copy_from_slice(column);
            if !self.begun {
                self.before.copy_from_slice(column);
            }
            for waiting in self.waiting..frame {
                self.columns[both(waiting)][bands..].copy_from_slice(column);
            }
            (self.begun, self.at, self.waiting) = (true, 0, frame);
        }
        let (behind, weight) = filling.place(self.at);
        self.at += 1;
        self.weights[frame % held] = weight;
        let (earlier, later) = self.columns[both(frame)].split_at_mut(bands);
        // Until the next column comes, and where none does, the latest holds.
        earlier.copy_from_slice(if behind { &self.latest } else { &self.before });
        later.copy_from_slice(&self.latest);
        if !behind || weight == 0 {
            self.waiting = frame + 1;
        }
    }

    /// Whether the column behind a frame, towards which it is interpolated, has yet to come.
    fn waits(&self, frame: usize) -> bool {
        frame >= self.waiting
    }

    fn fill(&mut self, frame: usize, out: &mut [i16]) {
        let slot = frame % self.held;
        let columns = self.columns[2 * slot * self.bands..][..2 * self.bands].split_at(self.bands);
        match &mut self.filling {
            Some(filling) => filling.fill(columns, self.weights[slot], out),
            None => out.fill(0),
        }
    }
}

/// The planes of a whole channel of a clip, a segment after the other, as a network is trained on them: frames x bins in
/// dB above the origin.
///
/// # Errors
/// None that could come about, as the heap has room.
pub fn of_clip(header: &Header, images: &[SparseImage]) -> Result<Planes> {
    let frames = images.iter().map(|image| image.frames).sum();
    let mut planes = Planes::zeros(frames, header.stft.bins());
    let mut at = 0;
    let set = |row: &PlaneRow<'_>| {
        planes.set(at, row);
        at += 1;
    };
    lay(header, 1, images.iter(), set, |_| ())?;
    Ok(planes)
}

/// Lays a whole channel out: gives the planes of every frame to `take_row`, what is known of its fine frames to
/// `take_known`.
pub(super) fn lay<'a>(
    header: &Header,
    up: usize,
    images: impl Iterator<Item = &'a SparseImage>,
    mut take_row: impl FnMut(&PlaneRow<'_>),
    mut take_known: impl FnMut(Known<'_>),
) -> Result<()> {
    let memory = &mut Heap::new(u64::MAX);
    let mut circle = Circle::new(memory)?;
    let mut transform = LaneTransform::new(&header.stft, memory)?;
    let mut builder = PlaneBuilder::new(header, up, 0, memory)?;
    let mut rows = RowBuffer::new(header, memory)?;
    circle.reset();
    transform.reset(&circle);
    builder.reset(header, 0);
    let mut fine = 0;
    let mut take = |builder: &mut PlaneBuilder| {
        while let Some(row) = builder.advance() {
            take_row(&row);
            for _ in 0..up {
                take_known(builder.known(fine));
                fine += 1;
            }
        }
    };
    for image in images {
        for frame in 0..image.frames {
            builder.push(&rows.row(image, frame), &mut transform);
            take(&mut builder);
        }
    }
    builder.end(&mut transform);
    take(&mut builder);
    Ok(())
}
