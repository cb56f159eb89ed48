//! The rows as lines, as a Markdown page and as CSV.

use super::charts::Drawn;
use crate::reproduce::plan::{Section, PHASE_BITS, THRESHOLDS};
use crate::reproduce::{Options, Report, Row};
use serde::Serialize;
use std::fmt::Write;

/// A number with so many digits, or nothing.
fn cell(x: Option<f64>, digits: usize) -> String {
    x.map_or_else(String::new, |x| format!("{x:.digits$}"))
}

fn percent(x: Option<f64>) -> String {
    x.map_or_else(String::new, |x| format!("{:.1} %", 100.0 * x))
}

/// One row as a line for the terminal, under a heading where a section begins.
pub fn printed(row: &Row, head: bool) -> String {
    let mut out = String::new();
    if head {
        let _ = writeln!(
            out,
            "\n{}\n{:<72} {:>7} {:>7} {:>8} {:>8} {:>8} {:>6} {:>7}",
            row.section.title(),
            "",
            "bytes",
            "kbit/s",
            "MSE dB^2",
            "PESQ-WB",
            "PESQ-NB",
            "STOI",
            "phases"
        );
    }
    let m = &row.mean;
    let _ = writeln!(
        out,
        "{:<72} {:>7} {:>7} {:>8} {:>8} {:>8} {:>6} {:>7}",
        row.label,
        cell(m.bytes, 0),
        cell(m.kilobits(), 1),
        cell(m.mse, 1),
        cell(m.pesq_wb, 2),
        cell(m.pesq_nb, 2),
        cell(m.stoi, 3),
        percent(m.phases),
    );
    out
}

/// Every row, its mean and its clips, for programs.
///
/// # Errors
/// None that a writer in memory has: they are passed on nevertheless.
pub fn csv(report: &Report) -> csv::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    for row in &report.rows {
        let clips = report.clips.iter().map(|(name, ..)| name.as_str());
        let all = std::iter::once(("mean", &row.mean)).chain(clips.zip(&row.clips));
        for (clip, m) in all {
            out.serialize(Line {
                id: &row.id,
                section: format!("{:?}", row.section),
                clip,
                seconds: m.seconds,
                bytes: m.bytes,
                kbit_s: m.kilobits(),
                mse_db2: m.mse,
                pesq_wb: m.pesq_wb,
                pesq_nb: m.pesq_nb,
                stoi: m.stoi,
                phases: m.phases,
                thesis_mse: row.known.mse,
                thesis_pesq: row.known.pesq,
            })?;
        }
    }
    out.into_inner().map_err(|e| e.into_error().into())
}

/// A line of `rows.csv`.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    section: String,
    clip: &'a str,
    seconds: f64,
    bytes: Option<f64>,
    kbit_s: Option<f64>,
    mse_db2: Option<f64>,
    pesq_wb: Option<f64>,
    pesq_nb: Option<f64>,
    stoi: Option<f64>,
    phases: Option<f64>,
    thesis_mse: Option<&'static str>,
    thesis_pesq: Option<&'static str>,
}

/// The page. Pictures are linked by their names.
pub fn page(report: &Report, options: &Options, command: &str, pictures: &[Drawn]) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# The thesis reproduced\n");
    let _ = writeln!(
        out,
        "The experiments of G. Scodeller, *Exploring audio compression in time-frequency domain with sparse CNNs* \
         (Ca' Foscari, 2022), chapter 4, on other clips and through real files. Written by\n\n    {command}\n"
    );
    let effort = &options.effort;
    let _ = writeln!(
        out,
        "Genetic searches: {} generations of {} masks (thesis: 500 of 50). Gradient: {} steps (thesis: up to \
         10,000). Griffin-Lim alone: {} steps. Seed {}. {} in all{}.\n",
        effort.generations,
        effort.population,
        effort.steps,
        effort.griffin_lim,
        effort.seed,
        duration(report.elapsed.0),
        if report.elapsed.1 {
            ", some results kept from an earlier run"
        } else {
            ""
        }
    );
    let _ = writeln!(out, "| clip | from | length |\n|---|---|---|");
    for (name, start, seconds) in &report.clips {
        let _ = writeln!(out, "| {name} | {start:.2} s | {seconds:.2} s |");
    }
    if !report.skipped.is_empty() {
        let _ = writeln!(out, "\n{} files were left out:\n", report.skipped.len());
        for (path, why) in &report.skipped {
            let name = path.file_name().unwrap_or(path.as_os_str());
            let _ = writeln!(out, "- {}: {why}", name.to_string_lossy());
        }
    }
    let _ = writeln!(
        out,
        "\nNumbers are means over the clips. *Bytes* are those of the whole `.sparc` file, without the network. \
         *MSE* is that of the completed log-power image against the clip's own, in dB^2, levels more than 80 dB below \
         the loudest pixel counted as 80 dB below. PESQ-WB is P.862.2 before its Corrigendum 2, PESQ-NB P.862.1 at 8 \
         kHz; which of them the thesis means it does not say. Stored phases have {PHASE_BITS} bits; the thesis' were \
         not quantised. The *thesis* columns hold what is known to us of its numbers: a blank is a number that is \
         not, or that the thesis does not have. The networks are named by the sparsity they were trained at; where \
         nothing else is said it is that of 95 %.\n"
    );
    for section in Section::ALL {
        let rows: Vec<&Row> = report
            .rows
            .iter()
            .filter(|r| r.section == section)
            .collect();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(out, "## {}\n", section.title());
        table(&mut out, &rows);
        remarks(&mut out, report, section);
        for picture in pictures.iter().filter(|p| p.section == section) {
            let _ = writeln!(out, "![{}]({})\n", picture.caption, picture.name);
        }
    }
    out
}

/// Hours, minutes and seconds.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// A table with the thesis' columns that this section has something for.
fn table(out: &mut String, rows: &[&Row]) {
    type Column<'a> = (&'a str, Box<dyn Fn(&Row) -> String>);
    let known = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let all: [Column<'_>; 11] = [
        ("", Box::new(|r| r.label.clone())),
        ("bytes", Box::new(|r| cell(r.mean.bytes, 0))),
        ("kbit/s", Box::new(|r| cell(r.mean.kilobits(), 1))),
        ("MSE", Box::new(|r| cell(r.mean.mse, 1))),
        ("thesis MSE", Box::new(move |r| known(r.known.mse))),
        ("PESQ-WB", Box::new(|r| cell(r.mean.pesq_wb, 2))),
        ("PESQ-NB", Box::new(|r| cell(r.mean.pesq_nb, 2))),
        ("thesis PESQ", Box::new(move |r| known(r.known.pesq))),
        ("STOI", Box::new(|r| cell(r.mean.stoi, 3))),
        ("phases stored", Box::new(|r| percent(r.mean.phases))),
        ("thesis phases", Box::new(move |r| known(r.known.phases))),
    ];
    let columns: Vec<&Column<'_>> = all
        .iter()
        .filter(|(_, value)| rows.iter().any(|row| !value(row).is_empty()))
        .collect();
    let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    let rules: Vec<&str> = columns
        .iter()
        .map(|(head, _)| if head.is_empty() { "---" } else { "--:" })
        .collect();
    let _ = writeln!(out, "| {} |\n|{}|", heads.join(" | "), rules.join("|"));
    for row in rows {
        let cells: Vec<String> = columns.iter().map(|(_, value)| value(row)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    let _ = writeln!(out);
}

/// What follows from the numbers, said with them.
fn remarks(out: &mut String, report: &Report, section: Section) {
    let wide = |id: &str| report.row(id).and_then(|row| row.mean.pesq_wb);
    let mut say = |text: String| {
        let _ = writeln!(out, "{text}\n");
    };
    match section {
        Section::Phases => {
            let scales: Vec<String> = report
                .readings
                .iter()
                .map(|reading| {
                    let shares: Vec<String> = reading
                        .shares
                        .iter()
                        .map(|share| format!("{:.0} %", 100.0 * share))
                        .collect();
                    format!("| {} | {} |", reading.scale, shares.join(" | "))
                })
                .collect();
            let heads: Vec<String> = THRESHOLDS.iter().map(|t| format!("{t} dB")).collect();
            say(format!(
                "The thesis needed 56 to 74 % of the phases with its thresholds; what its decibels are \
                 relative to is not known to us. Shares of the pixels at or above the thresholds on these clips, by what they may \
                 mean:\n\n| levels of | {} |\n|---|{}\n{}\n\nThe first comes nearest, and is the one that the rows \
                 above use. Phases that are not stored are rebuilt by the decoder, with the stored ones held.",
                heads.join(" | "),
                "--:|".repeat(heads.len()),
                scales.join("\n")
            ));
        }
        Section::NoPhases => say(
            "Rows of true magnitudes are no files: they are the ceiling of what a method can reach. The MSE says \
             nothing of phases; it is that of the image they are given."
                .into(),
        ),
        Section::Masks => {
            let mut lines = Vec::new();
            let mut compare = |text: &str, id: &str, than: &str, thesis: &str| {
                if let (Some(a), Some(b)) = (wide(id), wide(than)) {
                    lines.push(format!("- {text}: {:+.2} PESQ-WB{thesis}", a - b));
                }
            };
            compare("genetic (PESQ) against random", "genetic-pesq", "mask-random", " (thesis: 2.48 to 3.35, +0.87)");
            compare("genetic, informed, against random", "genetic-informed", "mask-random", "");
            compare("the best seed at that file's size against random", "seeds", "mask-random", "");
            compare("the real-valued mask against random", "gradient-real", "mask-random", " (thesis: +0.41)");
            compare("the largest kept against the real-valued mask", "gradient-largest", "gradient-real", " (thesis: -0.53)");
            compare("annealed against the real-valued mask", "gradient-annealed", "gradient-real", "");
            compare("straight-through against the real-valued mask", "straight-through", "gradient-real", "");
            compare("optimised values against the real-valued mask", "optimised-values", "gradient-real", "");
            say(lines.join("\n"));
        }
        Section::Scale => say(
            "Its MSE is that of another image (windows of 512 samples every 64) and not to be compared with those \
             above."
                .into(),
        ),
        Section::Sparsity | Section::DeepPrior => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::coded::Measured;
    use crate::reproduce::plan::Known;
    use crate::reproduce::Pictures;

    fn report() -> Report {
        let mean = Measured {
            bytes: Some(1000.0),
            seconds: 2.0,
            mse: None,
            pesq_wb: Some(2.5),
            pesq_nb: Some(3.0),
            stoi: Some(0.9),
            phases: Some(0.5),
        };
        let row = |id: &str, section, pesq| Row {
            id: id.into(),
            section,
            label: format!("row {id}"),
            known: Known {
                pesq,
                ..Known::default()
            },
            mean,
            clips: vec![mean],
        };
        Report {
            clips: vec![("a,b.flac".into(), 0.5, 2.0)],
            skipped: Vec::new(),
            rows: vec![
                row("mask-random", Section::Masks, Some("2.48")),
                row("genetic-pesq", Section::Masks, None),
                row("speech-6k", Section::Scale, None),
            ],
            readings: Vec::new(),
            pictures: Pictures::default(),
            elapsed: (61.0, false),
        }
    }

    #[test]
    fn csv_has_a_line_for_every_row_and_clip() {
        let bytes = csv(&report()).unwrap();
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let head = reader.headers().unwrap().clone();
        let at = |name: &str| head.iter().position(|h| h == name).unwrap();
        let lines: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        assert_eq!(lines.len(), 3 * 2);
        for (line, clip) in lines.iter().zip(["mean", "a,b.flac"].iter().cycle()) {
            assert_eq!(&line[at("clip")], *clip);
            assert_eq!((&line[at("kbit_s")], &line[at("mse_db2")]), ("4.0", ""));
        }
        assert_eq!(&lines[0][at("thesis_pesq")], "2.48");
        assert_eq!(&lines[5][at("id")], "speech-6k");
    }

    #[test]
    fn tables_leave_out_columns_without_numbers() {
        let report = report();
        let mut out = String::new();
        table(&mut out, &report.rows.iter().collect::<Vec<_>>());
        assert!(out.contains("thesis PESQ") && !out.contains("MSE"), "{out}");
        assert!(
            out.contains("| row mask-random | 1000 | 4.0 | 2.50 | 3.00 | 2.48 | 0.900 | 50.0 % |"),
            "{out}"
        );
    }

    #[test]
    fn durations_are_told_in_words() {
        assert_eq!(duration(59.4), "59 s");
        assert_eq!(duration(61.0), "1 min 1 s");
        assert_eq!(duration(7300.0), "2 h 1 min");
    }
}
