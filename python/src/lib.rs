//! The sparc codec for Python: [`sparc`]'s front door over numpy arrays, and nothing else.
//!
//! Everything that takes time runs without Python's global lock, and nothing is copied that need not be: see [`arrays`].
//! What Python sees is described in `package/sparc/_sparc.pyi`.

mod arrays;
mod decoder;
mod encoder;
mod fault;
mod inspection;
mod model;
mod options;
mod pool;
mod work;

/// The native half of the package `sparc`.
#[pyo3::pymodule]
mod _sparc {
    #[pymodule_export]
    use crate::decoder::{decode, memory_required, Blocks, Decoder};
    #[pymodule_export]
    use crate::encoder::{encode, Encoder};
    #[pymodule_export]
    use crate::fault::{
        AudioError, DamageWarning, Error, InternalError, LimitError, ModelError, OptionsError,
        StreamError,
    };
    #[pymodule_export]
    use crate::inspection::{info, inspect};
    #[pymodule_export]
    use crate::model::{built_in_model, built_in_models, read_model, Model};
    #[pymodule_export]
    use crate::pool::set_threads;
}
