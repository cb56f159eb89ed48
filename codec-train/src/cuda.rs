//! [`crate::portable`] on the first CUDA device.

use crate::error::{Error, Result};
use crate::examples::ExampleBatch;
use crate::loss::Measure;
use crate::network::Network;
use crate::portable;
use dfdx::tensor::Cuda;
use std::cell::OnceCell;

thread_local! {
    /// Opened once: a run stays on its thread.
    static DEVICE: OnceCell<Cuda> = const { OnceCell::new() };
}

/// Opens the device, so that its absence is known before clips are loaded.
pub(crate) fn check() -> Result<()> {
    if DEVICE.with(|cell| cell.get().is_some()) {
        return Ok(());
    }
    let device =
        Cuda::try_build(0, 0).map_err(|e| Error::Device(format!("CUDA device 0: {e:?}")))?;
    DEVICE.with(|cell| cell.set(device).ok());
    Ok(())
}

fn with<R>(work: impl FnOnce(&Cuda) -> Result<R>) -> Result<R> {
    check()?;
    DEVICE.with(|cell| match cell.get() {
        Some(device) => work(device),
        None => Err(Error::Device("no CUDA device".into())),
    })
}

/// As [`portable::gradients`].
pub(crate) fn gradients(
    network: &Network,
    batch: &ExampleBatch,
    kind: Measure,
) -> Result<(f32, Vec<Vec<f32>>)> {
    with(|device| portable::gradients(device, network, batch, kind))
}

/// As [`portable::value`].
pub(crate) fn value(network: &Network, batch: &ExampleBatch, kind: Measure) -> Result<f32> {
    with(|device| portable::value(device, network, batch, kind))
}
