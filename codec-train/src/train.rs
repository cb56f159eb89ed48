//! The training loop: seeded, resumable, best weights by validation.

use crate::backend::cpu::Cpu;
#[cfg(feature = "cuda")]
use crate::backend::dfdx::Dfdx;
use crate::backend::Backend;
use crate::checkpoint::{write_atomically, Checkpoint};
use crate::config::Config;
use crate::data::Corpus;
use crate::error::{Error, Result};
use crate::examples::{Draw, ExampleBatch, Pool};
use crate::export;
use crate::graph::{self, initialise};
use crate::optimiser::{AdamW, State};
use crate::options::take_weights;
pub use crate::options::{CodingLoss, Device, Report, TrainOptions};
use codec_core::network::Network;
use codec_format::model::graph::Graph;
use codec_format::model::{Arithmetic, Model, Parts};
use indicatif::{ProgressBar, ProgressStyle};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Shortest clip used, seconds.
const SHORTEST: f32 = 0.3;
/// Crops each validation clip contributes.
const VALIDATION_CROPS: usize = 2;

/// A run under way.
struct Run<B> {
    backend: B,
    config: Config,
    /// The network as it began.
    skeleton: Model,
    /// What trains.
    graph: Graph,
    optimiser: AdamW,
    state: State,
    /// Running mean of the weights, where one is kept.
    average: Vec<Vec<f32>>,
    seed: u64,
    pool: Pool,
    validation: Vec<ExampleBatch>,
    /// Whether the weights must be such that a network of whole numbers can have.
    whole: bool,
}

/// The learning rate of a step: a linear rise, then half a cosine.
fn rate(config: &Config, step: u64) -> f32 {
    let t = &config.training;
    let rise = ((step + 1) as f32 / t.warm_up.max(1) as f32).min(1.0);
    let spent = step as f32 / t.steps as f32;
    t.rate * rise * (0.5 + 0.5 * (std::f32::consts::PI * spent).cos()) + t.final_rate
}

/// A generator for one purpose and step: what is drawn does not depend on where a run was interrupted.
fn generator(seed: u64, purpose: u64, step: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&purpose.to_le_bytes());
    key[16..24].copy_from_slice(&step.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

const WEIGHTS: u64 = 1;
const POOL: u64 = 2;
const CROPS: u64 = 3;
const VALIDATION: u64 = 4;

impl<B: Backend> Run<B> {
    /// One step; returns the loss and the gradient's length.
    fn step(&mut self) -> Result<(f32, f32)> {
        let step = self.state.steps;
        let mut rng = generator(self.seed, CROPS, step);
        let draws: Vec<Draw> = (0..self.config.training.batch)
            .map(|_| Draw::random(&self.pool, &self.config.examples, &mut rng))
            .collect::<Result<_>>()?;
        let batch = ExampleBatch::make(&self.pool, &draws, &self.config, &self.skeleton)?;
        let backend = &self.backend;
        let planes = batch.planes(backend)?;
        let trace = graph::trace(backend, &self.graph, &planes)?;
        let dims = backend.dims(trace.output());
        let (value, slopes) = {
            let output = backend.numbers(trace.output())?;
            batch.loss(&output, &self.config, &self.skeleton)
        };
        if !value.is_finite() {
            return Err(Error::Diverged { step, loss: value });
        }
        let found = trace.backward(backend.upload(slopes, dims)?)?.parameters;
        let rate = rate(&self.config, step);
        let parameters = graph::parameters(&mut self.graph);
        let norm = self
            .optimiser
            .step(parameters, &found, &mut self.state, rate);
        if !norm.is_finite() {
            return Err(Error::Diverged { step, loss: value });
        }
        if self.whole {
            graph::bound_slopes(&mut self.graph);
        }
        self.follow();
        Ok((value, norm))
    }

    /// Lets the running mean follow the weights: over few steps at first, so that how they began is soon forgotten.
    fn follow(&mut self) {
        if self.config.training.average == 0.0 {
            return;
        }
        let weights = self.weights();
        if self.average.is_empty() {
            self.average = weights;
            return;
        }
        let steps = self.state.steps as f32;
        let kept = self.config.training.average.min(steps / (steps + 10.0));
        for (mean, now) in self
            .average
            .iter_mut()
            .flatten()
            .zip(weights.iter().flatten())
        {
            *mean = kept * *mean + (1.0 - kept) * now;
        }
    }

    /// The weights to validate and to write: their running mean, where one is kept.
    fn judged(&self) -> Vec<Vec<f32>> {
        if self.average.is_empty() {
            self.weights()
        } else {
            self.average.clone()
        }
    }

    /// The network with other weights.
    fn graph_with(&self, weights: &[Vec<f32>]) -> Graph {
        let mut graph = self.graph.clone();
        for ((to, _), from) in graph::parameters(&mut graph).into_iter().zip(weights) {
            to.copy_from_slice(from);
        }
        graph
    }

    fn validate(&self, graph: &Graph) -> Result<Option<f32>> {
        if self.validation.is_empty() {
            return Ok(None);
        }
        let (mut sum, mut samples) = (0f64, 0);
        for batch in &self.validation {
            let output = graph::run(&self.backend, graph, &batch.planes(&self.backend)?)?;
            let output = self.backend.numbers(&output)?;
            let (value, _) = batch.loss(&output, &self.config, &self.skeleton);
            sum += f64::from(value) * batch.samples as f64;
            samples += batch.samples;
        }
        Ok(Some((sum / samples as f64) as f32))
    }

    /// The same of a network of whole numbers, as decoders run it.
    fn validate_whole(&self, model: &Model) -> Option<f32> {
        let network = Arc::new(Network::of(model));
        let (mut sum, mut samples) = (0f64, 0);
        for batch in &self.validation {
            let output = batch.completed(&network, model);
            let (value, _) = batch.loss(&output, &self.config, &self.skeleton);
            sum += f64::from(value) * batch.samples as f64;
            samples += batch.samples;
        }
        (samples > 0).then_some((sum / samples as f64) as f32)
    }

    /// What each coding of weights costs.
    fn codings(&self, model: &Model) -> Result<Vec<CodingLoss>> {
        let mut all = Vec::new();
        for (name, coding) in export::CODINGS {
            let rounded = match export::rounded(model, coding) {
                // A weight beyond the coding's range: it cannot be had, which is no fault of the run.
                Err(Error::Format(codec_format::Error::Usage { .. }) | Error::Network(_)) => {
                    continue
                }
                rounded => rounded?,
            };
            let loss = match rounded.arithmetic {
                Arithmetic::Real => self.validate(&rounded.completion)?,
                Arithmetic::Whole => self.validate_whole(&rounded),
            };
            let bytes = 0;
            all.push(CodingLoss {
                name,
                coding,
                bytes,
                loss,
            });
        }
        Ok(all)
    }

    /// The parts of a model with these weights.
    fn parts(&self, weights: &[Vec<f32>]) -> Parts {
        Parts {
            completion: self.graph_with(weights),
            ..self.skeleton.clone().into_parts()
        }
    }

    fn weights(&self) -> Vec<Vec<f32>> {
        graph::learned(&self.graph).map(<[f32]>::to_vec).collect()
    }

    /// Takes up a checkpoint; tells whether it is one of this network.
    fn resume(&mut self, checkpoint: &Checkpoint) -> bool {
        let fits = |weights: &[Vec<f32>]| {
            let lengths = graph::learned(&self.graph).map(<[f32]>::len);
            lengths.eq(weights.iter().map(Vec::len))
        };
        let averaged = checkpoint.average.is_empty() || fits(&checkpoint.average);
        if !(fits(&checkpoint.weights) && fits(&checkpoint.best_weights) && averaged) {
            return false;
        }
        self.graph = self.graph_with(&checkpoint.weights);
        self.average.clone_from(&checkpoint.average);
        self.state = checkpoint.optimiser.clone();
        true
    }
}

/// `path` with `extension` added to its name.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(extension);
    name.into()
}

/// Trains a network and writes its model file.
///
/// The same options, data and machine give the same file, however often the run was interrupted and resumed.
///
/// # Errors
/// [`Error::Config`] and [`Error::Network`] for a configuration that cannot be used; [`Error::Io`],
/// [`Error::File`] and [`Error::NoClips`] for files; [`Error::Diverged`] if the loss is no number any more.
pub fn run(options: &TrainOptions) -> Result<Report> {
    loop {
        // Without anybody to stop it a run ends with a report.
        if let Some(report) = run_while(options, |_| true)? {
            return Ok(report);
        }
    }
}

/// As [`run`], but asks `go_on` after every checkpoint, with the number of steps taken, whether to. If not,
/// the result is `None` and no model is written; [`TrainOptions::resume`] takes the run up again.
///
/// # Errors
/// As [`run`].
pub fn run_while(options: &TrainOptions, go_on: impl FnMut(u64) -> bool) -> Result<Option<Report>> {
    match options.device {
        Device::Cpu => run_on(Cpu, options, go_on),
        #[cfg(feature = "cuda")]
        Device::Cuda => run_on(Dfdx::cuda()?, options, go_on),
    }
}

fn run_on<B: Backend>(
    backend: B,
    options: &TrainOptions,
    mut go_on: impl FnMut(u64) -> bool,
) -> Result<Option<Report>> {
    let mut config = Config::parse(&options.config)?;
    config.training.steps = options.steps.unwrap_or(config.training.steps).max(1);
    let seed = options.seed.unwrap_or(config.training.seed);
    let model = config.model()?;
    let rate_hz = model.rate;
    let corpus = Corpus::load(&options.data, rate_hz, SHORTEST)?;
    let load = |folders: &[PathBuf]| -> Result<Option<Corpus>> {
        (!folders.is_empty())
            .then(|| Corpus::load(folders, rate_hz, SHORTEST))
            .transpose()
    };
    let (noise, valid) = (load(&options.noise)?, load(&options.valid)?);
    let fingerprint = fingerprint(
        options,
        &config,
        seed,
        &corpus,
        noise.as_ref(),
        valid.as_ref(),
    )?;

    let mut graph = model.completion.clone();
    match &options.init {
        None => {
            let mut rng = generator(seed, WEIGHTS, 0);
            initialise(&mut graph, model.residual, &mut rng);
        }
        Some(init) => take_weights(&mut graph, &export::real(init)?.completion)?,
    }
    let frames = config.training.frames;
    let pool = Pool::new(
        &corpus,
        noise.as_ref(),
        &model,
        &config.examples,
        frames,
        &mut generator(seed, POOL, 0),
    )?;
    let validation = match &valid {
        Some(corpus) => validation_set(corpus, &config, &model)?,
        None => Vec::new(),
    };
    let t = &config.training;
    let optimiser = AdamW {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: t.weight_decay,
        clip: t.clip,
    };
    let mut run = Run {
        backend,
        skeleton: model.clone(),
        graph,
        optimiser,
        state: State::default(),
        average: Vec::new(),
        seed,
        pool,
        validation,
        whole: matches!(options.weights, export::Coding::Whole(_)),
        config,
    };
    let (mut best, mut best_step, mut best_weights) = (f32::INFINITY, 0, run.weights());

    let checkpoint_path = beside(&options.out, ".checkpoint");
    let log_path = beside(&options.out, ".csv");
    let mut log = String::from("step,loss,valid,rate,gradient,seconds\n");
    if options.resume && checkpoint_path.exists() {
        let checkpoint = Checkpoint::read(&checkpoint_path, fingerprint)?;
        let what = "checkpoint of another network";
        if !run.resume(&checkpoint) {
            return Err(Error::File {
                path: checkpoint_path,
                what: what.into(),
            });
        }
        (best, best_step, best_weights) = (
            checkpoint.best,
            checkpoint.best_step,
            checkpoint.best_weights,
        );
        log = earlier_log(&log_path, run.state.steps)?.unwrap_or(log);
    }
    // Seconds spent before an interruption are in the log's last column.
    let before = log
        .lines()
        .last()
        .and_then(|line| line.rsplit(',').next()?.parse::<f64>().ok())
        .unwrap_or(0.0);
    let t = &run.config.training;
    let crop = t.frames as f64 * f64::from(model.stft.hop) / f64::from(rate_hz);
    let steps_an_epoch = corpus.seconds() / (crop * t.batch as f64);

    let provenance = |steps: u64, best_step, best, codings: &[CodingLoss]| export::Provenance {
        corpus: &corpus,
        seed,
        steps,
        epochs: steps as f64 / steps_an_epoch,
        best_step,
        best,
        codings: codings.to_vec(),
        config: &options.config,
        command: &options.command,
    };
    let bar = progress_bar(options.progress, &run);
    let steps = t.steps;
    let every = match t.validate_every {
        0 => (steps_an_epoch.ceil() as u64).clamp(1, steps),
        every => every,
    };
    let start = Instant::now();
    let (mut sum, mut count, mut last) = (0f64, 0u64, f32::NAN);
    while run.state.steps < steps {
        let used = rate(&run.config, run.state.steps);
        let (loss, norm) = run.step()?;
        (sum, count) = (sum + f64::from(loss), count + 1);
        bar.inc(1);
        let done = run.state.steps;
        if done % every == 0 || done == steps {
            last = (sum / count as f64) as f32;
            (sum, count) = (0.0, 0);
            let judged = run.judged();
            let valid = run.validate(&run.graph_with(&judged))?;
            let better = valid.is_none_or(|v| v < best);
            if better {
                (best, best_step, best_weights) = (valid.unwrap_or(last), done, judged);
            }
            let valid = valid.map_or(String::new(), |v| format!("{v:.6}"));
            let seconds = before + start.elapsed().as_secs_f64();
            // Writing to a string cannot fail.
            let _ = writeln!(
                log,
                "{done},{last:.6},{valid},{used:.3e},{norm:.4},{seconds:.1}"
            );
            bar.set_message(format!("loss {last:.4} valid {valid} best {best:.4}"));
            write_atomically(&log_path, log.as_bytes())?;
            let checkpoint = Checkpoint {
                run: fingerprint,
                best,
                best_step,
                best_weights: best_weights.clone(),
                weights: run.weights(),
                optimiser: run.state.clone(),
                average: run.average.clone(),
            };
            checkpoint.write(&checkpoint_path)?;
            if better && done < steps {
                // Whatever becomes of the run, its best so far can be used.
                let model = export::with_metadata(
                    run.parts(&best_weights),
                    &provenance(done, best_step, best, &[]),
                )?;
                write_atomically(&options.out, &export::bytes(&model, options.weights)?)?;
            }
            if done < steps && !go_on(done) {
                bar.abandon();
                return Ok(None);
            }
        }
    }
    bar.finish();
    let mut codings = run.codings(&Model::new(run.parts(&best_weights))?)?;
    let provenance = provenance(steps, best_step, best, &codings);
    let model = export::with_metadata(run.parts(&best_weights), &provenance)?;
    for found in &mut codings {
        found.bytes = export::bytes(&model, found.coding)?.len();
    }
    write_atomically(&options.out, &export::bytes(&model, options.weights)?)?;
    Ok(Some(Report {
        steps,
        best: if best.is_finite() { best } else { last },
        best_step,
        epochs: steps as f64 / steps_an_epoch,
        elapsed: before + start.elapsed().as_secs_f64(),
        codings,
        weights: best_weights.iter().map(Vec::len).sum(),
        clips: corpus.clips.len(),
        seconds: corpus.seconds(),
        skipped: corpus.skipped,
    }))
}

/// SHA-256 over all that determines a run.
fn fingerprint(
    options: &TrainOptions,
    config: &Config,
    seed: u64,
    corpus: &Corpus,
    noise: Option<&Corpus>,
    valid: Option<&Corpus>,
) -> Result<[u8; 32]> {
    let mut hash = Sha256::new();
    hash.update(options.config.as_bytes());
    hash.update(config.training.steps.to_le_bytes());
    hash.update(seed.to_le_bytes());
    for corpus in [Some(corpus), noise, valid] {
        hash.update(corpus.map_or("none", |c| c.hash.as_str()));
    }
    if let Some(init) = &options.init {
        for x in graph::learned(&export::real(init)?.completion).flatten() {
            hash.update(x.to_le_bytes());
        }
    }
    Ok(hash.finalize().into())
}

/// Fixed crops of the validation clips at settings that run through the range of the examples.
fn validation_set(corpus: &Corpus, config: &Config, model: &Model) -> Result<Vec<ExampleBatch>> {
    // The same crops whatever the seed of the training, so that runs can be compared.
    let mut rng = generator(0, VALIDATION, 0);
    let frames = config.training.frames;
    let pool = Pool::new(corpus, None, model, &config.examples, frames, &mut rng)?;
    let mut draws = Vec::new();
    for i in 0..pool.len() * VALIDATION_CROPS {
        let draw = Draw::random(&pool, &config.examples, &mut rng)?;
        draws.push(Draw {
            image: i / VALIDATION_CROPS,
            shift: 0.0,
            ..draw
        });
    }
    draws
        .chunks(config.training.batch)
        .map(|draws| ExampleBatch::make(&pool, draws, config, model))
        .collect()
}

/// The log of the steps up to `steps`, if there is one.
fn earlier_log(path: &Path, steps: u64) -> Result<Option<String>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(path)(e)),
    };
    let mut kept = String::new();
    for (i, line) in text.lines().enumerate() {
        let step = line.split(',').next().and_then(|s| s.parse::<u64>().ok());
        if i == 0 || step.is_some_and(|s| s <= steps) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    Ok(Some(kept))
}

fn progress_bar<B>(shown: bool, run: &Run<B>) -> ProgressBar {
    if !shown {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(run.config.training.steps).with_position(run.state.steps);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {per_sec} ETA {eta} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.reset_eta();
    bar
}
