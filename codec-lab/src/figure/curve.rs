//! The losses of a training run.

use super::chart::{sheet, Line, Lines, Panel};
use super::{Error, Result};
use serde::Deserialize;

/// Draws the log that training writes (`step,loss,valid,...`): losses over steps, on a logarithmic scale, the
/// best validation marked; returns a PNG.
pub fn draw(name: &str, log: &str) -> Result<Vec<u8>> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(log.as_bytes());
    // A loss that is no number, or not positive, has no place on a logarithmic scale.
    let positive = |x: &f64| *x > 0.0;
    let rows: Vec<(f64, f64, Option<f64>)> = reader
        .deserialize::<Step>()
        .flatten()
        .filter(|step| positive(&step.loss))
        .map(|step| (step.step, step.loss, step.valid.filter(positive)))
        .collect();
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

/// What is drawn of a line of the log.
#[derive(Deserialize)]
struct Step {
    step: f64,
    loss: f64,
    valid: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixels of a colour in the picture: the first and last column, and the mean row.
    fn drawn(png: &[u8], colour: [u8; 3]) -> Option<(usize, usize, f64)> {
        let (width, pixels) = crate::figure::read_png(png);
        let at = pixels.iter().enumerate().filter(|(_, &p)| p == colour);
        let places: Vec<(usize, usize)> = at.map(|(i, _)| (i % width, i / width)).collect();
        let columns = || places.iter().map(|p| p.0);
        let mean = places.iter().map(|p| p.1 as f64).sum::<f64>() / places.len() as f64;
        Some((columns().min()?, columns().max()?, mean))
    }

    #[test]
    fn losses_are_drawn_where_they_are_and_the_best_is_marked() {
        let log = "step,loss,valid,rate\n1,0.5,0.6,1\n2,0.3,0.35,1\n3,0.2,0.4,1\n4,NaN,,1\n";
        let png = draw("model", log).expect("a picture");
        let [training, validation, best] = [[28, 66, 138], [206, 84, 42], [64, 138, 84]]
            .map(|colour| drawn(&png, colour).expect("is drawn"));
        // Its dot, and its line in the legend, lie within the validation's.
        assert!(best.0 > validation.0 && best.0 > training.0, "{best:?}");
        // The higher loss is higher up.
        assert!(validation.2 < training.2, "{validation:?} {training:?}");
        let alone = draw("model", "step,loss,valid\n1,0.5,\n2,0.4,\n").expect("a picture");
        assert!(drawn(&alone, [28, 66, 138]).is_some());
        assert_eq!(drawn(&alone, [206, 84, 42]), None);
    }

    #[test]
    fn a_log_without_losses_is_an_error() {
        for log in ["", "step,loss,valid\n", "step,loss,valid\n1,NaN,\n"] {
            assert!(draw("model", log).is_err(), "{log}");
        }
    }
}
