//! From keyword arguments to the library's options.

use crate::arrays::natural;
use crate::fault::option;
use crate::model::Given;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use sparc::codec_format::Metadata;
use sparc::{Effort, Options, Rate};

/// Who writes comments.
const VENDOR: &str = concat!("sparc ", env!("CARGO_PKG_VERSION"), " for Python");

/// What may be said of how to encode.
pub struct Wanted<'a, 'py> {
    pub bitrate: Option<&'a Bound<'py, PyAny>>,
    pub quality: Option<f32>,
    pub cbr: bool,
    pub effort: &'a str,
    pub model: Option<&'a Bound<'py, PyAny>>,
    pub embed_model: bool,
    pub segment: Option<f32>,
    pub seek_index: bool,
    pub metadata: Option<&'a Bound<'py, PyAny>>,
}

impl Wanted<'_, '_> {
    /// What it comes to.
    pub fn options(&self) -> PyResult<Options> {
        let rate = match (self.bitrate, self.quality, self.cbr) {
            (Some(_), Some(_), _) => {
                return Err(option("bitrate and quality exclude each other"));
            }
            (None, _, true) => return Err(option("cbr needs a bitrate")),
            (Some(bits), None, true) => Rate::Constant(natural("bitrate", bits)?),
            (Some(bits), None, false) => Rate::Bitrate(natural("bitrate", bits)?),
            (None, Some(quality), _) => Rate::Quality(quality),
            (None, None, _) => Rate::Default,
        };
        let effort = match self.effort {
            "fast" => Effort::Fast,
            "default" => Effort::Default,
            "best" => Effort::Best,
            other => {
                let text = format!("effort {other:?} is not \"fast\", \"default\" or \"best\"");
                return Err(option(text));
            }
        };
        if let Some(seconds) = self.segment.filter(|s| !(*s > 0.0 && s.is_finite())) {
            let text = format!("a segment of {seconds} s is no length of time");
            return Err(option(text));
        }
        Ok(Options {
            rate,
            effort,
            completion: Given::of(self.model)?.completion(),
            embed: self.embed_model,
            metadata: self.metadata.map(comments).transpose()?,
            seek_index: self.seek_index,
            delay: None,
            segment: self.segment,
        })
    }
}

/// Comments of a mapping or of pairs.
fn comments(given: &Bound<'_, PyAny>) -> PyResult<Metadata> {
    let pairs = match given.hasattr("items")? {
        true => given.call_method0("items")?,
        false => given.clone(),
    };
    let mut comments = Vec::new();
    for pair in pairs.try_iter()? {
        let pair = pair?;
        let texts = pair.cast::<PyTuple>().ok().map(|pair| pair.extract());
        match texts {
            Some(Ok(pair)) => comments.push(pair),
            _ => {
                let text = "metadata is a dict of str to str, or pairs of str";
                return Err(PyTypeError::new_err(text));
            }
        }
    }
    Ok(Metadata {
        vendor: VENDOR.into(),
        comments,
    })
}
