//! `sparc reproduce`.

use crate::batch;
use crate::fault::{Failure, Fault, OfFile};
use crate::models;
use crate::output;
use crate::progress::Progress;
use clap::{Args, ValueEnum};
use codec_audio::file::reason;
use codec_lab::reproduce::masks::Effort;
use codec_lab::reproduce::plan::{Section, SPARSITIES};
use codec_lab::reproduce::{self, charts, report, Event, Networks, Options};
use codec_train::Error;
use sparc::Network;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folder within the output folder where results are kept between runs.
const KEPT: &str = "kept";

/// `sparc reproduce`.
#[derive(Debug, Args)]
pub struct Reproduce {
    /// Folder of WAV or FLAC clips at 16 kHz; may be given several times
    #[arg(long, required = true, value_name = "DIR")]
    pub data: Vec<PathBuf>,
    /// Folder for report.md, its pictures and rows.csv; what is measured is kept in its folder `kept`, so that a
    /// run that was stopped resumes
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Clips, spread over the folder
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub clips: Option<u16>,
    /// How long to search: quick takes minutes and prints every row, full takes longer and shows more
    #[arg(long, value_enum, default_value_t = Budget::Quick)]
    pub budget: Budget,
    /// Folder of other networks than the built-in ones: thesis-80.sparcmodel, -85, -90 and -95, speech.sparcmodel
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
    /// Seconds of each clip, where there is most sound
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    pub seconds: Option<f32>,
    /// Generations of the genetic searches
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub generations: Option<u32>,
    /// Masks of a generation; the informed search has fewer in more generations, as many in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(4..=10_000))]
    pub population: Option<u32>,
    /// Steps of the gradient method
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub steps: Option<u32>,
    /// Seed of the searches
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Only these parts of the report; may be given several times
    #[arg(long, value_enum, value_name = "PART")]
    pub only: Vec<Part>,
}

/// `--budget`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Budget {
    /// Minutes.
    Quick,
    /// An hour or so.
    Full,
}

/// `--only`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// 80 to 95 % dropped.
    Sparsity,
    /// Thresholds for phases.
    Phases,
    /// Phases from magnitudes.
    NoPhases,
    /// Searched masks.
    Masks,
    /// Random against strongest.
    DeepPrior,
    /// The speech profile.
    Scale,
}

impl Part {
    fn section(self) -> Section {
        match self {
            Part::Sparsity => Section::Sparsity,
            Part::Phases => Section::Phases,
            Part::NoPhases => Section::NoPhases,
            Part::Masks => Section::Masks,
            Part::DeepPrior => Section::DeepPrior,
            Part::Scale => Section::Scale,
        }
    }
}

fn parse_seconds(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        // PESQ and STOI need some speech; longer excerpts take the searches for ever.
        Ok(x) if (0.5..=60.0).contains(&x) => Ok(x),
        _ => Err("seconds from 0.5 to 60".into()),
    }
}

/// Runs the experiments and writes the report.
pub fn run(args: &Reproduce, quiet: bool) -> Vec<Failure> {
    reproduce(args, quiet).err().into_iter().collect()
}

fn options(args: &Reproduce, networks: Networks) -> Options {
    let (clips, seconds, generations, steps, griffin_lim) = match args.budget {
        Budget::Quick => (2, 1.5, 3, 40, 32),
        Budget::Full => (3, 2.0, 40, 400, 100),
    };
    let number = |given: Option<u32>, default: usize| given.map_or(default, |n| n as usize);
    Options {
        data: args.data.clone(),
        clips: args.clips.map_or(clips, usize::from),
        seconds: args.seconds.unwrap_or(seconds),
        effort: Effort {
            generations: number(args.generations, generations),
            population: number(args.population, 50),
            steps: number(args.steps, steps),
            griffin_lim,
            seed: args.seed,
        },
        networks,
        sections: match args.only.as_slice() {
            [] => Section::ALL.to_vec(),
            only => only.iter().map(|part| part.section()).collect(),
        },
        store: Some(args.out.join(KEPT)),
    }
}

fn reproduce(args: &Reproduce, quiet: bool) -> Result<(), Failure> {
    let networks = networks(args.models.as_deref())?;
    output::make_folder(&args.out).of(args.out.display())?;
    let options = options(args, networks);
    let progress = Progress::share(quiet);
    // The first line that could not be printed; the experiments go on without it.
    let unprinted = RefCell::new(None);
    let say = |text: &str| {
        if let Err(fault) = output::print(text) {
            unprinted.borrow_mut().get_or_insert(fault);
        }
    };
    let mut section = None;
    let mut on = |event: Event<'_>| match event {
        Event::Clips(clips, skipped) => {
            for (path, why) in skipped.iter().filter(|_| !quiet) {
                progress.note(&format!("skipped {}: {why}", path.display()));
            }
            let clips: Vec<String> = clips
                .iter()
                .map(|c| format!("{} from {:.1} s", c.name, c.start))
                .collect();
            progress.print(|| {
                say(&format!(
                    "{:.1} s each of {}\n",
                    options.seconds,
                    clips.join(", ")
                ))
            });
        }
        Event::Working(what, share, left) => progress.at(share, &what, left),
        Event::Row(row) => {
            let head = section.replace(row.section) != Some(row.section);
            let text = report::printed(row, head);
            progress.print(|| say(&text));
        }
    };
    let report = reproduce::run(&options, &mut on).map_err(|error| failure(error, args))?;
    progress.say("drawing");
    let command = crate::commands::train::command_line(std::env::args_os());
    // Everything is made before anything is written.
    let pictures = charts::all(&report).of(args.out.display())?;
    let page = report::page(&report, &options, &command, &pictures);
    let rows =
        report::csv(&report).map_err(|error| Fault::Other(error.to_string()).of("rows.csv"))?;
    let write = |name: &str, bytes: &[u8]| {
        let path = args.out.join(name);
        output::write(&path, bytes).of(batch::name_of_output(&path))
    };
    for picture in &pictures {
        write(picture.name, &picture.png)?;
    }
    write("rows.csv", &rows)?;
    write("report.md", page.as_bytes())?;
    drop(progress);
    say(&format!(
        "report.md, rows.csv and {} pictures are in {}\n",
        pictures.len(),
        args.out.display()
    ));
    unprinted
        .into_inner()
        .map_or(Ok(()), |fault| Err(fault.of("standard output")))
}

/// The networks of a folder, or those built in.
fn networks(folder: Option<&Path>) -> Result<Networks, Failure> {
    let model = |name: &str| -> Result<Arc<Network>, Failure> {
        let Some(folder) = folder else {
            let missing = || Fault::Model("is not built in".into()).of(name);
            return sparc::models::by_name(name).ok_or_else(missing);
        };
        let path = folder.join(format!("{name}.sparcmodel"));
        let network = Network::read(&models::bytes(&path)?).of(path.display())?;
        Ok(Arc::new(network))
    };
    let thesis = SPARSITIES
        .iter()
        .map(|&sparsity| {
            let name = format!("thesis-{:.0}", sparsity * 100.0);
            Ok((sparsity, model(&name)?))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    Ok(Networks {
        thesis,
        speech: model("speech")?,
    })
}

fn failure(error: reproduce::Error, args: &Reproduce) -> Failure {
    let error = match error {
        reproduce::Error::Train(error) => error,
        reproduce::Error::Codec(error) => return Fault::from(error).of(args.out.display()),
        other => return Fault::Other(other.to_string()).of(args.out.display()),
    };
    match error {
        Error::Io { path, source } => {
            let written = path.starts_with(&args.out);
            let fault = if written { Fault::Output } else { Fault::Input };
            fault(reason(&source)).of(path.display())
        }
        Error::File { path, what } => Fault::Input(what).of(path.display()),
        Error::NoClips { .. } => Fault::Input(error.to_string()).of("--data"),
        Error::Core(error) => Fault::from(error).of(args.out.display()),
        Error::Format(error) => Fault::from(error).of(args.out.display()),
        other => Fault::Other(other.to_string()).of(args.out.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_networks_are_the_thesis_ones_for_every_sparsity() {
        let networks = networks(None).expect("sound model files");
        let grid = codec_core::encode::Settings::thesis(0.95).stft;
        assert_eq!(networks.thesis.len(), SPARSITIES.len());
        for (sparsity, network) in &networks.thesis {
            assert_eq!(network.model.stft, grid, "{sparsity}");
            let said = network.model.metadata.iter().find(|(k, _)| k == "COMMAND");
            let percent = format!("thesis-{:.0}", sparsity * 100.0);
            assert!(
                said.is_some_and(|(_, command)| command.contains(&percent)),
                "{said:?}"
            );
        }
    }
}
