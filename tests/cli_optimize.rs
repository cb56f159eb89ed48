//! `sparc optimize` as a user runs it: masks that `encode` takes, files that `decode` plays, errors that say why.
#![cfg(feature = "train")]

mod support;

use std::path::{Path, PathBuf};
use support::{arg, names, network, read_wav, sparc, voice, write_wav, Run};
use tempfile::TempDir;

struct Place(TempDir);

impl Place {
    /// A folder with a model and a clip of 1.2 s.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let model = folder.path().join("mean.sparcmodel");
        std::fs::write(model, network::averaging()).expect("written");
        write_wav(
            &folder.path().join("in.wav"),
            16_000,
            &voice(16_000, 1, 19_200),
        );
        Place(folder)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `sparc optimize in.wav` with the model and these arguments, `@` standing for the folder.
    fn optimize(&self, arguments: &str) -> Run {
        let (input, model) = (self.at("in.wav"), self.at("mean.sparcmodel"));
        let folder = format!("{}/", self.0.path().display());
        let words: Vec<String> = arguments
            .split_whitespace()
            .map(|w| w.replace('@', &folder))
            .collect();
        let mut all = vec!["optimize", arg(&input), "--model", arg(&model)];
        all.extend(words.iter().map(String::as_str));
        sparc(&all)
    }
}

/// MSE, PESQ-WB and bytes (zero if none) of the lines of the table that begin with `name`.
fn line(table: &str, name: &str) -> (f64, f64, usize) {
    let line = table
        .lines()
        .find(|l| l.starts_with(name))
        .unwrap_or_else(|| panic!("no line {name:?} in\n{table}"));
    let numbers: Vec<&str> = line.split_whitespace().rev().take(6).collect();
    let number = |i: usize| numbers[i].parse::<f64>().expect("a number");
    (number(5), number(4), numbers[1].parse().unwrap_or(0))
}

#[test]
fn a_genetic_mask_beats_chance_and_goes_to_a_file_that_decodes_anywhere() {
    let place = Place::new();
    let run = place
        .optimize(
            "--method genetic --new informed --fitness pesq --generations 3 --population 6 \
             --embed-model -o @x.sparc -o @x.png",
        )
        .ok();
    let (chance, found) = (line(&run.text(), "random"), line(&run.text(), "genetic"));
    assert!(found.1 > chance.1, "{}", run.text());
    // The model is in the file: no other is needed.
    let (file, wav) = (place.at("x.sparc"), place.at("x.wav"));
    sparc(&["decode", arg(&file), arg(&wav)]).ok();
    assert_eq!(read_wav(&wav).1[0].len(), 19_200);
    let json = sparc(&["compare", arg(&place.at("in.wav")), arg(&wav), "--json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json.text()).expect("JSON");
    let pesq = json["pesq_wb"]
        .as_f64()
        .unwrap_or_else(|| panic!("no PESQ in {json}"));
    assert!((pesq - found.1).abs() < 0.02, "{pesq} for {}", found.1);
    // The mask gives the same file again through `encode`.
    let again = place.at("again.sparc");
    sparc(&[
        "encode",
        arg(&place.at("in.wav")),
        arg(&again),
        "--profile",
        "thesis",
        "--mask",
        arg(&place.at("x.png")),
        "--model",
        arg(&place.at("mean.sparcmodel")),
        "--embed-model",
    ])
    .ok();
    let bytes = |path: &Path| std::fs::read(path).expect("a file");
    assert_eq!(bytes(&again), bytes(&file));
    assert_eq!(
        names(place.0.path()),
        [
            "again.sparc",
            "in.wav",
            "mean.sparcmodel",
            "x.png",
            "x.sparc",
            "x.sparc.checkpoint",
            "x.wav"
        ]
    );
}

#[test]
fn a_search_resumes_beside_its_output() {
    let place = Place::new();
    let search = "--method genetic --fitness mse --population 5 --seed 4";
    let whole = place.optimize(&format!("{search} --generations 4 -o @a.png"));
    place
        .optimize(&format!("{search} --generations 2 -o @b.png"))
        .ok();
    let resumed = place.optimize(&format!("{search} --generations 4 --resume -o @b.png"));
    assert_eq!(whole.ok().text(), resumed.ok().text());
    let bytes = |name: &str| std::fs::read(place.at(name)).expect("a file");
    assert_eq!(bytes("a.png"), bytes("b.png"));
    let other = format!("{search} --generations 4 --resume --no-reproduction -o @b.png");
    place.optimize(&other).failed(3, "another clip, model");
}

#[test]
fn descent_and_fitted_levels_lower_the_error() {
    let place = Place::new();
    let run = place
        .optimize(
            "--method gradient --steps 25 --optimise-values --value-steps 15 --phases none \
             -o @x.sparc",
        )
        .ok();
    let text = run.text();
    let (chance, real) = (line(&text, "random"), line(&text, "real-valued"));
    assert!(real.0 < chance.0 && real.2 == 0, "{text}");
    let (largest, fitted) = (
        line(&text, "its largest"),
        line(&text, "its largest, levels"),
    );
    assert!(fitted.0 < largest.0 && fitted.0 < chance.0, "{text}");
    let straight = place
        .optimize("--method gradient --steps 25 --binarise straight-through -o @y.png")
        .ok();
    let found = line(&straight.text(), "straight-through");
    assert!(found.0 < line(&straight.text(), "random").0);
}

#[test]
fn seeds_are_compared_at_the_size_of_a_given_file() {
    let place = Place::new();
    place
        .optimize("--fitness mse --generations 1 --population 4 --phases none -o @genetic.sparc")
        .ok();
    let run = place
        .optimize(
            "--method seeds --seeds 8 --fitness mse --phases none --as-large-as @genetic.sparc \
             -o @seed.sparc",
        )
        .ok();
    let size = |name: &str| std::fs::metadata(place.at(name)).expect("a file").len();
    assert!(size("seed.sparc") <= size("genetic.sparc"));
    assert!(
        size("seed.sparc") * 100 > size("genetic.sparc") * 97,
        "{}",
        run.text()
    );
}

#[test]
fn what_cannot_be_done_is_said_and_nothing_is_written() {
    let place = Place::new();
    write_wav(&place.at("two.wav"), 16_000, &voice(16_000, 2, 8_000));
    write_wav(&place.at("long.wav"), 8_000, &voice(8_000, 1, 31 * 8_000));
    let before = names(place.0.path());
    for (arguments, code, text) in [
        ("-o @x.wav", 2, "must be named .png"),
        ("-o @x.png --optimise-values", 2, "holds no levels"),
        ("-o @x.png --embed-model", 2, "holds no model"),
        (
            "-o @x.png --binarise annealed",
            2,
            "--binarise is for --method gradient",
        ),
        (
            "-o @x.png --method seeds --resume",
            2,
            "--resume is for --method genetic",
        ),
        ("-o @x.png --population 1", 2, "from 2 to 100000"),
        ("-o @x.png --sparsity 1", 2, "below 1"),
        ("-o @no/x.png --generations 0 --population 2", 7, "x.png"),
    ] {
        place.optimize(arguments).failed(code, text);
    }
    let model = place.at("mean.sparcmodel");
    let of = |input: &str, model: &str| {
        let input = place.at(input);
        let out = place.at("x.png");
        sparc(&["optimize", arg(&input), "--model", model, "-o", arg(&out)])
    };
    of("two.wav", arg(&model)).failed(3, "2 channels");
    of("long.wav", arg(&model)).failed(5, "31.0 s long");
    of("missing.wav", arg(&model)).failed(3, "no such file");
    of("in.wav", arg(&place.at("in.wav"))).failed(6, "in.wav");
    of("in.wav", "none").failed(2, "--model");
    assert_eq!(names(place.0.path()), before);
}
