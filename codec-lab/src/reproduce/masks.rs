//! Masks that are searched for, and what is kept of a search.

use super::coded::{Measured, Subject};
use super::error::{Error, Result};
use super::plan::{Job, Search, SPARSITY};
use super::RATE;
use codec_core::encode::{Policy, Settings};
use codec_format::symbols::Mask;
use codec_train::optimise::sampling::Tilt;
use codec_train::optimise::{genetic, gradient, seeds, Fitness, Problem};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use sparc::Network;
use std::path::PathBuf;
use std::sync::Arc;

/// How long to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Effort {
    /// Generations of the genetic searches.
    pub generations: usize,
    /// Masks of a generation.
    pub population: usize,
    /// Steps of the gradient method.
    pub steps: usize,
    /// Steps of Griffin-Lim where it works alone.
    pub griffin_lim: usize,
    /// Seed of every search.
    pub seed: u64,
}

impl Effort {
    /// What a search's result depends on, in words; the last number of the gradient's is raised when its rates change.
    #[must_use]
    pub fn of(&self, search: Search) -> String {
        match search {
            Search::GradientReal
            | Search::GradientLargest
            | Search::GradientAnnealed
            | Search::StraightThrough => format!("{} steps, seed {}, 2", self.steps, self.seed),
            Search::OptimisedValues => {
                format!("best of {}", self.of(Search::StraightThrough))
            }
            Search::GeneticMse
            | Search::GeneticPesq
            | Search::GeneticNoReproduction
            | Search::GeneticInformed => {
                let (generations, population) = self.shape(search);
                format!(
                    "{generations} generations of {population}, seed {}",
                    self.seed
                )
            }
            Search::Seeds => format!(
                "{} seeds beside {}",
                self.seeds(),
                self.of(Search::GeneticInformed)
            ),
        }
    }

    /// Generations and masks of a generation. The informed search has half as many in twice the generations: it
    /// evaluates about as many masks as the others.
    #[must_use]
    pub fn shape(&self, search: Search) -> (usize, usize) {
        match search {
            Search::GeneticInformed => (2 * self.generations, (self.population / 2).max(4)),
            _ => (self.generations, self.population),
        }
    }

    /// Seeds tried: a quarter of what a genetic search evaluates, and a few at least.
    #[must_use]
    pub fn seeds(&self) -> usize {
        (self.generations * self.population / 4).max(8)
    }

    /// About how many seconds a job takes for a clip of `seconds` seconds: for telling what is left.
    #[must_use]
    pub fn seconds(&self, job: &Job, seconds: f32) -> f64 {
        let clip = f64::from(seconds);
        let step = 0.4 * clip;
        let masks = (self.generations * self.population) as f64;
        match job {
            Job::Rebuilt { method, .. } => 0.5 * clip * (2.0 + 0.05 * method.steps() as f64),
            Job::Mask(search) => match search {
                Search::GradientLargest => clip,
                Search::GradientReal
                | Search::GradientAnnealed
                | Search::StraightThrough
                | Search::OptimisedValues => step * self.steps as f64,
                Search::GeneticMse => 0.03 * clip * masks,
                Search::Seeds => 0.06 * clip * self.seeds() as f64,
                _ => 0.06 * clip * masks,
            },
            _ => clip,
        }
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Found {
    /// Frames and bins of the image.
    pub shape: (usize, usize),
    /// The mask in pixel order, where it is binary and not from a seed.
    pub mask: Option<Mask>,
    /// Levels to store in place of the clip's own, dB above the origin, frames x bins.
    pub levels: Option<Array2<f32>>,
    /// The real-valued mask, 0..=1, in pixel order.
    pub real: Option<Vec<f32>>,
    /// The sparsity and the seed of a mask that is computed.
    pub seed: Option<(f32, u64)>,
    /// The course of the search: step or generation, and two numbers that depend on the kind (loss in dB^2 and share
    /// kept, or best and mean fitness).
    pub course: Vec<[f64; 3]>,
}

impl Found {
    /// The settings of a file with this mask and every phase.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::thesis(SPARSITY);
        if let Some((sparsity, seed)) = self.seed {
            settings.policy = Policy::Uniform { sparsity, seed };
        } else if let Some(mask) = &self.mask {
            settings.policy = Policy::Explicit {
                mask: mask.clone(),
                levels: self.levels.clone(),
            };
        }
        settings
    }
}

/// One search to run.
pub struct Searcher<'a> {
    /// The clip.
    pub subject: &'a Subject<'a>,
    /// The network that completes.
    pub network: &'a Arc<Network>,
    /// How long.
    pub effort: &'a Effort,
    /// Where a search that can be interrupted keeps its state.
    pub checkpoint: Option<PathBuf>,
}

impl Searcher<'_> {
    /// Runs a search. `earlier` gives what other searches found for this clip; `report` is called with the share done.
    ///
    /// # Errors
    /// Whatever the search fails with; [`Error::Options`] where it builds on one that has not run.
    pub fn run<'f>(
        &self,
        search: Search,
        earlier: &dyn Fn(Search) -> Option<&'f Found>,
        report: &mut dyn FnMut(f64),
    ) -> Result<(Found, Measured)> {
        let problem = Problem::new(
            &self.subject.clip.pcm,
            &Settings::thesis(SPARSITY),
            &self.network.model,
        )?;
        let before = |wanted: Search| {
            earlier(wanted)
                .ok_or_else(|| Error::Options(format!("{search:?} builds on {wanted:?}")))
        };
        let shape = (problem.frames(), problem.bins());
        let mut found = Found {
            shape,
            ..Found::default()
        };
        let descent = gradient::Options {
            seed: self.effort.seed,
            // A value must be able to cross from one side to the other, in however few steps.
            rate: (30.0 / self.effort.steps.max(1) as f32).clamp(0.01, 0.6),
            ..gradient::Options::new(SPARSITY, self.effort.steps as u32)
        };
        match search {
            Search::GradientReal => {
                let relaxed = gradient::relaxed(&problem, &descent)?;
                found.course = course(&relaxed.history);
                let measured = self.real(&problem, &relaxed.mask)?;
                found.real = Some(relaxed.mask.into_iter().collect());
                return Ok((found, measured));
            }
            Search::GradientLargest => {
                let real = before(Search::GradientReal)?.real.as_deref();
                let mask = real.and_then(|real| Array2::from_shape_vec(shape, real.to_vec()).ok());
                let mask = mask.ok_or_else(|| {
                    Error::Options("the real-valued mask has another shape".into())
                })?;
                let kept = problem.random_mask(SPARSITY, 0)?.count_ones();
                found.mask = Some(gradient::largest(&mask, kept));
            }
            Search::GradientAnnealed => found.mask = Some(gradient::annealed(&problem, &descent)?),
            Search::StraightThrough => {
                // Started from a mask that leans towards loud pixels: from a uniform one it ends in a worse place.
                let start = Tilt {
                    level: 0.3,
                    ..descent.start
                };
                let descent = gradient::Options { start, ..descent };
                found.mask = Some(gradient::straight_through(&problem, &descent)?);
            }
            Search::OptimisedValues => {
                // The binary mask with the least error of those found by gradient.
                let mut best: Option<(f64, Mask)> = None;
                for wanted in [
                    Search::GradientLargest,
                    Search::GradientAnnealed,
                    Search::StraightThrough,
                ] {
                    let mask = before(wanted)?.mask.clone().unwrap_or_default();
                    let fitness = problem.fitness(&mask, Fitness::Mse)?;
                    if best.as_ref().is_none_or(|(most, _)| fitness > *most) {
                        best = Some((fitness, mask));
                    }
                }
                let mask = best.map(|(_, mask)| mask).unwrap_or_default();
                let steps = self.effort.steps as u32;
                found.levels = Some(gradient::optimise_values(&problem, &mask, steps, false)?);
                found.mask = Some(mask);
            }
            Search::GeneticMse
            | Search::GeneticPesq
            | Search::GeneticNoReproduction
            | Search::GeneticInformed => {
                let evolution = self.genetic(&problem, search, report)?;
                found.course = course(&evolution.history);
                found.mask = Some(evolution.mask);
            }
            Search::Seeds => {
                let settings = before(Search::GeneticInformed)?.settings();
                let limit = self.subject.code(&settings, self.network)?.bytes;
                let phase = settings.phase;
                let seed = self.effort.seed;
                let sparsity = seeds::sparsity_for(&problem, limit, seed, phase)?;
                let best = seeds::search(
                    &problem,
                    &seeds::Options {
                        sparsity,
                        fitness: Fitness::Pesq,
                        first: seed,
                        count: self.effort.seeds() as u32,
                        limit: Some((limit, phase)),
                        progress: false,
                    },
                )?;
                found.seed = Some((sparsity, best.seed));
            }
        }
        let coded = self.subject.code(&found.settings(), self.network)?;
        let measured = self.subject.measure(&coded)?;
        Ok((found, measured))
    }

    /// A genetic search, resumed where it was stopped.
    fn genetic(
        &self,
        problem: &Problem,
        search: Search,
        report: &mut dyn FnMut(f64),
    ) -> Result<genetic::Evolution> {
        let fitness = match search {
            Search::GeneticMse => Fitness::Mse,
            _ => Fitness::Pesq,
        };
        let recipe = match search {
            Search::GeneticInformed => genetic::Options::informed(SPARSITY, fitness),
            _ => genetic::Options::thesis(SPARSITY, fitness),
        };
        let (generations, population) = self.effort.shape(search);
        let generations = generations as u32;
        let options = genetic::Options {
            population,
            generations,
            reproduction: search != Search::GeneticNoReproduction,
            seed: self.effort.seed,
            checkpoint: self.checkpoint.clone(),
            resume: true,
            ..recipe
        };
        let told = genetic::run_while(problem, &options, |done| {
            report(f64::from(done) / f64::from(generations.max(1)));
            true
        })?;
        // Nobody stops it, so it ends.
        told.ok_or_else(|| Error::Options("the search was stopped".into()))
    }

    /// What a real-valued mask would give, and the bytes of the file that keeps every pixel: a real-valued mask
    /// needs them all, and its own values besides.
    fn real(&self, problem: &Problem, mask: &Array2<f32>) -> Result<Measured> {
        let every = self.subject.code(&Settings::thesis(0.0), self.network)?;
        let dense = gradient::complete(problem, mask)?;
        let sound = problem.sound(&dense);
        Ok(Measured {
            bytes: Some(every.bytes as f64),
            mse: Some(problem.mse(&dense)),
            phases: Some(1.0),
            ..Measured::of_sound(&self.subject.clip.pcm, &sound, RATE)
        })
    }
}

/// A real-valued mask, and the image in dB that the network makes with it; both frames x bins.
///
/// # Errors
/// [`Error::Options`] for a search that found none; as [`gradient::complete`].
pub fn completed_from_real(
    subject: &Subject<'_>,
    network: &Network,
    found: &Found,
) -> Result<(Array2<f32>, Array2<f32>)> {
    let mask = found
        .real
        .as_ref()
        .and_then(|real| Array2::from_shape_vec(found.shape, real.clone()).ok())
        .ok_or_else(|| Error::Options("there is no real-valued mask".into()))?;
    let settings = Settings::thesis(SPARSITY);
    let problem = Problem::new(&subject.clip.pcm, &settings, &network.model)?;
    let floor = f32::from(subject.analysis.origin()) * codec_core::quantise::levels::UNIT;
    let image = gradient::complete(&problem, &mask)?.mapv(|level| level + floor);
    Ok((mask, image))
}

/// A history of two numbers as a course.
fn course(history: &[(f64, f64)]) -> Vec<[f64; 3]> {
    let points = history.iter().enumerate();
    points.map(|(at, &(a, b))| [at as f64, a, b]).collect()
}
