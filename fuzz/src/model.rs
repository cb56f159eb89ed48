//! Target for model files.

use super::resign::resign;
use codec_core::network::{Analysis, Network};
use codec_core::planes::Planes;
use codec_format::limits::Limits;
use codec_format::model::graph::Grid;
use codec_format::model::{Model, WeightCoding};
use std::sync::Arc;

/// A model file, arbitrary but for checksums put right if the first byte is odd: what is read survives being written, and
/// runs within the shape it declares.
pub fn model_parse(data: &[u8]) -> usize {
    let Some((&mode, file)) = data.split_first() else {
        return 0;
    };
    let file = if mode & 1 == 1 {
        resign(file)
    } else {
        file.to_vec()
    };
    let Ok(model) = Model::read(&file, &Limits::default()) else {
        return 0;
    };
    let written = model
        .write(WeightCoding::F32)
        .expect("what was read can be written");
    assert_eq!(
        Model::read(&written, &Limits::default()).as_ref(),
        Ok(&model)
    );
    // The coarser codings may refuse weights that overflow, but must not panic.
    for coding in [WeightCoding::F16, WeightCoding::I8] {
        if let Ok(written) = model.write(coding) {
            Model::read(&written, &Limits::default()).expect("what was written can be read");
        }
    }
    run(&model);
    1
}

/// Runs the networks of a model, if modest in size, on a few silent frames.
fn run(model: &Model) {
    let (frames, bins) = (5, model.stft.bins());
    let graphs = || {
        [Some(&model.completion), model.analysis.as_ref()]
            .into_iter()
            .flatten()
    };
    let macs: u64 = graphs()
        .map(|g| g.macs_per_pixel().expect("a valid graph"))
        .sum();
    let numbers: u64 = [model.completion_shapes(), model.analysis_shapes()]
        .into_iter()
        .flatten()
        .map(|shape| shape.grid.per_pixel(u64::from(shape.channels)))
        .sum();
    if (macs + numbers) * bins as u64 > 1 << 20 {
        return;
    }
    let planes = Planes::zeros(frames, bins);
    let dense = Arc::new(Network::of(model)).run(&planes);
    assert_eq!(
        dense.dim(),
        (frames * usize::from(model.upsampling()), bins)
    );
    if let Some(analysis) = Analysis::of(model).map(Arc::new) {
        let found = analysis.run(planes.image.view());
        let Grid {
            bins: step,
            frames: pace,
        } = analysis.grid();
        let expected = (
            Grid::points(pace, frames),
            Grid::points(step, bins),
            analysis.channels(),
        );
        assert_eq!(found.dim(), expected);
    }
}
