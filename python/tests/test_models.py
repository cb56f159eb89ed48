"""Networks."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from numpy.typing import NDArray

import sparc

Floats = NDArray[np.float32]


def test_built_in_models_are_those_of_the_repository() -> None:
    names = sparc.built_in_models()
    assert "speech" in names
    for name in names:
        model = sparc.built_in_model(name)
        path = ROOT / "models" / f"{name}.sparcmodel"
        assert model.file == path.read_bytes()
        assert model == sparc.load_model(path) == sparc.load_model(model.file)
        assert model.name == name
    assert len({sparc.built_in_model(name) for name in names}) == len(names)
    with pytest.raises(sparc.OptionsError, match='no model called "none" is built in; there are speech'):
        sparc.built_in_model("none")


def test_weights_are_arrays() -> None:
    whole = sparc.built_in_model("speech")
    assert (whole.rate, whole.n_fft, whole.arithmetic) == (16_000, 512, "whole")
    weights = whole.weights
    first = weights["layers.0.weight"]
    assert first.ndim == 4 and first.dtype == np.int16
    assert weights["layers.0.bias"].shape == weights["layers.0.shift"].shape == first.shape[:1]
    assert weights["layers.0.bias"].dtype == np.int32
    assert any(name.endswith("slope") for name in weights)
    # Every number of the network is there, shifts aside.
    count = sum(array.size for name, array in weights.items() if not name.endswith("shift"))
    assert f"{count} numbers" in repr(whole)
    real = sparc.built_in_model("thesis-90")
    assert real.arithmetic == "real"
    assert {array.dtype for array in real.weights.values()} == {np.dtype(np.float32)}
    assert all(np.isfinite(array).all() and array.any() for array in real.weights.values())
    assert "shift" not in " ".join(real.weights)
    first[:] = 0
    assert whole.weights["layers.0.weight"].any()


def test_metadata_tells_where_it_came_from() -> None:
    assert any("train" in value for value in sparc.built_in_model("speech").metadata.values())


def test_models_travel() -> None:
    model = sparc.built_in_model("speech")
    again = pickle.loads(pickle.dumps(model))
    assert again == model and again.id == model.id and hash(again) == hash(model)
    assert model != "speech"


def test_the_given_model_is_used(voice: Floats, stream: bytes) -> None:
    model = sparc.built_in_model("speech")
    assert sparc.encode(voice, 16_000, 6_000, effort="fast", model=model) == stream
    without = sparc.encode(voice, 16_000, 6_000, effort="fast", model="none")
    assert sparc.inspect(without).header.model is None
    with_model, _ = sparc.decode(stream)
    interpolated, _ = sparc.decode(stream, model="none")
    assert np.array_equal(with_model, sparc.decode(stream, model=model)[0])
    assert not np.array_equal(with_model, interpolated)


def test_a_model_that_is_not_at_hand_is_named(voice: Floats) -> None:
    usual = sparc.built_in_model("speech")
    # The last byte of a file that another tool wrote: another id, and nothing else.
    other = changed(usual.file)
    model = sparc.load_model(other)
    assert model.id != usual.id and model.name is None
    stream = sparc.encode(voice, 16_000, effort="fast", model=model)
    assert sparc.inspect(stream).model_place == "elsewhere"
    with pytest.raises(sparc.ModelError, match=f"stream: needs model {model.id}, which is not at hand"):
        sparc.decode(stream)
    expected = sparc.decode(sparc.encode(voice, 16_000, effort="fast", model=usual))[0]
    assert np.array_equal(sparc.decode(stream, model=model)[0], expected)
    embedded = sparc.encode(voice, 16_000, effort="fast", model=model, embed_model=True)
    assert np.array_equal(sparc.decode(embedded)[0], expected)


def changed(file: bytes) -> bytes:
    """The model with a letter of its metadata changed, and the checksum of that chunk made right again."""
    import zlib

    at = file.index(b"=", file.index(b"\x01")) + 1
    for begin in range(at):
        # A chunk is its type, the length of its body (7 bits a byte, lowest first), the body, and the CRC-32 of these.
        length, shift, body = 0, 0, begin + 1
        while shift < 28:
            byte = file[body]
            length |= (byte & 127) << shift
            shift, body = shift + 7, body + 1
            if byte < 128:
                break
        end = body + length
        check = file[end : end + 4]
        if begin < at < end and check == zlib.crc32(file[begin:end]).to_bytes(4, "little"):
            found = bytearray(file)
            found[at] = ord("x") if found[at] != ord("x") else ord("y")
            found[end : end + 4] = zlib.crc32(bytes(found[begin:end])).to_bytes(4, "little")
            return bytes(found)
    raise AssertionError("the model has no metadata")


def test_what_is_no_model_is_refused(stream: bytes, tmp_path: Path) -> None:
    for data in (b"", stream, sparc.built_in_model("speech").file[:-1]):
        with pytest.raises(sparc.ModelError, match="model: is not a usable model"):
            sparc.load_model(data)
    path = tmp_path / "a.sparcmodel"
    path.write_bytes(b"nothing")
    with pytest.raises(sparc.ModelError, match="a.sparcmodel: model: is not a usable model"):
        sparc.load_model(path)
