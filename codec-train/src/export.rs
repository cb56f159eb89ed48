//! From trained weights to a model file that says how it came about.

use crate::data::Corpus;
use crate::error::Result;
use crate::options::CodingLoss;
use codec_format::limits::Limits;
use codec_format::model::{Model, Parts, WeightCoding};

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

/// The codings of weights by name, the most precise first.
pub const CODINGS: [(&str, WeightCoding); 3] = [
    ("f32", WeightCoding::F32),
    ("f16", WeightCoding::F16),
    ("i8", WeightCoding::I8),
];

/// A model file with weights in the coding asked for.
///
/// # Errors
/// [`crate::Error::Format`] if the model exceeds a limit of the format, or a weight the coding.
pub fn bytes(model: &Model, coding: WeightCoding) -> Result<Vec<u8>> {
    Ok(model.write(coding)?)
}

/// The model as a decoder will have it from a file with that coding.
///
/// # Errors
/// As [`bytes`].
pub fn rounded(model: &Model, coding: WeightCoding) -> Result<Model> {
    Ok(Model::read(&bytes(model, coding)?, &Limits::default())?)
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
    fn days_become_dates() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(59), "1970-03-01");
        assert_eq!(day(11_016), "2000-02-29");
        assert_eq!(day(20_819), "2027-01-01");
    }
}
