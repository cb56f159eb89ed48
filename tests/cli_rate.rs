//! What `encode` makes of a target: the size of the file against what was asked for.

mod support;

use support::{arg, sparc, voice, write_wav};

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
            sparc(&["encode", arg(&input), arg(&output), "--bitrate", &bitrate]).ok();
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
