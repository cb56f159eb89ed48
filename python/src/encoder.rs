//! PCM in, bytes out.

use crate::arrays::{natural, Samples, View};
use crate::fault::{option, Fault};
use crate::options::Wanted;
use crate::pool;
use crate::work::{unlocked, Shared};
use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sparc::plan::piece;
use std::ffi::CString;

/// Encodes a clip to the bytes of a whole .sparc stream.
///
/// Args:
///     array: samples of shape (n,) or (n, channels), up to eight channels: float32 or float64 of full scale 1, or int16.
///         Mono float32 that lies in one piece is read where it lies; leave it alone meanwhile.
///     rate: samples a second, Hz: 1000 to 192000.
///     bitrate: most bits a second for the whole stream, all channels together. By default 6000 for every channel, which
///         a clip may exceed that is too short for it; one that is asked for it may not.
///     quality: from 0 (smallest) to 10 (best), instead of a bitrate.
///     cbr: whether every segment, about a second, keeps to the bitrate by itself.
///     effort: "fast", "default" or "best": how many settings are tried for a bitrate.
///     model: a Model to complete the spectrogram with, or "none" for interpolation; by default the built-in one.
///     embed_model: whether the model travels within the stream, on top of the bitrate.
///     segment: seconds of a segment; 1.024 by default.
///     seek_index: whether an index of the segments ends the stream.
///     metadata: comments: a dict of str to str, or pairs where a key comes more than once.
///
/// Returns:
///     The stream.
///
/// Raises:
///     AudioError: samples, shape or rate that cannot be encoded.
///     OptionsError: options out of range, or a bitrate that is too low for the clip.
///     ModelError: a model that was made for something else.
///     LimitError: too many channels.
#[pyfunction]
#[pyo3(signature = (
    array, rate, bitrate=None, *, quality=None, cbr=false, effort="default", model=None, embed_model=false, segment=None,
    seek_index=false, metadata=None
))]
#[allow(clippy::too_many_arguments)] // They are Python's keywords.
pub fn encode<'py>(
    py: Python<'py>,
    array: &Bound<'py, PyAny>,
    rate: &Bound<'py, PyAny>,
    bitrate: Option<&Bound<'py, PyAny>>,
    quality: Option<f32>,
    cbr: bool,
    effort: &str,
    model: Option<&Bound<'py, PyAny>>,
    embed_model: bool,
    segment: Option<f32>,
    seek_index: bool,
    metadata: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let wanted = Wanted {
        bitrate,
        quality,
        cbr,
        effort,
        model,
        embed_model,
        segment,
        seek_index,
        metadata,
    };
    let options = wanted.options()?;
    let rate = natural("rate", rate)?;
    let samples = Samples::of(array)?;
    let view = samples.view();
    let pool = pool::threads()?;
    let (bytes, starved) = unlocked(py, "sound", || {
        let channels = view.channels();
        let mut plan = options.plan(channels)?;
        // As the library's own `encode`, which would want samples of its own.
        plan.delay = plan.delay.max(piece(channels));
        let mut encoder = sparc::Encoder::of(rate, channels, plan)?;
        pool.install(|| {
            let mut bytes = push(&mut encoder, &view)?;
            bytes.extend(encoder.finish()?);
            Ok((bytes, encoder.starved()))
        })
    })?;
    if starved > 0 {
        let text = format!(
            "{starved} segments take more than their share even without ridges; their background is held or silent"
        );
        let text = CString::new(text).unwrap_or_default();
        PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 1)?;
    }
    Ok(PyBytes::new(py, &bytes))
}

fn push(encoder: &mut sparc::Encoder, view: &View<'_>) -> Result<Vec<u8>, Fault> {
    let planes = view.planes();
    let planes: Vec<&[f32]> = planes.iter().map(AsRef::as_ref).collect();
    Ok(encoder.push(&planes)?)
}

/// An encoder of sound that arrives in pieces of any length: bytes come out as they are ready.
///
/// The same sound gives the same bytes however it is cut. Several threads may use one encoder; each call waits for the
/// one before. After an error it raises that error again: what followed would be made of half a stream.
///
/// Args:
///     rate: samples a second, Hz.
///     channels: 1 to 8.
///     delay: seconds of sound that may be held before their bytes are given out. By default 60, less with more than two
///         channels, or none with cbr or quality; what is no longer than that gives the bytes that encode() gives. 0 is for
///         live sound: the usual settings, and every segment as soon as it is full.
///
/// The others are those of encode(), and so are the errors.
#[pyclass(frozen, module = "sparc")]
#[derive(Debug)]
pub struct Encoder {
    shared: Shared<Inner>,
    /// Hz.
    #[pyo3(get)]
    rate: u32,
    /// Channels.
    #[pyo3(get)]
    channels: usize,
}

#[derive(Debug)]
struct Inner {
    encoder: sparc::Encoder,
    finished: bool,
}

#[pymethods]
impl Encoder {
    #[new]
    #[pyo3(signature = (
        rate, channels=1, bitrate=None, *, quality=None, cbr=false, effort="default", model=None, embed_model=false,
        segment=None, seek_index=false, metadata=None, delay=None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        rate: &Bound<'_, PyAny>,
        channels: i64,
        bitrate: Option<&Bound<'_, PyAny>>,
        quality: Option<f32>,
        cbr: bool,
        effort: &str,
        model: Option<&Bound<'_, PyAny>>,
        embed_model: bool,
        segment: Option<f32>,
        seek_index: bool,
        metadata: Option<&Bound<'_, PyAny>>,
        delay: Option<f32>,
    ) -> PyResult<Self> {
        let wanted = Wanted {
            bitrate,
            quality,
            cbr,
            effort,
            model,
            embed_model,
            segment,
            seek_index,
            metadata,
        };
        let mut options = wanted.options()?;
        if let Some(seconds) = delay.filter(|s| !(*s >= 0.0 && s.is_finite())) {
            return Err(option(format!(
                "a delay of {seconds} s is no length of time"
            )));
        }
        options.delay = delay;
        let rate = natural("rate", rate)?;
        let channels = usize::try_from(channels).unwrap_or(0);
        let encoder = unlocked(py, "sound", || {
            Ok(sparc::Encoder::new(rate, channels, &options)?)
        })?;
        Ok(Encoder {
            shared: Shared::new(Inner {
                encoder,
                finished: false,
            }),
            rate,
            channels,
        })
    }

    /// Takes samples of shape (n,) or (n, channels), as encode() does, and returns the bytes they complete: perhaps none.
    fn push<'py>(
        &self,
        py: Python<'py>,
        array: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let samples = Samples::of(array)?;
        let view = samples.view();
        if view.channels() != self.channels {
            return Err(option(format!(
                "an array of {} channels is pushed to an encoder of {}",
                view.channels(),
                self.channels
            )));
        }
        let pool = pool::threads()?;
        let bytes = self.shared.call(py, "sound", |inner| {
            inner.open()?;
            // The encoder is held by this thread, not by one of the pool, which may take another's work while it waits.
            pool.install(|| push(&mut inner.encoder, &view))
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Ends the stream and returns its last bytes; nothing may be pushed afterwards. Again it returns none.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let pool = pool::threads()?;
        let bytes = self.shared.call(py, "sound", |inner| {
            if inner.finished {
                return Ok(Vec::new());
            }
            inner.finished = true;
            pool.install(|| Ok(inner.encoder.finish()?))
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Segments so far that the rate left without all of their background.
    #[getter]
    fn starved(&self, py: Python<'_>) -> PyResult<u32> {
        let starved = |inner: &mut Inner| Ok(inner.encoder.starved());
        self.shared.call(py, "sound", starved)
    }
}

impl Inner {
    fn open(&self) -> Result<(), Fault> {
        match self.finished {
            false => Ok(()),
            true => Err(Fault::Codec(sparc::Error::Options(
                "the encoder is finished and takes no more".into(),
            ))),
        }
    }
}
