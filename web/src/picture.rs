//! Images for people: what the encoder saw, what it kept, what the decoder made of it.

use crate::{Answer, Failure};
use sparc::codec_core::decode::dense_images;
use sparc::codec_core::encode::analysis::Analysis;
use sparc::codec_core::encode::{Clip, Settings};
use sparc::codec_format::header::Signal;
use sparc::codec_format::symbols::Segment;
use sparc::{Decoding, Pcm, Stream};

/// The levels of a channel of a stream, dB: frames, bins, samples from one frame to the next and their rate, then frames x
/// bins as the decoder completes them, then the same with only the kept pixels, the others not a number.
pub(crate) fn of_stream(
    stream: &[u8],
    channel: usize,
    decoding: &Decoding,
) -> Result<Answer, Failure> {
    let stream = Stream::read(stream, decoding)?;
    let header = &stream.header;
    let segments: Vec<Segment> = stream.segments.into_iter().flatten().collect();
    let model = stream.network.as_ref().map(|network| &network.model);
    let (images, fine_hop) = dense_images(header, model, &segments)
        .map_err(|error| Failure::from(sparc::Error::from(error)))?;
    let dense = images
        .get(channel)
        .ok_or_else(|| Failure::misuse("there is no such channel"))?;
    let hop = usize::from(header.stft.hop);
    let every = (hop / fine_hop.max(1)).max(1);
    let bins = header.stft.bins();
    let frames = dense.nrows().div_ceil(every);
    let mut numbers = vec![
        frames as f32,
        bins as f32,
        hop as f32,
        header.coded.rate as f32,
    ];
    for row in dense.outer_iter().step_by(every) {
        numbers.extend(row.iter());
    }
    let masks = segments
        .iter()
        .filter_map(|segment| segment.channels.get(channel));
    let kept = masks.flat_map(|image| image.mask().iter().by_vals());
    let first = numbers.len() - frames * bins;
    let mut sparse: Vec<f32> = kept
        .zip(&numbers[first..])
        .map(|(kept, &level)| if kept { level } else { f32::NAN })
        .collect();
    // Lost segments kept nothing.
    sparse.resize(frames * bins, f32::NAN);
    numbers.extend(sparse);
    Ok(Answer::Numbers(numbers))
}

/// The levels of sound as the speech profile sees it, in the same order, but for the kept ones.
pub(crate) fn of_sound(rate: u32, samples: &[f32]) -> Result<Answer, Failure> {
    let settings = Settings::speech();
    let total_samples = samples.len() as u64;
    let pcm = Pcm::from_mono(rate, samples.to_vec());
    pcm.check()?;
    let coded = pcm.resampled(settings.rate)?;
    let clip = Clip {
        channels: &coded.channels,
        source: Signal { rate, channels: 1 },
        total_samples,
    };
    let analysis =
        Analysis::of(&clip, &settings).map_err(|error| Failure::from(sparc::Error::from(error)))?;
    let levels = analysis.levels(0);
    let (hop, rate) = (f32::from(settings.stft.hop), settings.rate as f32);
    let mut numbers = vec![levels.nrows() as f32, levels.ncols() as f32, hop, rate];
    numbers.extend(levels.iter());
    Ok(Answer::Numbers(numbers))
}
