//! What `encode` makes of a target: the size of the file against what was asked for.

mod support;

use support::{arg, read_wav, sparc, voice, write_wav};

/// Bits a second of the file as a share of the target.
fn share(file: &std::path::Path, seconds: f64, target: f64) -> f64 {
    std::fs::metadata(file).unwrap().len() as f64 * 8.0 / seconds / target
}

#[test]
fn a_file_lands_within_three_percent_below_its_bitrate() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (rate, channels) in [(16_000, 1), (44_100, 1), (16_000, 2)] {
        let seconds = 3.3;
        let count = (seconds * f64::from(rate)) as usize;
        write_wav(&path("in.wav"), rate, &voice(rate, channels, count));
        for target in [3_000, 4_500, 9_000, 12_000] {
            let target = target * channels;
            let bitrate = target.to_string();
            let (input, output) = (path("in.wav"), path("x.sparc"));
            let arguments = ["encode", arg(&input), arg(&output), "--effort", "fast"];
            sparc(&[&arguments[..], &["--bitrate", &bitrate]].concat()).ok();
            let share = share(&output, count as f64 / f64::from(rate), target as f64);
            assert!(
                (0.97..=1.0).contains(&share),
                "{rate} Hz, {channels} channels, {target} bit/s: {share}"
            );
        }
    }
}

#[test]
fn an_embedded_model_comes_on_top_of_the_bitrate() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_wav(&path("in.wav"), 16_000, &voice(16_000, 1, 50_000));
    let encode = |output: &str, extra: &[&str]| {
        let (input, output) = (path("in.wav"), path(output));
        let arguments = ["encode", arg(&input), arg(&output), "--bitrate", "4k"];
        sparc(&[&arguments, extra].concat()).ok();
        std::fs::read(output).unwrap()
    };
    let (plain, embedded) = (encode("a", &[]), encode("b", &["--embed-model"]));
    assert!(embedded.len() > plain.len() + 10_000);
    // The same but for the model's chunk, which follows the header's.
    let common = plain
        .iter()
        .zip(&embedded)
        .take_while(|(a, b)| a == b)
        .count();
    assert!(
        embedded.ends_with(&plain[common..]),
        "{common} bytes in common"
    );
}

#[test]
fn at_a_constant_rate_every_chunk_keeps_to_its_share() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Silence first: what it leaves over is not for the rest.
    let count = 100_000;
    let mut sound = voice(16_000, 1, count);
    sound[0][..30_000].fill(0.0);
    write_wav(&path("in.wav"), 16_000, &sound);
    for bitrate in [3_000, 8_000] {
        let (input, output, rate) = (path("in.wav"), path("x.sparc"), bitrate.to_string());
        sparc(&["encode", arg(&input), arg(&output), "--cbr", "-b", &rate]).ok();
        let json = sparc(&["inspect", "--json", arg(&output)]).ok().text();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let chunks = value["chunks"].as_array().unwrap();
        let size = |chunk: &serde_json::Value| chunk["size"].as_u64().unwrap();
        let named = |name: &str| -> Vec<u64> {
            let found = chunks.iter().filter(|c| c["name"] == name);
            found.map(size).collect()
        };
        let segments = named("SEGM");
        // Segments of 64 frames of 256 samples at 16 kHz.
        let budget = bitrate * 64 * 256 / (8 * 16_000);
        assert_eq!(segments.len(), 7);
        assert!(segments.iter().all(|&size| size <= budget), "{segments:?}");
        assert!(segments[0] + named("HEAD")[0] + 8 <= budget);
        let used = segments[2..6].iter().sum::<u64>() as f64 / (4 * budget) as f64;
        assert!(used > 0.85, "{segments:?} of {budget} each");
        assert!(share(&output, count as f64 / 16_000.0, bitrate as f64) <= 1.0);
        sparc(&["decode", arg(&output), arg(&path("out.wav"))]).ok();
    }
}

#[test]
fn constant_rates_too_low_are_refused_or_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_wav(&path("in.wav"), 16_000, &voice(16_000, 1, 40_000));
    let (input, output) = (path("in.wav"), path("x.sparc"));
    let with = |extra: &[&str]| sparc(&[&["encode", arg(&input), arg(&output)], extra].concat());
    with(&["--cbr", "-b", "200"]).failed(2, "too low even for a segment of silence");
    with(&["--cbr", "-b", "9k", "--phases", "all"]).failed(2, "cannot hold every phase");
    with(&["--cbr", "-b", "9k", "--mask", "uniform"]).failed(2, "need the ridge mask");
    assert_eq!(with(&["--cbr"]).code, 2);
    assert!(!output.exists());
    let run = with(&["--cbr", "-b", "700"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(
        run.err.starts_with("sparc: warning: ") && run.err.contains("in.wav: "),
        "{}",
        run.err
    );
    with(&["--cbr", "-b", "700", "--quiet"]).ok();
}

#[test]
fn more_effort_is_never_further_from_the_original_at_the_same_rate() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let count = 60_000;
    let mut chosen = Vec::new();
    for seed in 0..2 {
        // Of two voices at least one is served better by other settings than the usual ones.
        let pcm = voice(16_000, 2, count).remove(seed);
        write_wav(&path("in.wav"), 16_000, &[pcm]);
        let (_, original) = read_wav(&path("in.wav"));
        let reference = codec_core::encode::distance::Reference::new(&original, 16_000).unwrap();
        let mut distances = Vec::new();
        for effort in ["fast", "default", "best"] {
            let (input, output, back) = (path("in.wav"), path("x.sparc"), path("out.wav"));
            let target = ["--bitrate", "5k", "--effort", effort];
            sparc(&[&["encode", arg(&input), arg(&output)][..], &target].concat()).ok();
            sparc(&["decode", arg(&output), arg(&back)]).ok();
            let share = share(&output, count as f64 / 16_000.0, 5_000.0);
            assert!((0.97..=1.0).contains(&share), "{effort}: {share}");
            distances.push(reference.distance(&read_wav(&back).1));
        }
        // 16-bit output moves the distance a little.
        assert!(
            distances[1] <= distances[0] + 1e-3 && distances[2] <= distances[1] + 1e-3,
            "{distances:?}"
        );
        chosen.push(distances);
    }
    assert!(
        chosen.iter().any(|d| d[1] < d[0] - 1e-3),
        "nothing was ever chosen: {chosen:?}"
    );
}
