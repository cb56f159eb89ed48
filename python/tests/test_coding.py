"""Clips to bytes and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import tone
from numpy.typing import NDArray

import sparc

Floats = NDArray[np.float32]


def near(a: Floats, b: Floats) -> float:
    """Correlation of two sounds' short-time energies: phases are made up, levels are not."""
    energy = [np.log10(np.square(x[: len(x) // 256 * 256].reshape(-1, 256)).mean(axis=1) + 1e-7) for x in (a, b)]
    return float(np.corrcoef(energy[0], energy[1])[0, 1])


def test_a_clip_comes_back_as_long_and_alike(voice: Floats, stream: bytes) -> None:
    assert 0.9 * 6_000 < len(stream) * 8 / 2.5 <= 6_000
    samples, rate = sparc.decode(stream)
    assert (samples.shape, samples.dtype, rate) == (voice.shape, np.dtype(np.float32), 16_000)
    assert near(voice, samples) > 0.95
    assert near(voice, np.roll(samples, 2_000)) < 0.9


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100])
def test_any_rate_comes_back(rate: int) -> None:
    sound = tone(1.3, rate)
    samples, found = sparc.decode(sparc.encode(sound, rate, effort="fast"))
    assert (samples.shape, found) == (sound.shape, rate)
    assert near(sound, samples) > 0.9


def test_channels_stay_apart() -> None:
    sound = tone(1.5, channels=2)
    sound[:, 1] *= 0.01
    data = sparc.encode(sound, 16_000, effort="fast")
    samples, _ = sparc.decode(data)
    assert samples.shape == sound.shape
    assert samples[:, 0].std() > 20 * samples[:, 1].std()
    assert samples.flags.c_contiguous


def test_the_coded_rate_can_be_had() -> None:
    sound = tone(1.0, 44_100)
    samples, rate = sparc.decode(sparc.encode(sound, 44_100, effort="fast"), resample=False)
    assert (rate, samples.shape) == (16_000, (16_000,))


def test_the_layout_of_an_array_does_not_matter(voice: Floats) -> None:
    expected = sparc.encode(voice, 16_000, effort="fast")
    apart = np.zeros(2 * len(voice), np.float32)
    apart[::2] = voice
    # One byte off, which no float32 should lie at.
    askew = np.frombuffer(b"x" + voice.tobytes(), np.uint8)[1:].view(np.float32)
    frozen = voice.copy()
    frozen.flags.writeable = False
    for same in [voice[:, None], apart[::2], voice[::-1].copy()[::-1], askew, frozen, voice.astype(">f4"), voice.tolist()]:
        assert sparc.encode(same, 16_000, effort="fast") == expected
    stereo = tone(1.0, channels=2)
    expected = sparc.encode(stereo, 16_000, effort="fast")
    assert sparc.encode(np.asfortranarray(stereo), 16_000, effort="fast") == expected
    assert sparc.encode(np.repeat(stereo, 2, axis=0)[::2], 16_000, effort="fast") == expected


def test_types_have_the_same_full_scale(voice: Floats) -> None:
    short = np.round(voice * 32_768).astype(np.int16)
    expected = sparc.encode(short, 16_000, effort="fast")
    for sound in (short.astype(np.float32) / 32_768, short.astype(np.float64) / 32_768):
        assert sparc.encode(sound, 16_000, effort="fast") == expected


def test_what_is_read_is_not_written(voice: Floats) -> None:
    before = voice.copy()
    sparc.encode(voice, 16_000, effort="fast")
    assert np.array_equal(before, voice)


def test_short_samples_are_the_long_ones_rounded(stream: bytes) -> None:
    samples, _ = sparc.decode(stream)
    for dtype in ("int16", np.int16, np.dtype(np.int16)):
        short, _ = sparc.decode(stream, dtype=dtype)
        assert short.dtype == np.int16
        assert np.abs(short - samples * 32_768.0).max() <= 0.5


def test_loud_samples_are_clipped() -> None:
    loud = 3 * tone(1.0) / np.abs(tone(1.0)).max()
    data = sparc.encode(loud, 16_000, 12_000, effort="fast")
    assert np.abs(sparc.decode(data)[0]).max() > 1.5
    short, _ = sparc.decode(data, dtype="int16")
    assert (short.max(), short.min()) == (32_767, -32_768)


def test_an_array_owns_what_the_decoder_wrote(stream: bytes) -> None:
    samples, _ = sparc.decode(stream)
    assert samples.flags.writeable and samples.flags.c_contiguous
    # Not numpy's memory, but some that an object of this package keeps.
    assert not samples.flags.owndata and samples.base is not None
    again, _ = sparc.decode(stream)
    samples[:] = 0
    assert np.abs(again).max() > 0


def test_anything_that_lends_bytes_is_a_stream(stream: bytes) -> None:
    expected, _ = sparc.decode(stream)
    apart = bytearray(2 * len(stream))
    apart[::2] = stream
    lenders: list[Any] = [bytearray(stream), memoryview(stream), np.frombuffer(stream, np.uint8), memoryview(apart)[::2]]
    for lender in lenders:
        assert np.array_equal(sparc.decode(lender)[0], expected)


def test_a_part_is_a_part(stream: bytes) -> None:
    whole, _ = sparc.decode(stream)
    first, rate = sparc.decode(stream, 0, 5_000)
    assert rate == 16_000
    assert np.array_equal(first, whole[:5_000])
    later, _ = sparc.decode(stream, 20_000, 30_000)
    assert later.shape == (10_000,)
    assert near(later, whole[20_000:30_000]) > 0.9
    assert sparc.decode(stream, 39_000)[0].shape == (1_000,)
    assert sparc.decode(stream, 50_000)[0].shape == (0,)
    assert sparc.decode(stream, 7, 3)[0].shape == (0,)
    short, _ = sparc.decode(stream, 0, 5_000, dtype="int16")
    assert short.shape == (5_000,) and short.dtype == np.int16


def test_options_reach_the_encoder(voice: Floats) -> None:
    def size(**options: Any) -> int:
        return len(sparc.encode(voice, 16_000, **options))

    assert size(bitrate=3_000) < size(bitrate=9_000, effort="fast")
    assert size(quality=1) < size(quality=9)
    plain = size(effort="fast")
    assert size(effort="fast", seek_index=True) > plain
    assert size(effort="fast", embed_model=True) > plain + 10_000
    header = sparc.inspect(sparc.encode(voice, 16_000, effort="fast", segment=0.25)).header
    assert header.segment_frames * header.hop == pytest.approx(4_000, abs=header.hop)
    coded = sparc.inspect(sparc.encode(voice, 16_000, 8_000, cbr=True))
    assert all(chunk.size * 8 <= 8_000 * 1.024 for chunk in coded.chunks if chunk.segment)


def test_more_effort_tries_more(voice: Floats) -> None:
    streams = {sparc.encode(voice, 16_000, 4_500, effort=effort) for effort in ("fast", "best")}
    assert len(streams) == 2


def test_the_number_of_threads_does_not_show(voice: Floats) -> None:
    expected = sparc.encode(voice, 16_000)
    try:
        for count in (1, 3):
            sparc.set_threads(count)
            assert sparc.encode(voice, 16_000) == expected
    finally:
        sparc.set_threads(0)


def test_memory_is_known_beforehand(stream: bytes) -> None:
    needed = sparc.memory_required(stream[:200])
    assert 100_000 < needed < 64 << 20
    assert len(sparc.decode(stream, max_memory=needed)[0]) == 40_000
    with pytest.raises(sparc.LimitError, match=f"takes {needed} bytes of memory"):
        sparc.decode(stream, max_memory=needed - 1)
