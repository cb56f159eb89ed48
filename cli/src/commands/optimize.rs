//! `sparc optimize`.

use crate::args::{parse_sparsity, PhaseChoice};
use crate::batch;
use crate::fault::{Failure, Fault, OfFile};
use crate::mask;
use crate::models;
use crate::output;
use clap::{Args, ValueEnum};
use codec_audio::{file, Pcm};
use codec_core::encode::{Policy, Settings};
use codec_format::header::PhaseKind;
use codec_format::inspect::layout;
use codec_format::symbols::Mask;
use codec_format::Limits;
use codec_train::optimise::{genetic, gradient, seeds, Fitness, Measures, Problem};
use codec_train::Error;
use ndarray::Array2;
use sparc::Network;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Longest clip, seconds: a step of the gradient holds every layer of the whole clip in memory.
const LONGEST: f64 = 30.0;

/// `sparc optimize`.
#[derive(Debug, Args)]
pub struct Optimize {
    /// Audio file, mono
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// Where the result goes: MASK.png, as `encode --mask` takes it, or FILE.sparc; may be given twice
    #[arg(short, long, required = true, value_name = "MASK.png|FILE.sparc")]
    pub out: Vec<PathBuf>,
    /// How to search
    #[arg(long, value_enum, default_value_t = Method::Genetic)]
    pub method: Method,
    /// Share of the spectrogram's pixels to drop
    #[arg(short, long, value_name = "SHARE", default_value_t = 0.95, value_parser = parse_sparsity)]
    pub sparsity: f32,
    /// What the genetic search and the search over seeds improve
    #[arg(long, value_enum, default_value_t = Goal::Pesq)]
    pub fitness: Goal,
    /// Model file that completes the image [default: the built-in one where it fits]
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Put the model into the .sparc file, so that it decodes anywhere
    #[arg(long)]
    pub embed_model: bool,
    /// Which phases to store: none, all, or threshold:DB; the search itself hears the true ones
    #[arg(long, value_name = "KIND", default_value = "all")]
    pub phases: PhaseChoice,
    /// Bits of a stored phase
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=12))]
    pub phase_bits: u8,
    /// Seed of every draw; for seeds, the first one tried
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Gradient: steps (the thesis takes up to 10000)
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub steps: u32,
    /// Gradient: how the mask becomes binary
    #[arg(long, value_enum, default_value_t = Binarise::Largest)]
    pub binarise: Binarise,
    /// Then fit the stored levels too, so that the completed image comes nearest (any method)
    #[arg(long)]
    pub optimise_values: bool,
    /// Steps of that
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub value_steps: u32,

    /// Genetic: generations after the first [default: 500; 40 with --new informed]
    #[arg(long, value_name = "N")]
    pub generations: Option<u32>,
    /// Genetic: individuals [default: 50; 30 with --new informed]
    #[arg(long, value_name = "N")]
    pub population: Option<usize>,
    /// Genetic: where new individuals come from
    #[arg(long, value_enum, default_value_t = New::Uniform)]
    pub new: New,
    /// Genetic: no children, the best survive and all others are new
    #[arg(long)]
    pub no_reproduction: bool,
    /// Genetic: resume from the checkpoint beside the first --out, if there is one
    #[arg(long)]
    pub resume: bool,

    /// Seeds: how many to try
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub seeds: u32,
    /// Seeds: keep as many pixels as a file of this one's size holds (embedded models do not count),
    /// instead of --sparsity
    #[arg(long, value_name = "FILE.sparc")]
    pub as_large_as: Option<PathBuf>,
}

/// `--method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// Descent on a mask relaxed to real numbers
    Gradient,
    /// Masks crossed and mutated over generations
    Genetic,
    /// The best of many seeded masks, which cost eight bytes
    Seeds,
}

/// `--fitness`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Goal {
    /// Mean squared error of the completed image
    Mse,
    /// Wide-band PESQ
    Pesq,
}

/// `--binarise`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Binarise {
    /// Keep the largest values of the real mask, as the thesis does
    Largest,
    /// Steepen the relaxation until the mask is nearly binary
    Annealed,
    /// Descend on binary masks all along
    StraightThrough,
}

/// `--new`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum New {
    /// Uniformly random masks, as in the thesis
    Uniform,
    /// Evenly spread masks that lean towards loud and low pixels, then variations of the best: far faster
    Informed,
}

/// Searches for a mask.
pub fn run(args: &Optimize, quiet: bool) -> Vec<Failure> {
    optimize(args, quiet).err().into_iter().collect()
}

/// A line of the table.
struct Entry {
    name: String,
    measures: Measures,
    /// Bytes of the file; a real-valued mask has none.
    bytes: Option<usize>,
}

/// A mask to write down.
struct Choice {
    name: String,
    policy: Policy,
    mask: Mask,
}

fn optimize(args: &Optimize, quiet: bool) -> Result<(), Failure> {
    check(args)?;
    let phase = match args.phases {
        PhaseChoice::None => PhaseKind::None,
        PhaseChoice::All => PhaseKind::All {
            bits: args.phase_bits,
        },
        PhaseChoice::Threshold(db) => PhaseKind::Thresholded {
            bits: args.phase_bits,
            threshold: (db * 8.0).round() as i16,
        },
    };
    let settings = Settings {
        phase,
        ..Settings::thesis(args.sparsity)
    };
    let Some(model) = models::for_encoding(args.model.as_deref(), &settings)? else {
        return Err(
            Fault::Arguments("give the network to optimise for with --model".into())
                .of("arguments"),
        );
    };
    let name = batch::name(&args.input);
    let clip = checked(codec_audio::read(&args.input).of(&name)?).of(&name)?;
    let pcm = clip.resampled(settings.rate).of(name)?.channels.remove(0);
    let failed = |error| failure(error, args);
    let work = Work {
        problem: Problem::new(&pcm, &settings, &model.model)
            .map_err(failed)?
            .with_source(clip.rate, clip.len() as u64),
        args,
        model: &model,
        phase,
        progress: !quiet,
    };

    let baseline = Policy::Uniform {
        sparsity: args.sparsity,
        seed: args.seed,
    };
    let mut rows = vec![work.entry("random", &baseline).map_err(failed)?];
    let mut found = match args.method {
        Method::Gradient => work.gradient(&mut rows).map_err(failed)?,
        Method::Genetic => work.genetic(&mut rows).map_err(failed)?,
        Method::Seeds => work.seeds(&mut rows)?,
    };
    if args.optimise_values {
        let levels = work.levels(&found.mask).map_err(failed)?;
        found = Choice {
            name: format!("{}, levels fitted", found.name),
            policy: Policy::Explicit {
                mask: found.mask.clone(),
                levels: Some(levels),
            },
            mask: found.mask,
        };
        rows.push(work.entry(&found.name, &found.policy).map_err(failed)?);
    }
    for path in &args.out {
        let bytes = match kind(path) {
            Some(Kind::Stream) => work.file(&found.policy, args.embed_model).map_err(failed)?,
            _ => mask::write(&found.mask, work.problem.bins()).of(path.display())?,
        };
        output::write(path, &bytes).of(path.display())?;
    }
    output::print(&table(&rows, clip.seconds())).of("standard output")
}

/// What an output is, by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image,
    Stream,
}

fn kind(path: &Path) -> Option<Kind> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "png" => Some(Kind::Image),
        "sparc" => Some(Kind::Stream),
        _ => None,
    }
}

/// Refuses arguments that do not go together, before anything is read.
fn check(args: &Optimize) -> Result<(), Failure> {
    let arguments = |text: String| Err(Fault::Arguments(text).of("arguments"));
    for path in &args.out {
        if kind(path).is_none() {
            return arguments(format!(
                "{}: the output must be named .png (the mask) or .sparc (the file)",
                path.display()
            ));
        }
        if path == &args.input {
            return arguments("input and output are the same file".into());
        }
    }
    let streams = args.out.iter().any(|p| kind(p) == Some(Kind::Stream));
    if args.optimise_values && !streams {
        return arguments("a mask image holds no levels; --optimise-values needs a .sparc".into());
    }
    if args.embed_model && !streams {
        return arguments("a mask image holds no model; --embed-model needs a .sparc".into());
    }
    let only = |given: bool, name: &str, method: Method| {
        if given && args.method != method {
            let methods = Method::to_possible_value(&method);
            let wanted = methods.as_ref().map_or("", |m| m.get_name());
            return arguments(format!("{name} is for --method {wanted}"));
        }
        Ok(())
    };
    only(args.as_large_as.is_some(), "--as-large-as", Method::Seeds)?;
    only(args.resume, "--resume", Method::Genetic)?;
    only(args.no_reproduction, "--no-reproduction", Method::Genetic)?;
    only(args.population.is_some(), "--population", Method::Genetic)?;
    only(args.generations.is_some(), "--generations", Method::Genetic)?;
    only(args.new == New::Informed, "--new informed", Method::Genetic)?;
    only(
        args.binarise != Binarise::Largest,
        "--binarise",
        Method::Gradient,
    )
}

/// A clip that can be worked on.
fn checked(clip: Pcm) -> Result<Pcm, Fault> {
    if clip.channels.len() != 1 {
        return Err(Fault::Input(format!(
            "has {} channels; masks are optimised for one",
            clip.channels.len()
        )));
    }
    if clip.seconds() > LONGEST {
        return Err(Fault::Limit(format!(
            "is {:.1} s long; masks are optimised for at most {LONGEST} s",
            clip.seconds()
        )));
    }
    Ok(clip)
}

/// What every method works with.
struct Work<'a> {
    problem: Problem,
    args: &'a Optimize,
    model: &'a Network,
    phase: PhaseKind,
    progress: bool,
}

impl Work<'_> {
    /// The file of a policy: its bytes, without the model unless it is to be embedded.
    fn file(&self, policy: &Policy, embed: bool) -> codec_train::Result<Vec<u8>> {
        let encoded = self
            .problem
            .encode(policy.clone(), self.phase, Some(self.model.id))?;
        self.problem
            .file(&encoded, embed.then_some(&self.model.file[..]))
    }

    /// Encodes, decodes and measures.
    fn entry(&self, name: &str, policy: &Policy) -> codec_train::Result<Entry> {
        let encoded = self
            .problem
            .encode(policy.clone(), self.phase, Some(self.model.id))?;
        Ok(Entry {
            name: name.into(),
            measures: self.problem.measure(&encoded)?,
            bytes: Some(self.problem.file(&encoded, None)?.len()),
        })
    }

    /// A mask as a result, and its line.
    fn masked(&self, name: &str, mask: Mask, rows: &mut Vec<Entry>) -> codec_train::Result<Choice> {
        let policy = Policy::Explicit {
            mask: mask.clone(),
            levels: None,
        };
        rows.push(self.entry(name, &policy)?);
        Ok(Choice {
            name: name.into(),
            policy,
            mask,
        })
    }

    fn gradient(&self, rows: &mut Vec<Entry>) -> codec_train::Result<Choice> {
        let options = gradient::Options {
            seed: self.args.seed,
            progress: self.progress,
            ..gradient::Options::new(self.args.sparsity, self.args.steps)
        };
        match self.args.binarise {
            Binarise::Largest => {
                let relaxed = gradient::relaxed(&self.problem, &options)?;
                let dense = gradient::complete(&self.problem, &relaxed.mask)?;
                let sound = self.problem.sound(&dense);
                rows.push(Entry {
                    name: "real-valued mask".into(),
                    measures: self
                        .problem
                        .measure_sound(self.problem.mse(&dense), &sound)?,
                    bytes: None,
                });
                let count = self
                    .problem
                    .random_mask(self.args.sparsity, 0)?
                    .count_ones();
                let mask = gradient::largest(&relaxed.mask, count);
                self.masked("its largest", mask, rows)
            }
            Binarise::Annealed => {
                let mask = gradient::annealed(&self.problem, &options)?;
                self.masked("annealed", mask, rows)
            }
            Binarise::StraightThrough => {
                let mask = gradient::straight_through(&self.problem, &options)?;
                self.masked("straight-through", mask, rows)
            }
        }
    }

    fn fitness(&self) -> Fitness {
        match self.args.fitness {
            Goal::Mse => Fitness::Mse,
            Goal::Pesq => Fitness::Pesq,
        }
    }

    fn genetic(&self, rows: &mut Vec<Entry>) -> codec_train::Result<Choice> {
        let (sparsity, fitness) = (self.args.sparsity, self.fitness());
        let recipe = match self.args.new {
            New::Uniform => genetic::Options::thesis(sparsity, fitness),
            New::Informed => genetic::Options::informed(sparsity, fitness),
        };
        let options = genetic::Options {
            population: self.args.population.unwrap_or(recipe.population),
            generations: self.args.generations.unwrap_or(recipe.generations),
            reproduction: !self.args.no_reproduction,
            seed: self.args.seed,
            checkpoint: self.args.out.first().map(|out| checkpoint_of(out)),
            resume: self.args.resume,
            progress: self.progress,
            ..recipe
        };
        let evolution = genetic::run(&self.problem, &options)?;
        let goal = match self.args.fitness {
            Goal::Mse => "MSE",
            Goal::Pesq => "PESQ",
        };
        let name = format!("genetic, {goal}, {} masks", evolution.evaluations);
        self.masked(&name, evolution.mask, rows)
    }

    fn seeds(&self, rows: &mut Vec<Entry>) -> Result<Choice, Failure> {
        let failed = |error| failure(error, self.args);
        let mut sparsity = self.args.sparsity;
        let mut limit = None;
        if let Some(path) = &self.args.as_large_as {
            let file = file::bytes(path).of(batch::name(path))?;
            let chunks = layout(&file, &Limits::default()).of(batch::name(path))?;
            let model = chunks.iter().filter(|c| c.name == "MODL");
            let bytes = file.len() - model.map(|c| c.size as usize).sum::<usize>();
            sparsity = seeds::sparsity_for(&self.problem, bytes, self.args.seed, self.phase)
                .map_err(failed)?;
            limit = Some((bytes, self.phase));
        }
        let options = seeds::Options {
            sparsity,
            fitness: self.fitness(),
            first: self.args.seed,
            count: self.args.seeds,
            limit,
            progress: self.progress,
        };
        let found = seeds::search(&self.problem, &options).map_err(failed)?;
        let policy = Policy::Uniform {
            sparsity,
            seed: found.seed,
        };
        let name = format!("seed {} at {:.2} %", found.seed, 100.0 * sparsity);
        rows.push(self.entry(&name, &policy).map_err(failed)?);
        Ok(Choice {
            name,
            policy,
            mask: found.mask,
        })
    }

    fn levels(&self, mask: &Mask) -> codec_train::Result<Array2<f32>> {
        gradient::optimise_values(&self.problem, mask, self.args.value_steps, self.progress)
    }
}

/// The checkpoint beside an output.
fn checkpoint_of(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".checkpoint");
    name.into()
}

/// The measures of every mask, side by side.
fn table(rows: &[Entry], seconds: f64) -> String {
    let width = rows.iter().map(|r| r.name.len()).max().unwrap_or(0);
    let mut text = format!(
        "{:width$}  {:>8}  {:>7}  {:>7}  {:>5}  {:>8}  {:>7}\n",
        "mask", "MSE dB^2", "PESQ-WB", "PESQ-NB", "STOI", "bytes", "kbit/s"
    );
    for row in rows {
        let m = &row.measures;
        let (bytes, rate) = row.bytes.map_or(("-".into(), "-".into()), |bytes| {
            let rate = codec_lab::kilobits(bytes, seconds);
            (bytes.to_string(), format!("{rate:.1}"))
        });
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:width$}  {:>8.2}  {:>7.3}  {:>7.3}  {:>5.3}  {:>8}  {:>7}",
            row.name, m.mse, m.pesq_wb, m.pesq_nb, m.stoi, bytes, rate
        );
    }
    text
}

fn failure(error: Error, args: &Optimize) -> Failure {
    let input = || batch::name(&args.input);
    let model = || {
        args.model
            .as_deref()
            .map_or_else(|| "model".into(), batch::name)
    };
    match error {
        // The only file the searches write, or read, is the checkpoint beside the output.
        Error::Io { path, source } => Fault::Output(file::reason(&source)).of(path.display()),
        Error::File { path, what } => Fault::Input(what).of(path.display()),
        Error::Config(what) => Fault::Arguments(what).of("arguments"),
        Error::Network(what) => Fault::Model(what).of(model()),
        Error::Measure(what) => Fault::Input(what).of(input()),
        Error::Core(error) => Fault::from(error).of(input()),
        Error::Format(error) => Fault::from(error).of(input()),
        other => Fault::Other(other.to_string()).of(input()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_told_by_their_names() {
        assert_eq!(kind(Path::new("a/b.PNG")), Some(Kind::Image));
        assert_eq!(kind(Path::new("x.sparc")), Some(Kind::Stream));
        assert_eq!(kind(Path::new("x.wav")), None);
        assert_eq!(kind(Path::new("x")), None);
    }
}
