//! Masks found by gradient descent, and levels to store at them.
//!
//! The thesis' way (Scodeller 2022, section 4.3): the mask is relaxed to `phi(M) = 1 / (1 + exp(-n M))`, the
//! error of the completed image is minimised with AdamW under the constraint that the mean of `phi` is the
//! share to keep, here by an augmented Lagrangian, and the largest values are kept in the end ([`relaxed`],
//! [`largest`]). A real-valued mask whispers to the network what it does not keep, and the last step loses
//! all of that. [`annealed`] therefore steepens the relaxation until the mask is nearly binary,
//! [`straight_through`] descends on binary masks all along, and [`optimise_values`] then puts into the levels
//! of the kept pixels what the network makes the best image of.

use super::completion::Observed;
use super::sampling::{self, Sampler, Tilt};
use super::Problem;
use crate::backend::cpu::Cpu;
use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::graph::{self, BINARY_FLOOR};
use crate::optimiser::{AdamW, State};
use codec_format::model::graph::Plane;
use codec_format::symbols::Mask;
use indicatif::{ProgressBar, ProgressStyle};
use ndarray::{Array2, ArrayView2};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Sums of a relaxed mask below this count as this much.
const RELAXED_FLOOR: f32 = 1e-2;

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
/// [`Error::Network`] if the network reads a plane that there is not.
pub fn complete(problem: &Problem, mask: &Array2<f32>) -> Result<Array2<f32>> {
    let descent = Descent::new(problem);
    let mask = turned(mask);
    let levels = descent
        .observed(&descent.values, &mask)
        .completed(Some(RELAXED_FLOOR))?;
    Ok(back(&levels, problem))
}

/// The thesis' relaxation.
///
/// # Errors
/// [`Error::Config`] for options out of range, [`Error::Diverged`] if the error is no number any more; as [`complete`].
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
    let descent = Descent::new(problem);
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
    let mut adam = Adam::new(options.decay);
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
        let (mse, found) = descent.error(&descent.values, &mask, RELAXED_FLOOR)?;
        let gradient = found.mask;
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
        let gradient = (0..pixels).map(|i| (gradient[i] + push) * slope(i));
        adam.step(&mut m, rate, gradient.collect());
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
    let descent = Descent::new(problem);
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
        let (mse, found) = descent.error(&descent.values, &ones, BINARY_FLOOR)?;
        let gradient = found.mask;
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
/// As [`complete`].
pub fn optimise_values(
    problem: &Problem,
    mask: &Mask,
    steps: u32,
    progress: bool,
) -> Result<Array2<f32>> {
    let descent = Descent::new(problem);
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
    let mut adam = Adam::new(0.0);
    let mut values = descent.values.clone();
    let (mut least, mut best) = (f64::INFINITY, levels.clone());
    let bar = progress_bar(progress, "fitting levels", steps);
    for step in 0..=steps {
        for (&pixel, &level) in places.iter().zip(&levels) {
            values[turned_at(pixel)] = (problem.stored_level(level) - n.offset) / n.scale;
        }
        let (mse, gradient) = descent.error(&values, &ones, BINARY_FLOOR)?;
        if mse < least {
            (least, best) = (mse, levels.clone());
        }
        let rate = 0.6 * (1.0 - step as f32 / (steps + 1) as f32) + 0.02;
        let of_kept = places.iter().map(|&p| gradient.values[turned_at(p)]);
        adam.step(&mut levels, rate, of_kept.collect());
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

/// The error of the completed image and its gradient. Images here are bins x frames, values in the network's units.
struct Descent<'a> {
    problem: &'a Problem,
    /// The image as a file gives it back.
    values: Vec<f32>,
    /// What the completed image is compared with, dB above the origin.
    target: Vec<f32>,
}

/// Gradients of the error in what was observed.
struct Slopes {
    values: Vec<f32>,
    mask: Vec<f32>,
}

impl<'a> Descent<'a> {
    fn new(problem: &'a Problem) -> Self {
        Descent {
            problem,
            values: problem.normalised(problem.stored()),
            target: turned(problem.levels()),
        }
    }

    fn observed<'b>(&'b self, values: &'b [f32], mask: &'b [f32]) -> Observed<'b> {
        self.problem.observed(values, mask)
    }

    /// The error ([`Problem::mse`]) in dB^2 and its gradient in all that was observed. Sums of the mask over a window count
    /// as `floor` at least.
    fn error(&self, values: &[f32], mask: &[f32], floor: f32) -> Result<(f64, Slopes)> {
        let model = self.problem.model();
        let observed = self.observed(values, mask);
        let planes = observed.planes(Some(floor))?;
        let trace = graph::trace(&Cpu, &model.completion, &planes)?;
        let dims = Cpu.dims(trace.output());
        let levels = observed.levels(&Cpu.numbers(trace.output())?);
        let share = 1.0 / levels.len() as f32;
        let mut sum = 0.0f64;
        let slopes: Vec<f32> = levels
            .iter()
            .zip(&self.target)
            .map(|(&level, target)| {
                let apart = level.max(0.0) - target;
                sum += f64::from(apart * apart);
                // Below the origin only a target above it pulls.
                match level < 0.0 && *target <= 0.0 {
                    true => 0.0,
                    false => 2.0 * (level - target) * model.normalisation.scale * share,
                }
            })
            .collect();
        let found = trace.backward_to_planes(Cpu.upload(slopes.clone(), dims)?)?;
        let plane = |plane: Plane| -> Result<Vec<f32>> {
            match found.plane(plane) {
                Some(g) => Ok(Cpu.numbers(g)?.into_owned()),
                None => Ok(vec![0.0; slopes.len()]),
            }
        };
        let (mut in_values, mut in_mask) = (plane(Plane::Values)?, plane(Plane::Mask)?);
        let mut in_image = plane(Plane::Image)?;
        if model.residual {
            in_image.iter_mut().zip(&slopes).for_each(|(g, s)| *g += s);
        }
        // The layered image is made of both.
        let empty = observed.empty();
        for (at, g) in in_image.iter().enumerate() {
            in_values[at] += g * mask[at];
            in_mask[at] += g * (values[at] - empty);
        }
        let mse = sum / levels.len() as f64;
        Ok((
            mse,
            Slopes {
                values: in_values,
                mask: in_mask,
            },
        ))
    }
}

/// Frames x bins to bins x frames, flat.
fn turned<'a>(image: impl Into<ArrayView2<'a, f32>>) -> Vec<f32> {
    image.into().reversed_axes().iter().copied().collect()
}

/// And back.
fn back(image: &[f32], problem: &Problem) -> Array2<f32> {
    problem.turned_back(image)
}

/// AdamW on one vector, without clipping.
struct Adam {
    settings: AdamW,
    state: State,
}

impl Adam {
    fn new(decay: f32) -> Self {
        let settings = AdamW {
            beta1: 0.9,
            beta2: 0.999,
            // Gradients of a mean over all pixels are tiny; the constant must be smaller.
            epsilon: 1e-12,
            weight_decay: decay,
            clip: f32::INFINITY,
        };
        Adam {
            settings,
            state: State::default(),
        }
    }

    fn step(&mut self, x: &mut [f32], rate: f32, gradient: Vec<f32>) {
        let parameters = vec![(x, true)];
        self.settings
            .step(parameters, &[gradient], &mut self.state, rate);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use codec_core::encode::Settings;
    use codec_format::model::op::Op;
    use codec_format::model::Model;
    use rand_chacha::ChaCha8Rng;

    /// Corrects the layered image by what it sees of every plane there is.
    const CONFIG: &str = r#"
        [model]
        rate = 16000
        n_fft = 128
        hop = 32
        upsampling = 1
        offset = 30.0
        scale = 20.0

        [[node]]
        name = "all"
        inputs = ["image", "mask", "values", "background"]
        kernel = 3
        channels = 4

        [[node]]
        inputs = ["values", "image"]
        convolution = "sparse"
        kernel = 3
        channels = 4
        skip = "all"

        [[node]]
        kernel = 3
        channels = 1
        activation = "linear"
    "#;

    #[test]
    fn the_gradient_of_the_error_is_that_of_finite_differences() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let model = Config::parse(CONFIG).and_then(|config| config.model());
        let mut parts = model.expect("a model").into_parts();
        graph::initialise(&mut parts.completion, false, &mut rng);
        // No level falls below the origin, where the gradient is meant to be another.
        if let Some(Op::Convolution(last)) = parts.completion.nodes.last_mut().map(|n| &mut n.op) {
            last.bias_mut().fill(4.0);
        }
        let model = Model::new(parts).expect("a model");
        let settings = Settings {
            stft: model.stft,
            ..Settings::thesis(0.9)
        };
        let pcm: Vec<f32> = (0..640)
            .map(|i| 0.3 * (i as f32 * 0.2).sin() + rng.gen_range(-0.1..0.1))
            .collect();
        let problem = Problem::new(&pcm, &settings, &model).expect("a problem");
        let descent = Descent::new(&problem);
        let count = problem.pixels();
        let mask: Vec<f32> = (0..count).map(|_| rng.gen_range(0.1..0.9)).collect();
        let values: Vec<f32> = (0..count).map(|_| rng.gen_range(-0.5..2.0)).collect();
        let error = |values: &[f32], mask: &[f32]| {
            let (mse, _) = descent.error(values, mask, 0.5).expect("an error");
            // Per pixel, as the gradient is.
            mse * count as f64
        };
        let (_, found) = descent.error(&values, &mask, 0.5).expect("an error");
        let (mut tried, mut told) = (0, 0);
        for at in (0..count).step_by(61) {
            for (of_mask, found) in [(true, found.mask[at]), (false, found.values[at])] {
                let moved = |by: f32| {
                    let (mut values, mut mask) = (values.clone(), mask.clone());
                    if of_mask {
                        mask[at] += by;
                    } else {
                        values[at] += by;
                    }
                    error(&values, &mask)
                };
                let step = 1e-3f32;
                let [before, here, after] = [-step, 0.0, step].map(moved);
                let slope = (after - before) / f64::from(2.0 * step);
                let bend = (after - here - (here - before)) / f64::from(step);
                let size = slope.abs().max(300.0);
                tried += 1;
                // With a kink between, of which the differences on either side tell, nothing can be said.
                if bend.abs() < 0.02 * size {
                    told += 1;
                    let found = f64::from(found) * count as f64;
                    assert!(
                        (found - slope).abs() < 0.03 * size,
                        "{at} of the mask ({of_mask}): {found} for {slope}"
                    );
                }
            }
        }
        assert!(2 * told > tried, "{told} of {tried} could be told");
    }
}
