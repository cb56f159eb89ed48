//! The image that a problem's network makes of kept values and a mask, both bins x frames, values in the network's units.

use crate::backend::cpu::Cpu;
use crate::backend::Backend;
use crate::error::Result;
use crate::graph::{self, Planes};
use codec_format::model::graph::Plane;
use codec_format::model::Model;

/// What is known of an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observed<'a> {
    pub(super) model: &'a Model,
    pub(super) bins: usize,
    pub(super) frames: usize,
    /// Where the mask is zero they do not count.
    pub(super) values: &'a [f32],
    /// From 0 to 1.
    pub(super) mask: &'a [f32],
}

impl Observed<'_> {
    /// Without a background, the level of what is not kept is that of the origin.
    pub(super) fn empty(&self) -> f32 {
        let n = self.model.normalisation;
        -n.offset / n.scale
    }

    /// The layered image: the values as far as the mask lets them through.
    fn image(&self) -> Vec<f32> {
        let empty = self.empty();
        let pixels = self.values.iter().zip(self.mask);
        pixels.map(|(v, m)| empty + m * (v - empty)).collect()
    }

    /// What the network reads; with a `floor` for masks of real numbers and gradients in them, of which sums over a window
    /// count as that much at least.
    pub(super) fn planes(&self, floor: Option<f32>) -> Result<Planes<Cpu>> {
        let planes = Planes::new(1, self.bins, self.frames);
        let (planes, values) = match floor {
            Some(floor) => (planes.relaxed(floor), self.values.to_vec()),
            None => {
                let pixels = self.values.iter().zip(self.mask);
                (planes, pixels.map(|(v, m)| v * m).collect())
            }
        };
        planes
            .with(&Cpu, Plane::Values, values)?
            .with(&Cpu, Plane::Mask, self.mask.to_vec())?
            .with(&Cpu, Plane::Image, self.image())?
            .with(
                &Cpu,
                Plane::Background,
                vec![self.empty(); self.bins * self.frames],
            )
    }

    /// Levels in dB above the origin from what the network gives out.
    pub(super) fn levels(&self, output: &[f32]) -> Vec<f32> {
        let n = self.model.normalisation;
        let mut levels: Vec<f32> = output.iter().map(|y| n.offset + y * n.scale).collect();
        if self.model.residual {
            for (level, x) in levels.iter_mut().zip(self.image()) {
                *level += x * n.scale;
            }
        }
        levels
    }

    /// The levels of the completed image, dB above the origin.
    pub(super) fn completed(&self, floor: Option<f32>) -> Result<Vec<f32>> {
        let output = graph::run(&Cpu, &self.model.completion, &self.planes(floor)?)?;
        Ok(self.levels(&Cpu.numbers(&output)?))
    }
}
