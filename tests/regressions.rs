//! Replays the fuzz targets' seeds, and every input that ever broke a promise, through the very functions
//! the fuzzer runs.

#[allow(dead_code)]
#[path = "../fuzz/src/lib.rs"]
mod harness;

use std::path::{Path, PathBuf};

fn folder(kind: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(kind)
        .join(target)
}

/// Files of a folder in order of their names; none if it does not exist.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    files.sort();
    files
}

#[test]
fn inputs_that_once_broke_a_promise_no_longer_do() {
    for (name, target) in harness::TARGETS {
        for file in files(&folder("regressions", name)) {
            println!("{}", file.display());
            target(&std::fs::read(&file).expect("the file can be read"));
        }
    }
}

#[test]
fn every_target_has_seeds_and_survives_them() {
    for (name, target) in harness::TARGETS {
        let seeds = files(&folder("seeds", name));
        assert!(seeds.len() > 2, "{name} has no seeds");
        for file in seeds {
            println!("{}", file.display());
            target(&std::fs::read(&file).expect("the file can be read"));
        }
    }
}

#[test]
fn seeds_made_now_reach_the_end_of_their_target() {
    for (name, target) in harness::TARGETS {
        let seeds = harness::seeds::all();
        let depths: Vec<usize> = seeds
            .iter()
            .filter(|seed| seed.0 == name)
            .map(|seed| target(&seed.2))
            .collect();
        let deep = if name == "model_parse" { 1 } else { 2 };
        assert!(
            depths.iter().filter(|&&depth| depth >= deep).count() > 2,
            "{name}: {depths:?}"
        );
    }
}

/// Damaged seeds, the cheap part of what the fuzzer does: every byte of a stream flipped, and every cut.
#[test]
fn damaged_streams_do_no_harm() {
    for (name, target) in harness::TARGETS {
        let Some(seed) = harness::seeds::all()
            .into_iter()
            .filter(|seed| seed.0 == name)
            .min_by_key(|seed| seed.2.len())
        else {
            panic!("{name} has no seeds");
        };
        let step = 1 + seed.2.len() / 150;
        for place in (1..seed.2.len()).step_by(step) {
            target(&seed.2[..place]);
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = seed.2.clone();
                damaged[place] ^= flip;
                target(&damaged);
            }
        }
    }
}

/// Not a test: writes `fuzz/seeds` anew after a change of the format.
#[test]
#[ignore = "writes fuzz/seeds: cargo test --release --test regressions -- --ignored"]
fn seeds_are_written_anew() {
    for (target, name, bytes) in harness::seeds::all() {
        let folder = folder("seeds", target);
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        std::fs::write(folder.join(format!("{name}.bin")), bytes).expect("the file can be written");
    }
}
