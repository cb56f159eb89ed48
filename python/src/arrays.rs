//! Samples between numpy and the library.
//!
//! In: `(n,)` or `(n, channels)`. Channels of float32 whose samples lie one behind the other are borrowed: mono arrays, and
//! arrays of several channels in Fortran's order. All else is dealt out to channels first. Out: a mono array owns the very
//! memory that the decoder wrote; several channels are interleaved, as everybody expects them.

use crate::fault::{option, AudioError};
use numpy::ndarray::{Array2, ArrayView2, Axis};
use numpy::{
    Element, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::borrow::Cow;

/// Full scale of 16-bit samples.
const SCALE: f32 = 32_768.0;

/// An array of samples, `(n, channels)`.
pub enum Samples<'py> {
    Float(PyReadonlyArray2<'py, f32>),
    Double(PyReadonlyArray2<'py, f64>),
    Short(PyReadonlyArray2<'py, i16>),
}

impl<'py> Samples<'py> {
    /// Whatever numpy makes an array of samples of.
    pub fn of(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        let numpy = py.import("numpy")?;
        let mut array = numpy.call_method1("asarray", (object,))?;
        let dtype = array.getattr("dtype")?;
        if !dtype.getattr("isnative")?.extract::<bool>()? {
            let native = dtype.call_method1("newbyteorder", ("=",))?;
            array = array.call_method1("astype", (native,))?;
        }
        if !array.getattr("flags")?.getattr("aligned")?.extract()? {
            array = array.call_method0("copy")?;
        }
        let shape = array.cast::<PyUntypedArray>()?.shape().to_vec();
        match shape[..] {
            [_] => array = array.get_item((py.Ellipsis(), py.None()))?,
            // No sound has so few samples, nor any stream so many channels.
            [channels, samples] if channels <= 8 && samples > 8 => {
                return Err(AudioError::new_err(format!(
                    "sound: an array of shape ({channels}, {samples}) seems to have channels first; (n,) and (n, channels) \
                     are taken"
                )))
            }
            [_, _] => {}
            _ => {
                let shape = array.getattr("shape")?;
                return Err(AudioError::new_err(format!(
                    "sound: an array of shape {shape} is no sound; (n,) and (n, channels) are taken"
                )));
            }
        }
        Ok(if let Ok(array) = array.cast::<PyArray2<f32>>() {
            Samples::Float(array.readonly())
        } else if let Ok(array) = array.cast::<PyArray2<f64>>() {
            Samples::Double(array.readonly())
        } else if let Ok(array) = array.cast::<PyArray2<i16>>() {
            Samples::Short(array.readonly())
        } else {
            return Err(AudioError::new_err(format!(
                "sound: samples of type {dtype} are not taken, but float32 and float64 of full scale 1, and int16"
            )));
        })
    }

    /// A view that may leave the thread.
    pub fn view(&self) -> View<'_> {
        match self {
            Samples::Float(array) => View::Float(array.as_array()),
            Samples::Double(array) => View::Double(array.as_array()),
            Samples::Short(array) => View::Short(array.as_array()),
        }
    }
}

/// Samples as they lie in an array, `(n, channels)`.
pub enum View<'a> {
    Float(ArrayView2<'a, f32>),
    Double(ArrayView2<'a, f64>),
    Short(ArrayView2<'a, i16>),
}

impl<'a> View<'a> {
    /// Channels.
    pub fn channels(&self) -> usize {
        match self {
            View::Float(array) => array.ncols(),
            View::Double(array) => array.ncols(),
            View::Short(array) => array.ncols(),
        }
    }

    /// The samples channel by channel, full scale 1.
    pub fn planes(&self) -> Vec<Cow<'a, [f32]>> {
        match self {
            View::Float(array) => {
                let each = array.reversed_axes();
                (0..each.nrows())
                    .map(|c| {
                        let channel = each.index_axis_move(Axis(0), c);
                        match channel.to_slice() {
                            Some(samples) => Cow::Borrowed(samples),
                            None => Cow::Owned(channel.to_vec()),
                        }
                    })
                    .collect()
            }
            View::Double(array) => dealt(array, |x| x as f32),
            View::Short(array) => dealt(array, |x| f32::from(x) / SCALE),
        }
    }
}

fn dealt<'a, T: Copy>(array: &ArrayView2<'_, T>, sample: impl Fn(T) -> f32) -> Vec<Cow<'a, [f32]>> {
    let channels = array.columns().into_iter();
    channels
        .map(|channel| Cow::Owned(channel.iter().map(|&x| sample(x)).collect()))
        .collect()
}

/// The type of the samples that a decoder gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Float,
    Short,
}

impl Kind {
    /// What `dtype=` names: anything that numpy takes for float32 or int16.
    pub fn of(dtype: &Bound<'_, PyAny>) -> PyResult<Self> {
        let numpy = dtype.py().import("numpy")?;
        let name = numpy
            .call_method1("dtype", (dtype,))
            .and_then(|dtype| dtype.getattr("name"))
            .and_then(|name| name.extract::<String>());
        match name.as_deref() {
            Ok("float32") => Ok(Kind::Float),
            Ok("int16") => Ok(Kind::Short),
            _ => Err(option(format!(
                "dtype {dtype} is neither float32 nor int16"
            ))),
        }
    }

    /// Samples of this kind, in the order of an array `(n, channels)`.
    pub fn made(self, channels: Vec<Vec<f32>>) -> Made {
        let shape = (channels.first().map_or(0, Vec::len), channels.len());
        let samples = match <[Vec<f32>; 1]>::try_from(channels) {
            Ok([mono]) => mono,
            Err(channels) => sparc::Pcm { rate: 0, channels }.interleaved(),
        };
        match self {
            Kind::Float => Made::Float(shape, samples),
            // Rounded to nearest and clipped.
            Kind::Short => {
                let short = |x: &f32| (x * SCALE).round().clamp(-SCALE, SCALE - 1.0) as i16;
                Made::Short(shape, samples.iter().map(short).collect())
            }
        }
    }
}

/// Samples on their way to Python, and the shape of their array.
#[derive(Debug)]
pub enum Made {
    Float((usize, usize), Vec<f32>),
    Short((usize, usize), Vec<i16>),
}

impl Made {
    /// The array, which takes the samples over: `(n,)` of one channel, `(n, channels)` of several.
    pub fn array<'py>(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Made::Float(shape, samples) => array(py, shape, samples),
            Made::Short(shape, samples) => array(py, shape, samples),
        }
    }
}

fn array<T: Element>(
    py: Python<'_>,
    shape: (usize, usize),
    samples: Vec<T>,
) -> PyResult<Bound<'_, PyAny>> {
    if shape.1 == 1 {
        return Ok(PyArray1::from_vec(py, samples).into_any());
    }
    let made = Array2::from_shape_vec(shape, samples)
        .map_err(|error| crate::fault::InternalError::new_err(error.to_string()))?;
    Ok(PyArray2::from_owned_array(py, made).into_any())
}

/// The bytes of `bytes` or of anything that lends them. Only immutable ones are borrowed; a stream is small.
pub fn bytes<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(bytes.clone());
    }
    let py = data.py();
    let lent = py.import("builtins")?.call_method1("memoryview", (data,));
    let Ok(lent) = lent else {
        let name = data.get_type().qualname()?;
        return Err(PyTypeError::new_err(format!(
            "a bytes-like object is needed, not {name}"
        )));
    };
    Ok(lent.call_method0("tobytes")?.cast_into::<PyBytes>()?)
}

/// A whole number that an option takes.
pub fn natural<T: TryFrom<u64>>(name: &str, value: &Bound<'_, PyAny>) -> PyResult<T> {
    // `operator.index` is what tells whole numbers from others.
    let value = value
        .py()
        .import("operator")?
        .call_method1("index", (value,))
        .map_err(|_| {
            let kind = value.get_type().qualname();
            let kind = kind.map_or_else(|_| "that".to_string(), |kind| kind.to_string());
            PyTypeError::new_err(format!("{name} is a whole number, not {kind}"))
        })?;
    let fits = value
        .extract::<u64>()
        .ok()
        .and_then(|n| T::try_from(n).ok());
    fits.ok_or_else(|| option(format!("{name} of {value} is out of range")))
}
