"""What is wrong is said, by an error of this package."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from conftest import tone
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import sparc

Floats = NDArray[np.float32]
NAN = float("nan")


def test_errors_are_values_that_are_wrong() -> None:
    for kind in (
        sparc.StreamError,
        sparc.LimitError,
        sparc.ModelError,
        sparc.AudioError,
        sparc.OptionsError,
        sparc.InternalError,
    ):
        assert issubclass(kind, sparc.Error) and issubclass(kind, ValueError)
        again = pickle.loads(pickle.dumps(kind("text")))
        assert type(again) is kind and str(again) == "text"


@pytest.mark.parametrize(
    ("array", "rate", "options", "kind", "words"),
    [
        ([], 16_000, {}, sparc.AudioError, "sound: holds no samples"),
        (np.zeros((16_000, 0)), 16_000, {}, sparc.AudioError, "sound: has no channels"),
        (np.zeros((100, 9)), 16_000, {}, sparc.LimitError, "9 channels; at most 8"),
        (np.zeros((2, 16_000)), 16_000, {}, sparc.AudioError, r"shape \(2, 16000\) seems to have channels first"),
        (np.zeros((2, 3, 4)), 16_000, {}, sparc.AudioError, r"shape \(2, 3, 4\) is no sound"),
        (0.5, 16_000, {}, sparc.AudioError, r"shape \(\) is no sound"),
        ([0.0, NAN], 16_000, {}, sparc.AudioError, "sample 1 of channel 0 is not a number"),
        ([0.0, 1e9], 16_000, {}, sparc.AudioError, "sample 1 of channel 0 .* full scale"),
        (["words"], 16_000, {}, sparc.AudioError, "samples of type <U5 are not taken"),
        (np.zeros(9, np.complex64), 16_000, {}, sparc.AudioError, "samples of type complex64"),
        (np.zeros(9, np.int32), 16_000, {}, sparc.AudioError, "samples of type int32"),
        ([0.0], 7, {}, sparc.AudioError, "sample rate of 7 Hz"),
        ([0.0], -1, {}, sparc.OptionsError, "rate of -1 is out of range"),
        ([0.0], 16_000, {"bitrate": 2**32}, sparc.OptionsError, "bitrate of 4294967296 is out of range"),
        ([0.0] * 16_000, 16_000, {"bitrate": 10}, sparc.OptionsError, "10 bit/s are too few: this clip takes at least"),
        ([0.0], 16_000, {"bitrate": 6_000, "quality": 3}, sparc.OptionsError, "exclude each other"),
        ([0.0], 16_000, {"cbr": True}, sparc.OptionsError, "cbr needs a bitrate"),
        ([0.0], 16_000, {"quality": 11}, sparc.OptionsError, "quality 11 is not from 0 to 10"),
        ([0.0], 16_000, {"quality": NAN}, sparc.OptionsError, "quality NaN is not from 0 to 10"),
        ([0.0], 16_000, {"effort": "much"}, sparc.OptionsError, 'effort "much" is not'),
        ([0.0], 16_000, {"segment": 0}, sparc.OptionsError, "segment of 0 s"),
        ([0.0], 16_000, {"model": "speech"}, sparc.OptionsError, 'model "speech" is not "none"'),
        ([0.0], 16_000, {"metadata": {"a=b": "c"}}, sparc.Error, "metadata key"),
        ([0.0], "fast", {}, TypeError, "rate is a whole number, not str"),
        ([0.0], 16_000.5, {}, TypeError, "rate is a whole number, not float"),
        ([0.0], 16_000, {"model": 3}, TypeError, 'model is a sparc.Model or "none", not int'),
        ([0.0], 16_000, {"metadata": {"a": 3}}, TypeError, "metadata is a dict of str to str"),
        ([0.0], 16_000, {"colour": 3}, TypeError, "colour"),
    ],
)
def test_what_cannot_be_encoded(array: Any, rate: Any, options: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        sparc.encode(array, rate, **options)


def test_a_model_must_fit(voice: Floats) -> None:
    with pytest.raises(sparc.ModelError, match="was made for 16000 Hz and windows of 2048"):
        sparc.encode(voice, 16_000, model=sparc.built_in_model("thesis-90"))


@pytest.mark.parametrize(
    ("data", "options", "kind", "words"),
    [
        (b"", {}, sparc.StreamError, "stream: .*ends"),
        (b"RIFF and so on", {}, sparc.StreamError, "stream: .*signature"),
        ("a path", {}, TypeError, "a bytes-like object is needed, not str"),
        (None, {}, TypeError, "a bytes-like object is needed, not NoneType"),
        (b"", {"dtype": "float64"}, sparc.OptionsError, "dtype float64 is neither float32 nor int16"),
        (b"", {"dtype": "colour"}, sparc.OptionsError, "dtype colour is neither"),
        (b"", {"start": -1}, sparc.OptionsError, "start of -1 is out of range"),
        (b"", {"stop": 2.5}, TypeError, "stop is a whole number, not float"),
        (b"", {"max_memory": -1}, sparc.OptionsError, "max_memory of -1 is out of range"),
        (b"", {"model": "some"}, sparc.OptionsError, 'model "some" is not "none"'),
    ],
)
def test_what_cannot_be_decoded(data: Any, options: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        sparc.decode(data, **options)


def test_limits_hold(stream: bytes) -> None:
    with pytest.raises(sparc.LimitError, match="40000 samples exceed the limit of 39999"):
        sparc.decode(stream, max_samples=39_999)
    assert len(sparc.decode(stream, 0, 100, max_samples=100)[0]) == 100
    with pytest.raises(sparc.LimitError, match="101 samples exceed"):
        sparc.decode(stream, 0, 101, max_samples=100)


def test_a_stream_that_is_cut_is_no_stream(stream: bytes) -> None:
    for end in (len(stream) - 1, len(stream) // 2, 100, 9):
        with pytest.raises(sparc.StreamError):
            sparc.decode(stream[:end])
        with pytest.raises(sparc.StreamError):
            sparc.info(stream[:end])


def test_damage_is_concealed_and_told_of(stream: bytes) -> None:
    second = [chunk for chunk in sparc.inspect(stream).chunks if chunk.segment][1]
    damaged = bytearray(stream)
    damaged[second.offset + second.size // 2] ^= 1
    with pytest.warns(sparc.DamageWarning, match="1 of 3 segments are damaged and were concealed"):
        samples, _ = sparc.decode(damaged)
    assert samples.shape == (40_000,)
    with warnings.catch_warnings():
        warnings.simplefilter("error", sparc.DamageWarning)
        with pytest.raises(sparc.DamageWarning):
            sparc.decode(damaged)
    found = sparc.inspect(damaged).damage
    assert found and (found.places, found.concealed, found.segments) == (1, 1, 3)
    assert found.first is not None and "SEGM" in found.first
    decoder = sparc.Decoder()
    decoder.push(damaged)
    decoder.finish()
    assert sum(map(len, decoder)) == 40_000
    assert decoder.damage == found


def test_starved_segments_are_told_of() -> None:
    loud = np.random.default_rng(1).standard_normal(32_000).astype(np.float32) * 0.2
    with pytest.warns(UserWarning, match="segments take more than their share"):
        sparc.encode(loud, 16_000, 1_000, cbr=True)


SHORT = sparc.encode(tone(0.4), 16_000, effort="fast")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_do_worse_than_an_error(data: bytes) -> None:
    for prefix in (b"", SHORT[:8], SHORT[:60]):
        for read in (sparc.decode, sparc.inspect, sparc.info, sparc.load_model):
            try:
                read(prefix + data)
            except sparc.Error as error:
                assert not isinstance(error, sparc.InternalError), error


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(SHORT) - 1), st.integers(1, 255))
def test_no_damaged_byte_does_worse_than_an_error(at: int, flip: int) -> None:
    damaged = bytearray(SHORT)
    damaged[at] ^= flip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sparc.DamageWarning)
        try:
            samples, _ = sparc.decode(damaged)
            assert np.isfinite(samples).all()
        except sparc.Error as error:
            assert not isinstance(error, sparc.InternalError), error


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 4_000),
    st.integers(1, 3),
    st.sampled_from([8_000, 16_000, 44_100]),
    st.sampled_from([np.float32, np.float64, np.int16]),
    st.integers(0, 2**32 - 1),
)
def test_every_length_comes_back(length: int, channels: int, rate: int, kind: Any, seed: int) -> None:
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, (length, channels))
    sound = (noise * 32_767).astype(np.int16) if kind is np.int16 else noise.astype(kind)
    samples, found = sparc.decode(sparc.encode(sound, rate, effort="fast"))
    assert (samples.shape, found) == ((length,) if channels == 1 else (length, channels), rate)
