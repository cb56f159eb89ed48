//! Target for model files.

use super::resign::resign;
use codec_core::network::Network;
use codec_core::planes::Planes;
use codec_format::limits::Limits;
use codec_format::model::{Model, WeightCoding};
use codec_format::model_file;

/// A model file, arbitrary but for checksums put right if the first byte is odd: what is read is valid,
/// survives being written, and runs within the shape it declares.
pub fn model_parse(data: &[u8]) -> usize {
    let Some((&mode, file)) = data.split_first() else {
        return 0;
    };
    let file = if mode & 1 == 1 {
        resign(file)
    } else {
        file.to_vec()
    };
    let Ok(model) = model_file::read(&file, &Limits::default()) else {
        return 0;
    };
    assert_eq!(model_file::validate(&model, &Limits::default()), Ok(()));
    let written =
        model_file::write(&model, WeightCoding::F32).expect("what was read can be written");
    assert_eq!(
        model_file::read(&written, &Limits::default()).as_ref(),
        Ok(&model)
    );
    // The coarser codings may refuse weights that overflow, but must not panic.
    for coding in [WeightCoding::F16, WeightCoding::I8] {
        if let Ok(written) = model_file::write(&model, coding) {
            model_file::read(&written, &Limits::default()).expect("what was written can be read");
        }
    }
    run(&model);
    1
}

/// Runs a model of modest size on three silent frames.
fn run(model: &Model) {
    let network = Network::of(model).expect("a valid model runs");
    let bins = model.stft.bins();
    if network.macs_per_pixel() * bins > 1 << 20 {
        return;
    }
    let dense = network.run(&Planes::zeros(3, bins));
    assert_eq!(dense.dim(), (3 * usize::from(model.upsampling), bins));
}
