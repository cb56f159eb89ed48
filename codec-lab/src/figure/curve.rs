//! The losses of a training run.

use super::chart::{sheet, Line, Lines, Panel};
use super::{Error, Result};

/// Draws the log that training writes (`step,loss,valid,...`): losses over steps, on a logarithmic scale, the
/// best validation marked; returns a PNG.
pub fn draw(name: &str, log: &str) -> Result<Vec<u8>> {
    let rows: Vec<(f64, f64, Option<f64>)> = log.lines().skip(1).filter_map(row).collect();
    if rows.is_empty() {
        return Err(Error("there are no losses to draw".into()));
    }
    let line = |label: String, points: Vec<(f64, f64)>, dots| Line {
        label,
        points,
        dots,
    };
    let train = rows.iter().map(|r| (r.0, r.1)).collect();
    let valid: Vec<(f64, f64)> = rows.iter().filter_map(|r| Some((r.0, r.2?))).collect();
    let best = valid.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
    let mut lines = vec![line("training".into(), train, false)];
    if let Some(best) = best {
        lines.push(line("validation".into(), valid, false));
        let label = format!("best: {:.4} at step {}", best.1, best.0);
        lines.push(line(label, vec![best], true));
    }
    let chart = Lines {
        title: String::new(),
        x: "step".into(),
        y: "loss".into(),
        lines,
        log: true,
    };
    let title = format!("{name}: loss");
    sheet(&title, &[Panel::Lines(chart)], 1, (1000, 520))
}

/// Step, training loss and validation loss of a line of the log.
fn row(line: &str) -> Option<(f64, f64, Option<f64>)> {
    let mut cells = line.split(',');
    let step = cells.next()?.parse().ok()?;
    let positive = |cell: &str| cell.parse::<f64>().ok().filter(|x| *x > 0.0);
    let train = positive(cells.next()?)?;
    Some((step, train, cells.next().and_then(positive)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_with_and_without_validation() {
        assert_eq!(
            row("250,0.5,0.25,1e-3,1.0,9.5"),
            Some((250.0, 0.5, Some(0.25)))
        );
        assert_eq!(row("250,0.5,,1e-3,1.0,9.5"), Some((250.0, 0.5, None)));
        assert_eq!(row("250,NaN,,1e-3"), None);
        assert_eq!(row("step,loss"), None);
    }

    #[test]
    fn a_run_becomes_a_picture_and_an_empty_log_an_error() {
        let log = "step,loss,valid,rate\n1,0.5,0.6,1\n2,0.3,0.35,1\n3,0.2,0.4,1\n";
        let png = draw("model", log).expect("a picture");
        assert!(png.starts_with(b"\x89PNG") && png.len() > 2000);
        assert!(draw("model", "step,loss,valid\n").is_err());
    }
}
