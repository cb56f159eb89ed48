//! Folders of clips: WAV and FLAC files at one sample rate.

use crate::error::{Error, Result};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Longest clip taken, seconds: keeps one stray file from filling the memory.
const LONGEST: f32 = 1800.0;
/// A clip whose loudest sample is below this (re full scale) counts as silent.
const SILENT: f32 = 1e-4;

/// One clip: mono PCM, full scale 1.
#[derive(Debug, Clone)]
pub struct Clip {
    /// The file it came from.
    pub path: PathBuf,
    /// Samples.
    pub pcm: Vec<f32>,
}

/// The clips of some folders, in the order of the folders and, within each, of the names.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// Usable clips.
    pub clips: Vec<Clip>,
    /// Files that were left out, and why.
    pub skipped: Vec<(PathBuf, String)>,
    /// SHA-256 over names and contents of all audio files found, in order; lower-case hex.
    pub hash: String,
    /// Sample rate, Hz.
    pub rate: u32,
}

impl Corpus {
    /// Loads every `.wav` and `.flac` file directly in `folders`.
    ///
    /// Files that cannot be read, are shorter than `shortest` seconds or longer than half an hour, silent,
    /// or at another rate than `rate` are left out and listed. Several channels are averaged.
    ///
    /// # Errors
    /// [`Error::Io`] if a folder cannot be read; [`Error::NoClips`] if nothing usable is left.
    pub fn load(folders: &[PathBuf], rate: u32, shortest: f32) -> Result<Self> {
        let mut files = Vec::new();
        for folder in folders {
            let mut here = Vec::new();
            for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
                let path = entry.map_err(Error::io(folder))?.path();
                let extension = path
                    .extension()
                    .and_then(|e| e.to_str())
                    .map(str::to_ascii_lowercase);
                if path.is_file() && matches!(extension.as_deref(), Some("wav" | "flac")) {
                    here.push(path);
                }
            }
            here.sort();
            files.extend(here);
        }
        let loaded: Vec<_> = files
            .par_iter()
            .map(|path| load(path, rate, shortest))
            .collect();
        let mut hash = Sha256::new();
        let (mut clips, mut skipped) = (Vec::new(), Vec::new());
        for (path, (pcm, content)) in files.into_iter().zip(loaded) {
            hash.update(path.file_name().unwrap_or_default().as_encoded_bytes());
            hash.update([0]);
            hash.update(content);
            match pcm {
                Ok(pcm) => clips.push(Clip { path, pcm }),
                Err(why) => skipped.push((path, why)),
            }
        }
        if clips.is_empty() {
            let folders: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
            let first = skipped
                .first()
                .map(|(path, why)| format!("; {}: {why}", path.display()));
            return Err(Error::NoClips {
                folders: folders.join(", "),
                skipped: skipped.len(),
                first: first.unwrap_or_default(),
            });
        }
        Ok(Corpus {
            clips,
            skipped,
            hash: hex(&hash.finalize()),
            rate,
        })
    }

    /// Seconds of sound in all clips.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.clips.iter().map(|c| c.pcm.len() as f64).sum::<f64>() / f64::from(self.rate)
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A file's samples, or why not; and the SHA-256 of its contents (zeros if unreadable).
fn load(
    path: &Path,
    rate: u32,
    shortest: f32,
) -> (std::result::Result<Vec<f32>, String>, [u8; 32]) {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) => return (Err(e.to_string()), [0; 32]),
    };
    let content = Sha256::digest(&bytes).into();
    let decoded = codec_audio::file::clip(bytes)
        .map(|clip| (clip.mono(), clip.rate))
        .map_err(|e| e.to_string());
    let pcm = decoded.and_then(|(pcm, found)| {
        let seconds = pcm.len() as f32 / found.max(1) as f32;
        if found != rate {
            Err(format!("sample rate {found} Hz, not {rate}"))
        } else if seconds < shortest {
            Err(format!("too short: {seconds:.2} s"))
        } else if seconds > LONGEST {
            Err(format!("too long: {seconds:.0} s"))
        } else if pcm.iter().any(|x| !x.is_finite()) {
            Err("holds samples that are not numbers".into())
        } else if pcm.iter().all(|x| x.abs() < SILENT) {
            Err("silent".into())
        } else {
            Ok(pcm)
        }
    });
    (pcm, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, rate: u32, channels: u16, samples: impl Iterator<Item = i16>) {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).expect("a file");
        samples.for_each(|s| writer.write_sample(s).expect("a sample"));
        writer.finalize().expect("a file");
    }

    fn tone(n: usize) -> impl Iterator<Item = i16> {
        (0..n).map(|i| ((i as f32 * 0.1).sin() * 8000.0) as i16)
    }

    #[test]
    fn unusable_files_are_listed_with_the_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        write(&at("a.wav"), 16000, 1, tone(16000));
        write(&at("b.wav"), 16000, 1, tone(800));
        write(&at("c.wav"), 8000, 1, tone(16000));
        write(&at("d.wav"), 16000, 1, std::iter::repeat_n(0, 16000));
        std::fs::write(at("e.wav"), b"RIFF nonsense").expect("a file");
        std::fs::write(at("f.flac"), b"").expect("a file");
        std::fs::write(at("g.txt"), b"not audio").expect("a file");
        write(&at("h.wav"), 16000, 2, tone(32000).flat_map(|x| [x, 0]));
        let corpus = Corpus::load(&[folder.path().into()], 16000, 0.5).expect("two clips");
        assert_eq!(corpus.clips.len(), 2);
        assert_eq!(corpus.clips[1].pcm.len(), 32000);
        let why: Vec<&str> = corpus.skipped.iter().map(|(_, why)| why.as_str()).collect();
        assert_eq!(why.len(), 5);
        assert!(
            why[0].contains("too short") && why[1].contains("8000 Hz") && why[2] == "silent",
            "{why:?}"
        );
        let again = Corpus::load(&[folder.path().into()], 16000, 0.5).expect("two clips");
        assert_eq!(corpus.hash, again.hash);
    }

    #[test]
    fn a_folder_without_clips_is_an_error_that_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("x.flac"), b"fLaC").expect("a file");
        let error = Corpus::load(&[folder.path().into()], 16000, 0.5)
            .expect_err("no clips")
            .to_string();
        assert!(
            error.contains("1 files skipped") && error.contains("x.flac"),
            "{error}"
        );
        assert!(Corpus::load(&[folder.path().join("missing")], 16000, 0.5).is_err());
    }
}
