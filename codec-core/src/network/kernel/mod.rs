//! The kernels of convolutions (Spec §8.4).
//!
//! A convolution reads *lines*: rows of the input, one for each kernel frame and input channel. They are laid side by
//! side, with zeros around the image, for a tile of bins at a time; then every output of these bins is summed up. Wide
//! registers hold *different outputs* side by side.
//!
//! Of binary32 each output is `((0 + x0 w0) + x1 w1) + ...`, over frames of the kernel, then its bins, then input
//! channels, every product and sum rounded and none fused: so any vector width, and none at all, gives the same bits.
//! Sums of whole numbers are exact whatever their order.

pub(super) mod real;
pub(super) mod whole;

use codec_format::model::op::{Convolution, ConvolutionKind, Numbers};

/// Cells of a tile that stay close to the processor.
const TILE: usize = 8192;

/// Bins computed side by side.
pub(super) const LANES: usize = 8;

/// Outputs summed up side by side, where there are as many.
const BLOCK: usize = 4;

/// Outputs of the next block when `left` remain.
fn block_of(left: usize) -> usize {
    if left >= BLOCK {
        BLOCK
    } else {
        1
    }
}

/// How a convolution reads its input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filter {
    /// Lines that each output reads: kernel frame, then channel. Where outputs are further apart than inputs, kernel
    /// bins are lines too, between these two.
    pub lines: usize,
    /// Kernel bins that are read of each line, and the bins from one to the next.
    pub taps: usize,
    pub step: usize,
    /// Inputs and outputs of a group.
    pub inputs: usize,
    pub outputs: usize,
    /// Whether lines are read where they are, because neighbouring bins are the pairs: depthwise convolutions of whole
    /// numbers.
    pub rows: bool,
}

/// Most frames of a kernel that is read where its input lies.
pub(super) const MOST_ROWS: usize = 16;

impl Filter {
    pub fn of(op: &Convolution) -> Self {
        let (bins, frames) = (usize::from(op.kernel.bins), usize::from(op.kernel.frames));
        let inputs = op.group_inputs();
        let strided = op.stride.bins > 1;
        let whole = matches!(op.numbers, Numbers::Whole { .. });
        let dense = !strided && op.dilation.bins == 1 && op.kind == ConvolutionKind::Plain;
        Filter {
            lines: frames * inputs * if strided { bins } else { 1 },
            taps: if strided { 1 } else { bins },
            step: usize::from(op.dilation.bins),
            inputs,
            outputs: op.group_outputs(),
            rows: whole && dense && inputs == 1 && op.group_outputs() == 1 && frames <= MOST_ROWS,
        }
    }

    /// Inputs of a line beside those of its first bin's.
    pub fn span(&self) -> usize {
        (self.taps - 1) * self.step
    }

    /// Bins of the next tile when `left` remain: all of them, or a multiple of what kernels compute side by side.
    pub fn tile(&self, left: usize) -> usize {
        // The bin at the Nyquist frequency, one more than a power of two, has no tile of its own.
        if left <= self.most() + LANES {
            left
        } else {
            self.most()
        }
    }

    /// Bins of all tiles but perhaps the last.
    fn most(&self) -> usize {
        // Few lines may be long.
        (TILE / self.lines.max(1)).clamp(32, 768) / 32 * 32
    }

    /// Cells from one line of a tile to the next, where the grid has `bins`.
    pub fn pitch(&self, bins: usize) -> usize {
        // Kernels read whole registers.
        bins.min(self.most() + LANES).next_multiple_of(4 * LANES) + self.span()
    }

    /// Zeros before and behind a line that is read where it is.
    pub fn margins(&self) -> [usize; 2] {
        // Kernels read up to two registers beyond the last bin but one, and pairs of taps.
        [self.taps / 2, 2 * LANES + self.taps]
    }
}

/// What lies where: kernel frame, kernel bin and channel of a group for every line and tap, and the number of the weight
/// with these within an output's.
pub(super) fn weight_at(op: &Convolution, filter: &Filter, line: usize, tap: usize) -> usize {
    let (bins, frames) = (usize::from(op.kernel.bins), usize::from(op.kernel.frames));
    let (rest, input) = (line / filter.inputs, line % filter.inputs);
    let (frame, bin) = match filter.taps == bins {
        true => (rest, tap),
        false => (rest / bins, rest % bins),
    };
    (input * bins + bin) * frames + frame
}

/// One group of a convolution, for a tile of bins.
pub(super) struct Job<'a, N: super::number::Number> {
    pub filter: &'a Filter,
    pub group: usize,
    /// The lines, `pitch` cells each.
    pub tile: &'a [N::Cell],
    pub pitch: usize,
    /// Instead, lines where they lie, from the first number that the first output reads on.
    pub rows: &'a [&'a [N]],
    /// Bins to write: from `bin` on, `count` of them.
    pub bin: usize,
    pub count: usize,
    /// Observed pixels in the window of each of these bins, and how many it has, if the convolution is sparse.
    pub seen: Option<(&'a [u16], u16)>,
    /// The frame of the output: a row of bins for each channel, as far apart as this.
    pub out: &'a mut [N],
    pub apart: usize,
}
