//! The rules a model must keep before anyone runs it (Spec §7.8).

use crate::error::{Error, Result};
use crate::limits::{check, Limits};
use crate::model::{Activation, Layer, Model, Normalisation, Source};

/// Checks that a model can be run: shapes fit, sources lie behind, everything is finite and within
/// the limits (Spec §7.8).
///
/// # Errors
/// [`Error::Usage`] names the rule that is broken, [`Error::LimitExceeded`] what is too large.
pub fn validate(model: &Model, limits: &Limits) -> Result<()> {
    let rule = |holds: bool, what| {
        if holds {
            Ok(())
        } else {
            Err(Error::Usage { what })
        }
    };
    limits.check_rate(model.rate)?;
    model.stft.validate(limits)?;
    rule(
        matches!(model.upsampling, 1 | 2 | 4 | 8),
        "upsampling other than 1, 2, 4 or 8",
    )?;
    rule(
        model.stft.hop % u16::from(model.upsampling) == 0,
        "upsampling that does not divide the hop",
    )?;
    let Normalisation { offset, scale } = model.normalisation;
    rule(
        offset.is_finite() && scale.is_finite() && scale > 0.0,
        "normalisation",
    )?;
    rule(!model.layers.is_empty(), "model without layers")?;
    check(
        "model layers",
        model.layers.len() as u64,
        limits.model_layers as u64,
    )?;
    let mut weights = 0u64;
    for (n, layer) in model.layers.iter().enumerate() {
        rule(
            layer.inputs > 0 && layer.outputs > 0,
            "layer without channels",
        )?;
        let channels = u64::from(layer.inputs.max(layer.outputs));
        check("layer channels", channels, u64::from(limits.model_channels))?;
        for size in [layer.kernel_bins, layer.kernel_frames] {
            rule(size % 2 == 1, "kernel of even size")?;
            check(
                "kernel size",
                u64::from(size),
                u64::from(limits.model_kernel),
            )?;
        }
        rule(!layer.sources.is_empty(), "layer without sources")?;
        check(
            "layer sources",
            layer.sources.len() as u64,
            u64::from(limits.model_channels),
        )?;
        let mut inputs = 0u64;
        for source in &layer.sources {
            inputs += match *source {
                Source::Plane(_) => 1,
                Source::Layer(at) => {
                    rule(
                        usize::from(at) < n,
                        "source that does not lie behind its layer",
                    )?;
                    u64::from(model.layers[usize::from(at)].outputs)
                }
            };
        }
        rule(
            inputs == u64::from(layer.inputs),
            "input channels that are not the sum of the sources'",
        )?;
        if let Some(at) = layer.skip {
            rule(
                usize::from(at) < n,
                "skip that does not lie behind its layer",
            )?;
            let other = model.layers[usize::from(at)].outputs;
            rule(
                other == layer.outputs,
                "skip from a layer of other channels",
            )?;
        }
        let count = weight_count(layer);
        weights += count;
        check("model weights", weights, limits.model_weights as u64)?;
        // A multiply-add a weight and pixel: every layer runs on the coded grid.
        check(
            "multiply-adds a pixel",
            weights,
            limits.model_macs_per_pixel,
        )?;
        rule(
            layer.weights.len() as u64 == count,
            "weights that do not fit the layer",
        )?;
        rule(
            layer.bias.len() == usize::from(layer.outputs),
            "biases that do not fit the layer",
        )?;
        let mut slopes: &[f32] = &[];
        if let Activation::Prelu(of_channel) = &layer.activation {
            slopes = of_channel;
            rule(
                slopes.len() == usize::from(layer.outputs),
                "slopes that do not fit the layer",
            )?;
        }
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        rule(
            finite(&layer.weights) && finite(&layer.bias) && finite(slopes),
            "weight that is not finite",
        )?;
    }
    let last = model.layers.last().map_or(0, |layer| layer.outputs);
    rule(
        last == u16::from(model.upsampling),
        "last layer without an output a fine frame",
    )
}

fn weight_count(layer: &Layer) -> u64 {
    u64::from(layer.inputs)
        * u64::from(layer.outputs)
        * u64::from(layer.kernel_bins)
        * u64::from(layer.kernel_frames)
}
