//! Running the built command, and making sound for it.

#![allow(dead_code, reason = "every test file uses its own part of this")]

pub mod network;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A run of the command that has ended.
pub struct Run {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error as text.
    pub err: String,
}

impl Run {
    fn of(output: Output) -> Self {
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        Run {
            code: output.status.code().expect("ended by itself"),
            out: output.stdout,
            err,
        }
    }

    /// Asserts success, and silence on the standard error.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!((self.code, self.err.as_str()), (0, ""));
        self
    }

    /// Asserts that it failed with `code` and one line of error that contains `text`.
    #[track_caller]
    pub fn failed(self, code: i32, text: &str) -> Self {
        assert_eq!(self.code, code, "{}", self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        assert!(
            self.err.starts_with("sparc: ") && self.err.contains(text),
            "{:?} lacks {text:?}",
            self.err
        );
        self
    }

    /// The standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sparc"));
    command.args(arguments);
    command
}

/// Runs `sparc` with these arguments.
pub fn sparc(arguments: &[&str]) -> Run {
    Run::of(
        command(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("the command starts"),
    )
}

/// Runs `sparc` with `input` on its standard input.
pub fn sparc_with(arguments: &[&str], input: &[u8]) -> Run {
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut pipe = child.stdin.take().expect("a pipe was asked for");
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || drop(pipe.write_all(&input)));
    let output = child.wait_with_output().expect("the command ends");
    feeder.join().expect("the feeder ends");
    Run::of(output)
}

/// A path of the repository.
pub fn repository(path: &str) -> PathBuf {
    // These tests belong to the command, one folder down.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A path as an argument.
pub fn arg(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut names: Vec<String> = entries
        .map(|e| {
            e.expect("readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// Something like speech: harmonics of a gliding pitch in syllables with pauses between them, a little
/// noise; planar.
pub fn voice(rate: u32, channels: usize, samples: usize) -> Vec<Vec<f32>> {
    let one = |channel: usize| {
        let (mut phase, mut seed) = (0.0f64, 12_345u32 + channel as u32);
        let top = (3400.0f64.min(0.45 * f64::from(rate)) / 200.0) as usize;
        let sample = |i: usize| {
            let t = i as f64 / f64::from(rate);
            phase += (130.0 + 40.0 * channel as f64 + 30.0 * (2.0 * t).sin()) / f64::from(rate);
            let buzz: f64 = (1..=top)
                .map(|h| (std::f64::consts::TAU * phase * h as f64).sin() / h as f64)
                .sum();
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(seed >> 16) / 32_768.0 - 1.0;
            let syllable = (21.0 * t).sin() + 0.7 * (13.0 * t).cos();
            let loudness = 1.0 / (1.0 + (-12.0 * syllable).exp());
            (0.2 * buzz * loudness + 0.001 * noise) as f32
        };
        (0..samples).map(sample).collect()
    };
    (0..channels).map(one).collect()
}

/// Writes a 16-bit WAV file.
pub fn write_wav(path: &Path, rate: u32, channels: &[Vec<f32>]) {
    let spec = hound::WavSpec {
        channels: channels.len() as u16,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("the file can be made");
    for i in 0..channels[0].len() {
        for channel in channels {
            writer
                .write_sample((channel[i] * 32_767.0) as i16)
                .expect("the file can be written");
        }
    }
    writer.finalize().expect("the file can be finished");
}

/// Reads a 16-bit WAV file: rate and planar samples.
pub fn read_wav(path: &Path) -> (u32, Vec<Vec<f32>>) {
    let reader = hound::WavReader::open(path).expect("a WAV file");
    let spec = reader.spec();
    assert_eq!(
        (spec.bits_per_sample, spec.sample_format),
        (16, hound::SampleFormat::Int)
    );
    let count = usize::from(spec.channels);
    let mut channels = vec![Vec::new(); count];
    for (i, sample) in reader.into_samples::<i16>().enumerate() {
        channels[i % count].push(f32::from(sample.expect("whole samples")) / 32_768.0);
    }
    (spec.sample_rate, channels)
}

/// Writes a grey picture, eight bits a pixel, row by row from the top.
pub fn write_png(path: &Path, (width, height): (u32, u32), pixels: &[u8]) {
    let file = std::fs::File::create(path).expect("the file can be made");
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(pixels).expect("as many pixels");
    writer.finish().expect("the file can be finished");
}

/// Reads a picture of eight-bit RGB: width, height, and pixels row by row from the top.
pub fn read_png(path: &Path) -> (usize, usize, Vec<[u8; 3]>) {
    let file = std::io::BufReader::new(std::fs::File::open(path).expect("the file is there"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut bytes).expect("pixels");
    assert_eq!(info.color_type, png::ColorType::Rgb);
    let pixels = bytes.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
    (info.width as usize, info.height as usize, pixels)
}
