//! From trained weights to a model file that says how it came about.

use crate::data::Corpus;
use crate::error::{Error, Result};
use crate::options::CodingLoss;
use codec_format::limits::Limits;
use codec_format::model::graph::Node;
use codec_format::model::op::{Activation, Numbers, Op, MAX_SHIFT};
use codec_format::model::{Arithmetic, Model, Parts, WeightCoding};

/// What goes into a model's metadata.
#[derive(Debug, Clone)]
pub struct Provenance<'a> {
    /// The clips trained on.
    pub corpus: &'a Corpus,
    /// Seed of the run.
    pub seed: u64,
    /// Steps taken.
    pub steps: u64,
    /// How often the crops of these steps would have covered the clips.
    pub epochs: f64,
    /// The step whose weights these are.
    pub best_step: u64,
    /// Its validation loss.
    pub best: f32,
    /// What storing the weights in fewer bits costs.
    pub codings: Vec<CodingLoss>,
    /// The configuration, TOML.
    pub config: &'a str,
    /// The command line.
    pub command: &'a str,
}

/// A model of these parts, with metadata in place of what they had.
///
/// # Errors
/// [`crate::Error::Format`] if a weight is not a number.
pub fn with_metadata(mut parts: Parts, from: &Provenance<'_>) -> Result<Model> {
    let loss_of = |name: &str| {
        let coding = from.codings.iter().find(|c| c.name == name);
        coding
            .and_then(|c| c.loss)
            .map_or(String::new(), |loss| format!("{loss:.6}"))
    };
    let text = [
        (
            "GENERATOR",
            format!("codec-train {}", env!("CARGO_PKG_VERSION")),
        ),
        ("DATE", date()),
        ("DATA_SHA256", from.corpus.hash.clone()),
        ("DATA_CLIPS", from.corpus.clips.len().to_string()),
        ("DATA_SECONDS", format!("{:.0}", from.corpus.seconds())),
        ("SEED", from.seed.to_string()),
        ("STEPS", from.steps.to_string()),
        ("EPOCHS", format!("{:.2}", from.epochs)),
        ("BEST_STEP", from.best_step.to_string()),
        ("VALID_LOSS", format!("{:.6}", from.best)),
        ("VALID_LOSS_F16", loss_of("f16")),
        ("VALID_LOSS_I8", loss_of("i8")),
        ("VALID_LOSS_WHOLE16", loss_of("whole16")),
        ("VALID_LOSS_WHOLE8", loss_of("whole8")),
        ("CONFIG", from.config.to_owned()),
        ("COMMAND", from.command.to_owned()),
    ];
    parts.metadata = text
        .into_iter()
        .filter(|(_, v)| !v.is_empty())
        .map(|(k, v)| (k.to_owned(), v))
        .collect();
    Ok(Model::new(parts)?)
}

/// The nodes of both networks.
fn nodes(parts: &mut Parts) -> impl Iterator<Item = &mut Node> {
    let graphs = [Some(&mut parts.completion), parts.analysis.as_mut()];
    let graphs = graphs.into_iter().flatten();
    graphs.flat_map(|graph| &mut graph.nodes)
}

/// What a model file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// A network of binary32 numbers, its weights in this coding.
    Real(WeightCoding),
    /// A network of whole numbers.
    Whole(Bits),
}

/// Bits of whole weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bits {
    /// Sixteen.
    Sixteen,
    /// Eight.
    Eight,
}

/// The codings of weights by name: binary32, the most precise first, then whole numbers.
pub const CODINGS: [(&str, Coding); 5] = [
    ("f32", Coding::Real(WeightCoding::F32)),
    ("f16", Coding::Real(WeightCoding::F16)),
    ("i8", Coding::Real(WeightCoding::I8)),
    ("whole16", Coding::Whole(Bits::Sixteen)),
    ("whole8", Coding::Whole(Bits::Eight)),
];

/// A model file with weights in the coding asked for; a model of whole numbers is written as it is.
///
/// # Errors
/// [`crate::Error::Format`] if the model exceeds a limit of the format, or a weight the coding; as [`whole`].
pub fn bytes(model: &Model, coding: Coding) -> Result<Vec<u8>> {
    match (coding, model.arithmetic) {
        (Coding::Real(coding), _) => Ok(model.write(coding)?),
        (Coding::Whole(_), Arithmetic::Whole) => Ok(model.write(WeightCoding::F32)?),
        (Coding::Whole(bits), Arithmetic::Real) => {
            Ok(whole(model, bits)?.write(WeightCoding::F32)?)
        }
    }
}

/// The model as a decoder will have it from a file with that coding.
///
/// # Errors
/// As [`bytes`].
pub fn rounded(model: &Model, coding: Coding) -> Result<Model> {
    Ok(Model::read(&bytes(model, coding)?, &Limits::default())?)
}

/// The model in whole numbers. All its numbers are in 1/16 dB, of which `16 scale` are one of the binary32 network's: so
/// weights stay what they are. Each output has as many digits behind the point as its weights and the bound of its sums
/// (Spec §7.8) leave room for.
///
/// # Errors
/// [`Error::Network`] if 16 times offset and scale are no whole numbers, or a weight, bias or slope is too large.
pub fn whole(model: &Model, bits: Bits) -> Result<Model> {
    let mut parts = model.clone().into_parts();
    let (_, one) = parts
        .normalisation
        .whole()
        .ok_or_else(|| Error::Network("offset and scale are no multiples of 1/16 dB".into()))?;
    parts.arithmetic = Arithmetic::Whole;
    for node in nodes(&mut parts) {
        match &mut node.op {
            Op::Convolution(op) => {
                let each = (op.weight_count() / usize::from(op.outputs).max(1)).max(1);
                op.numbers = whole_numbers(op.weights(), op.bias(), each, one, bits)?;
            }
            Op::Activation(Activation::Prelu(slopes)) => {
                let slopes = slopes.iter().map(|&slope| whole_slope(slope));
                node.op = Activation::WholePrelu(slopes.collect::<Result<_>>()?).into();
            }
            _ => {}
        }
    }
    Ok(Model::new(parts)?)
}

fn whole_numbers(
    weights: &[f32],
    bias: &[f32],
    each: usize,
    one: i16,
    bits: Bits,
) -> Result<Numbers> {
    let (mut all, mut shifts, mut biases) = (Vec::new(), Vec::new(), Vec::new());
    for (weights, &bias) in weights.chunks(each).zip(bias) {
        let fitting = (0..=MAX_SHIFT).rev().find_map(|shift| {
            let (rounded, bias) = at_shift(weights, bias, one, shift, bits)?;
            Some((shift, rounded, bias))
        });
        let Some((shift, rounded, bias)) = fitting else {
            return Err(Error::Network(
                "a weight too large for whole numbers".into(),
            ));
        };
        all.extend(rounded);
        shifts.push(shift);
        biases.push(bias);
    }
    Ok(Numbers::Whole {
        weights: all,
        shifts,
        bias: biases,
    })
}

/// The numbers of one output with `shift` digits behind the point, if they fit.
fn at_shift(
    weights: &[f32],
    bias: f32,
    one: i16,
    shift: u8,
    bits: Bits,
) -> Option<(Vec<i16>, i32)> {
    let scale = f64::from(1u32 << shift);
    let most = match bits {
        Bits::Sixteen => f64::from(i16::MAX),
        Bits::Eight => f64::from(i8::MAX),
    };
    let round = |w: &f32| {
        let rounded = (f64::from(*w) * scale).round();
        (rounded.abs() <= most).then_some(rounded as i16)
    };
    let rounded: Vec<i16> = weights.iter().map(round).collect::<Option<_>>()?;
    let bias = (f64::from(bias) * f64::from(one) * scale).round();
    let sum: f64 = rounded.iter().map(|&w| f64::from(w).abs()).sum();
    let fits = 32_768.0 * sum + bias.abs() + (scale / 2.0).floor() < f64::from(1u32 << 31);
    fits.then_some((rounded, bias as i32))
}

/// A slope in 32768ths. One of a little more than 1 is taken for the largest there is.
fn whole_slope(slope: f32) -> Result<i16> {
    let rounded = (f64::from(slope) * 32_768.0).round();
    if rounded.abs() > 32_768.0 * 1.01 {
        return Err(Error::Network(format!("a slope of {slope}, beyond 1")));
    }
    Ok(rounded.clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16)
}

/// A model of binary32 numbers that is what this one of whole numbers is but for rounding: what gradients are taken of. One
/// of binary32 stays as it is.
///
/// # Errors
/// [`crate::Error::Format`] if the model exceeds a limit.
pub fn real(model: &Model) -> Result<Model> {
    let mut parts = model.clone().into_parts();
    parts.arithmetic = Arithmetic::Real;
    let one = 16.0 * f64::from(parts.normalisation.scale);
    for node in nodes(&mut parts) {
        match &mut node.op {
            Op::Convolution(op) => {
                let each = (op.weight_count() / usize::from(op.outputs).max(1)).max(1);
                if let Numbers::Whole {
                    weights,
                    shifts,
                    bias,
                } = &op.numbers
                {
                    let of = |output: usize| 0.5f64.powi(i32::from(shifts[output]));
                    let weights = weights.iter().enumerate();
                    let bias = bias.iter().enumerate();
                    op.numbers = Numbers::Real {
                        weights: weights
                            .map(|(at, &w)| (f64::from(w) * of(at / each)) as f32)
                            .collect(),
                        bias: bias
                            .map(|(at, &b)| (f64::from(b) * of(at) / one) as f32)
                            .collect(),
                    };
                }
            }
            Op::Activation(Activation::WholePrelu(slopes)) => {
                let slopes = slopes.iter().map(|&slope| f32::from(slope) / 32_768.0);
                node.op = Activation::Prelu(slopes.collect()).into();
            }
            _ => {}
        }
    }
    Ok(Model::new(parts)?)
}

/// Today, or the day of `SOURCE_DATE_EPOCH` where that is set, as `YYYY-MM-DD` (UTC).
fn date() -> String {
    let epoch = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|s| s.parse::<u64>().ok());
    let now = || {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| d.as_secs())
    };
    day(epoch.unwrap_or_else(now) / 86_400)
}

/// The date of a day counted from 1 January 1970.
fn day(mut days: u64) -> String {
    let leap = |y: u64| (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let months = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 0;
    while days >= months[month] {
        days -= months[month];
        month += 1;
    }
    format!("{year:04}-{:02}-{:02}", month + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_keep_as_many_digits_as_fit() {
        let weights = [0.5, -0.25, 0.1, 1.5, 3.0, -0.001];
        let numbers = whole_numbers(&weights, &[0.25, -2.0], 3, 320, Bits::Eight).unwrap();
        let expected = Numbers::Whole {
            weights: vec![64, -32, 13, 48, 96, 0],
            shifts: vec![7, 5],
            bias: vec![80 << 7, -640 << 5],
        };
        assert_eq!(numbers, expected);
        // Sixteen bits leave the bound of sums: 65536 for all weights of an output.
        let numbers = whole_numbers(&weights, &[0.0; 2], 3, 320, Bits::Sixteen).unwrap();
        let Numbers::Whole { shifts, .. } = numbers else {
            panic!("{numbers:?}");
        };
        assert_eq!(shifts, [15, 13]);
        assert!(whole_numbers(&[200.0], &[0.0], 1, 320, Bits::Eight).is_err());
        assert_eq!(whole_slope(0.25).unwrap(), 8192);
        assert_eq!(whole_slope(1.0).unwrap(), i16::MAX);
        assert!(whole_slope(-1.2).is_err());
    }

    #[test]
    fn days_become_dates() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(59), "1970-03-01");
        assert_eq!(day(11_016), "2000-02-29");
        assert_eq!(day(20_819), "2027-01-01");
    }
}
