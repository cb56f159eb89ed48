//! Opus through `ffmpeg`, for comparison.

use crate::fault::Fault;
use codec_audio::{file as read, resample, wav, Clip};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Longest shift looked for between a clip and what Opus made of it, in samples.
const LONGEST_SHIFT: usize = 400;

/// Whether `ffmpeg` with libopus and `ffprobe` are there.
pub fn check() -> Result<(), Fault> {
    let encoders = call("ffmpeg", ["-v", "error", "-encoders"])?;
    call("ffprobe", ["-version"])?;
    if String::from_utf8_lossy(&encoders.stdout).contains("libopus") {
        Ok(())
    } else {
        Err(Fault::Arguments(
            "this ffmpeg is built without libopus".into(),
        ))
    }
}

/// A clip through Opus at a target of `bitrate` bits a second (variable rate, tuned for speech): the bytes
/// of its packets, the container not counted, and what comes out, at the clip's rate.
pub fn code(clip: &Clip, bitrate: u32) -> Result<(usize, Clip), Fault> {
    let folder = tempfile::tempdir()
        .map_err(|e| Fault::Output(format!("no folder for Opus: {}", read::reason(&e))))?;
    let [source, coded, decoded] = ["in.wav", "x.opus", "out.wav"].map(|n| folder.path().join(n));
    crate::output::write(&source, &wav::write(clip, wav::Depth::Pcm16)?)?;
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
    let out = read::bytes(&decoded).and_then(read::clip)?;
    let channels = clip
        .channels
        .iter()
        .zip(&out.channels)
        .map(|(x, y)| {
            let y = resample::channel(
                y,
                out.rate,
                clip.rate,
                resample::length(y.len() as u64, out.rate, clip.rate) as usize,
            )?;
            Ok(aligned(x, &y))
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    let rate = clip.rate;
    Ok((packets(&coded)?, Clip { rate, channels }))
}

/// Bytes of all packets of a file.
fn packets(path: &Path) -> Result<usize, Fault> {
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

/// `y` shifted to where it agrees best with `x`, as long as `x`: PESQ and STOI must not judge a delay.
fn aligned(x: &[f32], y: &[f32]) -> Vec<f32> {
    let at = |i: isize| {
        usize::try_from(i)
            .ok()
            .and_then(|i| y.get(i))
            .copied()
            .unwrap_or(0.0)
    };
    let likeness = |shift: isize| -> f64 {
        x.iter()
            .enumerate()
            .map(|(i, &x)| f64::from(x) * f64::from(at(i as isize + shift)))
            .sum()
    };
    let longest = LONGEST_SHIFT as isize;
    let best = (-longest..=longest)
        .map(|shift| (likeness(shift), shift))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(0, |(_, shift)| shift);
    (0..x.len() as isize).map(|i| at(i + best)).collect()
}

/// Runs a program to its end.
fn call(
    program: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<Output, Fault> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Fault::Arguments(format!("{program} cannot be run: {}", read::reason(&e))))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or("it does not say why");
    Err(Fault::Other(format!("{program} failed: {last}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_taken_back() {
        let x: Vec<f32> = (0..2000).map(|i| ((i * i) as f32 * 1e-3).sin()).collect();
        let delayed: Vec<f32> = std::iter::repeat_n(0.0, 37)
            .chain(x.iter().copied())
            .collect();
        assert_eq!(aligned(&x, &delayed), x);
        let early = &x[12..];
        assert_eq!(aligned(&x, early)[12..], x[12..]);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let fault = call("no-such-program", ["-x"]).expect_err("no such program");
        assert!(fault.to_string().contains("no-such-program"), "{fault}");
    }
}
