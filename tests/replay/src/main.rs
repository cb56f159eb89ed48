//! `sparc-replay [FOLDER]`: replays the streams of a folder, `spec/vectors` unless named; ends with 1 if any differs.

use sparc::Networks;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| "spec/vectors".into(), PathBuf::from);
    let (count, wrong) = match replay::verify(&folder, &Networks::default()) {
        Ok(found) => found,
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            return ExitCode::from(2);
        }
    };
    for (file, what) in &wrong {
        eprintln!("{file} {what}");
    }
    println!("{} of {count} as they should be", count - wrong.len());
    if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
