//! Streams without a fault: the usual ones (`baseline`) and those at the borders of what is allowed (`uncommon`).

use super::pieces::{chunk, chunks, join, META, MODL, SEEK, SEGM};
use super::scene::{segment, Scene};
use super::Vector;
use codec_format::header::*;
use codec_format::{Limits, Metadata, Result, StreamWriter};

/// A stream to be made.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    pub header: Header,
    pub scene: Scene,
    /// Source samples.
    pub total: u64,
    /// Whether the header has their number; else the trailer.
    pub counted: bool,
    pub metadata: Option<Metadata>,
    pub seek: bool,
    pub model: Option<Vec<u8>>,
}

const MONO: Signal = Signal {
    rate: 16_000,
    channels: 1,
};

/// The ridge mask over a lattice, nothing else.
pub(super) fn ridge() -> Recipe {
    Recipe {
        header: Header {
            source: MONO,
            coded: MONO,
            total_samples: None,
            pre_skip: 0,
            stft: Stft {
                n_fft: 128,
                window_length: 128,
                window: WindowKind::Hann,
                hop: 64,
            },
            segment_frames: 10,
            model: None,
            quantiser: Quantiser {
                origin: -320,
                step: 48,
            },
            mask: MaskKind::Ridge { threshold_step: 16 },
            values: ValueCoding::Context,
            lattice: Some(LatticeShape {
                bands: 8,
                every: 2,
                step: 32,
            }),
            phase: PhaseKind::None,
            waveform: None,
        },
        scene: Scene::Voice,
        total: 1000,
        counted: true,
        metadata: None,
        seek: false,
        model: None,
    }
}

/// A mask of pixels anywhere.
fn scattered(mask: MaskKind, values: ValueCoding) -> Recipe {
    let mut recipe = ridge();
    recipe.header.mask = mask;
    recipe.header.values = values;
    recipe
}

/// A seeded mask with packed values.
pub(super) fn seeded() -> Recipe {
    let seed = 0x0123_4567_89AB_CDEF;
    scattered(MaskKind::Seeded { seed }, ValueCoding::Packed)
}

/// The same with another header.
fn with(mut recipe: Recipe, change: impl FnOnce(&mut Header)) -> Recipe {
    change(&mut recipe.header);
    recipe
}

impl Recipe {
    /// The same of another sound.
    fn of(self, scene: Scene) -> Self {
        Recipe { scene, ..self }
    }

    pub fn bytes(&self) -> Result<Vec<u8>> {
        let mut header = self.header.clone();
        header.total_samples = self.counted.then_some(self.total);
        let mut out = Vec::new();
        let mut writer = StreamWriter::new(&header, &Limits::default(), &mut out)?;
        if let Some(metadata) = &self.metadata {
            writer.metadata(metadata, &mut out)?;
        }
        if let Some(model) = &self.model {
            writer.model(model, &mut out)?;
        }
        let mut left = header.frames_for(self.total);
        let mut index = 0;
        while left > 0 {
            let frames = left.min(u64::from(header.segment_frames));
            let made = segment(&header, self.scene, index, frames as usize);
            writer.segment(&made, &mut out)?;
            left -= frames;
            index += 1;
        }
        if self.seek {
            writer.seek_index(&mut out)?;
        }
        writer.finish(self.total, &mut out)?;
        Ok(out)
    }
}

/// The stream that §12 follows.
pub(super) fn example() -> Recipe {
    let mut recipe = with(ridge(), |h| {
        (h.coded.rate, h.source.rate) = (8000, 8000);
        h.stft = Stft {
            n_fft: 64,
            window_length: 64,
            window: WindowKind::Hann,
            hop: 32,
        };
        h.segment_frames = 4;
        h.lattice = Some(LatticeShape {
            bands: 4,
            every: 2,
            step: 32,
        });
        h.waveform = Some(WaveformShape {
            coefficients: 3,
            step: -16,
        });
    });
    recipe.total = 200;
    recipe
}

pub(super) fn streams() -> Result<Vec<Vector>> {
    let mut out = Vec::new();
    let mut add = |folder: &str, name: &str, section: &'static str, recipe: Recipe| -> Result<()> {
        out.push(Vector {
            file: format!("{folder}/{name}.sparc"),
            section,
            bytes: recipe.bytes()?,
        });
        Ok(())
    };
    let seeded = MaskKind::Seeded {
        seed: 0x0123_4567_89AB_CDEF,
    };
    let (context, packed) = (ValueCoding::Context, ValueCoding::Packed);
    let low = |coefficients, step| Some(WaveformShape { coefficients, step });

    let mut usual = |name, section, recipe| add("baseline", name, section, recipe);
    usual("example", "12", example())?;
    usual("ridge", "6.3.2", ridge())?;
    usual(
        "ridge-without-lattice",
        "6.3.2",
        with(ridge(), |h| h.lattice = None),
    )?;
    usual(
        "waveform",
        "6.7",
        with(ridge(), |h| h.waveform = low(8, -40)),
    )?;
    usual("seeded", "6.2.1", scattered(seeded, packed))?;
    usual("packed", "6.2.2", scattered(MaskKind::Packed, packed))?;
    usual("runs", "6.2.3", scattered(MaskKind::RunLength, context))?;
    usual(
        "runs-with-packed-values",
        "6.4.1",
        scattered(MaskKind::RunLength, packed),
    )?;
    usual(
        "seeded-with-values-by-context",
        "6.4.2",
        scattered(seeded, context),
    )?;
    usual(
        "packed-with-values-by-context",
        "6.4.2",
        scattered(MaskKind::Packed, context),
    )?;
    usual(
        "every-phase",
        "6.6",
        with(scattered(seeded, packed), |h| {
            h.phase = PhaseKind::All { bits: 6 }
        }),
    )?;
    let some = PhaseKind::Thresholded {
        bits: 5,
        threshold: -80,
    };
    usual(
        "some-phases",
        "6.6",
        with(scattered(MaskKind::RunLength, context), |h| h.phase = some),
    )?;
    usual(
        "some-phases-of-ridges",
        "6.6",
        with(ridge(), |h| h.phase = some),
    )?;
    usual(
        "some-phases-beside-a-waveform",
        "9.2",
        with(ridge(), |h| {
            h.phase = some;
            h.waveform = low(8, -40);
        }),
    )?;
    usual(
        "sine-window",
        "9.3",
        with(ridge(), |h| h.stft.window = WindowKind::Sine),
    )?;
    usual(
        "stereo",
        "6.3",
        with(ridge(), |h| {
            (h.source.channels, h.coded.channels) = (2, 2);
            h.waveform = low(4, -40);
        }),
    )?;
    usual(
        "stereo-runs",
        "6.3",
        with(scattered(MaskKind::RunLength, context), |h| {
            (h.source.channels, h.coded.channels) = (2, 2);
        }),
    )?;

    let mut unusual = |name, section, recipe| add("uncommon", name, section, recipe);
    let long = |mut recipe: Recipe, total: u64| {
        recipe.total = total;
        recipe
    };
    unusual("no-samples", "4.3", long(ridge(), 0))?;
    unusual("one-sample", "4.3", long(ridge(), 1))?;
    unusual("one-frame-over", "4.3", long(ridge(), 577))?;
    unusual("whole-segments", "4.3", long(ridge(), 64 * 19))?;
    for (name, total) in [("unknown-length", 1000), ("unknown-length-none", 0)] {
        let mut recipe = long(ridge(), total);
        recipe.counted = false;
        unusual(name, "3.7", recipe)?;
    }
    unusual("pre-skip", "4.3", with(ridge(), |h| h.pre_skip = 100))?;
    unusual(
        "other-source-rate",
        "4.3",
        with(ridge(), |h| h.source.rate = 22_050),
    )?;
    unusual(
        "other-source-channels",
        "4.1",
        with(ridge(), |h| h.source.channels = 2),
    )?;
    unusual(
        "lowest-rate",
        "4.2",
        with(ridge(), |h| (h.source.rate, h.coded.rate) = (1000, 1000)),
    )?;
    unusual(
        "highest-rate",
        "6.5.1",
        with(ridge(), |h| {
            (h.source.rate, h.coded.rate) = (192_000, 192_000)
        }),
    )?;
    unusual(
        "eight-channels",
        "6.3",
        long(
            with(ridge(), |h| {
                (h.source.channels, h.coded.channels) = (8, 8);
                h.lattice = None;
            }),
            200,
        ),
    )?;

    let stft = |n_fft, window_length, hop| Stft {
        n_fft,
        window_length,
        window: WindowKind::Hann,
        hop,
    };
    let shape = |stft: Stft, segment_frames, recipe: Recipe| {
        with(recipe, |h| {
            h.stft = stft;
            h.segment_frames = segment_frames;
        })
    };
    unusual(
        "shortest-hop",
        "9.2",
        long(shape(stft(64, 64, 1), 64, ridge()), 40),
    )?;
    unusual(
        "shortest-window",
        "9.1",
        long(shape(stft(64, 2, 1), 64, ridge()), 40),
    )?;
    unusual("odd-window", "9.1", shape(stft(128, 77, 21), 20, ridge()))?;
    let sine = |h: &mut Header| h.stft.window = WindowKind::Sine;
    unusual(
        "short-sine-window",
        "9.3",
        with(shape(stft(128, 100, 50), 10, ridge()), sine),
    )?;
    unusual(
        "odd-hop",
        "9.6",
        with(shape(stft(128, 128, 43), 10, ridge()), |h| {
            h.waveform = low(9, -20)
        }),
    )?;
    for n in [256, 512, 1024, 2048, 4096] {
        let recipe = shape(stft(n, n, n / 2), 3, ridge());
        unusual(
            [
                "transform-256",
                "transform-512",
                "transform-1024",
                "transform-2048",
                "transform-4096",
            ][n.trailing_zeros() as usize - 8],
            "9.1",
            long(recipe, u64::from(n)),
        )?;
    }

    unusual("jumps", "5.7", ridge().of(Scene::Jumps))?;
    unusual(
        "jumps-of-coefficients",
        "6.7",
        with(ridge(), |h| h.waveform = low(24, 0)).of(Scene::Jumps),
    )?;
    unusual("silence", "6.3.2", ridge().of(Scene::Silence))?;
    unusual("full-ridge", "6.3.2", long(ridge(), 300).of(Scene::Full))?;
    for (mask, silence, full) in [
        (seeded, "seeded-silence", "seeded-full"),
        (MaskKind::Packed, "packed-silence", "packed-full"),
        (MaskKind::RunLength, "runs-silence", "runs-full"),
    ] {
        unusual(
            silence,
            "6.4.1",
            long(scattered(mask, packed), 300).of(Scene::Silence),
        )?;
        unusual(
            full,
            "6.4.1",
            long(scattered(mask, packed), 300).of(Scene::Full),
        )?;
    }
    unusual(
        "smallest-steps",
        "6.4.1",
        with(scattered(MaskKind::Packed, packed), |h| {
            h.quantiser.step = 1
        }),
    )?;
    unusual(
        "largest-steps",
        "6.4.2",
        with(scattered(MaskKind::Packed, context), |h| {
            h.quantiser.step = 255;
            h.lattice = None;
        }),
    )?;
    unusual(
        "ridge-of-steps-of-1",
        "6.3.2",
        with(ridge(), |h| {
            h.quantiser.step = 1;
            h.mask = MaskKind::Ridge { threshold_step: 1 };
        }),
    )?;
    unusual(
        "ridge-of-steps-of-255",
        "6.3.2",
        with(ridge(), |h| {
            h.quantiser.step = 255;
            h.mask = MaskKind::Ridge {
                threshold_step: 255,
            };
        }),
    )?;
    let lattice = |bands, every, step| Some(LatticeShape { bands, every, step });
    unusual(
        "one-band",
        "8.2",
        with(ridge(), |h| h.lattice = lattice(1, 1, 20)),
    )?;
    unusual(
        "most-bands",
        "6.5.1",
        with(ridge(), |h| h.lattice = lattice(64, 3, 20)),
    )?;
    unusual(
        "one-column",
        "6.5.2",
        with(ridge(), |h| h.lattice = lattice(5, 255, 255)),
    )?;
    unusual(
        "a-band-a-bin",
        "6.5.1",
        with(ridge(), |h| {
            h.waveform = low(30, -40);
            h.lattice = lattice(36, 2, 32);
        }),
    )?;
    unusual(
        "one-coefficient",
        "6.7",
        with(ridge(), |h| h.waveform = low(1, 127)),
    )?;
    unusual(
        "most-coefficients",
        "6.7",
        with(shape(stft(256, 256, 128), 5, ridge()), |h| {
            h.waveform = low(128, -128);
            h.lattice = None;
        }),
    )?;
    for (name, bits) in [("phases-of-1-bit", 1), ("phases-of-12-bits", 12)] {
        unusual(
            name,
            "6.6",
            long(with(ridge(), |h| h.phase = PhaseKind::All { bits }), 300),
        )?;
    }
    unusual(
        "loudest",
        "9.2",
        with(ridge(), |h| h.quantiser.origin = i16::MAX),
    )?;
    unusual(
        "quietest",
        "9.3",
        with(ridge(), |h| h.quantiser.origin = i16::MIN),
    )?;
    unusual(
        "loud-waveform",
        "9.6",
        with(ridge(), |h| {
            h.quantiser.origin = i16::MAX;
            h.waveform = low(8, 127);
        })
        .of(Scene::Jumps),
    )?;

    unusual(
        "segments-of-one-frame",
        "8.2",
        with(ridge(), |h| {
            h.segment_frames = 1;
            h.lattice = lattice(8, 3, 32);
        }),
    )?;
    unusual(
        "segments-shorter-than-the-transform",
        "8.2",
        long(
            with(shape(stft(128, 128, 16), 5, ridge()), |h| {
                h.lattice = lattice(8, 4, 32);
                h.waveform = low(1, -40);
                h.phase = PhaseKind::All { bits: 4 };
            }),
            300,
        ),
    )?;

    let mut comments = ridge();
    comments.metadata = Some(Metadata {
        vendor: "vectors".into(),
        comments: vec![("TITLE".into(), "a voice, made up".into())],
    });
    comments.seek = true;
    unusual("comments-and-index", "3.4", comments)?;

    let mut more = |name: &str, section, bytes| {
        out.push(Vector {
            file: format!("uncommon/{name}.sparc"),
            section,
            bytes,
        });
    };
    let base = chunks(&ridge().bytes()?);
    let before_segments = |piece: (u8, Vec<u8>)| {
        let mut all = base.clone();
        all.insert(1, piece);
        join(&all)
    };
    more(
        "unknown-ancillary-chunk",
        "3.3",
        before_segments((0x9A, vec![1, 2, 3])),
    );
    more(
        "private-ancillary-chunk",
        "3.3",
        before_segments((0xC1, vec![7; 40])),
    );
    more(
        "model-of-another-id",
        "3.6",
        before_segments((MODL, b"no model at all".to_vec())),
    );
    more(
        "malformed-comments",
        "3.4",
        before_segments((META, vec![255, 1])),
    );
    more(
        "malformed-index",
        "3.5",
        before_segments((SEEK, vec![3, 1])),
    );
    let mut later = base.clone();
    later[0].1[0] = 0x11;
    later[0].1[1] |= 1 << 5;
    later[0].1.extend([1, 42, 42]);
    more("later-minor-version", "2", join(&later));
    let mut both = base.clone();
    both.push(chunk(0x06, &[0xE8, 0x07]));
    more("count-twice", "3.7", join(&both));

    // Damage that leaves the stream whole, but for the segments it hit.
    let four = long(ridge(), 64 * 36);
    let mut counted_behind = four.clone();
    counted_behind.counted = false;
    // HEAD, then the four segments.
    let pieces = chunks(&four.bytes()?);
    let lost = |pieces: &[(u8, Vec<u8>)], at: usize| {
        let mut bytes = join(pieces);
        let start = join(&pieces[..at]).len();
        bytes[start + 12] ^= 0x10;
        bytes
    };
    more("first-segment-lost", "3.8", lost(&pieces, 1));
    more("middle-segment-lost", "3.8", lost(&pieces, 2));
    more("last-segment-lost", "3.8", lost(&pieces, 4));
    more(
        "last-segment-lost-count-behind",
        "3.8",
        lost(&chunks(&counted_behind.bytes()?), 4),
    );
    let mut without = pieces.clone();
    without.remove(2);
    more("segment-missing", "3.8", join(&without));
    let mut twice = pieces.clone();
    twice.insert(3, pieces[2].clone());
    more("segment-twice", "3.9", join(&twice));
    let mut swapped = pieces.clone();
    swapped.swap(2, 3);
    more("segments-out-of-order", "3.9", join(&swapped));
    let mut left_over = pieces.clone();
    left_over[2].1.extend([1; 40]);
    more("segment-with-bytes-left-over", "5.1", join(&left_over));
    let mut short = pieces.clone();
    short[2].1 = vec![3, 0];
    more("segment-of-no-frames", "6.1", join(&short));
    let mut too_long = join(&pieces[..2]);
    too_long.extend([SEGM, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]);
    too_long.extend(&join(&pieces[2..])[8..]);
    more("length-beyond-the-limit", "3.8", too_long);
    let mut noise = join(&pieces[..2]);
    noise.extend([SEGM, 0x80, 0x00]);
    noise.extend(&join(&pieces[3..])[8..]);
    more("segment-overwritten", "3.8", noise);
    Ok(out)
}
