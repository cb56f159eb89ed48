//! One input or many: the same work for each, on all cores, and a failure does not stop the others.

use crate::fault::{Failure, Fault, OfFile};
use crate::output;
use crate::progress::Progress;
use clap::Args;
use codec_audio::file::is_pipe;
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Inputs and where their outputs go.
#[derive(Debug, Args)]
pub struct Files {
    /// IN OUT, where `-` is the standard input or output; with --out-dir any number of inputs
    #[arg(required = true, value_name = "FILE")]
    pub paths: Vec<PathBuf>,
    /// Folder for the outputs, each named after its input; all cores work on them
    #[arg(short = 'd', long, value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
}

/// An input and its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Where to read.
    pub input: PathBuf,
    /// Where to write.
    pub output: PathBuf,
}

/// The jobs that the arguments ask for; outputs in a folder get `extension`.
pub fn jobs(files: &Files, extension: &str) -> Result<Vec<Job>, Failure> {
    let arguments = |text: String| Fault::Arguments(text).of("arguments");
    let Some(folder) = &files.out_dir else {
        return match files.paths.as_slice() {
            [input, output] if is_pipe(output) || input != output => Ok(vec![Job {
                input: input.clone(),
                output: output.clone(),
            }]),
            [_, _] => Err(arguments("input and output are the same file".into())),
            paths => Err(arguments(format!(
                "{} files given: IN OUT wanted, or --out-dir DIR IN...",
                paths.len()
            ))),
        };
    };
    output::make_folder(folder).of(folder.display())?;
    let mut taken = HashMap::new();
    let mut jobs = Vec::new();
    for input in &files.paths {
        let output = output::in_folder(folder, input, extension);
        if let Some(other) = taken.insert(output.clone(), input) {
            let (a, b, to) = (other.display(), input.display(), output.display());
            return Err(arguments(format!(
                "{a} and {b} would both be written to {to}"
            )));
        }
        jobs.push(Job {
            input: input.clone(),
            output,
        });
    }
    Ok(jobs)
}

/// The name by which messages call a path.
pub fn name(path: &Path) -> String {
    if is_pipe(path) {
        "standard input".into()
    } else {
        path.display().to_string()
    }
}

/// The same for a path to write to.
pub fn name_of_output(path: &Path) -> String {
    if is_pipe(path) {
        "standard output".into()
    } else {
        path.display().to_string()
    }
}

/// Does `work` for every job and returns what failed, in the order of the jobs. `work` returns a line
/// about its result, shown on a terminal.
pub fn run(
    jobs: &[Job],
    quiet: bool,
    work: impl Fn(&Job, &Progress) -> Result<String, Failure> + Sync,
) -> Vec<Failure> {
    if let [job] = jobs {
        let progress = Progress::spinner(quiet, "working");
        return match work(job, &progress) {
            Ok(line) => {
                progress.note(&line);
                Vec::new()
            }
            Err(failure) => vec![failure],
        };
    }
    let progress = Progress::bar(quiet, jobs.len());
    jobs.par_iter()
        .map(|job| {
            let silent = Progress::spinner(true, "");
            let result = work(job, &silent);
            progress.step();
            match result {
                Ok(line) => {
                    progress.note(&line);
                    None
                }
                Err(failure) => Some(failure),
            }
        })
        .collect::<Vec<_>>()
        .into_iter()
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str], out_dir: Option<&Path>) -> Files {
        Files {
            paths: paths.iter().map(PathBuf::from).collect(),
            out_dir: out_dir.map(Path::to_path_buf),
        }
    }

    #[test]
    fn two_paths_are_one_job() {
        let jobs = jobs(&files(&["a.wav", "b.sparc"], None), "sparc").unwrap();
        assert_eq!(
            jobs,
            [Job {
                input: "a.wav".into(),
                output: "b.sparc".into()
            }]
        );
    }

    #[test]
    fn other_counts_and_the_same_file_twice_are_refused() {
        for paths in [&["a"][..], &["a", "b", "c"], &["a", "a"]] {
            assert_eq!(
                jobs(&files(paths, None), "sparc").unwrap_err().fault.code(),
                2,
                "{paths:?}"
            );
        }
        assert!(jobs(&files(&["-", "-"], None), "sparc").is_ok());
    }

    #[test]
    fn two_inputs_of_one_name_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let failure = jobs(
            &files(&["x/a.wav", "y/a.flac"], Some(folder.path())),
            "sparc",
        )
        .unwrap_err();
        assert!(
            failure.to_string().contains("would both be written"),
            "{failure}"
        );
    }

    #[test]
    fn a_failure_does_not_stop_the_others() {
        let jobs: Vec<Job> = (0..5)
            .map(|i| Job {
                input: i.to_string().into(),
                output: "o".into(),
            })
            .collect();
        let done = std::sync::atomic::AtomicUsize::new(0);
        let failures = run(&jobs, true, |job, _| {
            done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            match name(&job.input).as_str() {
                "1" | "3" => Err(Fault::Input("bad".into()).of(name(&job.input))),
                other => Ok(other.into()),
            }
        });
        assert_eq!(done.into_inner(), 5);
        assert_eq!(
            failures.iter().map(|f| f.file.as_str()).collect::<Vec<_>>(),
            ["1", "3"]
        );
    }
}
