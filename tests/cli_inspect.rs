//! `inspect`, `plot` and `--help`.

mod support;

use support::{arg, repository, sparc, sparc_with};

#[test]
fn inspect_accounts_for_every_bit() {
    let folder = tempfile::tempdir().unwrap();
    let stream = folder.path().join("x.sparc");
    sparc(&[
        "encode",
        arg(&repository("samples/stereo-44k.flac")),
        arg(&stream),
    ])
    .ok();
    let text = sparc(&["inspect", "--json", arg(&stream)]).ok().text();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let size = std::fs::metadata(&stream).unwrap().len();
    assert_eq!(value["bytes"], size);
    let chunks = value["chunks"].as_array().unwrap();
    let mut next = 0;
    for chunk in chunks {
        assert_eq!(chunk["offset"], next, "chunks follow each other");
        assert_eq!(chunk["sound"], true);
        assert!(chunk["section"]
            .as_str()
            .is_some_and(|s| s.starts_with(|c: char| c.is_ascii_digit())));
        next += chunk["size"].as_u64().unwrap();
    }
    assert_eq!(next, size);
    let layers = value["layers"].as_object().unwrap();
    let bits: f64 = layers
        .values()
        .map(|layer| layer["bits"].as_f64().unwrap())
        .sum();
    assert!(
        (bits - 8.0 * size as f64).abs() < 1.0,
        "{bits} bits in {size} bytes"
    );
    // Beside its symbols a stereo clip of three seconds pays little.
    assert!(
        layers["container"]["bits_per_second"].as_f64().unwrap() < 250.0,
        "{}",
        layers["container"]
    );
    assert_eq!(value["header"]["source_rate"], 44_100);
    assert_eq!(value["header"]["source_channels"], 2);
    assert_eq!(value["header"]["total_samples"], 132_300);

    let table = sparc(&["inspect", arg(&stream)]).ok().text();
    assert!(
        table.contains("SEGM") && table.contains("source_rate"),
        "{table}"
    );
    let piped = sparc_with(
        &["inspect", "--json", "-"],
        &std::fs::read(&stream).unwrap(),
    )
    .ok()
    .text();
    assert_eq!(piped, text);
}

#[test]
fn inspect_reads_model_files() {
    let text = sparc(&[
        "inspect",
        "--json",
        arg(&repository("models/speech.sparcmodel")),
    ])
    .ok()
    .text();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["model_for"]["rate"], 16_000);
    assert!(value["weights"].as_u64().unwrap() > 1_000);
    assert!(!value["model_layers"].as_array().unwrap().is_empty());
}

#[test]
fn plots_are_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let (stream, picture) = (folder.path().join("x.sparc"), folder.path().join("x.png"));
    let input = repository("samples/sweep.wav");
    sparc(&["encode", arg(&input), arg(&stream)]).ok();
    for file in [&input, &stream] {
        sparc(&["plot", arg(file), arg(&picture)]).ok();
        let decoder = png::Decoder::new(std::io::BufReader::new(
            std::fs::File::open(&picture).unwrap(),
        ));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert!(info.width >= 1000 && info.height >= 800);
        let colours: std::collections::HashSet<&[u8]> = pixels.chunks_exact(3).collect();
        assert!(colours.len() > 200, "{} colours", colours.len());
        std::fs::remove_file(&picture).unwrap();
    }
}

#[test]
fn help_documents_the_exit_codes() {
    for arguments in [
        &["--help"][..],
        &["encode", "--help"],
        &["decode", "--help"],
    ] {
        let text = sparc(arguments).ok().text();
        assert!(
            text.contains("Exit codes:") && text.contains("8  damaged segments"),
            "{text}"
        );
    }
}

#[test]
fn an_embedded_model_comes_on_top_and_changes_no_sample() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let clip = repository("samples/speech-high.wav");
    sparc(&["encode", arg(&clip), arg(&at("lean.sparc"))]).ok();
    sparc(&[
        "encode",
        arg(&clip),
        arg(&at("full.sparc")),
        "--embed-model",
    ])
    .ok();
    for name in ["lean", "full"] {
        let (stream, wav) = (at(&format!("{name}.sparc")), at(&format!("{name}.wav")));
        sparc(&["decode", arg(&stream), arg(&wav)]).ok();
    }
    let size = |name: &str| std::fs::metadata(at(name)).unwrap().len();
    let model = std::fs::metadata(repository("models/speech.sparcmodel"))
        .unwrap()
        .len();
    // The model's chunk: its bytes, a type, a length of three bytes and a checksum.
    assert_eq!(size("full.sparc"), size("lean.sparc") + model + 8);
    assert_eq!(
        std::fs::read(at("full.wav")).unwrap(),
        std::fs::read(at("lean.wav")).unwrap()
    );
}
