//! Bytes in, PCM out.

use crate::arrays::{bytes, natural, Kind, Made};
use crate::fault::{DamageWarning, Fault};
use crate::inspection;
use crate::model::Given;
use crate::work::{unlocked, Shared};
use pyo3::prelude::*;
use sparc::{decode_range, decode_with, Decoding};
use std::ffi::CString;

/// What is accepted, by keywords.
fn decoding(
    model: Option<&Bound<'_, PyAny>>,
    resample: bool,
    max_memory: Option<&Bound<'_, PyAny>>,
    max_samples: Option<&Bound<'_, PyAny>>,
) -> PyResult<Decoding> {
    let usual = Decoding::default();
    let or = |name, given: Option<&Bound<'_, PyAny>>, usual| match given {
        Some(given) => natural(name, given),
        None => Ok(usual),
    };
    Ok(Decoding {
        networks: Given::of(model)?.networks(),
        resample,
        memory: or("max_memory", max_memory, usual.memory)?,
        samples: or("max_samples", max_samples, usual.samples)?,
        ..usual
    })
}

fn kind(dtype: Option<&Bound<'_, PyAny>>) -> PyResult<Kind> {
    dtype.map_or(Ok(Kind::Float), Kind::of)
}

/// Decodes a whole stream, or a part of it.
///
/// Args:
///     data: the stream: bytes, or anything that lends them.
///     start: the first sample wanted, counted per channel at the rate of the result.
///     stop: the one behind the last; by default all there are. What lies before start is not decoded; phases that the
///         stream leaves to the decoder are others then, and as good.
///     dtype: "float32", of full scale 1, which is the default, or "int16", rounded and clipped.
///     model: a Model for streams that name one that is neither built in nor embedded, or "none" for interpolation.
///     resample: whether the sound comes at the source's rate; otherwise at the coded one, where it is the same to the bit
///         on every machine.
///     max_memory: most bytes that the decoder may take; 64 MiB by default.
///     max_samples: most samples, of all channels together; 2**29 by default.
///
/// Returns:
///     The samples, of shape (n,) if there is one channel, or (n, channels); and their rate, Hz. The array of a mono stream
///     is the decoder's own memory.
///
/// Raises:
///     StreamError: data is no stream, or is cut short.
///     ModelError: the stream needs a model that is not at hand.
///     LimitError: it asks for more than is allowed.
///
/// Warns:
///     DamageWarning: parts were damaged or lost, and were concealed.
#[pyfunction]
#[pyo3(signature = (
    data, start=None, stop=None, *, dtype=None, model=None, resample=true, max_memory=None, max_samples=None
))]
#[allow(clippy::too_many_arguments)] // They are Python's keywords.
pub fn decode<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    start: Option<&Bound<'py, PyAny>>,
    stop: Option<&Bound<'py, PyAny>>,
    dtype: Option<&Bound<'py, PyAny>>,
    model: Option<&Bound<'py, PyAny>>,
    resample: bool,
    max_memory: Option<&Bound<'py, PyAny>>,
    max_samples: Option<&Bound<'py, PyAny>>,
) -> PyResult<(Bound<'py, PyAny>, u32)> {
    let kind = kind(dtype)?;
    let decoding = decoding(model, resample, max_memory, max_samples)?;
    let range = match (start, stop) {
        (None, None) => None,
        (start, stop) => {
            let from: u64 = start.map_or(Ok(0), |start| natural("start", start))?;
            let to = stop.map_or(Ok(u64::MAX), |stop| natural("stop", stop))?;
            Some(from..to.max(from))
        }
    };
    let data = bytes(data)?;
    let stream = data.as_bytes();
    let (made, rate, damage) = unlocked(py, "stream", || {
        let decoded = match range {
            None => decode_with(stream, &decoding),
            Some(range) => decode_range(stream, range, &decoding),
        }?;
        let rate = decoded.pcm.rate;
        Ok((kind.made(decoded.pcm.channels), rate, decoded.damage))
    })?;
    if !damage.is_none() {
        let text = CString::new(format!("stream: {damage}")).unwrap_or_default();
        PyErr::warn(py, &py.get_type::<DamageWarning>(), &text, 1)?;
    }
    Ok((made.array(py)?, rate))
}

/// Bytes of memory that a decoder takes for a stream that begins with these: known, and held against a limit, before any are
/// taken.
///
/// Args:
///     data: the beginning of the stream, with its header and, if it brings one along, its model.
///     model, resample: as for decode().
#[pyfunction]
#[pyo3(signature = (data, *, model=None, resample=true))]
pub fn memory_required(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    model: Option<&Bound<'_, PyAny>>,
    resample: bool,
) -> PyResult<u64> {
    let decoding = decoding(model, resample, None, None)?;
    let data = bytes(data)?;
    let beginning = data.as_bytes();
    unlocked(py, "stream", || {
        Ok(sparc::memory_required(beginning, &decoding)?)
    })
}

/// A decoder of a stream that arrives in pieces of any size.
///
/// push() what arrives and iterate over the decoder, or pull(), for the arrays that are ready; after the last byte
/// finish(), and take the rest. The same stream gives the same sound however it is cut. Memory does not grow with the
/// stream's length. Several threads may use one decoder; each call waits for the one before. After an error it raises that
/// error again.
///
/// The keywords are those of decode().
#[pyclass(frozen, module = "sparc")]
#[derive(Debug)]
pub struct Decoder {
    shared: Shared<Inner>,
    kind: Kind,
}

#[derive(Debug)]
struct Inner {
    decoder: sparc::Decoder,
    finished: bool,
}

#[pymethods]
impl Decoder {
    #[new]
    #[pyo3(signature = (*, dtype=None, model=None, resample=true, max_memory=None))]
    fn new(
        dtype: Option<&Bound<'_, PyAny>>,
        model: Option<&Bound<'_, PyAny>>,
        resample: bool,
        max_memory: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let decoding = decoding(model, resample, max_memory, None)?;
        Ok(Decoder {
            shared: Shared::new(Inner {
                decoder: sparc::Decoder::new(&decoding),
                finished: false,
            }),
            kind: kind(dtype)?,
        })
    }

    /// Takes the next bytes.
    fn push(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let data = bytes(data)?;
        let stream = data.as_bytes();
        self.call(py, |inner| match inner.finished {
            false => {
                inner.decoder.push(stream);
                Ok(())
            }
            true => Err(Fault::Codec(sparc::Error::Options(
                "the decoder is finished and takes no more".into(),
            ))),
        })
    }

    /// Says that the stream has no more bytes.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, |inner| {
            inner.finished = true;
            inner.decoder.finish();
            Ok(())
        })
    }

    /// The next samples, of shape (n,) or (n, channels), a quarter of a second or so of them; None while more bytes are
    /// needed, and after the end.
    fn pull<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let kind = self.kind;
        let made: Option<Made> = self.call(py, |inner| {
            let pcm = inner.decoder.pull()?;
            Ok(pcm.map(|pcm| kind.made(pcm.channels)))
        })?;
        made.map(|made| made.array(py)).transpose()
    }

    /// The arrays that pull() has for now.
    fn __iter__(slf: Py<Self>) -> Blocks {
        Blocks { of: slf }
    }

    /// Hz of what is given out; None until the first pull() that finds the stream's header whole.
    #[getter]
    fn rate(&self, py: Python<'_>) -> PyResult<Option<u32>> {
        self.call(py, |inner| {
            Ok(Some(inner.decoder.rate()).filter(|&rate| rate > 0))
        })
    }

    /// Channels of what is given out; None as long as the rate is.
    #[getter]
    fn channels(&self, py: Python<'_>) -> PyResult<Option<u8>> {
        self.call(py, |inner| {
            let header = inner.decoder.header();
            Ok(header.map(|header| header.source.channels))
        })
    }

    /// What was damaged or lost so far.
    #[getter]
    fn damage<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let damage = self.call(py, |inner| Ok(inner.decoder.damage().clone()))?;
        inspection::damage(py, &damage)
    }
}

impl Decoder {
    fn call<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Inner) -> Result<R, Fault> + Send,
    ) -> PyResult<R> {
        self.shared.call(py, "stream", work)
    }
}

/// The arrays that a decoder has for now.
#[pyclass(frozen, module = "sparc._sparc")]
#[derive(Debug)]
pub struct Blocks {
    of: Py<Decoder>,
}

#[pymethods]
impl Blocks {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.of.get().pull(py)
    }
}
