//! Replays the fuzz targets' seeds, and every input that ever broke a promise, through the very functions
//! the fuzzer runs.

#[allow(dead_code)]
#[path = "../fuzz/src/lib.rs"]
mod harness;

use std::path::{Path, PathBuf};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// `fuzz/outcomes.tsv` says of every file how far it comes: none may be missing, none come another way.
#[test]
fn seeds_and_old_crashes_come_as_far_as_they_should() {
    let found: String = harness::outcomes(&fuzz())
        .expect("the folders can be read")
        .iter()
        .map(|(file, depth)| format!("{file}\t{depth}\n"))
        .collect();
    let expected = std::fs::read_to_string(fuzz().join("outcomes.tsv")).expect("the table");
    assert_eq!(found, expected);
    for (name, _) in harness::TARGETS {
        let seeds = expected
            .lines()
            .filter_map(|line| line.strip_prefix("seeds/")?.strip_prefix(name))
            .filter(|rest| !rest.ends_with("\t0"));
        assert!(seeds.count() > 2, "{name} has too few seeds");
    }
}

/// Damaged seeds, the cheap part of what the fuzzer does: bytes flipped, and cuts.
#[test]
fn damaged_streams_do_no_harm() {
    for (name, target) in harness::TARGETS {
        let folder = fuzz().join("seeds").join(name);
        let seed = std::fs::read_dir(&folder)
            .expect("the folder can be read")
            .map(|entry| std::fs::read(entry.expect("an entry").path()).expect("a seed"))
            .min_by_key(Vec::len)
            .expect("there are seeds");
        let step = 1 + seed.len() / 150;
        for place in (1..seed.len()).step_by(step) {
            target(&seed[..place]);
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = seed.clone();
                damaged[place] ^= flip;
                target(&damaged);
            }
        }
    }
}
