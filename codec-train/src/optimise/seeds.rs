//! Masks that cost eight bytes: the best of many seeds of the uniform mask.
//!
//! A mask bred pixel by pixel must be written down, a third of a bit for every pixel of the image at 95 %
//! sparsity. A seeded one is in the header already, and what its positions do not cost can keep more pixels. So
//! the two are compared at equal file size: [`sparsity_for`] finds how much a seeded mask may keep.

use super::{Fitness, Problem};
use crate::error::{Error, Result};
use codec_core::encode::Policy;
use codec_format::header::{ModelId, PhaseKind};
use codec_format::symbols::Mask;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

/// How to search.
#[derive(Debug, Clone)]
pub struct Options {
    /// Share of pixels dropped, 0..=1.
    pub sparsity: f32,
    /// What to make large.
    pub fitness: Fitness,
    /// The first seed tried.
    pub first: u64,
    /// How many seeds are tried, each one more than the one before.
    pub count: u32,
    /// Files larger than this are no result, whatever their fitness; with these phases.
    pub limit: Option<(usize, PhaseKind)>,
    /// Whether to draw a progress bar (on standard error, and only on a terminal).
    pub progress: bool,
}

/// The best seed found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The seed.
    pub seed: u64,
    /// Its mask.
    pub mask: Mask,
    /// Its fitness: larger is better.
    pub fitness: f64,
    /// Mean fitness of all seeds: what a seed taken blindly gives.
    pub mean: f64,
}

/// Tries seeds, on all cores; of equally fit ones the first is taken.
///
/// # Errors
/// [`Error::Config`] for no seeds or a limit that no file keeps; [`Error::Core`] for a sparsity outside 0..=1;
/// [`Error::Measure`] where the fitness is not defined.
pub fn search(problem: &Problem, options: &Options) -> Result<Found> {
    if options.count == 0 {
        return Err(Error::Config("no seeds to try".into()));
    }
    let bar = progress_bar(options);
    let mut tried: Vec<(u64, f64)> = (0..u64::from(options.count))
        .into_par_iter()
        .map(|i| {
            let seed = options.first.wrapping_add(i);
            let mask = problem.random_mask(options.sparsity, seed)?;
            let fitness = problem.fitness(&mask, options.fitness)?;
            bar.inc(1);
            Ok((seed, fitness))
        })
        .collect::<Result<_>>()?;
    bar.finish_and_clear();
    let mean = tried.iter().map(|t| t.1).sum::<f64>() / tried.len() as f64;
    tried.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (seed, fitness) in tried {
        if let Some((limit, phase)) = options.limit {
            if bytes(problem, options.sparsity, seed, phase)? > limit {
                continue;
            }
        }
        return Ok(Found {
            seed,
            mask: problem.random_mask(options.sparsity, seed)?,
            fitness,
            mean,
        });
    }
    Err(Error::Config(format!(
        "no seed gives a file within the limit at a sparsity of {}",
        options.sparsity
    )))
}

/// Bytes of the file with a seeded mask, without a model in it.
///
/// # Errors
/// [`Error::Core`] for a sparsity or phases out of range, [`Error::Format`] beyond a limit of the format.
pub fn bytes(problem: &Problem, sparsity: f32, seed: u64, phase: PhaseKind) -> Result<usize> {
    // A model's name in the header counts, as in any file of use.
    let named = Some(ModelId([0; 8]));
    let encoded = problem.encode(Policy::Uniform { sparsity, seed }, phase, named)?;
    Ok(encoded.bytes() as usize)
}

/// The smallest sparsity, to a ten-thousandth, at which a seeded mask's file is no larger than `limit` bytes.
///
/// # Errors
/// [`Error::Config`] if not even a file that keeps nothing is as small; as [`bytes`] else.
pub fn sparsity_for(problem: &Problem, limit: usize, seed: u64, phase: PhaseKind) -> Result<f32> {
    const STEPS: u32 = 10_000;
    let fits = |step: u32| -> Result<bool> {
        Ok(bytes(problem, step as f32 / STEPS as f32, seed, phase)? <= limit)
    };
    if !fits(STEPS)? {
        return Err(Error::Config(format!(
            "{limit} bytes do not even hold the header and the phases of this clip"
        )));
    }
    let (mut low, mut high) = (0, STEPS);
    while low < high {
        let middle = (low + high) / 2;
        if fits(middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(high as f32 / STEPS as f32)
}

fn progress_bar(options: &Options) -> ProgressBar {
    if !options.progress {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::from(options.count));
    let style = ProgressStyle::with_template("{bar:30} seed {pos}/{len} ETA {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
