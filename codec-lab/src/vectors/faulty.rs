//! Streams that no decoder may take, one for each way to end the decoding (Spec §3.9).

use super::lawful::ridge;
use super::pieces::{chunk, chunks, join, Piece, HEAD, MODL, SEGM, TAIL};
use super::Vector;
use codec_format::Result;
use core::ops::Range;
use sha2::{Digest, Sha256};

// Where the fields of the plain stream's HEAD lie.
const VERSION: Range<usize> = 0..1;
const FLAGS: Range<usize> = 1..2;
const RATE: Range<usize> = 2..4;
const CHANNELS: Range<usize> = 4..5;
const TOTAL: Range<usize> = 5..7;
const TRANSFORM: Range<usize> = 7..8;
const HOP: Range<usize> = 8..9;
const SEGMENT_FRAMES: Range<usize> = 9..10;
const ORIGIN: Range<usize> = 10..12;
const STEP: Range<usize> = 12..13;
const KINDS: Range<usize> = 13..14;
const THRESHOLD_STEP: Range<usize> = 14..15;
const BANDS: Range<usize> = 15..16;
const EVERY: Range<usize> = 16..17;
const LATTICE_STEP: Range<usize> = 17..18;

/// The flags of the plain stream: a count and a lattice, values by context.
const PLAIN_FLAGS: u8 = 0b0101_0010;

pub(super) fn streams() -> Result<Vec<Vector>> {
    let sound = ridge().bytes()?;
    let pieces = chunks(&sound);
    let mut out = Vec::new();
    let mut add = |name: &str, section, bytes| {
        out.push(Vector {
            file: format!("faulty/{name}.sparc"),
            section,
            bytes,
        });
    };

    add("empty", "3.1", Vec::new());
    add("signature-cut", "3.1", sound[..5].to_vec());
    let mut text = sound.clone();
    text.remove(4);
    add("signature-without-its-carriage-return", "3.1", text);
    add("signature-alone", "3.8", sound[..8].to_vec());
    add("segment-first", "3.3", join(&pieces[1..]));
    add(
        "two-headers",
        "3.3",
        join(&[&pieces[..1], &pieces[..]].concat()),
    );
    let mut damaged = sound.clone();
    damaged[12] ^= 1;
    add("header-damaged", "3.8", damaged);
    add("header-cut", "3.8", sound[..20].to_vec());
    add(
        "header-too-long",
        "3.8",
        join(&[(HEAD, [&pieces[0].1[..], &[0; 300]].concat())]),
    );

    let head = |changes: &[(Range<usize>, &[u8])]| -> Vec<u8> {
        let mut body = pieces[0].1.clone();
        // From the last field to the first, so that places stay.
        for (place, bytes) in changes.iter().rev() {
            body.splice(place.clone(), bytes.iter().copied());
        }
        join(&[&[(HEAD, body)], &pieces[1..]].concat())
    };
    let end = pieces[0].1.len()..pieces[0].1.len();
    let with = |flag: u8| [PLAIN_FLAGS | flag];
    let (waveform, full) = (with(1 << 7), 0x87);
    type Change<'a> = (Range<usize>, &'a [u8]);
    let broken: &[(&str, &'static str, &[Change<'_>])] = &[
        ("major-version", "2", &[(VERSION, &[0x20])]),
        ("flag-5", "4.1", &[(FLAGS, &with(1 << 5))]),
        ("number-not-shortest", "1.2", &[(HOP, &[0xC0, 0x00])]),
        ("rate-low", "4.2", &[(RATE, &[0xE7, 0x07])]),
        ("rate-high", "10", &[(RATE, &[0x81, 0xDC, 0x0B])]),
        ("no-channels", "4.2", &[(CHANNELS, &[0])]),
        ("nine-channels", "10", &[(CHANNELS, &[9])]),
        (
            "total-high",
            "10",
            &[(TOTAL, &[0x81, 0x80, 0x80, 0x80, 0x80, 0x10])],
        ),
        ("transform-32", "4.2", &[(TRANSFORM, &[0x85]), (HOP, &[8])]),
        (
            "transform-8192",
            "10",
            &[(TRANSFORM, &[0x8D]), (HOP, &[0x80, 0x10])],
        ),
        ("window-kind", "4.1", &[(TRANSFORM, &[full | 0x20])]),
        ("window-of-1", "4.2", &[(TRANSFORM, &[0x07, 1])]),
        (
            "window-over-transform",
            "4.2",
            &[(TRANSFORM, &[0x07, 0x81, 0x01])],
        ),
        ("no-hop", "4.2", &[(HOP, &[0])]),
        ("hop-over-half", "4.2", &[(HOP, &[65])]),
        ("hop-under-a-64th", "4.2", &[(HOP, &[1])]),
        ("no-segment-frames", "4.2", &[(SEGMENT_FRAMES, &[0])]),
        (
            "segment-pixels",
            "10",
            &[(SEGMENT_FRAMES, &[0xFF, 0xFF, 0x03])],
        ),
        ("origin-of-17-bits", "4.1", &[(ORIGIN, &[0x80, 0x80, 0x04])]),
        ("no-step", "4.2", &[(STEP, &[0])]),
        ("mask-kind", "4.1", &[(KINDS, &[0x04])]),
        ("phase-kind", "4.1", &[(KINDS, &[0x33])]),
        ("no-threshold-step", "4.2", &[(THRESHOLD_STEP, &[0])]),
        ("no-bands", "4.2", &[(BANDS, &[0])]),
        ("more-bands-than-64", "4.2", &[(BANDS, &[65])]),
        ("more-bands-than-bins", "4.2", &[(BANDS, &[66])]),
        ("bands-of-nothing", "4.2", &[(EVERY, &[0])]),
        ("no-lattice-step", "4.2", &[(LATTICE_STEP, &[0])]),
        (
            "no-phase-bits",
            "4.2",
            &[(KINDS, &[0x23]), (end.clone(), &[0])],
        ),
        (
            "phase-bits-13",
            "4.2",
            &[(KINDS, &[0x23]), (end.clone(), &[13])],
        ),
        (
            "no-coefficients",
            "4.2",
            &[(FLAGS, &waveform), (end.clone(), &[0, 0])],
        ),
        (
            "coefficients-over-hop",
            "4.2",
            &[(FLAGS, &waveform), (HOP, &[20]), (end.clone(), &[21, 0])],
        ),
        (
            "coefficients-129",
            "4.2",
            &[
                (FLAGS, &waveform),
                (TRANSFORM, &[0x8A]),
                (HOP, &[0x80, 0x02]),
                (BANDS, &[1]),
                (end.clone(), &[129, 0]),
            ],
        ),
        (
            "waveform-without-ridges",
            "4.2",
            &[
                (FLAGS, &waveform),
                (KINDS.start..THRESHOLD_STEP.end, &[0x01]),
                (end.clone(), &[4, 0]),
            ],
        ),
        ("header-field-cut", "4.1", &[(LATTICE_STEP, &[])]),
        ("header-bytes-left-over", "4.1", &[(end.clone(), &[0])]),
    ];
    for (name, section, changes) in broken {
        add(name, section, head(changes));
    }

    let insert = |at: usize, piece: Piece| {
        let mut all = pieces.clone();
        all.insert(at, piece);
        join(&all)
    };
    add(
        "unknown-critical-chunk",
        "3.3",
        insert(1, chunk(0x22, &[1])),
    );
    let last = pieces.len();
    add(
        "trailer-of-another-count",
        "3.7",
        insert(last, chunk(TAIL, &[0xE9, 0x07])),
    );
    add(
        "trailer-with-bytes-left-over",
        "3.7",
        insert(last, chunk(TAIL, &[0xE8, 0x07, 0])),
    );
    add(
        "trailer-beyond-the-limit",
        "10",
        insert(last, chunk(TAIL, &[0x81, 0x80, 0x80, 0x80, 0x80, 0x10])),
    );

    let mut uncounted = ridge();
    uncounted.counted = false;
    let uncounted = chunks(&uncounted.bytes()?);
    let body = &uncounted[..uncounted.len() - 1];
    add("no-count", "3.8", join(body));
    add(
        "count-below-the-segments",
        "3.7",
        join(&[body, &[chunk(TAIL, &[1])]].concat()),
    );
    add("last-segment-missing", "3.8", join(&pieces[..last - 1]));
    add("cut-in-a-segment", "3.8", sound[..sound.len() - 9].to_vec());
    add(
        "cut-in-a-checksum",
        "3.8",
        sound[..sound.len() - 1].to_vec(),
    );
    let mut count_lost = join(&uncounted);
    let flipped = count_lost.len() - 5;
    count_lost[flipped] ^= 4;
    add("count-lost", "3.8", count_lost);

    let named = |id: &[u8]| {
        let (flags, after) = (with(1 << 3), SEGMENT_FRAMES.end..SEGMENT_FRAMES.end);
        let mut body = chunks(&head(&[(FLAGS, &flags), (after, id)]));
        body.retain(|(kind, _)| [HEAD, SEGM].contains(kind));
        body
    };
    add("model-nowhere", "3.6", join(&named(&[0xAB; 8])));
    let nonsense = b"no model at all".to_vec();
    let mut with_nonsense = named(&Sha256::digest(&nonsense)[..8]);
    with_nonsense.insert(1, (MODL, nonsense));
    add("model-that-is-none", "3.6", join(&with_nonsense));

    Ok(out)
}
