//! What to train and how, as a TOML file; `configs/` holds those of the shipped networks.

mod nodes;

use crate::error::{Error, Result};
use crate::loss::LossConfig;
use codec_format::header::{Stft, WindowKind};
use codec_format::limits::MAX_COEFFICIENTS;
use codec_format::model::graph::{Extent, Graph, Operand};
use codec_format::model::op::Shuffle;
use codec_format::model::{Arithmetic, Model, Normalisation, Parts};
pub use nodes::{describe, NodeConfig};
use serde::{Deserialize, Serialize};

/// A training configuration.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The grid and the units.
    pub model: ModelConfig,
    /// The network, in order.
    #[serde(alias = "layer")]
    pub node: Vec<NodeConfig>,
    /// The optimisation.
    #[serde(default)]
    pub training: Training,
    /// How examples are made from clips.
    #[serde(default)]
    pub examples: Examples,
    /// What the loss measures and weighs.
    #[serde(default)]
    pub loss: LossConfig,
}

/// The grid and the units of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Sample rate, Hz.
    pub rate: u32,
    /// Transform and window length in samples.
    pub n_fft: u16,
    /// Samples from one coded frame to the next.
    pub hop: u16,
    /// Fine frames for each coded one: 1, 2, 4 or 8.
    pub upsampling: u8,
    /// dB above the origin that map to zero.
    pub offset: f32,
    /// dB that map to one.
    pub scale: f32,
    /// Whether the output corrects the image interpolated in time.
    #[serde(default = "yes")]
    pub residual: bool,
}

fn yes() -> bool {
    true
}

/// The optimisation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// Steps to take.
    pub steps: u64,
    /// Crops in a step.
    pub batch: usize,
    /// Coded frames in a crop.
    pub frames: usize,
    /// Highest learning rate.
    pub rate: f32,
    /// Learning rate at the end of the cosine.
    pub final_rate: f32,
    /// Steps over which the learning rate rises from zero.
    pub warm_up: u64,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Gradients longer than this are shortened.
    pub clip: f32,
    /// Share of its past that the running mean of the weights keeps at each step, below 1: it is what is validated and
    /// written. 0 takes the weights themselves.
    pub average: f32,
    /// Seed of weights, crops and settings.
    pub seed: u64,
    /// Steps between validations, checkpoints and lines of the log; 0 for once an epoch.
    pub validate_every: u64,
}

impl Default for Training {
    fn default() -> Self {
        Training {
            steps: 8000,
            batch: 6,
            frames: 64,
            rate: 2e-3,
            final_rate: 1e-5,
            warm_up: 50,
            weight_decay: 2e-4,
            clip: 1.0,
            average: 0.0,
            seed: 1,
            validate_every: 250,
        }
    }
}

/// Mask policies by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyName {
    /// Pixels above a threshold per frame.
    #[default]
    Ridge,
    /// Uniform random, drawn anew for every crop.
    Uniform,
    /// The strongest of each frame.
    Energy,
}

/// How examples are made from clips: every crop is coded anew with settings drawn from these.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Examples {
    /// Which pixels are kept: `ridge`, `uniform` or `energy`.
    pub policy: PolicyName,
    /// Smallest and largest share of pixels kept; drawn uniformly in the logarithm.
    pub keep: [f32; 2],
    /// Value steps to choose from, dB.
    pub steps: Vec<f32>,
    /// Lattice bands to choose from; empty for images without a background.
    pub bands: Vec<u8>,
    /// Frames a lattice step covers.
    pub every: u8,
    /// Lattice steps to choose from, dB.
    pub lattice_steps: Vec<f32>,
    /// Step of the ridge's thresholds, dB.
    pub threshold_step: f32,
    /// Coefficients of the waveform layer to choose from, 0 for images without it; only with the ridge policy.
    pub waveform: Vec<u8>,
    /// Level of that layer's step less the frame's threshold, dB.
    pub waveform_step: f32,
    /// Clips shorter than this are joined with others to be at least as long, seconds.
    pub join: f32,
    /// Range of the random gain of joined clips, dB either way.
    pub gain: f32,
    /// Range of the random shift of the origin, dB either way, as in streams whose peak is not known.
    pub origin: f32,
    /// Share of crops whose origin is shifted.
    pub origin_share: f32,
    /// Share of clips that get noise mixed in, where a noise folder is given.
    pub noise_share: f32,
    /// Lowest and highest ratio of speech to mixed noise, dB.
    pub snr: [f32; 2],
}

impl Default for Examples {
    fn default() -> Self {
        Examples {
            policy: PolicyName::Ridge,
            keep: [0.02, 0.14],
            steps: vec![4.0, 6.0],
            bands: vec![14, 20],
            every: 2,
            lattice_steps: vec![4.0],
            threshold_step: 2.0,
            waveform: vec![0],
            waveform_step: -8.0,
            join: 3.0,
            gain: 10.0,
            origin: 8.0,
            origin_share: 0.1,
            noise_share: 0.15,
            snr: [5.0, 30.0],
        }
    }
}

/// A step in dB as the formats' 1/8 dB.
///
/// # Errors
/// [`Error::Config`] if it is not a whole number of them from 1 to 255.
pub fn eighths(name: &str, db: f32) -> Result<u8> {
    let x = db * 8.0;
    if x.fract() != 0.0 || !(1.0..=255.0).contains(&x) {
        return Err(Error::Config(format!(
            "{name} of {db} dB is not a multiple of 1/8 dB up to 31.875"
        )));
    }
    Ok(x as u8)
}

impl Config {
    /// Reads a configuration from TOML and checks it.
    ///
    /// # Errors
    /// [`Error::Config`] naming the line or the value that is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Config = toml::from_str(text).map_err(|e| Error::Config(e.to_string()))?;
        config.checked()
    }

    /// The configuration, if its values can be used.
    pub(crate) fn checked(self) -> Result<Self> {
        self.check()?;
        Ok(self)
    }

    fn check(&self) -> Result<()> {
        let fail = |what: String| Err(Error::Config(what));
        let (m, t, e) = (&self.model, &self.training, &self.examples);
        if self.node.is_empty() {
            return fail("a network needs a node".into());
        }
        if !matches!(m.upsampling, 1 | 2 | 4 | 8)
            || m.hop % u16::from(m.upsampling) != 0
            || m.hop == 0
        {
            return fail("upsampling must be 1, 2, 4 or 8 and divide the hop".into());
        }
        if !(m.scale > 0.0 && m.scale.is_finite() && m.offset.is_finite()) {
            return fail("scale must be positive and offset finite".into());
        }
        if t.steps == 0 || t.batch == 0 || t.batch > 4096 {
            return fail("steps must be at least 1, batch from 1 to 4096".into());
        }
        if !(8..=4096).contains(&t.frames) {
            return fail("frames of a crop must be from 8 to 4096".into());
        }
        if !(t.rate > 0.0 && t.final_rate >= 0.0 && t.weight_decay >= 0.0 && t.clip > 0.0) {
            return fail(
                "rate and clip must be positive, final_rate and weight_decay not negative".into(),
            );
        }
        if !(0.0..1.0).contains(&t.average) {
            return fail("average must be a share of at least 0 and below 1".into());
        }
        if !(e.keep[0] > 0.0 && e.keep[0] <= e.keep[1] && e.keep[1] <= 1.0) {
            return fail("keep must be two shares in (0, 1], the smaller first".into());
        }
        if e.steps.is_empty() || e.lattice_steps.is_empty() || e.every == 0 {
            return fail("examples need a value step, a lattice step and a lattice spacing".into());
        }
        if e.policy == PolicyName::Ridge && e.bands.is_empty() {
            return fail("ridge examples need a number of bands".into());
        }
        if e.bands
            .iter()
            .any(|&b| b == 0 || u16::from(b) > m.n_fft / 2 + 1)
        {
            return fail("bands must be from 1 to the number of bins".into());
        }
        if e.waveform.is_empty()
            || e.waveform.iter().any(|&c| {
                c > MAX_COEFFICIENTS || u16::from(c) > m.hop || (c > 0 && m.hop > m.n_fft / 2)
            })
            || (e.policy != PolicyName::Ridge && e.waveform.iter().any(|&c| c > 0))
        {
            return fail(
                "waveform must be numbers of coefficients up to 128 and the hop; without the ridge policy, or \
                 with a hop over half the transform, only 0"
                    .into(),
            );
        }
        if (e.waveform_step * 8.0).fract() != 0.0 || !(-16.0..=15.875).contains(&e.waveform_step) {
            return fail("waveform_step must be a multiple of 1/8 dB from -16 to 15.875".into());
        }
        if e.snr[0] > e.snr[1] || !(0.0..=1.0).contains(&e.noise_share) {
            return fail(
                "snr must be two ratios, the smaller first, and noise_share in 0..=1".into(),
            );
        }
        for &step in &e.steps {
            eighths("a value step", step)?;
        }
        for &step in &e.lattice_steps {
            eighths("a lattice step", step)?;
        }
        eighths("threshold_step", e.threshold_step)?;
        Ok(())
    }

    /// The model described, all its weights zero.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first node that does not fit; [`Error::Network`] for a network that does not end in the
    /// levels of the fine grid.
    pub fn model(&self) -> Result<Model> {
        let m = &self.model;
        let mut completion = nodes::graph(&self.node)?;
        let last = completion.shapes()?.pop();
        let up = m.upsampling;
        // Usually the last node has a channel for every fine frame.
        if up > 1 && last.is_some_and(|l| l.grid.frames == 0 && l.channels == u16::from(up)) {
            let factor = Extent {
                bins: 1,
                frames: up,
            };
            let output = Operand::Node((completion.nodes.len() - 1) as u8);
            completion.push(Shuffle { factor }, &[output]);
        }
        self.model_of(completion)
    }

    fn model_of(&self, completion: Graph) -> Result<Model> {
        let m = &self.model;
        let model = Model::new(Parts {
            rate: m.rate,
            stft: Stft {
                n_fft: m.n_fft,
                window_length: m.n_fft,
                window: WindowKind::Hann,
                hop: m.hop,
            },
            arithmetic: Arithmetic::Real,
            normalisation: Normalisation {
                offset: m.offset,
                scale: m.scale,
            },
            residual: m.residual,
            completion,
            analysis: None,
            metadata: Vec::new(),
        });
        let ends = format!(
            "the last node must have {} output channels, the upsampling, or one on the grid of the fine frames",
            m.upsampling
        );
        match model {
            Ok(model) if model.upsampling() == m.upsampling => Ok(model),
            Ok(_) => Err(Error::Network(ends)),
            Err(error) => Err(Error::Network(format!("{error}; {ends}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(text: &str) -> Result<Model> {
        Config::parse(text).and_then(|config| config.model())
    }

    #[test]
    fn shipped_configurations_are_valid() {
        let mut found = 0;
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/configs");
        for entry in std::fs::read_dir(folder).expect("the configurations") {
            let path = entry.expect("a file").path();
            let text = std::fs::read_to_string(&path).expect("text");
            let model = model(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let thesis = path.to_string_lossy().contains("thesis");
            if thesis {
                assert_eq!(model.completion.parameters(), 30_849);
            }
            assert_eq!(model.upsampling(), if thesis { 1 } else { 4 });
            found += 1;
        }
        assert!(found >= 9, "{found} configurations");
    }

    #[test]
    fn a_misspelt_key_is_named() {
        let text = include_str!("../../configs/speech.toml").replace("hop", "hopp");
        let error = Config::parse(&text)
            .expect_err("a misspelt key")
            .to_string();
        assert!(error.contains("hopp"), "{error}");
    }
}
