"""Sound and streams that arrive in pieces."""

from __future__ import annotations

from typing import Iterator

import numpy as np
import pytest
from conftest import tone
from numpy.typing import NDArray

import sparc

Floats = NDArray[np.float32]


def cut(length: int, seed: int) -> Iterator[slice]:
    """Pieces of every size, empty ones too."""
    draw = np.random.default_rng(seed)
    at = 0
    while at < length:
        to = min(length, at + int(draw.choice([0, 1, 7, 160, 1024, 5000])))
        yield slice(at, to)
        at = to


def decoded(decoder: sparc.Decoder, stream: bytes, pieces: Iterator[slice]) -> list[Floats]:
    found = []
    for piece in pieces:
        decoder.push(stream[piece])
        found += list(decoder)
    decoder.finish()
    return found + list(decoder)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_stream_decodes_however_it_is_cut(stream: bytes, seed: int) -> None:
    decoder = sparc.Decoder()
    assert (decoder.rate, decoder.channels, decoder.pull()) == (None, None, None)
    found = decoded(decoder, stream, cut(len(stream), seed))
    assert (decoder.rate, decoder.channels) == (16_000, 1)
    assert len(found) > 3
    assert np.array_equal(np.concatenate(found), sparc.decode(stream)[0])
    assert not decoder.damage and decoder.damage.segments == 3
    assert decoder.pull() is None


def test_channels_and_types_stream_too() -> None:
    stream = sparc.encode(tone(1.5, 22_050, channels=2), 22_050, effort="fast")
    for options in ({}, {"dtype": "int16"}, {"resample": False}, {"model": "none"}):
        decoder = sparc.Decoder(**options)
        found = np.concatenate(decoded(decoder, stream, cut(len(stream), 1)))
        whole, rate = sparc.decode(stream, **options)
        assert found.dtype == whole.dtype and found.shape[1] == 2
        assert np.array_equal(found, whole)
        assert (decoder.rate, decoder.channels) == (rate, 2)


def test_sound_comes_before_the_stream_ends(stream: bytes) -> None:
    decoder = sparc.Decoder()
    decoder.push(stream[: len(stream) * 2 // 3])
    assert sum(len(block) for block in decoder) > 8_000


@pytest.mark.parametrize("seed", [1, 2])
def test_sound_encodes_however_it_is_cut(voice: Floats, stream: bytes, seed: int) -> None:
    encoder = sparc.Encoder(16_000, bitrate=6_000, effort="fast")
    assert (encoder.rate, encoder.channels) == (16_000, 1)
    found = b"".join(encoder.push(voice[piece]) for piece in cut(len(voice), seed))
    assert found + encoder.finish() == stream
    assert encoder.finish() == b""
    assert encoder.starved == 0


def test_live_sound_is_written_as_it_comes() -> None:
    sound = tone(3.0, channels=2)
    streams = []
    for seed in (1, 2):
        encoder = sparc.Encoder(16_000, 2, 12_000, delay=0, segment=0.25)
        found = [encoder.push(sound[piece]) for piece in cut(len(sound), seed)]
        assert sum(map(len, found[: len(found) // 2])) > 1_000
        streams.append(b"".join(found) + encoder.finish())
    assert streams[0] == streams[1]
    assert sparc.decode(streams[0])[0].shape == sound.shape


def test_what_is_finished_takes_no_more(voice: Floats, stream: bytes) -> None:
    encoder = sparc.Encoder(16_000)
    encoder.push(voice)
    encoder.finish()
    with pytest.raises(sparc.OptionsError, match="finished"):
        encoder.push(voice)
    decoder = sparc.Decoder()
    decoder.finish()
    with pytest.raises(sparc.OptionsError, match="finished"):
        decoder.push(stream)


def test_an_error_is_said_again(voice: Floats) -> None:
    encoder = sparc.Encoder(16_000)
    with pytest.raises(sparc.AudioError, match="sample 1 of channel 0 is not a number"):
        encoder.push([0.0, float("nan")])
    # Half a stream must not pass for one.
    with pytest.raises(sparc.AudioError, match="sample 1 of channel 0"):
        encoder.finish()
    decoder = sparc.Decoder()
    decoder.push(b"no stream at all")
    for _ in range(2):
        with pytest.raises(sparc.StreamError, match="signature"):
            decoder.pull()


def test_channels_must_be_those_of_the_encoder(voice: Floats) -> None:
    encoder = sparc.Encoder(16_000, 2)
    with pytest.raises(sparc.OptionsError, match="1 channels is pushed to an encoder of 2"):
        encoder.push(voice)
    # Nothing was taken: what follows may be right.
    encoder.push(np.stack([voice, voice], axis=1))
    assert sparc.info(encoder.finish()).samples == len(voice)
