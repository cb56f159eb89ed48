//! How far a network sees in time, and how much it must remember to run on a stream (Spec §7.9).

use super::graph::{Graph, Operand, Shape};
use alloc::vec::Vec;

/// Parts of a coded frame in which times are counted here: the finest grid's.
const PARTS: i64 = 8;

/// What it takes to run a graph on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Coded frames before its own that an output can depend on.
    pub behind: usize,
    /// Coded frames that must have come after an output's own before it can be computed.
    pub ahead: usize,
    /// Numbers held for each bin of the coded grid: of every node's output those that others still wait for, and one
    /// frame more.
    pub held: u64,
}

/// One node in time, counted in parts of a coded frame.
#[derive(Clone, Copy, Default)]
struct Times {
    /// From one of its frames to the next.
    step: i64,
    /// What its frames depend on lies no further back.
    behind: i64,
    /// Its output lags behind the input by at least and by at most this.
    lag: (i64, i64),
}

impl Graph {
    /// How far the graph reaches; `shapes` are those of its nodes.
    #[must_use]
    pub fn reach(&self, shapes: &[Shape]) -> Reach {
        let mut times: Vec<Times> = Vec::new();
        // What readers of every node make it hold.
        let mut held = Vec::new();
        for (node, shape) in self.nodes.iter().zip(shapes) {
            let step = match shape.grid.frames {
                finer @ ..=-1 => PARTS >> -finer,
                coarser => PARTS << coarser,
            };
            let window = node.op.window(0);
            let mut this = Times {
                step,
                // A coarse frame may be known before the last of those it stands for.
                lag: (i64::MIN, 0),
                ..Times::default()
            };
            let of = |operand: &Operand| match *operand {
                Operand::Node(at) => times.get(usize::from(at)).copied(),
                Operand::Plane(_) => None,
            };
            for operand in &node.inputs {
                let input = of(operand).unwrap_or(Times {
                    step: PARTS,
                    ..Times::default()
                });
                // A frame may begin anywhere within the coarser one it reads.
                let within = (input.step - step.max(PARTS)).max(0);
                let behind = input.behind - window.start() * input.step + within;
                let lag = input.lag.1 + window.end() * input.step;
                // All the finer frames of a coarser one come with it.
                let least = input.lag.0 + (window.end() + 1) * input.step - step.max(input.step);
                this.behind = this.behind.max(behind);
                this.lag = (this.lag.0.max(least), this.lag.1.max(lag));
            }
            for operand in &node.inputs {
                if let (Operand::Node(at), Some(input)) = (operand, of(operand)) {
                    let wait = this.lag.1 - input.lag.0 + (1 - window.start()) * input.step;
                    let longest: &mut i64 = &mut held[usize::from(*at)];
                    *longest = (*longest).max(wait);
                }
            }
            times.push(this);
            held.push(this.lag.1 - this.lag.0 + step);
        }
        // Interpolation to which a correction is added waits for the next coded frame.
        if let (Some(last), Some(held)) = (times.last(), held.last_mut()) {
            *held = last.lag.1.max(PARTS) - last.lag.0 + last.step;
        }
        let last = times.last().copied().unwrap_or_default();
        let numbers = times
            .iter()
            .zip(shapes)
            .zip(held)
            .map(|((times, shape), held)| {
                let frames = (held + PARTS) as u64;
                let frames = frames.div_ceil(times.step as u64) + 1;
                (frames * u64::from(shape.channels)).div_ceil(1 << shape.grid.bins)
            });
        let frames = |parts: i64| (parts.max(0) as u64).div_ceil(PARTS as u64) as usize;
        Reach {
            behind: frames(last.behind),
            ahead: frames(last.lag.1),
            held: numbers.sum(),
        }
    }
}
