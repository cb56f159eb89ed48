//! `verify` and `vectors`: the streams that pin the format (Spec §13).

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use support::{arg, repository, sparc};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn every_stream_still_gives_what_the_manifest_says() {
    let text = sparc(&["verify", arg(&repository("spec/vectors"))])
        .ok()
        .text();
    assert!(text.contains("streams as they should be"), "{text}");
}

#[test]
fn the_manifest_lists_all_streams_and_no_others() {
    let folder = repository("spec/vectors");
    let manifest = fs::read_to_string(folder.join("MANIFEST.tsv")).unwrap();
    let listed: BTreeSet<String> = manifest
        .lines()
        .skip(1)
        .filter_map(|line| line.split('\t').next())
        .map(String::from)
        .collect();
    let mut found = BTreeSet::new();
    for kind in ["baseline", "uncommon", "faulty"] {
        for entry in fs::read_dir(folder.join(kind)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            found.insert(format!("{kind}/{name}"));
        }
    }
    assert_eq!(listed, found);
    assert!(listed.len() > 100);
}

#[test]
fn what_differs_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    copy(&repository("spec/vectors"), at);
    let manifest = fs::read_to_string(at.join("MANIFEST.tsv")).unwrap();
    let row = |file: &str| manifest.lines().find(|l| l.starts_with(file)).unwrap();
    let cell = |file: &str, n: usize| row(file).split('\t').nth(n).unwrap();

    // Another stream's symbols, another's sound, a sound fault, a fault of another kind.
    let mut changed = manifest.clone();
    for (file, column, other, place) in [
        ("baseline/ridge.sparc", 3, "baseline/waveform.sparc", 3),
        ("baseline/seeded.sparc", 4, "baseline/packed.sparc", 4),
        ("baseline/packed.sparc", 4, "faulty/empty.sparc", 4),
        ("faulty/empty.sparc", 4, "baseline/packed.sparc", 4),
        ("faulty/rate-low.sparc", 4, "faulty/rate-high.sparc", 4),
    ] {
        let mut cells: Vec<&str> = row(file).split('\t').collect();
        assert_ne!(cells[column], cell(other, place));
        cells[column] = cell(other, place);
        changed = changed.replace(row(file), &cells.join("\t"));
    }
    fs::write(at.join("MANIFEST.tsv"), changed).unwrap();
    let damaged = at.join("baseline/stereo.sparc");
    let mut bytes = fs::read(&damaged).unwrap();
    bytes.push(0);
    fs::write(&damaged, bytes).unwrap();

    let run = sparc(&["verify", arg(at)]);
    assert_eq!(run.code, 4, "{}", run.err);
    let complaints = run.err;
    for (file, what) in [
        ("baseline/ridge.sparc", "gives other symbols"),
        ("baseline/seeded.sparc", "gives other sound"),
        ("baseline/packed.sparc", "is decoded, for all its fault"),
        ("faulty/empty.sparc", "is not decoded"),
        ("faulty/rate-low.sparc", "is refused for another fault"),
        (
            "baseline/stereo.sparc",
            "is another file than the manifest's",
        ),
    ] {
        let line = complaints.lines().find(|line| line.contains(file));
        assert!(line.is_some_and(|line| line.contains(what)), "{complaints}");
    }
    assert_eq!(complaints.lines().count(), 6, "{complaints}");
}

#[test]
fn what_is_written_can_be_verified() {
    let folder = tempfile::tempdir().unwrap();
    sparc(&["vectors", arg(folder.path())]).ok();
    sparc(&["verify", arg(folder.path())]).ok();
    sparc(&["verify", arg(&folder.path().join("nowhere"))]).failed(3, "nowhere");
}
