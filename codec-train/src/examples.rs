//! From clips to training examples: the fine log-power image of every clip is kept in memory, and each
//! example codes one anew, with the codec's own encoder stage and settings drawn at random, and takes a crop.

use crate::backend::Backend;
use crate::config::{eighths, Config, Examples, PolicyName};
use crate::data::Corpus;
use crate::error::{Error, Result};
use crate::graph;
use crate::loss::{self, half_bands, BandPower, LossConfig};
use codec_core::decode::planes::of_clip;
use codec_core::encode::analysis::origin_below;
use codec_core::encode::policy::sparsify;
use codec_core::encode::profile::RISE;
use codec_core::encode::{Policy, Settings};
use codec_core::network::Network;
use codec_core::planes::Planes;
use codec_core::quantise::coefficients::quantise;
use codec_core::transform::lapped::Lapped;
use codec_core::transform::stft::{log_power, Transform};
use codec_format::header::{Header, LatticeShape, Signal, WaveformShape};
use codec_format::model::graph::Plane;
use codec_format::model::{Model, Normalisation};
use codec_format::symbols::{Kept, SparseImage};
use ndarray::{s, Array2, ArrayView2};
use rand::seq::SliceRandom;
use rand::Rng;
use rayon::prelude::*;
use std::sync::Arc;

/// The images of a corpus on the fine grid.
#[derive(Debug, Clone)]
pub struct Pool {
    /// What the images are of.
    pieces: Vec<Vec<f32>>,
    /// Frames x bins in dB, `upsampling` fine frames for each coded one, which they begin with.
    images: Vec<Array2<f32>>,
    upsampling: usize,
}

impl Pool {
    /// Analyses a corpus for a model. Clips shorter than `settings.join` seconds are joined with others,
    /// each at a gain of its own; with `noise`, some clips get a piece of it mixed in.
    ///
    /// # Errors
    /// [`Error::Core`] if the transform is not supported; [`Error::Config`] if no clip has `frames` frames.
    pub fn new(
        corpus: &Corpus,
        noise: Option<&Corpus>,
        model: &Model,
        settings: &Examples,
        frames: usize,
        rng: &mut impl Rng,
    ) -> Result<Self> {
        let mut pieces = join(corpus, settings, rng);
        if let Some(noise) = noise {
            for piece in &mut pieces {
                if rng.gen_bool(f64::from(settings.noise_share)) {
                    mix(piece, noise, settings, rng);
                }
            }
        }
        let upsampling = usize::from(model.upsampling());
        let transform = Transform::new(&model.stft, usize::from(model.stft.hop) / upsampling)?;
        let coded = |pcm: &Vec<f32>| 1 + pcm.len().div_ceil(usize::from(model.stft.hop));
        pieces.retain(|pcm| coded(pcm) >= frames);
        let images: Vec<Array2<f32>> = pieces
            .par_iter()
            .map(|pcm| log_power(&transform.spectra(pcm, 0, 0, coded(pcm) * upsampling)))
            .collect();
        if images.is_empty() {
            return Err(Error::Config(format!(
                "no clip is as long as a crop of {frames} frames"
            )));
        }
        Ok(Pool {
            pieces,
            images,
            upsampling,
        })
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether the pool is empty; [`Pool::new`] never makes such a pool.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }
}

/// Clips as they are, the short ones joined in random order.
fn join(corpus: &Corpus, settings: &Examples, rng: &mut impl Rng) -> Vec<Vec<f32>> {
    let enough = (settings.join * corpus.rate as f32) as usize;
    let (mut pieces, mut short) = (Vec::new(), Vec::new());
    for clip in &corpus.clips {
        if clip.pcm.len() >= enough {
            pieces.push(clip.pcm.clone());
        } else {
            short.push(&clip.pcm);
        }
    }
    short.shuffle(rng);
    let mut piece: Vec<f32> = Vec::new();
    for pcm in short {
        let gain = 10f32.powf(rng.gen_range(-settings.gain..=settings.gain) / 20.0);
        piece.extend(pcm.iter().map(|x| x * gain));
        if piece.len() >= enough {
            pieces.push(std::mem::take(&mut piece));
        }
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// Adds a random piece of noise at a random ratio.
fn mix(pcm: &mut [f32], noise: &Corpus, settings: &Examples, rng: &mut impl Rng) {
    let Some(clip) = noise.clips.choose(rng) else {
        return;
    };
    let power = |x: &[f32]| x.iter().map(|x| f64::from(x * x)).sum::<f64>() / x.len().max(1) as f64;
    let start = rng.gen_range(0..clip.pcm.len());
    let snr = rng.gen_range(settings.snr[0]..=settings.snr[1]);
    let ratio = power(pcm) / power(&clip.pcm).max(1e-12);
    let gain = (ratio * 10f64.powf(-f64::from(snr) / 10.0)).sqrt() as f32;
    for (x, n) in pcm
        .iter_mut()
        .zip(clip.pcm[start..].iter().chain(clip.pcm.iter().cycle()))
    {
        *x += gain * n;
    }
}

/// The settings one example is coded with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draw {
    /// Which image of the pool.
    pub image: usize,
    /// Share of pixels to keep.
    pub keep: f32,
    /// Value step, 1/8 dB.
    pub step: u8,
    /// Lattice bands, if there is a background.
    pub bands: Option<u8>,
    /// Lattice step, 1/8 dB.
    pub lattice_step: u8,
    /// Coefficients of the waveform layer; 0 without it.
    pub coefficients: u8,
    /// Shift of the origin, dB.
    pub shift: f32,
    /// Where the crop starts, as a share of the places it can.
    pub place: f32,
    /// Seed of a uniform mask.
    pub seed: u64,
}

impl Draw {
    /// Draws settings.
    ///
    /// # Errors
    /// [`Error::Config`] if a step is not a multiple of 1/8 dB; a checked configuration has none such.
    pub fn random(pool: &Pool, settings: &Examples, rng: &mut impl Rng) -> Result<Self> {
        let [low, high] = settings.keep.map(f32::ln);
        let shifted = rng.gen::<f32>() < settings.origin_share;
        Ok(Draw {
            image: rng.gen_range(0..pool.images.len()),
            keep: rng.gen_range(low..=high).exp(),
            step: eighths(
                "a value step",
                settings.steps[rng.gen_range(0..settings.steps.len())],
            )?,
            bands: settings.bands.choose(rng).copied(),
            // Where there is nothing to choose, nothing is drawn: older runs stay what they were.
            lattice_step: eighths(
                "a lattice step",
                match settings.lattice_steps[..] {
                    [only] => only,
                    _ => settings.lattice_steps.choose(rng).copied().unwrap_or(0.0),
                },
            )?,
            coefficients: match settings.waveform[..] {
                [only] => only,
                _ => settings.waveform.choose(rng).copied().unwrap_or(0),
            },
            shift: rng.gen_range(-settings.origin..=settings.origin) * f32::from(u8::from(shifted)),
            place: rng.gen(),
            seed: match settings.policy {
                PolicyName::Uniform => rng.gen(),
                PolicyName::Ridge | PolicyName::Energy => 0,
            },
        })
    }
}

/// One crop, ready for the network.
#[derive(Debug, Clone)]
pub struct Example {
    /// Normalised planes, each bins x frames, in the order of [`PLANES`].
    planes: [Vec<f32>; 4],
    /// What the network's output is compared with, bins x fine frames, normalised: the true image, less the
    /// interpolated one for a residual model.
    target: Vec<f32>,
    /// What each number counts in the loss.
    weight: Vec<f32>,
    /// What the power of each number's pixel is of that of its band, 0 where it is not compared.
    share: Vec<f32>,
}

impl Example {
    /// Codes an image of the pool and crops `frames` frames from it.
    ///
    /// # Errors
    /// [`Error::Config`] for steps that are no multiples of 1/8 dB.
    pub fn make(pool: &Pool, draw: &Draw, config: &Config, model: &Model) -> Result<Self> {
        let fine = &pool.images[draw.image];
        let up = pool.upsampling;
        let coded = fine.slice(s![..;up, ..]);
        let (total, frames) = (coded.nrows(), config.training.frames);
        let start = ((draw.place * (total - frames + 1) as f32) as usize).min(total - frames);
        let peak = coded.iter().fold(f32::MIN, |a, &b| a.max(b));
        let origin = origin_below(peak + draw.shift);
        let floor = f32::from(origin) * 0.125;
        let e = &config.examples;
        let sparsity = 1.0 - draw.keep;
        let policy = match e.policy {
            PolicyName::Ridge => Policy::Ridge {
                margin: margin(coded, floor, draw.keep),
                threshold_step: eighths("threshold_step", e.threshold_step)?,
                rise: RISE,
            },
            PolicyName::Uniform => Policy::Uniform {
                sparsity,
                seed: draw.seed,
            },
            PolicyName::Energy => Policy::Energy { sparsity },
        };
        let settings = Settings {
            rate: model.rate,
            stft: model.stft,
            step: draw.step,
            policy,
            lattice: draw.bands.map(|bands| LatticeShape {
                bands,
                every: e.every,
                step: draw.lattice_step,
            }),
            origin: Some(origin),
            waveform: match draw.coefficients {
                0 => None,
                coefficients => Some(WaveformShape {
                    coefficients,
                    step: (e.waveform_step * 8.0) as i8,
                }),
            },
            ..Settings::speech()
        };
        let header = settings.header(
            Signal {
                rate: model.rate,
                channels: 1,
            },
            None,
            origin,
            None,
        );
        let pcm = &pool.pieces[draw.image];
        let range = start..start + frames;
        let planes = coded_planes(coded, pcm, &header, &settings, floor, range)?;
        let covered = header.covered_bins();
        Ok(Example::crop(
            fine,
            floor,
            &planes,
            (start, covered),
            up,
            model,
            &config.loss,
        ))
    }

    fn crop(
        fine: &Array2<f32>,
        floor: f32,
        planes: &Planes,
        (start, covered): (usize, usize),
        up: usize,
        model: &Model,
        loss: &LossConfig,
    ) -> Self {
        let (frames, bins) = planes.mask.dim();
        let Normalisation { offset, scale } = model.normalisation;
        let normal = |x: f32| (x - offset) / scale;
        let transposed = |plane: Plane| -> Vec<f32> {
            let mut out = Vec::with_capacity(bins * frames);
            let Some(image) = planes.get(plane) else {
                return out;
            };
            for bin in 0..bins {
                for frame in 0..frames {
                    let x = image[(frame, bin)];
                    out.push(match plane {
                        Plane::Mask => x,
                        // Pixels without a value are zero in the network's units, as in the decoder.
                        Plane::Values if planes.mask[(frame, bin)] == 0.0 => 0.0,
                        _ => normal(x),
                    });
                }
            }
            out
        };
        let mut target = vec![0f32; up * bins * frames];
        let mut weight = vec![0f32; up * bins * frames];
        let mut shares = vec![0f32; up * bins * frames];
        let heard = loss.bins(bins, model.rate);
        let bands = half_bands(bins, model.rate);
        for frame in 0..frames {
            let here = planes.image.row(frame);
            let next = planes.image.row((frame + 1).min(frames - 1));
            for sub in 0..up {
                let share = sub as f32 / up as f32;
                let truth = fine.row((start + frame) * up + sub);
                let loudest = truth.iter().fold(floor, |a, &b| a.max(b));
                for bin in 0..bins {
                    let at = (bin * frames + frame) * up + sub;
                    let level = truth[bin].max(floor);
                    let base = here[bin] + (next[bin] - here[bin]) * share;
                    let above = level - floor;
                    target[at] = if model.residual {
                        (above - base) / scale
                    } else {
                        normal(above)
                    };
                    // Below, the decoder takes the waveform layer's own.
                    weight[at] = if bin < covered {
                        0.0
                    } else {
                        heard[bin] * loss.weight(loudest - level)
                    };
                }
                for band in bands.windows(2) {
                    let compared = band[0].max(covered)..band[1].max(covered);
                    let power = |bin: usize| 10f32.powf((truth[bin].max(floor) - loudest) * 0.1);
                    let whole: f32 = compared.clone().map(power).sum();
                    for bin in compared {
                        shares[(bin * frames + frame) * up + sub] = power(bin) / whole;
                    }
                }
            }
        }
        let planes = PLANES.map(transposed);
        Example {
            planes,
            target,
            weight,
            share: shares,
        }
    }
}

/// The ridge margin at which `keep` of all pixels lie above half their frame's peak plus the margin, all
/// levels in dB above the floor.
fn margin(image: ArrayView2<'_, f32>, floor: f32, keep: f32) -> f32 {
    let mut above: Vec<f32> = Vec::with_capacity(image.len());
    for row in image.outer_iter() {
        let peak = row.iter().fold(floor, |a, &b| a.max(b)) - floor;
        above.extend(row.iter().map(|&x| (x - floor).max(0.0) - 0.5 * peak));
    }
    let at = (((1.0 - keep) * above.len() as f32) as usize).min(above.len() - 1);
    *above.select_nth_unstable_by(at, f32::total_cmp).1
}

/// The planes a decoder makes of the frames `range`, from the segments that matter for them.
fn coded_planes(
    image: ArrayView2<'_, f32>,
    pcm: &[f32],
    header: &Header,
    settings: &Settings,
    floor: f32,
    range: std::ops::Range<usize>,
) -> Result<Planes> {
    let step = usize::from(settings.segment_frames);
    let count = image.nrows().div_ceil(step);
    let lapped = Lapped::of(header);
    let segment = |index: usize| -> SparseImage {
        let rows = index * step..((index + 1) * step).min(image.nrows());
        let above = image
            .slice(s![rows.clone(), ..])
            .mapv(|x| (x - floor).max(0.0));
        let mut sparse = sparsify(above.view(), header, &settings.policy, index as u32, 0);
        if let Some(lapped) = &lapped {
            let coefficients = lapped.analyse(pcm, 0, rows.start as i64, rows.len());
            if let Kept::Ridge {
                thresholds,
                waveform,
                ..
            } = &mut sparse.kept
            {
                *waveform = quantise(header, coefficients.view(), thresholds);
            }
        }
        sparse
    };
    // With the neighbours on either side, towards which the lattice is interpolated.
    let first = (range.start / step).saturating_sub(1);
    let last = ((range.end - 1) / step + 1).min(count - 1);
    let segments: Vec<SparseImage> = (first..=last).map(segment).collect();
    let out = of_clip(header, &segments)?;
    let skip = first * step;
    Ok(out.frames_of(range.start - skip..range.end - skip))
}

/// The planes of an example.
const PLANES: [Plane; 4] = [Plane::Values, Plane::Image, Plane::Background, Plane::Mask];

/// Examples side by side.
#[derive(Debug, Clone)]
pub struct ExampleBatch {
    /// How many.
    pub samples: usize,
    bins: usize,
    frames: usize,
    /// Samples x bins x frames, in the order of [`PLANES`].
    planes: [Vec<f32>; 4],
    /// Targets, samples x bins x fine frames.
    pub target: Vec<f32>,
    /// Weights of the loss, of the same shape.
    pub weight: Vec<f32>,
    /// Shares of the power of a band, of the same shape.
    pub share: Vec<f32>,
}

impl ExampleBatch {
    /// Makes the examples of all `draws`.
    ///
    /// # Errors
    /// As [`Example::make`].
    pub fn make(pool: &Pool, draws: &[Draw], config: &Config, model: &Model) -> Result<Self> {
        let examples: Vec<Example> = draws
            .par_iter()
            .map(|draw| Example::make(pool, draw, config, model))
            .collect::<Result<_>>()?;
        let joined = |part: &dyn Fn(&Example) -> &Vec<f32>| -> Vec<f32> {
            examples
                .iter()
                .flat_map(|e| part(e).iter().copied())
                .collect()
        };
        Ok(ExampleBatch {
            samples: examples.len(),
            bins: model.stft.bins(),
            frames: config.training.frames,
            planes: [0, 1, 2, 3].map(|i| joined(&|e| &e.planes[i])),
            target: joined(&|e| &e.target),
            weight: joined(&|e| &e.weight),
            share: joined(&|e| &e.share),
        })
    }

    /// The loss of a network's output, and its derivative by each number of it.
    #[must_use]
    pub fn loss(&self, output: &[f32], config: &Config, model: &Model) -> (f32, Vec<f32>) {
        let loss = &config.loss;
        let mut value = loss::value(output, &self.target, &self.weight, loss.kind);
        let mut slopes = loss::gradient(output, &self.target, &self.weight, loss.kind);
        if loss.band_power > 0.0 {
            let bands = BandPower {
                edges: &half_bands(self.bins, model.rate),
                frames: self.frames * usize::from(model.upsampling()),
                unit: model.normalisation.scale * std::f32::consts::LN_10 / 10.0,
            };
            let (more, steeper) = bands.error(output, &self.target, &self.share);
            value += loss.band_power * more;
            for (slope, more) in slopes.iter_mut().zip(steeper) {
                *slope += loss.band_power * more;
            }
        }
        (value, slopes)
    }

    /// What a decoder's network makes of them, in the units of the targets and as many.
    #[must_use]
    pub fn completed(&self, network: &Arc<Network>, model: &Model) -> Vec<f32> {
        let Normalisation { offset, scale } = model.normalisation;
        let (bins, frames, up) = (self.bins, self.frames, network.upsampling());
        let mut out = vec![0.0; self.samples * bins * frames * up];
        for (sample, out) in out.chunks_mut((bins * frames * up).max(1)).enumerate() {
            let mut planes = Planes::zeros(frames, bins);
            for (at, numbers) in self.planes.iter().enumerate() {
                let numbers = &numbers[sample * bins * frames..][..bins * frames];
                let level = |x: &f32| match PLANES[at] {
                    Plane::Mask => *x,
                    _ => x * scale + offset,
                };
                let bins_first = Array2::from_shape_fn((frames, bins), |(frame, bin)| {
                    level(&numbers[bin * frames + frame])
                });
                *match PLANES[at] {
                    Plane::Values => &mut planes.values,
                    Plane::Image => &mut planes.image,
                    Plane::Background => &mut planes.background,
                    Plane::Mask | Plane::Levels => &mut planes.mask,
                } = bins_first;
            }
            let dense = network.run(&planes);
            for frame in 0..frames {
                let here = planes.image.row(frame);
                let next = planes.image.row((frame + 1).min(frames - 1));
                for sub in 0..up {
                    let share = sub as f32 / up as f32;
                    for bin in 0..bins {
                        let level = dense[(frame * up + sub, bin)];
                        let base = match model.residual {
                            true => here[bin] + (next[bin] - here[bin]) * share,
                            false => offset,
                        };
                        out[(bin * frames + frame) * up + sub] = (level - base) / scale;
                    }
                }
            }
        }
        out
    }

    /// What a network reads of them.
    ///
    /// # Errors
    /// [`Error::Device`] if the device has no room.
    pub fn planes<B: Backend>(&self, backend: &B) -> Result<graph::Planes<B>> {
        let mut planes = graph::Planes::new(self.samples, self.bins, self.frames);
        for (plane, numbers) in PLANES.into_iter().zip(&self.planes) {
            planes = planes.with(backend, plane, numbers.clone())?;
        }
        Ok(planes)
    }
}
