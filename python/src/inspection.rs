//! What a stream is made of, as the dataclasses of `package/sparc/_inspection.py`.

use crate::arrays::bytes;
use crate::fault::Fault;
use crate::work::unlocked;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use sparc::codec_format::header::{Header, MaskKind, ModelId, PhaseKind, ValueCoding, WindowKind};
use sparc::codec_format::inspect::{layout, ChunkInfo};
use sparc::codec_format::{Event, LayerBits, Limits, Metadata, StreamReader};
use sparc::{models, Damage, Decoding, Error, Stream};

/// An object of the dataclass `name` with these fields.
fn made<'py>(
    py: Python<'py>,
    name: &str,
    fields: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let module = py.import("sparc._inspection")?;
    module.getattr(name)?.call((), Some(fields))
}

/// A dict of fields.
macro_rules! fields {
    ($py:expr, $($name:ident: $value:expr),* $(,)?) => {{
        let fields = PyDict::new($py);
        $(fields.set_item(stringify!($name), $value)?;)*
        fields
    }};
}

/// Eighths of a dB as dB.
fn decibels(eighths: impl Into<f64>) -> f64 {
    eighths.into() / 8.0
}

/// `sparc.Damage`.
pub fn damage<'py>(py: Python<'py>, damage: &Damage) -> PyResult<Bound<'py, PyAny>> {
    let fields = fields!(py,
        places: damage.places,
        first: damage.first.as_ref().map(ToString::to_string),
        concealed: damage.concealed,
        segments: damage.segments,
    );
    made(py, "Damage", &fields)
}

/// `sparc.Header`.
fn header<'py>(py: Python<'py>, header: &Header) -> PyResult<Bound<'py, PyAny>> {
    let lattice = header.lattice.map(|lattice| {
        let fields = fields!(py,
            bands: lattice.bands, every: lattice.every, step_db: decibels(lattice.step),
        );
        made(py, "Lattice", &fields)
    });
    let waveform = header.waveform.map(|waveform| {
        let fields = fields!(py,
            coefficients: waveform.coefficients, step_db: decibels(waveform.step),
        );
        made(py, "Waveform", &fields)
    });
    let (phases, bits, threshold) = match header.phase {
        PhaseKind::None => ("none", 0, None),
        PhaseKind::All { bits } => ("all", bits, None),
        PhaseKind::Thresholded { bits, threshold } => ("some", bits, Some(decibels(threshold))),
    };
    let (mask, seed, threshold_step) = match header.mask {
        MaskKind::Seeded { seed } => ("uniform", Some(seed), None),
        MaskKind::Packed => ("packed", None, None),
        MaskKind::RunLength => ("runs", None, None),
        MaskKind::Ridge { threshold_step } => ("ridge", None, Some(decibels(threshold_step))),
    };
    let ridge = matches!(header.mask, MaskKind::Ridge { .. });
    let fields = fields!(py,
        source_rate: header.source.rate,
        source_channels: header.source.channels,
        coded_rate: header.coded.rate,
        coded_channels: header.coded.channels,
        total_samples: header.total_samples,
        pre_skip: header.pre_skip,
        n_fft: header.stft.n_fft,
        window: match header.stft.window {
            WindowKind::Hann => "hann",
            WindowKind::Sine => "sine",
        },
        window_length: header.stft.window_length,
        hop: header.stft.hop,
        segment_frames: header.segment_frames,
        origin_db: decibels(header.quantiser.origin),
        step_db: decibels(header.quantiser.step),
        mask: mask,
        seed: seed,
        threshold_step_db: threshold_step,
        values: match header.values {
            ValueCoding::Packed if !ridge => "packed",
            _ => "context",
        },
        lattice: lattice.transpose()?,
        waveform: waveform.transpose()?,
        phases: phases,
        phase_bits: bits,
        phase_threshold_db: threshold,
        model: header.model.map(|id| id.to_string()),
    );
    made(py, "Header", &fields)
}

/// `sparc.Layers`.
fn layers<'py>(py: Python<'py>, bits: &LayerBits) -> PyResult<Bound<'py, PyAny>> {
    let of = |bits: u64| bits as f64 / 256.0;
    let fields = fields!(py,
        mask: of(bits.mask),
        values: of(bits.values),
        thresholds: of(bits.thresholds),
        lattice: of(bits.lattice),
        phases: of(bits.phases),
        waveform: of(bits.waveform),
    );
    made(py, "Layers", &fields)
}

/// `sparc.Chunk`.
fn chunk<'py>(py: Python<'py>, chunk: &ChunkInfo) -> PyResult<Bound<'py, PyAny>> {
    let segment = chunk.segment.map(|segment| {
        let fields = fields!(py,
            index: segment.index,
            frames: segment.frames,
            kept: segment.kept,
            pixels: segment.pixels,
            layers: layers(py, &segment.bits)?,
        );
        made(py, "Segment", &fields)
    });
    let fields = fields!(py,
        name: chunk.name,
        section: chunk.section,
        type: chunk.kind,
        critical: chunk.is_critical(),
        offset: chunk.offset,
        size: chunk.size,
        sound: chunk.sound,
        segment: segment.transpose()?,
    );
    made(py, "Chunk", &fields)
}

/// Where a decoder finds the model of this id.
fn place(id: ModelId, embedded: bool) -> &'static str {
    if embedded {
        "embedded"
    } else if models::name_of(id).is_some() {
        "built in"
    } else {
        "elsewhere"
    }
}

/// What lies between the header and the first segment.
fn comments(stream: &[u8]) -> (Option<Header>, Option<Metadata>, bool) {
    let mut reader = StreamReader::new(&Limits::default());
    reader.push(stream);
    let (mut metadata, mut embedded) = (None, false);
    while let Ok(Some(event)) = reader.next_event() {
        match event {
            Event::Header(_) => {}
            Event::Metadata(found) => metadata = Some(found),
            // No other is told of than the one that the header names.
            Event::Model(_) => embedded = true,
            _ => break,
        }
    }
    (reader.header().cloned(), metadata, embedded)
}

/// `sparc.inspect` of bytes.
#[pyfunction]
pub fn inspect<'py>(py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let data = bytes(data)?;
    let stream = data.as_bytes();
    let (chunks, (head, metadata, embedded), read) = unlocked(py, "stream", || {
        let chunks = layout(stream, &Limits::default()).map_err(Error::from)?;
        let survey = Stream::survey(stream, &Decoding::default());
        Ok((chunks, comments(stream), survey))
    })?;
    // A stream that is cut short still shows what it has, if that is a header.
    let head = match (head, &read) {
        (Some(header), _) => header,
        (None, Ok((header, ..))) => header.clone(),
        (None, Err(error)) => return Err(Fault::Codec(error.clone()).raised("stream")),
    };
    let mut bits = LayerBits::default();
    for segment in chunks.iter().filter_map(|chunk| chunk.segment) {
        bits.add(&segment.bits);
    }
    let (samples, found, fault) = match read {
        Ok((_, total, damage)) => (Some(total), damage, None),
        Err(error) => (
            head.total_samples,
            Damage::default(),
            Some(error.to_string()),
        ),
    };
    let listed: Vec<_> = chunks
        .iter()
        .map(|found| chunk(py, found))
        .collect::<PyResult<_>>()?;
    let metadata = metadata.unwrap_or_default();
    let fields = fields!(py,
        bytes: stream.len(),
        samples: samples,
        header: header(py, &head)?,
        model_place: head.model.map(|id| place(id, embedded)),
        vendor: metadata.vendor,
        metadata: PyTuple::new(py, metadata.comments)?,
        layers: layers(py, &bits)?,
        chunks: PyTuple::new(py, listed)?,
        damage: damage(py, &found)?,
        fault: fault,
    );
    made(py, "Inspection", &fields)
}

/// `sparc.info` of bytes.
#[pyfunction]
pub fn info<'py>(py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let data = bytes(data)?;
    let stream = data.as_bytes();
    let (header, samples) = unlocked(py, "stream", || {
        let mut reader = StreamReader::new(&Limits::default());
        // No time is spent on segments.
        reader.skip_to(u32::MAX);
        reader.push(stream);
        reader.finish();
        while let Some(event) = reader.next_event().map_err(Error::from)? {
            if let (Event::End { total }, Some(header)) = (event, reader.header()) {
                return Ok((header.clone(), total));
            }
        }
        Err(Fault::Codec(Error::Stream(
            "ends before it tells its length".into(),
        )))
    })?;
    let fields = fields!(py,
        rate: header.source.rate,
        channels: header.source.channels,
        samples: samples,
        coded_rate: header.coded.rate,
        model: header.model.map(|id| id.to_string()),
        bytes: stream.len(),
    );
    made(py, "Info", &fields)
}
