//! Masks bred by a genetic algorithm.
//!
//! The recipe is the thesis' (Scodeller 2022, section 4.4): of each generation the best tenth survives, four
//! tenths are children of the best four tenths, and half is new. A child keeps what its parents agree on and
//! settles the rest at random. Its newcomers are uniformly random, so that what they find is what luck finds;
//! [`Newcomers::Informed`] draws them with the image and the survivors in view, which finds better masks in a
//! small fraction of the evaluations.
//!
//! Everything follows from the seed: neither the number of threads nor an interruption changes the result.

use super::population::{Individual, Population};
use super::sampling::{self, Sampler, Tilt};
use super::{Fitness, Problem};
use crate::error::{Error, Result};
use crate::graph::learned;
use codec_format::symbols::Mask;
use indicatif::{ProgressBar, ProgressStyle};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// Where a generation's new individuals come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newcomers {
    /// Uniformly random masks, as in the thesis.
    Uniform,
    /// In the first generation, masks drawn from densities that lean towards loud and low pixels, each to a
    /// degree of its own; later mostly survivors with some of their pixels moved or drawn anew. Children
    /// inherit whole stretches of time from one parent or the other.
    Informed,
}

/// How to search.
#[derive(Debug, Clone)]
pub struct Options {
    /// Share of pixels dropped, 0..1.
    pub sparsity: f32,
    /// What to make large.
    pub fitness: Fitness,
    /// Individuals of a generation, at least 2.
    pub population: usize,
    /// Generations after the first.
    pub generations: u32,
    /// Share of a generation that survives.
    pub elite: f32,
    /// Share of a generation that are children, and share of the one before that may be their parents.
    pub children: f32,
    /// Whether there are children; without, all but the elite are new.
    pub reproduction: bool,
    /// Where the others come from.
    pub newcomers: Newcomers,
    /// Seed of every draw.
    pub seed: u64,
    /// Where to write the state after each generation.
    pub checkpoint: Option<PathBuf>,
    /// Go on from the checkpoint, if there is one.
    pub resume: bool,
    /// Whether to draw a progress bar (on standard error, and only on a terminal).
    pub progress: bool,
}

impl Options {
    /// The thesis' recipe: 50 individuals, 500 generations.
    #[must_use]
    pub fn thesis(sparsity: f32, fitness: Fitness) -> Self {
        Options {
            sparsity,
            fitness,
            population: 50,
            generations: 500,
            elite: 0.1,
            children: 0.4,
            reproduction: true,
            newcomers: Newcomers::Uniform,
            seed: 1,
            checkpoint: None,
            resume: false,
            progress: false,
        }
    }

    /// The recipe that gains most in little time: informed newcomers, 40 generations of 30.
    #[must_use]
    pub fn informed(sparsity: f32, fitness: Fitness) -> Self {
        Options {
            population: 30,
            generations: 40,
            newcomers: Newcomers::Informed,
            ..Options::thesis(sparsity, fitness)
        }
    }

    fn check(&self) -> Result<()> {
        let fail = |what: &str| Err(Error::Config(what.into()));
        if !(0.0..1.0).contains(&self.sparsity) {
            return fail("the sparsity must be from 0 to below 1");
        }
        if !(2..=100_000).contains(&self.population) {
            return fail("a population must have from 2 to 100000 individuals");
        }
        let shares = [self.elite, self.children];
        if shares.iter().any(|s| !(0.0..=1.0).contains(s)) || self.elite + self.children > 1.0 {
            return fail("the shares of elite and children must be from 0 to 1, together too");
        }
        Ok(())
    }

    fn elites(&self) -> usize {
        share(self.elite, self.population).clamp(1, self.population - 1)
    }

    fn children(&self) -> usize {
        match self.reproduction {
            true => share(self.children, self.population).min(self.population - self.elites()),
            false => 0,
        }
    }
}

fn share(of: f32, population: usize) -> usize {
    (of * population as f32).round() as usize
}

/// How a search went.
#[derive(Debug, Clone, PartialEq)]
pub struct Evolution {
    /// The best mask.
    pub mask: Mask,
    /// Its fitness: larger is better, an error counts negative.
    pub fitness: f64,
    /// Best and mean fitness of every generation, the first (random) one first.
    pub history: Vec<(f64, f64)>,
    /// Masks evaluated.
    pub evaluations: u64,
}

/// Searches to the end.
///
/// # Errors
/// [`Error::Config`] for options out of range; [`Error::Measure`] where the fitness is not defined for the
/// clip; [`Error::Io`] and [`Error::File`] for the checkpoint.
pub fn run(problem: &Problem, options: &Options) -> Result<Evolution> {
    loop {
        // Without anybody to stop it a search ends with a result.
        if let Some(evolution) = run_while(problem, options, |_| true)? {
            return Ok(evolution);
        }
    }
}

/// As [`run`], but asks `go_on` after every generation but the last, with the number of generations done,
/// whether to. If not, the result is `None`; [`Options::resume`] takes the search up again.
///
/// # Errors
/// As [`run`].
pub fn run_while(
    problem: &Problem,
    options: &Options,
    mut go_on: impl FnMut(u32) -> bool,
) -> Result<Option<Evolution>> {
    options.check()?;
    let kept = problem.random_mask(options.sparsity, 0)?.count_ones();
    if kept == 0 {
        return Err(Error::Config(format!(
            "a sparsity of {} keeps none of the {} pixels",
            options.sparsity,
            problem.pixels()
        )));
    }
    let search = Search {
        problem,
        options,
        kept,
        sampler: Sampler::new(problem),
    };
    let run = fingerprint(problem, options);
    let earlier = match &options.checkpoint {
        Some(path) if options.resume && path.exists() => {
            Some(Population::read(path, run, problem.pixels(), kept)?)
        }
        _ => None,
    };
    let bar = progress_bar(options);
    let mut population = match earlier {
        Some(population) => population,
        None => {
            let first = search.bred(0, &[], &bar)?;
            search.advanced(Population::default(), first)
        }
    };
    bar.set_position(u64::from(population.generation()));
    loop {
        let done = population.generation();
        if let Some(path) = &options.checkpoint {
            population.write(path, run)?;
        }
        if done >= options.generations {
            break;
        }
        if !go_on(done) {
            bar.abandon();
            return Ok(None);
        }
        let next = search.bred(done + 1, &population.individuals, &bar)?;
        population = search.advanced(population, next);
        if let Some((best, mean)) = population.history.last() {
            bar.set_message(format!("best {best:.3}, mean {mean:.3}"));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let Some(best) = population.individuals.first() else {
        return Err(Error::Config("the population is empty".into()));
    };
    Ok(Some(Evolution {
        mask: best.mask.clone(),
        fitness: best.fitness,
        history: population.history.clone(),
        evaluations: population.evaluations,
    }))
}

/// What does not change while a search runs.
struct Search<'a> {
    problem: &'a Problem,
    options: &'a Options,
    kept: usize,
    sampler: Sampler,
}

impl Search<'_> {
    /// The individuals of a generation that were not there before, evaluated. `before` is the generation
    /// before, best first.
    fn bred(
        &self,
        generation: u32,
        before: &[Individual],
        bar: &ProgressBar,
    ) -> Result<Vec<Individual>> {
        let first = if before.is_empty() {
            0
        } else {
            self.options.elites()
        };
        (first..self.options.population)
            .into_par_iter()
            .map(|place| {
                let mut rng = generator(self.options.seed, generation, place);
                let (mask, tilt) = self.make(place, before, &mut rng);
                let fitness = self.problem.fitness(&mask, self.options.fitness)?;
                bar.tick();
                Ok(Individual {
                    mask,
                    tilt,
                    fitness,
                })
            })
            .collect()
    }

    /// The next generation: the elite and those bred, best first.
    fn advanced(&self, before: Population, bred: Vec<Individual>) -> Population {
        let best = before.individuals.first().map_or(f64::NAN, |b| b.fitness);
        let Population {
            mut individuals,
            mut history,
            evaluations,
        } = before;
        let evaluations = evaluations + bred.len() as u64;
        individuals.truncate(self.options.elites());
        individuals.extend(bred);
        // A stable sort: of equals, the elder and then the one bred first stays in front.
        individuals.sort_by(|a, b| b.fitness.total_cmp(&a.fitness));
        let best = individuals.first().map_or(best, |b| b.fitness);
        let mean = individuals.iter().map(|i| i.fitness).sum::<f64>() / individuals.len() as f64;
        history.push((best, mean));
        Population {
            individuals,
            history,
            evaluations,
        }
    }

    /// The mask that takes `place` in a generation, and the tilt its pixels were drawn with.
    fn make(&self, place: usize, before: &[Individual], rng: &mut ChaCha8Rng) -> (Mask, Tilt) {
        let (elites, children) = (self.options.elites(), self.options.children());
        let informed = self.options.newcomers == Newcomers::Informed;
        if before.is_empty() {
            // The first informed generation holds one uniform mask, lest the image mislead.
            let tilt = if informed && place > 0 {
                Tilt::any(rng)
            } else {
                Tilt::UNIFORM
            };
            return (self.sampler.draw(&tilt, self.kept, rng), tilt);
        }
        if place < elites + children {
            let pool = share(self.options.children, self.options.population)
                .clamp(2, before.len())
                .max(elites.min(before.len()));
            let pair: Vec<&Individual> = before[..pool.min(before.len())]
                .choose_multiple(rng, 2)
                .collect();
            if let [a, b] = pair[..] {
                let mask = if informed {
                    self.by_stretches(&a.mask, &b.mask, rng)
                } else {
                    settled(&a.mask, &b.mask, self.kept, rng)
                };
                let tilt = if a.fitness >= b.fitness {
                    a.tilt
                } else {
                    b.tilt
                };
                return (mask, tilt);
            }
        }
        match before[..elites.min(before.len())].choose(rng) {
            Some(parent) if informed => {
                let tilt = parent.tilt.nearby(rng);
                // Most newcomers vary a survivor, a little or much; some follow its tilt alone.
                let mask = match rng.gen_range(0..10) {
                    0 | 1 => self.sampler.draw(&tilt, self.kept, rng),
                    2..=5 => self.sampler.redraw(&parent.mask, &tilt, rng),
                    _ => {
                        let share = 0.5 * 0.02f64.powf(rng.gen());
                        self.sampler.shift(&parent.mask, share, rng)
                    }
                };
                (mask, tilt)
            }
            _ => {
                let tilt = Tilt::UNIFORM;
                (self.sampler.draw(&tilt, self.kept, rng), tilt)
            }
        }
    }

    /// A child that has each stretch of time from one parent or the other.
    fn by_stretches(&self, a: &Mask, b: &Mask, rng: &mut ChaCha8Rng) -> Mask {
        let (frames, bins) = (self.problem.frames(), self.problem.bins());
        let mut child = Mask::repeat(false, a.len());
        let mut from_a = rng.gen_bool(0.5);
        let mut start = 0;
        while start < frames {
            let end = (start + rng.gen_range(8..=32)).min(frames);
            let range = start * bins..end * bins;
            let parent = if from_a { a } else { b };
            child[range.clone()].copy_from_bitslice(&parent[range]);
            from_a = !from_a;
            start = end;
        }
        sampling::settle_count(&mut child, self.kept, rng);
        child
    }
}

/// The thesis' crossover: what both parents have, and of what only one has so many at random that `kept`
/// pixels are kept.
fn settled(a: &Mask, b: &Mask, kept: usize, rng: &mut ChaCha8Rng) -> Mask {
    let mut child = a.clone() & b;
    let one: Vec<usize> = (a.clone() ^ b).iter_ones().collect();
    let missing = kept.saturating_sub(child.count_ones()).min(one.len());
    for at in rand::seq::index::sample(rng, one.len(), missing) {
        child.set(one[at], true);
    }
    child
}

/// A generator for one individual: what is drawn does not depend on where a search was interrupted.
fn generator(seed: u64, generation: u32, place: usize) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&generation.to_le_bytes());
    key[16..24].copy_from_slice(&(place as u64).to_le_bytes());
    key[24] = 7;
    ChaCha8Rng::from_seed(key)
}

/// SHA-256 over all that determines a search but its length.
fn fingerprint(problem: &Problem, options: &Options) -> [u8; 32] {
    let mut hash = Sha256::new();
    for x in problem.pcm() {
        hash.update(x.to_le_bytes());
    }
    let settings = problem.settings();
    hash.update(format!(
        "{:?} {} {:?} {:?}",
        settings.stft, settings.step, settings.origin, settings.phase
    ));
    // What is computed is in the model's structure, with which numbers in its weights.
    let completion = &problem.model().completion;
    hash.update(format!("{:?}", completion.shapes()));
    for x in learned(completion).flatten() {
        hash.update(x.to_le_bytes());
    }
    hash.update(format!(
        "{} {:?} {} {} {} {} {:?} {}",
        options.sparsity,
        options.fitness,
        options.population,
        options.elite,
        options.children,
        options.reproduction,
        options.newcomers,
        options.seed
    ));
    hash.finalize().into()
}

fn progress_bar(options: &Options) -> ProgressBar {
    if !options.progress {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::from(options.generations));
    let style = ProgressStyle::with_template("{bar:30} generation {pos}/{len} ETA {eta} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_keeps_what_its_parents_agree_on_and_the_count() {
        let mut rng = generator(1, 2, 3);
        let random = |rng: &mut ChaCha8Rng| -> Mask {
            let mut mask = Mask::repeat(false, 1000);
            for at in rand::seq::index::sample(rng, 1000, 300) {
                mask.set(at, true);
            }
            mask
        };
        let (a, b) = (random(&mut rng), random(&mut rng));
        let child = settled(&a, &b, 300, &mut rng);
        assert_eq!(child.count_ones(), 300);
        assert_eq!((a.clone() & &b) & !child.clone(), Mask::repeat(false, 1000));
        assert_eq!(child & !(a | b), Mask::repeat(false, 1000));
    }

    #[test]
    fn the_thesis_recipe_divides_fifty_into_5_20_and_25() {
        let options = Options::thesis(0.95, Fitness::Mse);
        assert_eq!((options.elites(), options.children()), (5, 20));
        let alone = Options {
            reproduction: false,
            ..options
        };
        assert_eq!((alone.elites(), alone.children()), (5, 0));
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let good = Options::thesis(0.95, Fitness::Mse);
        assert!(good.check().is_ok());
        for bad in [
            Options {
                sparsity: 1.0,
                ..good.clone()
            },
            Options {
                sparsity: f32::NAN,
                ..good.clone()
            },
            Options {
                population: 1,
                ..good.clone()
            },
            Options {
                elite: 0.7,
                ..good.clone()
            },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
