//! Opus through `ffmpeg`, for comparison.

use super::{Error, Result};
use codec_audio::{file, wav, Pcm};
use codec_metrics::aligned;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Whether `ffmpeg` with libopus and `ffprobe` are there.
///
/// # Errors
/// [`Error::Missing`] names what is not.
pub fn check() -> Result<()> {
    let encoders = call("ffmpeg", ["-v", "error", "-encoders"])?;
    call("ffprobe", ["-version"])?;
    if String::from_utf8_lossy(&encoders.stdout).contains("libopus") {
        Ok(())
    } else {
        Err(Error::Missing(
            "this ffmpeg is built without libopus".into(),
        ))
    }
}

/// A clip through Opus at a target of `bitrate` bits a second (variable rate, tuned for speech): the bytes
/// of its packets, the container not counted, and what comes out, at the clip's rate.
///
/// # Errors
/// [`Error::Program`] where a program fails, [`Error::Missing`] where it is not there.
pub fn code(clip: &Pcm, bitrate: u32) -> Result<(usize, Pcm)> {
    let failed = |e: std::io::Error| Error::Program(format!("no place for Opus: {e}"));
    let folder = tempfile::tempdir().map_err(failed)?;
    let [source, coded, decoded] = ["in.wav", "x.opus", "out.wav"].map(|n| folder.path().join(n));
    std::fs::write(&source, wav::write(clip, wav::Depth::Pcm16)?).map_err(failed)?;
    let quiet = ["-v", "error", "-y", "-i"].map(OsStr::new);
    let bitrate = bitrate.to_string();
    let encode = [
        "-c:a",
        "libopus",
        "-application",
        "voip",
        "-vbr",
        "on",
        "-b:a",
        &bitrate,
    ];
    let arguments = quiet
        .into_iter()
        .chain([source.as_os_str()])
        .chain(encode.map(OsStr::new))
        .chain([coded.as_os_str()]);
    call("ffmpeg", arguments)?;
    let arguments = quiet
        .into_iter()
        .chain([coded.as_os_str()])
        .chain(["-c:a", "pcm_s16le"].map(OsStr::new))
        .chain([decoded.as_os_str()]);
    call("ffmpeg", arguments)?;
    let out = codec_audio::read(&decoded)?;
    let out = out.resampled(clip.rate)?;
    let channels = clip.channels.iter().zip(&out.channels);
    let channels = channels.map(|(x, y)| aligned(x, y)).collect();
    let rate = clip.rate;
    Ok((packets(&coded)?, Pcm { rate, channels }))
}

/// Bytes of all packets of a file.
fn packets(path: &Path) -> Result<usize> {
    let words = [
        "-v",
        "error",
        "-show_entries",
        "packet=size",
        "-of",
        "csv=p=0",
    ];
    let arguments = words.map(OsStr::new).into_iter().chain([path.as_os_str()]);
    let sizes = call("ffprobe", arguments)?;
    Ok(String::from_utf8_lossy(&sizes.stdout)
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|size| size.parse::<usize>().ok())
        .sum())
}

/// Runs a program to its end.
fn call(program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Output> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Error::Missing(format!("{program} cannot be run: {}", file::reason(&e))))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or("it does not say why");
    Err(Error::Program(format!("{program} failed: {last}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let fault = call("no-such-program", ["-x"]).expect_err("no such program");
        assert!(fault.to_string().contains("no-such-program"), "{fault}");
    }
}
