//! The pictures of the report.

use crate::figure::chart::{self, Bar, Bars, Histogram, Line, Lines, Panel, Picture};
use crate::figure::Result;
use crate::reproduce::coded::Measured;
use crate::reproduce::plan::{Search, Section};
use crate::reproduce::{Report, Row, RATE};

/// A picture ready to be written.
pub struct Drawn {
    /// File name.
    pub name: &'static str,
    /// In words.
    pub caption: &'static str,
    /// The part of the report it belongs to.
    pub section: Section,
    /// The file.
    pub png: Vec<u8>,
}

/// Every picture that there are numbers for.
pub fn all(report: &Report) -> Result<Vec<Drawn>> {
    let mut out = Vec::new();
    let mut add = |name, caption, section, sheet: Option<Sheet>| -> Result<()> {
        if let Some(sheet) = sheet.filter(|sheet| !sheet.panels.is_empty()) {
            out.push(Drawn {
                name,
                caption,
                section,
                png: chart::sheet(caption, &sheet.panels, sheet.columns, sheet.size)?,
            });
        }
        Ok(())
    };
    add(
        "sparsity.png",
        "Quality and rate against sparsity, uniform random masks",
        Section::Sparsity,
        sparsity(report),
    )?;
    add(
        "phases.png",
        "Phases stored against quality, 95 % sparsity",
        Section::Phases,
        phases(report),
    )?;
    add(
        "no-phases.png",
        "Phases from magnitudes alone",
        Section::NoPhases,
        bars(report, Section::NoPhases),
    )?;
    add(
        "masks.png",
        "Masks at 95 % sparsity, every phase stored",
        Section::Masks,
        bars(report, Section::Masks),
    )?;
    add(
        "gradient.png",
        "The gradient method, every clip",
        Section::Masks,
        gradient(report),
    )?;
    add(
        "real-mask.png",
        "Values of the real-valued mask",
        Section::Masks,
        histogram(report),
    )?;
    add(
        "genetic.png",
        "The genetic searches, every clip",
        Section::Masks,
        genetic(report),
    )?;
    add(
        "spectrograms.png",
        "The first clip: its image, masks and what is completed from them",
        Section::Masks,
        spectrograms(report),
    )?;
    add(
        "strongest.png",
        "Random against strongest-per-frame masks",
        Section::DeepPrior,
        bars(report, Section::DeepPrior),
    )?;
    Ok(out)
}

/// Panels and how they lie.
struct Sheet {
    panels: Vec<Panel>,
    columns: usize,
    size: (u32, u32),
}

fn rows(report: &Report, section: Section) -> Vec<&Row> {
    report
        .rows
        .iter()
        .filter(|row| row.section == section)
        .collect()
}

fn line(label: &str, points: impl Iterator<Item = (f64, Option<f64>)>, dots: bool) -> Line {
    Line {
        label: label.to_owned(),
        points: points.filter_map(|(x, y)| Some((x, y?))).collect(),
        dots,
    }
}

fn lines(title: &str, x: &str, y: &str, lines: Vec<Line>) -> Panel {
    Panel::Lines(Lines {
        title: title.to_owned(),
        x: x.to_owned(),
        y: y.to_owned(),
        lines,
        log: false,
    })
}

fn sparsity(report: &Report) -> Option<Sheet> {
    let rows = rows(report, Section::Sparsity);
    let all = |get: fn(&Measured) -> Option<f64>, label: &str| {
        let points = rows.iter().filter_map(|row| {
            let sparsity: f64 = row.id.rsplit('-').next()?.parse().ok()?;
            Some((sparsity, get(&row.mean)))
        });
        line(label, points, true)
    };
    let x = "pixels dropped, %";
    let panels = vec![
        lines(
            "error of the image",
            x,
            "MSE, dB²",
            vec![all(|m| m.mse, "")],
        ),
        lines(
            "PESQ",
            x,
            "predicted opinion",
            vec![
                all(|m| m.pesq_wb, "wide band"),
                all(|m| m.pesq_nb, "narrow band"),
            ],
        ),
        lines("STOI", x, "intelligibility", vec![all(|m| m.stoi, "")]),
        lines(
            "rate of the file",
            x,
            "kbit/s",
            vec![all(Measured::kilobits, "")],
        ),
    ];
    (!rows.is_empty()).then_some(Sheet {
        panels,
        columns: 2,
        size: (640, 340),
    })
}

fn phases(report: &Report) -> Option<Sheet> {
    let rows = rows(report, Section::Phases);
    let against = |get: fn(&Measured) -> Option<f64>, label: &str| {
        let points = rows
            .iter()
            .filter_map(|row| Some((100.0 * row.mean.phases?, get(&row.mean))));
        let mut line = line(label, points, true);
        line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
        line
    };
    let x = "phases stored, %";
    let panels = vec![
        lines(
            "PESQ",
            x,
            "predicted opinion",
            vec![
                against(|m| m.pesq_wb, "wide band"),
                against(|m| m.pesq_nb, "narrow band"),
            ],
        ),
        lines(
            "rate of the file",
            x,
            "kbit/s",
            vec![against(Measured::kilobits, "")],
        ),
    ];
    (!rows.is_empty()).then_some(Sheet {
        panels,
        columns: 2,
        size: (640, 360),
    })
}

/// PESQ and, where it differs from row to row, the error of the image.
fn bars(report: &Report, section: Section) -> Option<Sheet> {
    let rows = rows(report, section);
    let all = |get: &dyn Fn(&Row) -> Option<f64>, mark: &dyn Fn(&Row) -> Option<f64>| -> Vec<Bar> {
        rows.iter()
            .map(|row| Bar {
                label: shortened(&row.label),
                value: get(row),
                mark: mark(row),
            })
            .collect()
    };
    let thesis = |row: &Row| {
        row.known
            .pesq
            .and_then(|text| text.rsplit(' ').next()?.parse().ok())
    };
    let marked = rows.iter().any(|row| thesis(row).is_some());
    let mut panels = vec![Panel::Bars(Bars {
        title: "PESQ, wide band".into(),
        x: "predicted opinion".into(),
        from: 1.0,
        marks: if marked {
            "mark: the thesis, band unknown".into()
        } else {
            String::new()
        },
        bars: all(&|row| row.mean.pesq_wb, &thesis),
    })];
    if section != Section::NoPhases {
        panels.push(Panel::Bars(Bars {
            title: "error of the completed image".into(),
            x: "MSE, dB²".into(),
            bars: all(&|row| row.mean.mse, &|_| None),
            ..Bars::default()
        }));
    }
    let height = 110 + 30 * rows.len() as u32;
    (!rows.is_empty()).then_some(Sheet {
        panels,
        columns: 1,
        size: (1120, height),
    })
}

/// A label without what stands in brackets.
fn shortened(label: &str) -> String {
    label.split(" (").next().unwrap_or(label).to_owned()
}

/// The courses of a search, one line a clip: `which` of the two numbers of its points.
fn courses(report: &Report, search: Search, which: usize, label: &str) -> Vec<Line> {
    let of_clip = |(_, clip, found): &(Search, usize, crate::reproduce::masks::Found)| Line {
        label: format!("{label}clip {}", clip + 1),
        points: found.course.iter().map(|p| (p[0], p[which])).collect(),
        dots: false,
    };
    report
        .pictures
        .searches
        .iter()
        .filter(|(s, _, found)| *s == search && found.course.len() > 1)
        .map(of_clip)
        .collect()
}

fn gradient(report: &Report) -> Option<Sheet> {
    let mut panels = Vec::new();
    for (search, name) in [
        (Search::GradientReal, "relaxed mask"),
        (Search::GradientAnnealed, "steepness annealed"),
        (Search::StraightThrough, "straight through"),
    ] {
        let loss = courses(report, search, 1, "");
        if loss.is_empty() {
            continue;
        }
        panels.push(lines(&format!("{name}: loss"), "step", "MSE, dB²", loss));
        let kept = courses(report, search, 2, "").into_iter().map(|mut line| {
            line.points.iter_mut().for_each(|p| p.1 *= 100.0);
            line
        });
        panels.push(lines(
            &format!("{name}: share of the pixels kept"),
            "step",
            "%",
            kept.collect(),
        ));
    }
    Some(Sheet {
        panels,
        columns: 2,
        size: (640, 320),
    })
}

fn genetic(report: &Report) -> Option<Sheet> {
    let mut panels = Vec::new();
    for (search, name, y, sign) in [
        (Search::GeneticMse, "fitness MSE", "MSE, dB²", -1.0),
        (Search::GeneticPesq, "fitness PESQ", "PESQ-WB", 1.0),
        (
            Search::GeneticNoReproduction,
            "fitness PESQ, no reproduction",
            "PESQ-WB",
            1.0,
        ),
        (
            Search::GeneticInformed,
            "fitness PESQ, informed",
            "PESQ-WB",
            1.0,
        ),
    ] {
        let best = courses(report, search, 1, "best, ");
        let mean = courses(report, search, 2, "mean, ");
        if best.is_empty() {
            continue;
        }
        let turned = |mut line: Line| {
            line.points.iter_mut().for_each(|p| p.1 *= sign);
            line
        };
        let all = best.into_iter().chain(mean).map(turned).collect();
        panels.push(lines(name, "generation", y, all));
    }
    Some(Sheet {
        panels,
        columns: 2,
        size: (640, 360),
    })
}

fn histogram(report: &Report) -> Option<Sheet> {
    const STEPS: usize = 50;
    let mut counts = [0usize; STEPS];
    let real = report
        .pictures
        .searches
        .iter()
        .filter(|(search, ..)| *search == Search::GradientReal)
        .flat_map(|(_, _, found)| found.real.iter().flatten());
    for x in real {
        counts[((x.clamp(0.0, 1.0) * STEPS as f32) as usize).min(STEPS - 1)] += 1;
    }
    let total: usize = counts.iter().sum();
    let shares = counts.iter().map(|&c| c as f64 / total.max(1) as f64);
    let panels = vec![Panel::Histogram(Histogram {
        title: "after the last step, all clips; logarithmic".into(),
        x: "value of the mask".into(),
        range: (0.0, 1.0),
        shares: shares.collect(),
    })];
    (total > 0).then_some(Sheet {
        panels,
        columns: 1,
        size: (900, 360),
    })
}

fn spectrograms(report: &Report) -> Option<Sheet> {
    let pictures = &report.pictures;
    let (_, _, seconds) = report.clips.first()?;
    if pictures.image.is_empty() || rows(report, Section::Masks).is_empty() {
        return None;
    }
    let peak = pictures
        .image
        .iter()
        .copied()
        .fold(pictures.floor + 1.0, f32::max);
    let extent = (*seconds, f64::from(RATE) / 2000.0);
    let levels = Some((pictures.floor, peak));
    let panel = |title: String, image: &ndarray::Array2<f32>, levels| {
        Panel::Picture(Picture {
            title,
            image: image.clone(),
            extent,
            levels,
        })
    };
    let mut panels = vec![
        panel("the clip".into(), &pictures.image, levels),
        panel(
            "what the network makes of every pixel".into(),
            &pictures.every,
            levels,
        ),
    ];
    for (name, mask, image) in &pictures.panels {
        panels.push(panel(format!("{name}: mask"), mask, None));
        panels.push(panel(format!("{name}: completed"), image, levels));
    }
    Some(Sheet {
        panels,
        columns: 2,
        size: (720, 270),
    })
}
