//! The `sparc` command.

mod args;
mod batch;
mod codec;
mod coding;
mod commands;
mod fault;
mod measures;
mod models;
mod output;
mod progress;

use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    codec_audio::panics::install();
    let cli = Cli::parse();
    let quiet = cli.quiet;
    let work = || match cli.command {
        Command::Encode(args) => commands::encode::run(&args, quiet),
        Command::Decode(args) => commands::decode::run(&args, quiet),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Compare(args) => commands::compare::run(&args),
        Command::Plot(args) => commands::plot::run(&args, quiet),
        Command::Roundtrip(args) => commands::roundtrip::run(&args, quiet),
        Command::Bench(args) => commands::bench::run(&args, quiet),
        #[cfg(feature = "train")]
        Command::Train(args) => commands::train::run(&args, quiet),
        #[cfg(feature = "train")]
        Command::Convert(args) => commands::convert::run(&args),
        #[cfg(feature = "train")]
        Command::Reproduce(args) => commands::reproduce::run(&args, quiet),
        #[cfg(feature = "train")]
        Command::Optimize(args) => commands::optimize::run(&args, quiet),
        #[cfg(feature = "train")]
        Command::Priors(args) => commands::priors::run(&args),
    };
    // The hook has printed its line by then.
    let Ok(failures) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) else {
        return ExitCode::from(1);
    };
    for failure in &failures {
        eprintln!("sparc: {failure}");
    }
    failures.first().map_or(ExitCode::SUCCESS, |failure| {
        ExitCode::from(failure.fault.code())
    })
}
