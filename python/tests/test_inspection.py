"""What streams are made of."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, tone
from numpy.typing import NDArray

import sparc

Floats = NDArray[np.float32]


def test_a_stream_is_taken_apart(stream: bytes) -> None:
    found = sparc.inspect(stream)
    assert (found.bytes, found.samples, found.seconds, found.fault) == (len(stream), 40_000, 2.5, None)
    assert found.bitrate == len(stream) * 8 / 2.5
    header = found.header
    assert (header.source_rate, header.source_channels, header.coded_rate) == (16_000, 1, 16_000)
    assert (header.n_fft, header.mask, header.values, header.phases) == (512, "ridge", "context", "none")
    assert header.lattice is not None and header.lattice.bands > 0
    assert header.model == sparc.built_in_model("speech").id and found.model_place == "built in"
    assert [chunk.name for chunk in found.chunks] == ["signature", "HEAD", "SEGM", "SEGM", "SEGM"]
    assert all(chunk.sound for chunk in found.chunks)
    assert [segment.index for segment in found.segments] == [0, 1, 2]
    assert sum(chunk.size for chunk in found.chunks) == len(stream)
    assert found.layers.total == pytest.approx(sum(s.layers.total for s in found.segments))
    assert found.layers.total + found.container_bits == pytest.approx(len(stream) * 8)
    assert 0 < found.kept < 0.2
    assert not found.damage
    assert dataclasses.asdict(found)["header"]["hop"] == header.hop


def test_metadata_models_and_indices_are_found(voice: Floats) -> None:
    comments = [("TITLE", "a tone"), ("ARTIST", "numpy"), ("ARTIST", "sinus")]
    stream = sparc.encode(voice, 16_000, effort="fast", metadata=comments, embed_model=True, seek_index=True)
    found = sparc.inspect(stream)
    assert found.metadata == tuple(comments)
    assert found.vendor.startswith("sparc ")
    assert found.model_place == "embedded"
    assert {"META", "MODL", "SEEK"} < {chunk.name for chunk in found.chunks}
    again = sparc.encode(voice, 16_000, effort="fast", metadata={"TITLE": "ä"})
    assert sparc.inspect(again).metadata == (("TITLE", "ä"),)


def test_the_length_is_found_without_decoding(stream: bytes) -> None:
    found = sparc.info(stream)
    assert (found.rate, found.channels, found.samples, found.coded_rate) == (16_000, 1, 40_000, 16_000)
    assert (found.seconds, found.bytes, found.bitrate) == (2.5, len(stream), len(stream) * 8 / 2.5)
    # A stream that was written live tells at its end alone.
    encoder = sparc.Encoder(44_100, 2, delay=0)
    live = encoder.push(tone(1.0, 44_100, channels=2)) + encoder.finish()
    assert sparc.inspect(live).header.total_samples is None
    found = sparc.info(live)
    assert (found.rate, found.channels, found.samples) == (44_100, 2, 44_100)


def test_a_stream_that_is_cut_shows_what_it_has(stream: bytes) -> None:
    found = sparc.inspect(stream[: len(stream) // 2])
    assert found.fault is not None and found.samples == 40_000
    assert [chunk.name for chunk in found.chunks][:3] == ["signature", "HEAD", "SEGM"]
    with pytest.raises(sparc.StreamError):
        sparc.inspect(stream[:12])


def test_the_command_says_the_same(stream: bytes, command: Command, tmp_path: Path) -> None:
    path = tmp_path / "a.sparc"
    path.write_bytes(stream)
    theirs = json.loads(command("inspect", path, "--json").stdout)
    ours = sparc.inspect(path)
    assert theirs["bytes"] == ours.bytes
    assert theirs["seconds"] == ours.seconds
    assert theirs["kept"] == pytest.approx(ours.kept, abs=1e-4)
    for name, layer in theirs["layers"].items():
        bits = ours.container_bits if name == "container" else getattr(ours.layers, name)
        assert layer["bits"] == pytest.approx(bits, abs=0.06), name
    header = dataclasses.asdict(ours.header)
    same = {name for name in theirs["header"] if theirs["header"][name] == header.get(name, "-")}
    words = {"mask", "values", "lattice", "waveform"}
    assert same | words == set(theirs["header"])
    for chunk, other in zip(ours.chunks, theirs["chunks"]):
        for name in ("name", "section", "type", "critical", "offset", "size", "sound"):
            assert getattr(chunk, name) == other[name]
