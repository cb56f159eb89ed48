//! Networks: those built in, and those of files.

use crate::arrays::bytes;
use crate::fault::{option, InternalError};
use crate::work::unlocked;
use numpy::ndarray::{ArrayD, IxDyn};
use numpy::{Element, PyArrayDyn};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use sparc::codec_format::model::graph::Graph;
use sparc::codec_format::model::op::{Activation, Numbers, Op};
use sparc::codec_format::model::Arithmetic;
use sparc::{models, Completion, Network, Networks};
use std::sync::Arc;

/// A network that completes images, as a model file holds it.
#[pyclass(frozen, module = "sparc")]
#[derive(Debug)]
pub struct Model {
    pub network: Arc<Network>,
}

#[pymethods]
impl Model {
    /// What streams name it by: the first 8 bytes of the SHA-256 of its file, in hexadecimal.
    #[getter]
    fn id(&self) -> String {
        self.network.id.to_string()
    }

    /// The name under which it is built in, if it is.
    #[getter]
    fn name(&self) -> Option<&'static str> {
        models::name_of(self.network.id)
    }

    /// The bytes of its file.
    #[getter]
    fn file<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.network.file)
    }

    /// The coded rate it was trained for, Hz.
    #[getter]
    fn rate(&self) -> u32 {
        self.network.model.rate
    }

    /// Length of the transform it was trained for, samples.
    #[getter]
    fn n_fft(&self) -> u16 {
        self.network.model.stft.n_fft
    }

    /// Length of the window it was trained for, samples.
    #[getter]
    fn window_length(&self) -> u16 {
        self.network.model.stft.window_length
    }

    /// Samples from one frame to the next.
    #[getter]
    fn hop(&self) -> u16 {
        self.network.model.stft.hop
    }

    /// Whether its numbers are whole ("whole", of 16 bits in units of 1/16 dB) or not ("real", binary32).
    #[getter]
    fn arithmetic(&self) -> &'static str {
        match self.network.model.arithmetic {
            Arithmetic::Whole => "whole",
            Arithmetic::Real => "real",
        }
    }

    /// Whether it gives a correction of the interpolated image rather than the image itself.
    #[getter]
    fn residual(&self) -> bool {
        self.network.model.residual
    }

    /// Level above the origin that enters the network as zero, dB.
    #[getter]
    fn offset_db(&self) -> f32 {
        self.network.model.normalisation.offset
    }

    /// Levels that enter the network as one, dB.
    #[getter]
    fn scale_db(&self) -> f32 {
        self.network.model.normalisation.scale
    }

    /// How it came about: training data, seed, command.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for (key, value) in &self.network.model.metadata {
            all.set_item(key, value)?;
        }
        Ok(all)
    }

    /// Its numbers, copied, as arrays by name: of the i-th convolution `layers.i.weight`, of shape (outputs, inputs of a
    /// group, bins, frames), and `layers.i.bias`, (outputs,); in a network of whole numbers `layers.i.shift` too, by how
    /// many binary digits its sums are shortened. The slopes after it are `layers.i.slope`, a second time
    /// `layers.i.slope2`. Those of a network for the encoder begin with `analysis.`
    ///
    /// float32, or in a network of whole numbers int16, with biases of int32 and shifts of uint8.
    #[getter]
    fn weights<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        add(&all, "", &self.network.model.completion)?;
        if let Some(graph) = &self.network.model.analysis {
            add(&all, "analysis.", graph)?;
        }
        Ok(all)
    }

    fn __repr__(&self) -> String {
        let model = &self.network.model;
        format!(
            "<sparc.Model {} for {} Hz, {} numbers>",
            self.network.id,
            model.rate,
            model.completion.parameters() + model.analysis.as_ref().map_or(0, Graph::parameters)
        )
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        let other = other.cast::<Model>();
        other.is_ok_and(|other| other.get().network.file == self.network.file)
    }

    fn __hash__(&self) -> u64 {
        u64::from_le_bytes(self.network.id.0)
    }

    /// As its file, so that models travel to other processes.
    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let read = slf.py().import("sparc._sparc")?.getattr("read_model")?;
        Ok((read, (slf.get().file(slf.py()),)))
    }
}

/// Puts the numbers of a graph into `all`.
fn add(all: &Bound<'_, PyDict>, prefix: &str, graph: &Graph) -> PyResult<()> {
    // As in the safetensors files of the command's `convert`.
    let (mut layer, mut slopes) = (None, 0);
    for node in &graph.nodes {
        match &node.op {
            Op::Convolution(op) => {
                let at = layer.map_or(0, |at: usize| at + 1);
                (layer, slopes) = (Some(at), 0);
                let outputs = usize::from(op.outputs);
                let inputs = usize::from(op.inputs / op.groups.max(1));
                let [bins, frames] = [op.kernel.bins, op.kernel.frames].map(usize::from);
                let shape = [outputs, inputs, bins, frames];
                let name = |what: &str| format!("{prefix}layers.{at}.{what}");
                match &op.numbers {
                    Numbers::Real { weights, bias } => {
                        put(all, &name("weight"), &shape, weights)?;
                        put(all, &name("bias"), &[outputs], bias)?;
                    }
                    Numbers::Whole {
                        weights,
                        shifts,
                        bias,
                    } => {
                        put(all, &name("weight"), &shape, weights)?;
                        put(all, &name("bias"), &[outputs], bias)?;
                        put(all, &name("shift"), &[outputs], shifts)?;
                    }
                }
            }
            Op::Activation(op) => {
                slopes += 1;
                let which = if slopes > 1 {
                    slopes.to_string()
                } else {
                    String::new()
                };
                let name = format!("{prefix}layers.{}.slope{which}", layer.unwrap_or(0));
                match op {
                    Activation::Prelu(numbers) => put(all, &name, &[numbers.len()], numbers)?,
                    Activation::WholePrelu(numbers) => put(all, &name, &[numbers.len()], numbers)?,
                    Activation::Relu => slopes -= 1,
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn put<T: Element>(
    all: &Bound<'_, PyDict>,
    name: &str,
    shape: &[usize],
    numbers: &[T],
) -> PyResult<()> {
    let py = all.py();
    let numbers = numbers.iter().map(|x| x.clone_ref(py)).collect();
    let array = ArrayD::from_shape_vec(IxDyn(shape), numbers)
        .map_err(|error| InternalError::new_err(format!("{name}: {error}")))?;
    all.set_item(name, PyArrayDyn::from_owned_array(py, array))
}

/// Reads a model from the bytes of its file.
#[pyfunction]
pub fn read_model(data: &Bound<'_, PyAny>) -> PyResult<Model> {
    let data = bytes(data)?;
    let file = data.as_bytes();
    let network = unlocked(data.py(), "model", || Ok(Network::read(file)?))?;
    Ok(Model {
        network: Arc::new(network),
    })
}

/// Names of the models that are part of the package.
#[pyfunction]
pub fn built_in_models() -> Vec<&'static str> {
    models::names()
}

/// The built-in model of a name.
#[pyfunction]
pub fn built_in_model(name: &str) -> PyResult<Model> {
    let found = models::by_name(name).map(|network| Model { network });
    found.ok_or_else(|| {
        let names = models::names().join(", ");
        option(format!(
            "no model called {name:?} is built in; there are {names}"
        ))
    })
}

/// What `model=` says.
#[derive(Debug, Clone)]
pub enum Given {
    Usual,
    None,
    This(Arc<Network>),
}

impl Given {
    pub fn of(model: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(model) = model else {
            return Ok(Given::Usual);
        };
        if let Ok(model) = model.cast::<Model>() {
            return Ok(Given::This(model.get().network.clone()));
        }
        match model.extract::<String>() {
            Ok(text) if text == "none" => Ok(Given::None),
            Ok(text) => Err(option(format!(
                "model {text:?} is not \"none\"; load_model and built_in_model give models"
            ))),
            Err(_) => {
                let name = model.get_type().qualname()?;
                Err(PyTypeError::new_err(format!(
                    "model is a sparc.Model or \"none\", not {name}"
                )))
            }
        }
    }

    /// To encode with.
    pub fn completion(self) -> Completion {
        match self {
            Given::Usual => Completion::BuiltIn,
            Given::None => Completion::Interpolation,
            Given::This(network) => Completion::Network(network),
        }
    }

    /// To decode with.
    pub fn networks(self) -> Networks {
        match self {
            Given::Usual => Networks::default(),
            Given::None => Networks::none(),
            Given::This(network) => Networks::default().with(network),
        }
    }
}
