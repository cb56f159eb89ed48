//! `sparc convert`.

use crate::commands::train::Weights;
use crate::fault::{Failure, Fault, OfFile};
use crate::{models, output};
use clap::Args;
use codec_audio::file;
use codec_format::model::Model;
use codec_train::config::Config;
use codec_train::export::{self, Coding};
use codec_train::{safetensors, Error};
use sparc::Network;
use std::path::PathBuf;

/// `sparc convert`.
#[derive(Debug, Args)]
pub struct Convert {
    /// A model file or a safetensors file
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// What to write: safetensors where the name ends in .safetensors, else a model file
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// Training configuration whose network the safetensors are for [default: what the file itself says]
    #[arg(long, value_name = "FILE", conflicts_with = "like")]
    pub config: Option<PathBuf>,
    /// Model file whose network the safetensors are for
    #[arg(long, value_name = "MODEL")]
    pub like: Option<PathBuf>,
    /// How the model file stores weights
    #[arg(long, value_enum, default_value_t = Weights::F32)]
    pub weights: Weights,
}

/// Takes weights from one kind of file to another.
pub fn run(args: &Convert) -> Vec<Failure> {
    convert(args).err().into_iter().collect()
}

fn convert(args: &Convert) -> Result<(), Failure> {
    let to_tensors = args.out.extension().is_some_and(|e| e == "safetensors");
    if to_tensors && args.weights != Weights::F32 {
        let what = "safetensors are written in single precision: without --weights";
        return Err(Fault::Arguments(what.into()).of(args.out.display()));
    }
    let bytes = models::weights(&args.input)?;
    let model = if safetensors::looks_like(&bytes) {
        let skeleton = skeleton(args)?;
        safetensors::read(&bytes, skeleton.as_ref()).map_err(fault)
    } else if args.config.is_some() || args.like.is_some() {
        let what = "a model file says itself what its network is: without --config and --like";
        Err(Fault::Arguments(what.into()))
    } else {
        Network::read(&bytes)
            .map(|network| network.model)
            .map_err(Fault::from)
    }
    .of(args.input.display())?;
    let written = if to_tensors {
        safetensors::write(&model)
    } else {
        export::bytes(&model, Coding::from(args.weights))
    };
    written
        .map_err(fault)
        .and_then(|bytes| output::write(&args.out, &bytes))
        .of(args.out.display())
}

/// The network that the arguments name, if they do.
fn skeleton(args: &Convert) -> Result<Option<Model>, Failure> {
    if let Some(path) = &args.like {
        let network = Network::read(&models::weights(path)?).of(path.display())?;
        return Ok(Some(network.model));
    }
    let Some(path) = &args.config else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(path)
        .map_err(|e| Fault::Input(file::reason(&e)).of(path.display()))?;
    Config::parse(&text)
        .and_then(|config| config.model())
        .map(Some)
        .map_err(|e| Fault::Arguments(e.to_string()).of(path.display()))
}

fn fault(error: Error) -> Fault {
    match error {
        Error::Format(error) => Fault::from(error),
        other => Fault::Model(other.to_string()),
    }
}
