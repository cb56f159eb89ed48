//! Masks found by gradient descent, and levels to store at them.
//!
//! The thesis' way (Scodeller 2022, section 4.3): the mask is relaxed to `phi(M) = 1 / (1 + exp(-n M))`, the
//! error of the completed image is minimised with AdamW under the constraint that the mean of `phi` is the
//! share to keep, here by an augmented Lagrangian, and the largest values are kept in the end ([`relaxed`],
//! [`largest`]). A real-valued mask whispers to the network what it does not keep, and the last step loses
//! all of that. [`annealed`] therefore steepens the relaxation until the mask is nearly binary,
//! [`straight_through`] descends on binary masks all along, and [`optimise_values`] then puts into the levels
//! of the kept pixels what the network makes the best image of.

use super::frozen::{Frozen, Observed};
use super::sampling::{self, Sampler, Tilt};
use super::Problem;
use crate::error::{Error, Result};
use codec_format::symbols::Mask;
use indicatif::{ProgressBar, ProgressStyle};
use ndarray::Array2;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Sums of a relaxed mask below this count as this much, of a binary one none does.
const RELAXED_FLOOR: f32 = 1e-2;
const BINARY_FLOOR: f32 = 1.0;

/// How to descend.
#[derive(Debug, Clone)]
pub struct Options {
    /// Share of pixels dropped, 0..1.
    pub sparsity: f32,
    /// Steps; the thesis takes up to 10,000.
    pub steps: u32,
    /// Learning rate of AdamW in the units of `M`.
    pub rate: f32,
    /// Decoupled weight decay of AdamW, times the rate.
    pub decay: f32,
    /// Steepness `n` of the relaxation.
    pub steepness: f32,
    /// Seed of the starting point.
    pub seed: u64,
    /// Where straight-through descent starts: a density over the image, from 0 (uniform) on.
    pub start: Tilt,
    /// Whether to draw a progress bar (on standard error, and only on a terminal).
    pub progress: bool,
}

impl Options {
    /// What the thesis does, in `steps` steps.
    #[must_use]
    pub fn new(sparsity: f32, steps: u32) -> Self {
        Options {
            sparsity,
            steps,
            // M must be able to cross from -5 to 5 in a part of the steps.
            rate: (30.0 / steps.max(1) as f32).clamp(0.01, 0.2),
            decay: 5e-4,
            steepness: 1.0,
            seed: 1,
            start: Tilt {
                level: 0.0,
                low: 0.0,
                evenness: 1.0,
            },
            progress: false,
        }
    }

    fn check(&self) -> Result<()> {
        let fail = |what: &str| Err(Error::Config(what.into()));
        if !(0.0..1.0).contains(&self.sparsity) {
            return fail("the sparsity must be from 0 to below 1");
        }
        let positive = |x: f32| x > 0.0 && x.is_finite();
        if !positive(self.rate) || !positive(self.steepness) || !(0.0..1.0).contains(&self.decay) {
            return fail(
                "the rate and the steepness must be positive, the decay from 0 to below 1",
            );
        }
        Ok(())
    }
}

/// A relaxed mask and how the descent went.
#[derive(Debug, Clone, PartialEq)]
pub struct Relaxed {
    /// The mask, 0..1, frames x bins.
    pub mask: Array2<f32>,
    /// Mean squared error (dB^2) and mean of the mask before every step.
    pub history: Vec<(f64, f64)>,
}

/// Completes a clip's image from a real-valued mask (frames x bins, 0..=1): what the thesis calls the
/// real mask. Returns dB above the origin, frames x bins.
///
/// # Errors
/// [`Error::Network`] if the network is not a chain ([`Frozen::new`]).
pub fn complete(problem: &Problem, mask: &Array2<f32>) -> Result<Array2<f32>> {
    let descent = Descent::new(problem)?;
    let out = descent
        .frozen
        .complete(&descent.observed(&turned(mask), RELAXED_FLOOR), true);
    Ok(problem.levels_of(&out))
}

/// The thesis' relaxation.
///
/// # Errors
/// [`Error::Config`] for options out of range, [`Error::Network`] if the network is not a chain,
/// [`Error::Diverged`] if the error is no number any more.
pub fn relaxed(problem: &Problem, options: &Options) -> Result<Relaxed> {
    descend(problem, options, options.steepness)
}

/// The relaxation with a steepness that grows to twenty times its start; a mask of exactly as many pixels as
/// the uniform one has.
///
/// # Errors
/// As [`relaxed`].
pub fn annealed(problem: &Problem, options: &Options) -> Result<Mask> {
    let relaxed = descend(problem, options, options.steepness * 20.0)?;
    Ok(largest(&relaxed.mask, kept(problem, options.sparsity)?))
}

/// Keeps the `count` largest values of a mask.
#[must_use]
pub fn largest(mask: &Array2<f32>, count: usize) -> Mask {
    let keys: Vec<f32> = mask.iter().copied().collect();
    sampling::largest(&keys, count)
}

/// Pixels that a uniform mask keeps of the clip.
fn kept(problem: &Problem, sparsity: f32) -> Result<usize> {
    Ok(problem.random_mask(sparsity, 0)?.count_ones())
}

fn descend(problem: &Problem, options: &Options, last_steepness: f32) -> Result<Relaxed> {
    options.check()?;
    let descent = Descent::new(problem)?;
    let pixels = problem.pixels();
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut m: Vec<f32> = {
        let ones = ((1.0 - f64::from(options.sparsity)) * pixels as f64).round() as usize;
        let mut start: Vec<f32> = (0..pixels)
            .map(|i| match i < ones {
                true => rng.gen_range(4.0..5.0),
                false => rng.gen_range(-5.0..-4.0),
            })
            .collect();
        start.shuffle(&mut rng);
        start
    };
    let share = 1.0 - f64::from(options.sparsity);
    // Multiplier and weight of the constraint, in dB^2: a hundredth of the pixels more is worth a few dB^2.
    let (mut multiplier, weight) = (0.0f64, 4e4f64);
    let mut adam = Adam::new(pixels);
    let mut history = Vec::with_capacity(options.steps as usize);
    let bar = progress_bar(options.progress, "relaxing", options.steps);
    let steepness = |step: u32| {
        let done = step as f32 / options.steps.max(1) as f32;
        options.steepness * (last_steepness / options.steepness).powf(done)
    };
    let phi = |m: &[f32], n: f32| -> Vec<f32> {
        m.iter().map(|m| 1.0 / (1.0 + (-n * m).exp())).collect()
    };
    for step in 0..options.steps {
        let n = steepness(step);
        let mask = phi(&m, n);
        let (mse, gradient) = descent.error_of_mask(&mask, RELAXED_FLOOR);
        let mean = mask.iter().map(|&x| f64::from(x)).sum::<f64>() / pixels as f64;
        if !mse.is_finite() {
            return Err(Error::Diverged {
                step: u64::from(step),
                loss: mse as f32,
            });
        }
        history.push((mse, mean));
        let beyond = mean - share;
        let push = ((multiplier + weight * beyond) / pixels as f64) as f32;
        let slope = |i: usize| n * mask[i] * (1.0 - mask[i]);
        let rate = options.rate * (1.0 - 0.9 * step as f32 / options.steps as f32);
        adam.step(&mut m, rate, options.decay, |i| {
            (gradient[i] + push) * slope(i)
        });
        multiplier += 0.1 * weight * beyond;
        bar.inc(1);
        if step % 10 == 0 {
            bar.set_message(format!("MSE {mse:.2} dB^2, mean {mean:.4}"));
        }
    }
    bar.finish_and_clear();
    let mask = phi(&m, steepness(options.steps));
    Ok(Relaxed {
        mask: back(&mask, problem),
        history,
    })
}

/// Descends on binary masks: the largest scores are kept, and the gradient in the binary mask moves the scores
/// (straight-through estimation). Returns the best mask met.
///
/// # Errors
/// As [`relaxed`].
pub fn straight_through(problem: &Problem, options: &Options) -> Result<Mask> {
    options.check()?;
    let descent = Descent::new(problem)?;
    let count = kept(problem, options.sparsity)?;
    let pixels = problem.pixels();
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let start = Sampler::new(problem).draw(&options.start, count, &mut rng);
    // Scores start apart by what tells kept from dropped, and a little chance.
    let mut scores: Vec<f32> = start
        .iter()
        .by_vals()
        .map(|kept| f32::from(u8::from(kept)) + 0.01 * rng.gen::<f32>())
        .collect();
    let mut speed = vec![0.0f32; pixels];
    let (frames, bins) = (problem.frames(), problem.bins());
    let mut best: Option<(f64, Mask)> = None;
    let bar = progress_bar(options.progress, "descending", options.steps);
    for step in 0..=options.steps {
        let mask = sampling::largest(&scores, count);
        let mut ones = vec![0.0f32; pixels];
        for pixel in mask.iter_ones() {
            ones[pixel % bins * frames + pixel / bins] = 1.0;
        }
        let (mse, gradient) = descent.error_of_mask(&ones, BINARY_FLOOR);
        if !mse.is_finite() {
            return Err(Error::Diverged {
                step: u64::from(step),
                loss: mse as f32,
            });
        }
        if best.as_ref().is_none_or(|(least, _)| mse < *least) {
            best = Some((mse, mask.clone()));
        }
        let size = gradient.iter().map(|g| g * g).sum::<f32>() / pixels as f32;
        let left = 1.0 - step as f32 / (options.steps + 1) as f32;
        let unit = 0.02 * left / size.sqrt().max(1e-20);
        for (pixel, (score, speed)) in scores.iter_mut().zip(&mut speed).enumerate() {
            let g = gradient[pixel % bins * frames + pixel / bins];
            *speed = 0.9 * *speed - 0.1 * g;
            // What no longer changes is forgotten, so that late gradients can still exchange pixels.
            *score = (*score + unit * *speed).clamp(-0.5, 1.5);
        }
        bar.inc(1);
        if step % 10 == 0 {
            bar.set_message(format!("MSE {mse:.2} dB^2"));
        }
    }
    bar.finish_and_clear();
    best.map(|(_, mask)| mask)
        .ok_or_else(|| Error::Config("no step was taken".into()))
}

/// Levels to store at the pixels of `mask` in place of the signal's own: those, in whole steps of the file's
/// quantiser, from which the network makes the image with the least error. dB above the origin, frames x bins;
/// the signal's own elsewhere.
///
/// The gradient is taken at the quantised levels, so that what is found survives the file.
///
/// # Errors
/// [`Error::Network`] if the network is not a chain.
pub fn optimise_values(
    problem: &Problem,
    mask: &Mask,
    steps: u32,
    progress: bool,
) -> Result<Array2<f32>> {
    let descent = Descent::new(problem)?;
    let (frames, bins) = (problem.frames(), problem.bins());
    let places: Vec<usize> = mask.iter_ones().collect();
    let turned_at = |pixel: usize| pixel % bins * frames + pixel / bins;
    let mut ones = vec![0.0f32; problem.pixels()];
    for &pixel in &places {
        ones[turned_at(pixel)] = 1.0;
    }
    let n = problem.model().normalisation;
    let own = problem.levels();
    let mut levels: Vec<f32> = places.iter().map(|p| own[(p / bins, p % bins)]).collect();
    let mut adam = Adam::new(levels.len());
    let mut values = descent.values.clone();
    let (mut least, mut best) = (f64::INFINITY, levels.clone());
    let bar = progress_bar(progress, "fitting levels", steps);
    for step in 0..=steps {
        for (&pixel, &level) in places.iter().zip(&levels) {
            values[turned_at(pixel)] = (problem.stored_level(level) - n.offset) / n.scale;
        }
        let observed = Observed {
            values: &values,
            ..descent.observed(&ones, BINARY_FLOOR)
        };
        let (mse, gradient) = descent.error(&observed);
        if mse < least {
            (least, best) = (mse, levels.clone());
        }
        let rate = 0.6 * (1.0 - step as f32 / (steps + 1) as f32) + 0.02;
        adam.step(&mut levels, rate, 0.0, |i| {
            gradient.values[turned_at(places[i])]
        });
        bar.inc(1);
        if step % 10 == 0 {
            bar.set_message(format!("MSE {mse:.2} dB^2"));
        }
    }
    bar.finish_and_clear();
    let mut out = own.to_owned();
    for (&pixel, &level) in places.iter().zip(&best) {
        out[(pixel / bins, pixel % bins)] = level;
    }
    Ok(out)
}

/// The error of the completed image and its gradient. Images here are bins x frames.
struct Descent<'a> {
    frozen: &'a Frozen,
    /// The image as a file gives it back, in the network's units.
    values: Vec<f32>,
    /// What the completed image is compared with, dB above the origin.
    target: Vec<f32>,
    bins: usize,
    frames: usize,
}

impl<'a> Descent<'a> {
    fn new(problem: &'a Problem) -> Result<Self> {
        let frozen = match problem.frozen() {
            Some(frozen) => frozen,
            // The reason, in the words of the check.
            None => return Err(Frozen::new(problem.model()).err().unwrap_or_else(unusable)),
        };
        Ok(Descent {
            frozen,
            values: problem.normalised(problem.stored()),
            target: problem.levels().reversed_axes().iter().copied().collect(),
            bins: problem.bins(),
            frames: problem.frames(),
        })
    }

    fn observed<'b>(&'b self, mask: &'b [f32], floor: f32) -> Observed<'b> {
        Observed {
            values: &self.values,
            mask,
            bins: self.bins,
            frames: self.frames,
            floor,
        }
    }

    /// The error in dB^2 and its gradient in the mask.
    fn error_of_mask(&self, mask: &[f32], floor: f32) -> (f64, Vec<f32>) {
        let (mse, gradient) = self.error(&self.observed(mask, floor));
        (mse, gradient.mask)
    }

    /// The error ([`Problem::mse`]) in dB^2 and its gradient in all that was observed.
    fn error(&self, observed: &Observed<'_>) -> (f64, super::frozen::Gradient) {
        let (out, trace) = self.frozen.forward(observed);
        let n = self.frozen.normalisation;
        let share = 1.0 / out.len() as f32;
        let mut sum = 0.0f64;
        let slopes: Vec<f32> = out
            .iter()
            .zip(&self.target)
            .map(|(y, target)| {
                let level = n.offset + y * n.scale;
                let apart = level.max(0.0) - target;
                sum += f64::from(apart * apart);
                // Below the origin only a target above it pulls.
                match level < 0.0 && *target <= 0.0 {
                    true => 0.0,
                    false => 2.0 * (level - target) * n.scale * share,
                }
            })
            .collect();
        let gradient = self
            .frozen
            .backward(&trace, &slopes, self.frames, observed.floor);
        (sum / out.len() as f64, gradient)
    }
}

fn unusable() -> Error {
    Error::Network("the network cannot be differentiated in its mask".into())
}

/// Frames x bins to bins x frames, flat.
fn turned(image: &Array2<f32>) -> Vec<f32> {
    image.view().reversed_axes().iter().copied().collect()
}

/// And back.
fn back(image: &[f32], problem: &Problem) -> Array2<f32> {
    let (frames, bins) = (problem.frames(), problem.bins());
    Array2::from_shape_fn((frames, bins), |(frame, bin)| image[bin * frames + frame])
}

/// AdamW (Loshchilov & Hutter 2019, algorithm 2) on one vector.
struct Adam {
    steps: i32,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Adam {
    fn new(len: usize) -> Self {
        Adam {
            steps: 0,
            first: vec![0.0; len],
            second: vec![0.0; len],
        }
    }

    fn step(&mut self, x: &mut [f32], rate: f32, decay: f32, gradient: impl Fn(usize) -> f32) {
        const BETA: (f32, f32) = (0.9, 0.999);
        self.steps += 1;
        let correct = (1.0 - BETA.0.powi(self.steps), 1.0 - BETA.1.powi(self.steps));
        for (i, ((x, m), v)) in x
            .iter_mut()
            .zip(&mut self.first)
            .zip(&mut self.second)
            .enumerate()
        {
            let g = gradient(i);
            *m += (1.0 - BETA.0) * (g - *m);
            *v += (1.0 - BETA.1) * (g * g - *v);
            // Gradients of a mean over all pixels are tiny; the constant must be smaller.
            let step = (*m / correct.0) / ((*v / correct.1).sqrt() + 1e-12);
            *x = *x * (1.0 - rate * decay) - rate * step;
        }
    }
}

fn progress_bar(shown: bool, what: &'static str, steps: u32) -> ProgressBar {
    if !shown {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::from(steps)).with_prefix(what);
    let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} ETA {eta} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
