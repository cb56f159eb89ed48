//! Images with axes of time and frequency.

use crate::figure::colour;
use crate::figure::panel::{self, Area, Drawn, Pool, Scale};
use ndarray::Array2;

/// A spectrogram or a mask over time and frequency.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Over the panel.
    pub title: String,
    /// Frames x bins.
    pub image: Array2<f32>,
    /// Seconds, and kHz at the top.
    pub extent: (f64, f64),
    /// Ends of the scale in dB; none for a mask of zeros and ones.
    pub levels: Option<(f32, f32)>,
}

/// Draws it.
pub fn draw(area: &Area, picture: &Picture) -> Drawn {
    let extent = picture.extent;
    match picture.levels {
        Some((low, high)) => {
            let scale = Scale {
                low,
                high,
                unit: "dB",
            };
            let share = |x: f32| (x - low) / (high - low);
            panel::image(
                area,
                &picture.title,
                &picture.image,
                Pool::Max,
                extent,
                Some(&scale),
                |x| colour::level(share(x)),
            )
        }
        None => panel::image(
            area,
            &picture.title,
            &picture.image,
            Pool::Mean,
            extent,
            None,
            colour::share,
        ),
    }
}
