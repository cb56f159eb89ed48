//! Decoders and encoders at work, known by their numbers.

use crate::{Answer, Failure};
use sparc::{Decoder, Decoding, Encoder, Network, Networks, Options, Pcm, Rate};
use std::sync::Arc;

/// What JavaScript holds by a number.
#[derive(Debug)]
enum Object {
    Decoder(Box<Decoder>),
    Encoder {
        encoder: Box<Encoder>,
        channels: usize,
    },
}

/// All of them, and the networks at hand.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    /// A number is a place and one.
    all: Vec<Option<Object>>,
    networks: Networks,
}

/// How an encoder is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes {
    pub rate: u32,
    pub channels: u32,
    /// Bits a second of all channels together.
    pub bitrate: u32,
    /// 0 fast, 1 default, 2 thorough.
    pub effort: u32,
    /// Seconds, or less than zero for the usual.
    pub delay: f32,
    pub seek_index: bool,
}

impl Objects {
    fn add(&mut self, object: Object) -> i32 {
        let free = self.all.iter().position(Option::is_none);
        let at = free.unwrap_or_else(|| {
            self.all.push(None);
            self.all.len() - 1
        });
        self.all[at] = Some(object);
        at as i32 + 1
    }

    fn get(&mut self, number: i32) -> Result<&mut Object, Failure> {
        let place = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
        let object = place.and_then(|at| self.all.get_mut(at)?.as_mut());
        object.ok_or_else(|| Failure::misuse("this decoder or encoder was closed"))
    }

    pub fn close(&mut self, number: i32) {
        let place = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
        if let Some(object) = place.and_then(|at| self.all.get_mut(at)) {
            *object = None;
        }
    }

    fn decoder(&mut self, number: i32) -> Result<&mut Decoder, Failure> {
        match self.get(number)? {
            Object::Decoder(decoder) => Ok(decoder),
            Object::Encoder { .. } => Err(Failure::misuse("this is an encoder")),
        }
    }

    /// What decoders accept.
    pub fn decoding(&self, resample: bool) -> Decoding {
        Decoding {
            networks: self.networks.clone(),
            resample,
            ..Decoding::default()
        }
    }

    /// Has another network at hand.
    pub fn add_network(&mut self, file: &[u8]) -> Result<(), Failure> {
        let network = Arc::new(Network::read(file)?);
        self.networks = core::mem::take(&mut self.networks).with(network);
        Ok(())
    }

    /// A decoder of a stream that arrives, whose sound has the source's rate if it is resampled, or else the coded one.
    pub fn new_decoder(&mut self, resample: bool) -> i32 {
        let decoder = Decoder::new(&self.decoding(resample));
        self.add(Object::Decoder(Box::new(decoder)))
    }

    /// One of a stream that is there, from a sample on.
    pub fn new_decoder_at(&mut self, stream: &[u8], sample: u64) -> Result<i32, Failure> {
        let decoder = Decoder::starting_at(stream, sample, &self.decoding(true))?;
        Ok(self.add(Object::Decoder(Box::new(decoder))))
    }

    pub fn push_bytes(&mut self, number: i32, bytes: &[u8]) -> Result<i32, Failure> {
        self.decoder(number)?.push(bytes);
        Ok(0)
    }

    pub fn finish_bytes(&mut self, number: i32) -> Result<i32, Failure> {
        self.decoder(number)?.finish();
        Ok(0)
    }

    /// Samples per channel that are ready, one channel after the other; 0 while more bytes are needed, and at the end.
    pub fn pull(&mut self, number: i32) -> Result<(i32, Answer), Failure> {
        let pcm = self.decoder(number)?.pull()?.unwrap_or_default();
        Ok((pcm.len() as i32, Answer::Numbers(pcm.channels.concat())))
    }

    /// Rate, channels, segments so far, and those of them that were concealed; zeros before the header.
    pub fn describe(&mut self, number: i32) -> Result<Answer, Failure> {
        let decoder = self.decoder(number)?;
        let channels = decoder.header().map_or(0, |header| header.coded.channels);
        let damage = decoder.damage();
        Ok(Answer::Numbers(vec![
            decoder.rate() as f32,
            f32::from(channels),
            damage.segments as f32,
            damage.concealed as f32,
        ]))
    }

    pub fn new_encoder(&mut self, wishes: &Wishes) -> Result<i32, Failure> {
        let channels = wishes.channels as usize;
        let encoder = Encoder::new(wishes.rate, channels, &wishes.options()?)?;
        let encoder = Box::new(encoder);
        Ok(self.add(Object::Encoder { encoder, channels }))
    }

    /// Takes samples, one channel after the other, and gives the bytes that they complete.
    pub fn push_samples(&mut self, number: i32, samples: &[f32]) -> Result<Answer, Failure> {
        let Object::Encoder { encoder, channels } = self.get(number)? else {
            return Err(Failure::misuse("this is a decoder"));
        };
        let len = samples.len() / (*channels).max(1);
        let pcm: Vec<&[f32]> = samples.chunks_exact(len.max(1)).collect();
        if len == 0 || pcm.len() != *channels {
            return match samples {
                [] => Ok(Answer::default()),
                _ => Err(Failure::misuse("channels differ in length")),
            };
        }
        Ok(Answer::Bytes(encoder.push(&pcm)?))
    }

    pub fn finish_samples(&mut self, number: i32) -> Result<Answer, Failure> {
        match self.get(number)? {
            Object::Encoder { encoder, .. } => Ok(Answer::Bytes(encoder.finish()?)),
            Object::Decoder(_) => Err(Failure::misuse("this is a decoder")),
        }
    }
}

impl Wishes {
    fn options(&self) -> Result<Options, Failure> {
        Ok(Options {
            rate: match self.bitrate {
                0 => Rate::Default,
                bits => Rate::Bitrate(bits),
            },
            effort: match self.effort {
                0 => sparc::Effort::Fast,
                1 => sparc::Effort::Default,
                2 => sparc::Effort::Best,
                _ => return Err(Failure::misuse("there are efforts 0, 1 and 2")),
            },
            delay: (self.delay >= 0.0).then_some(self.delay),
            seek_index: self.seek_index,
            ..Options::default()
        })
    }
}

/// A WAV file's sound, as planar samples behind their rate and the number of channels.
pub(crate) fn read_wav(file: &[u8]) -> Result<Answer, Failure> {
    let wrong = |error: hound::Error| Failure {
        code: -4,
        text: format!("is no WAV file that can be read: {error}"),
    };
    let mut reader = hound::WavReader::new(file).map_err(wrong)?;
    let spec = reader.spec();
    let samples: Result<Vec<f32>, hound::Error> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().collect(),
        hound::SampleFormat::Int => {
            let full = (1u64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32;
            let samples = reader.samples::<i32>();
            samples.map(|x| Ok(x? as f32 / full)).collect()
        }
    };
    let samples = samples.map_err(wrong)?;
    let pcm = Pcm::from_interleaved(spec.sample_rate, spec.channels.into(), &samples);
    let mut all = vec![spec.sample_rate as f32, f32::from(spec.channels)];
    pcm.channels.iter().for_each(|channel| all.extend(channel));
    Ok(Answer::Numbers(all))
}

/// Planar samples as a WAV file of 16 bits.
pub(crate) fn write_wav(rate: u32, channels: u32, samples: &[f32]) -> Result<Answer, Failure> {
    let count = u16::try_from(channels).ok().filter(|&count| count > 0);
    let count = count.ok_or_else(|| Failure::misuse("a WAV file has 1 to 65535 channels"))?;
    let spec = hound::WavSpec {
        channels: count,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let len = samples.len() / usize::from(count);
    let mut file = std::io::Cursor::new(Vec::new());
    let mut write = || -> Result<(), hound::Error> {
        let mut writer = hound::WavWriter::new(&mut file, spec)?;
        for at in 0..len {
            for channel in 0..usize::from(count) {
                // Spec §9.5.
                let x = 32_768.0 * samples[channel * len + at];
                writer.write_sample(x.round().clamp(-32_768.0, 32_767.0) as i16)?;
            }
        }
        writer.finalize()
    };
    write().map_err(|error| Failure {
        code: -6,
        text: error.to_string(),
    })?;
    Ok(Answer::Bytes(file.into_inner()))
}
