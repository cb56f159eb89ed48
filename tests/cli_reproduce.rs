//! `reproduce` as a user runs it, at the smallest size.
#![cfg(feature = "train")]

mod support;

use std::path::Path;
use support::{arg, names, network, read_png, repository, sparc, voice, write_wav};

fn models(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let file = network::averaging();
    for percent in [80, 85, 90, 95] {
        std::fs::write(folder.join(format!("thesis-{percent}.sparcmodel")), &file).unwrap();
    }
    let speech = repository("models/speech.sparcmodel");
    std::fs::copy(speech, folder.join("speech.sparcmodel")).unwrap();
}

#[test]
fn the_whole_report_is_written_and_a_second_run_goes_on_from_what_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    models(&path("models"));
    std::fs::create_dir(path("clips")).unwrap();
    write_wav(&path("clips/a.wav"), 16_000, &voice(16_000, 1, 16_000));
    write_wav(&path("clips/b.wav"), 8_000, &voice(8_000, 1, 8_000));
    std::fs::write(path("clips/c.wav"), b"nonsense").unwrap();
    let run = |more: &[&str]| {
        let (data, out, models) = (path("clips"), path("out"), path("models"));
        let mut arguments = vec!["reproduce", "--data", arg(&data), "--out", arg(&out)];
        arguments.extend(["--models", arg(&models), "--clips", "1", "--seconds", "0.7"]);
        arguments.extend(["--generations", "1", "--population", "4", "--steps", "2"]);
        arguments.extend(more);
        sparc(&arguments)
    };
    // What a run of some parts measured, a run of everything reuses.
    run(&["--only", "sparsity", "--only", "scale"]).ok();
    let first = run(&[]).ok().text();
    for word in [
        "80 % dropped",
        "75 dB",
        "PGHI alone",
        "genetic",
        "seed",
        "strongest",
        "6 kbit/s",
    ] {
        assert!(first.contains(word), "{word} is not in\n{first}");
    }
    let page = std::fs::read_to_string(path("out/report.md")).unwrap();
    assert!(
        page.contains("2 files were left out") && page.contains("b.wav"),
        "{page}"
    );
    assert!(
        page.contains("| 80 % dropped |") && page.contains("35.2"),
        "{page}"
    );
    let pictures: Vec<String> = names(&path("out"))
        .into_iter()
        .filter(|name| name.ends_with(".png"))
        .collect();
    assert_eq!(pictures.len(), 9, "{pictures:?}");
    for name in &pictures {
        assert!(page.contains(&format!("]({name})")), "{name} is not shown");
        let (width, height, pixels) = read_png(&path("out").join(name));
        assert_eq!(pixels.len(), width * height);
        // Lines and bars are blue first, images have violet in them: more than a title is drawn.
        let drawn = |[r, g, b]: &&[u8; 3]| b.saturating_sub(*r.max(g)) > 40;
        let share = pixels.iter().filter(drawn).count() as f64 / pixels.len() as f64;
        assert!(share > 5e-4, "{name}: {share}");
    }
    let rows = std::fs::read_to_string(path("out/rows.csv")).unwrap();
    let bytes = |id: &str| -> f64 {
        let line = rows.lines().find(|l| l.starts_with(&format!("{id},")));
        line.unwrap().split(',').nth(4).unwrap().parse().unwrap()
    };
    assert!(bytes("sparsity-80") > bytes("sparsity-95"));
    assert!(bytes("phases-all") > bytes("phases-75"));
    assert!(bytes("genetic-informed") >= bytes("seeds"));

    let again = run(&[]).ok().text();
    assert_eq!(again, first);
    assert_eq!(std::fs::read_to_string(path("out/rows.csv")).unwrap(), rows);
    let page = std::fs::read_to_string(path("out/report.md")).unwrap();
    assert!(page.contains("kept from an earlier run"), "{page}");
}

#[test]
fn what_is_missing_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let out = path("out");
    let run = |data: &str, models: &str| {
        let (data, models) = (path(data), path(models));
        sparc(&[
            "reproduce",
            "--data",
            arg(&data),
            "--models",
            arg(&models),
            "--out",
            arg(&out),
        ])
    };
    run("clips", "none").failed(6, "thesis-80.sparcmodel");
    models(&path("models"));
    run("clips", "models").failed(3, "clips");
    std::fs::create_dir(path("clips")).unwrap();
    write_wav(&path("clips/a.wav"), 16_000, &voice(16_000, 1, 32_000));
    // One clip, where the quick budget wants two.
    run("clips", "models").failed(3, "1 of at least 1.5 s");
    assert!(!names(&out)
        .iter()
        .any(|name| name.ends_with(".md") || name.ends_with(".png")));
}
