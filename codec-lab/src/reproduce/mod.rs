//! The experimental chapter of the thesis behind this codec, run again: G. Scodeller, "Exploring audio compression
//! in time-frequency domain with sparse CNNs", Ca' Foscari 2022, chapter 4.
//!
//! [`run`] takes a few clips through every experiment and returns rows of numbers ([`Row`]) and what figures are
//! drawn from ([`Pictures`]). Each row that can be a file is one: encoded, written, read back and decoded, its bytes
//! counted ([`coded`]). What has been measured is kept in a folder ([`store`]), so that a run resumes where it was
//! stopped.

pub mod charts;
pub mod clips;
pub mod coded;
pub mod error;
pub mod masks;
pub mod phases;
pub mod plan;
pub mod report;
pub mod store;

pub use error::{Error, Result};

use clips::{Excerpt, Skipped};
use codec_core::encode::{Settings, Target};
use codec_format::header::PhaseKind;
use coded::{image_error, Coded, Measured, Subject};
use masks::{Effort, Found, Searcher};
use ndarray::Array2;
use phases::Method;
use plan::{Job, Known, Planned, Search, Section, PHASE_BITS, SPARSITY, SPEECH_RATE};
use rayon::prelude::*;
use sparc::{Network, Plan};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use store::{key, Store};

/// Sample rate of every experiment, Hz.
pub const RATE: u32 = 16_000;
/// 16-bit samples exceed samples of full scale 1 by this, dB.
const SIXTEEN_BITS: f32 = 90.309;

/// The networks that the rows need.
#[derive(Debug, Clone)]
pub struct Networks {
    /// The thesis' network for each of [`plan::SPARSITIES`], with its sparsity.
    pub thesis: Vec<(f32, Arc<Network>)>,
    /// That of the speech profile.
    pub speech: Arc<Network>,
}

impl Networks {
    fn of(&self, sparsity: f32) -> Result<&Arc<Network>> {
        let found = self.thesis.iter().find(|(s, _)| *s == sparsity);
        found.map(|(_, model)| model).ok_or_else(|| {
            Error::Options(format!(
                "no network for {:.0} % sparsity is given",
                sparsity * 100.0
            ))
        })
    }
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folders of clips.
    pub data: Vec<PathBuf>,
    /// Clips taken of them.
    pub clips: usize,
    /// Seconds of each.
    pub seconds: f32,
    /// How long to search and iterate.
    pub effort: Effort,
    /// Networks.
    pub networks: Networks,
    /// Parts of the report.
    pub sections: Vec<Section>,
    /// Folder where results are kept between runs, if any.
    pub store: Option<PathBuf>,
}

/// A line of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Short and unique.
    pub id: String,
    /// Its part of the report.
    pub section: Section,
    /// In words.
    pub label: String,
    /// What the thesis says.
    pub known: Known,
    /// Means over the clips.
    pub mean: Measured,
    /// Clip by clip.
    pub clips: Vec<Measured>,
}

/// What happens while [`run`] runs.
#[derive(Debug)]
pub enum Event<'a> {
    /// The clips are chosen; these files were left out, and why.
    Clips(&'a [Excerpt], &'a [(PathBuf, String)]),
    /// A piece of work begins: which, the share of all work that is done, and the seconds that are left if the rest
    /// goes as before.
    Working(String, f64, Option<f64>),
    /// A row is complete.
    Row(&'a Row),
}

/// Shares of the phases that a threshold keeps under one reading of the thesis' dB scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What a level is relative to, in words.
    pub scale: &'static str,
    /// Share of the pixels at or above each of [`plan::THRESHOLDS`], mean over the clips.
    pub shares: Vec<f64>,
}

/// Images of the first clip, and courses of the searches.
#[derive(Debug, Clone, Default)]
pub struct Pictures {
    /// The clip's own image, dB, frames x bins.
    pub image: Array2<f32>,
    /// What the network makes of it where every pixel is kept.
    pub every: Array2<f32>,
    /// The image's floor, dB.
    pub floor: f32,
    /// Name, mask (0..=1, 1 kept) and completed image (dB) of some searches.
    pub panels: Vec<(String, Array2<f32>, Array2<f32>)>,
    /// Searches of every clip that have a course: which, the clip's number, and what was found.
    pub searches: Vec<(Search, usize, Found)>,
}

/// Everything the report is written from.
#[derive(Debug, Clone)]
pub struct Report {
    /// The clips, samples left out.
    pub clips: Vec<(String, f64, f64)>,
    /// Files that were left out, and why.
    pub skipped: Skipped,
    /// All rows in order.
    pub rows: Vec<Row>,
    /// Readings of the thesis' scale.
    pub readings: Vec<Reading>,
    /// For figures.
    pub pictures: Pictures,
    /// Seconds taken by this run, and whether some results were kept from an earlier one.
    pub elapsed: (f64, bool),
}

impl Report {
    /// The row with this id.
    #[must_use]
    pub fn row(&self, id: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == id)
    }
}

/// Runs every experiment.
///
/// # Errors
/// [`Error::Train`] if there are too few clips, [`Error::Options`] if a network is missing, [`Error::Train`] if
/// results cannot be kept; whatever an experiment fails with.
pub fn run(options: &Options, on: &mut dyn FnMut(Event<'_>)) -> Result<Report> {
    let start = Instant::now();
    let (clips, skipped) = clips::choose(&options.data, RATE, options.clips, options.seconds)?;
    on(Event::Clips(&clips, &skipped));
    let grid = Settings::thesis(SPARSITY);
    let subjects = clips
        .iter()
        .map(|clip| Subject::new(clip, &grid))
        .collect::<Result<Vec<_>>>()?;
    let store = match &options.store {
        Some(folder) => Store::open(folder)?,
        None => Store::default(),
    };
    let mut rows = plan::rows(options.effort.griffin_lim);
    rows.retain(|row| options.sections.contains(&row.section));
    let mut run = Run {
        options,
        subjects,
        store,
        resumed: false,
        searches: Vec::new(),
        done: 0.0,
        total: rows
            .iter()
            .map(|row| options.effort.seconds(&row.job, options.seconds))
            .sum::<f64>()
            * clips.len() as f64,
        spent: (0.0, 0.0),
        begun: start,
        on,
    };
    let mut finished = Vec::new();
    for planned in &rows {
        let measured = run.row(planned)?;
        let row = Row {
            id: planned.id.clone(),
            section: planned.section,
            label: planned.label.clone(),
            known: planned.known,
            mean: Measured::mean(&measured),
            clips: measured,
        };
        (run.on)(Event::Row(&row));
        finished.push(row);
    }
    let pictures = run.pictures()?;
    let readings = readings(&run.subjects);
    let resumed = run.resumed;
    Ok(Report {
        clips: clips
            .iter()
            .map(|c| (c.name.clone(), c.start, c.seconds(RATE)))
            .collect(),
        skipped,
        rows: finished,
        readings,
        pictures,
        elapsed: (start.elapsed().as_secs_f64(), resumed),
    })
}

/// Level of a clip in 16-bit samples at full scale: what to add to a level of ours, dB.
fn full_scale_offset(pcm: &[f32]) -> f32 {
    let peak = pcm.iter().fold(1e-6f32, |m, x| m.max(x.abs()));
    SIXTEEN_BITS - 20.0 * peak.log10()
}

/// How many phases the thesis' thresholds keep, by what its decibels may mean.
fn readings(subjects: &[Subject<'_>]) -> Vec<Reading> {
    let share = |subject: &Subject<'_>, offset: f32, threshold: f32| {
        let loud = subject.levels.iter().filter(|&&x| x + offset >= threshold);
        loud.count() as f64 / subject.levels.len().max(1) as f64
    };
    let reading = |scale, offset: &dyn Fn(&Subject<'_>) -> f32| Reading {
        scale,
        shares: plan::THRESHOLDS
            .iter()
            .map(|&threshold| {
                let sum: f64 = subjects
                    .iter()
                    .map(|s| share(s, offset(s), threshold))
                    .sum();
                sum / subjects.len().max(1) as f64
            })
            .collect(),
    };
    vec![
        reading("16-bit samples, the clip scaled to full scale", &|s| {
            full_scale_offset(&s.clip.pcm)
        }),
        reading("16-bit samples, the clip as it is", &|_| SIXTEEN_BITS),
        reading(
            "above the image's floor (80 dB below the loudest pixel)",
            &|s| -f32::from(s.analysis.origin()) / 8.0,
        ),
        reading("samples of full scale 1", &|_| 0.0),
    ]
}

/// The run at work.
struct Run<'a> {
    options: &'a Options,
    subjects: Vec<Subject<'a>>,
    store: Store,
    resumed: bool,
    searches: Vec<(Search, usize, Found)>,
    /// Expected seconds of what is done, and of everything.
    done: f64,
    total: f64,
    /// Expected and true seconds of what was not taken from the store.
    spent: (f64, f64),
    begun: Instant,
    on: &'a mut dyn FnMut(Event<'_>),
}

impl Run<'_> {
    /// One row, clip by clip; clips of cheap rows side by side.
    fn row(&mut self, planned: &Planned) -> Result<Vec<Measured>> {
        self.say(&planned.label);
        let before = Instant::now();
        let expected = self
            .options
            .effort
            .seconds(&planned.job, self.options.seconds);
        let measured = if let Job::Mask(search) = planned.job {
            (0..self.subjects.len())
                .map(|clip| self.searched(search, clip, &planned.label, expected))
                .collect::<Result<Vec<_>>>()?
        } else {
            let options = self.options;
            let keyed: Vec<(String, Option<Measured>)> = self
                .subjects
                .iter()
                .map(|subject| {
                    let key = job_key(options, &planned.job, subject);
                    let kept = self.store.get(&key);
                    (key, kept)
                })
                .collect();
            let fresh: Vec<Result<Option<Measured>>> = self
                .subjects
                .par_iter()
                .zip(&keyed)
                .map(|(subject, (_, kept))| match kept {
                    Some(_) => Ok(None),
                    None => measure(options, &planned.job, subject).map(Some),
                })
                .collect();
            let mut all = Vec::new();
            for ((key, kept), fresh) in keyed.into_iter().zip(fresh) {
                match (kept, fresh?) {
                    (Some(kept), _) => {
                        self.resumed = true;
                        all.push(kept);
                    }
                    (None, Some(fresh)) => {
                        self.store.put(&key, &fresh)?;
                        self.spent.0 += expected;
                        all.push(fresh);
                    }
                    // Either is there, by the lines above.
                    (None, None) => {}
                }
            }
            self.done += expected * all.len() as f64;
            all
        };
        self.spent.1 += before.elapsed().as_secs_f64();
        Ok(measured)
    }

    /// Says what is being done, and how much is left.
    fn say(&mut self, what: &str) {
        let share = (self.done / self.total.max(1e-9)).min(1.0);
        let pace = if self.spent.0 > 5.0 {
            self.spent.1 / self.spent.0
        } else {
            1.0
        };
        let left = (self.begun.elapsed().as_secs_f64() > 3.0)
            .then(|| (self.total - self.done).max(0.0) * pace);
        (self.on)(Event::Working(what.to_owned(), share, left));
    }

    /// One clip with a searched mask, from the store if it was found before.
    fn searched(
        &mut self,
        search: Search,
        clip: usize,
        label: &str,
        expected: f64,
    ) -> Result<Measured> {
        let options = self.options;
        let network = options.networks.of(SPARSITY)?;
        let name = {
            let subject = &self.subjects[clip];
            let effort = options.effort.of(search);
            key(&[
                &format!("{search:?} {effort}"),
                &network.id.to_string(),
                &subject.clip.hash,
            ])
        };
        let kept = self.store.found(&name);
        let known = self.store.get(&name);
        let (done, total) = (self.done, self.total);
        let result = match (kept, known) {
            (Some(found), Some(measured)) => {
                self.resumed = true;
                (found, measured)
            }
            _ => {
                self.say(&format!("{label}, clip {}", clip + 1));
                let on = &mut *self.on;
                let begun = Instant::now();
                let mut report = |share: f64| {
                    let left = (share > 0.02).then(|| {
                        begun.elapsed().as_secs_f64() * (1.0 - share) / share
                            + (total - done - expected).max(0.0)
                    });
                    let what = format!("{label}, clip {}: {:.0} %", clip + 1, share * 100.0);
                    on(Event::Working(
                        what,
                        (done + share * expected) / total,
                        left,
                    ));
                };
                let earlier = |wanted: Search| {
                    self.searches
                        .iter()
                        .find(|(s, c, _)| *s == wanted && *c == clip)
                        .map(|(_, _, found)| found)
                };
                let searcher = Searcher {
                    subject: &self.subjects[clip],
                    network,
                    effort: &options.effort,
                    checkpoint: self.store.path(&name, "checkpoint"),
                };
                let (found, measured) = searcher.run(search, &earlier, &mut report)?;
                self.store.put_found(&name, &found)?;
                self.store.put(&name, &measured)?;
                if let Some(path) = self.store.path(&name, "checkpoint") {
                    // What is not there need not be removed.
                    let _ = std::fs::remove_file(path);
                }
                self.spent.0 += expected;
                (found, measured)
            }
        };
        self.done += expected;
        self.searches.push((search, clip, result.0));
        Ok(result.1)
    }

    /// What the figures show: masks and completed images of the first clip, and the courses of the searches.
    fn pictures(&mut self) -> Result<Pictures> {
        let network = self.options.networks.of(SPARSITY)?;
        let Some(subject) = self.subjects.first() else {
            return Ok(Pictures::default());
        };
        let random = subject.code(&Settings::thesis(SPARSITY), network)?;
        let mut panels = vec![("random".to_owned(), random.mask(), random.image()?)];
        let found_of = |search: Search| {
            let mut all = self.searches.iter();
            let found = all.find(|(s, clip, _)| *s == search && *clip == 0);
            found.map(|(_, _, found)| found)
        };
        if let Some(found) = found_of(Search::GradientReal) {
            let (mask, image) = masks::completed_from_real(subject, network, found)?;
            panels.push(("gradient, real-valued".to_owned(), mask, image));
        }
        for (search, name) in [
            (Search::GradientLargest, "gradient, largest kept"),
            (Search::StraightThrough, "gradient, straight through"),
            (Search::GeneticInformed, "genetic, informed"),
        ] {
            if let Some(found) = found_of(search) {
                let coded = subject.code(&found.settings(), network)?;
                panels.push((name.to_owned(), coded.mask(), coded.image()?));
            }
        }
        Ok(Pictures {
            image: subject.levels.clone(),
            every: subject.code(&Settings::thesis(0.0), network)?.image()?,
            floor: random.origin(),
            panels,
            searches: std::mem::take(&mut self.searches),
        })
    }
}

/// What a measurement depends on.
fn job_key(options: &Options, job: &Job, subject: &Subject<'_>) -> String {
    let network = match job {
        Job::File { network, .. } => options.networks.of(*network),
        Job::Speech => Ok(&options.networks.speech),
        _ => options.networks.of(SPARSITY),
    };
    let id = network.map(|n| n.id.to_string()).unwrap_or_default();
    key(&[&format!("{job:?}"), &id, &subject.clip.hash])
}

/// One clip through one experiment that needs no search.
fn measure(options: &Options, job: &Job, subject: &Subject<'_>) -> Result<Measured> {
    let file = |settings: &Settings, network: &Arc<Network>| {
        let coded = subject.code(settings, network)?;
        subject.measure(&coded)
    };
    match job {
        Job::File { settings, network } => file(settings, options.networks.of(*network)?),
        Job::Threshold(threshold) => {
            let level = threshold - full_scale_offset(&subject.clip.pcm);
            let settings = Settings {
                phase: PhaseKind::Thresholded {
                    bits: PHASE_BITS,
                    threshold: (level * 8.0).round() as i16,
                },
                ..Settings::thesis(SPARSITY)
            };
            file(&settings, options.networks.of(SPARSITY)?)
        }
        Job::Rebuilt { method, truth } => rebuilt(options, method, *truth, subject),
        Job::Speech => speech(&options.networks.speech, subject),
        Job::Mask(_) => Err(Error::Options("a mask must be searched for".into())),
    }
}

/// Phases by `method`, over the clip's own magnitudes or those of a file without phases. The decoder's method over
/// a file is the decoder itself.
fn rebuilt(
    options: &Options,
    method: &Method,
    truth: bool,
    subject: &Subject<'_>,
) -> Result<Measured> {
    let network = options.networks.of(SPARSITY)?;
    let coded = subject.code(&plan::without_phases(SPARSITY), network)?;
    if truth {
        let pcm = &subject.clip.pcm;
        let sound = method.sound(&subject.levels, &coded.stream.header, pcm.len())?;
        return Ok(Measured {
            mse: Some(0.0),
            phases: Some(0.0),
            ..Measured::of_sound(&subject.clip.pcm, &sound, RATE)
        });
    }
    if *method == Method::Decoder {
        return subject.measure(&coded);
    }
    let image = coded.image()?;
    let sound = method.sound(&image, &coded.stream.header, subject.clip.pcm.len())?;
    Ok(Measured {
        bytes: Some(coded.bytes as f64),
        mse: image_error(&subject.levels, &image, coded.origin()),
        phases: Some(0.0),
        ..Measured::of_sound(&subject.clip.pcm, &sound, RATE)
    })
}

/// The speech profile: its image has another grid, on which its error is measured.
fn speech(network: &Arc<Network>, subject: &Subject<'_>) -> Result<Measured> {
    let pcm = &subject.clip.pcm;
    let plan = Plan {
        candidates: vec![Settings::speech_at(SPEECH_RATE)],
        target: Target::Bitrate(SPEECH_RATE),
        strict: false,
        ..coded::plan(network)
    };
    let coded = Coded::new(&plan, subject.clip)?;
    let image = coded.image()?;
    // The true image at the synthesis hop, as many frames as the network made.
    let hop = coded.stream.header.stft.hop / u16::from(network.model.upsampling());
    let transform =
        codec_core::transform::stft::Transform::new(&coded.stream.header.stft, usize::from(hop))?;
    let spectra = transform.spectra(pcm, 0, 0, image.nrows());
    let wanted = codec_core::transform::stft::log_power(&spectra);
    Ok(Measured {
        bytes: Some(coded.bytes as f64),
        mse: image_error(&wanted, &image, coded.origin()),
        phases: Some(0.0),
        ..Measured::of_sound(pcm, &coded.pcm, RATE)
    })
}
