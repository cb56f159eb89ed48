//! The `sparc` command.

mod args;
mod batch;
mod coding;
mod commands;
mod fault;
mod mask;
mod models;
mod output;
mod progress;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use fault::EXIT_CODES;
use std::process::ExitCode;

/// A speech and audio codec: a sparse spectrogram, completed by a tiny network.
#[derive(Debug, Parser)]
#[command(name = "sparc", version, about, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    /// Say nothing but errors, even on a terminal
    #[arg(short, long, global = true)]
    quiet: bool,
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Encode audio (WAV, FLAC, MP3, Ogg Vorbis, AAC) to .sparc
    Encode(commands::encode::Encode),
    /// Decode .sparc to WAV, at the rate and with the channels of the source
    Decode(commands::decode::Decode),
    /// Show what a .sparc file (or a model file) is made of: chunks, settings, bits per layer
    Inspect(commands::inspect::Inspect),
    /// Measure a decoded file against its original: PESQ, STOI, SNR, SI-SDR, log-spectral error
    Compare(commands::compare::Compare),
    /// Draw a file's waveform, spectrogram, mask and phase as a PNG
    Plot(commands::plot::Plot),
    /// Encode, decode, compare and plot in one go
    Roundtrip(commands::roundtrip::Roundtrip),
    /// Rate against quality over a folder of clips, beside Opus where ffmpeg is there: table, CSV and plot
    Bench(commands::bench::Bench),
    /// Train a completion network on a folder of audio
    #[cfg(feature = "train")]
    Train(commands::train::Train),
    /// Take a network's weights to and from safetensors, or store them in fewer bits
    #[cfg(feature = "train")]
    Convert(commands::convert::Convert),
    /// Search for the pixels of a clip that are best kept, for one network
    #[cfg(feature = "train")]
    Optimize(commands::optimize::Optimize),
    /// Run the experiments of the thesis behind this codec again and write a report of them
    #[cfg(feature = "train")]
    Reproduce(commands::reproduce::Reproduce),
    /// Train the entropy coder's priors: a table built into the library, and part of the format
    #[cfg(feature = "train")]
    Priors(commands::priors::PriorsArgs),
    /// Decode the streams that pin the format, and hold what comes of them against their manifest
    Verify(commands::verify::Verify),
    /// Write the streams that pin the format, with a manifest of what this decoder makes of them
    Vectors(commands::verify::Vectors),
}

fn main() -> ExitCode {
    install_panic_hook();
    let cli = parsed();
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
        Command::Verify(args) => commands::verify::run(&args),
        Command::Vectors(args) => commands::verify::write(&args),
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

/// Makes a panic print one line in the form of every other error, unless it is a parser's, which is contained.
fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        if codec_audio::panics::are_contained() {
            return;
        }
        let what = info.payload();
        let what = what
            .downcast_ref::<&str>()
            .copied()
            .or(what.downcast_ref::<String>().map(String::as_str));
        let place = info
            .location()
            .map_or(String::new(), |l| format!(" at {}:{}", l.file(), l.line()));
        eprintln!(
            "sparc: internal error: {}{place}; please report it",
            what.unwrap_or("unknown")
        );
    }));
}

/// The arguments. Every command's help ends with the exit codes.
fn parsed() -> Cli {
    let matches = definition().get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn definition() -> clap::Command {
    Cli::command().mut_subcommands(|command| command.after_help(EXIT_CODES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }
}
