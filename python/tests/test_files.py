"""Files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from conftest import tone
from numpy.typing import NDArray

import sparc

Floats = NDArray[np.float32]


def test_a_file_is_written_and_read(voice: Floats, stream: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.sparc"
    size = sparc.write(path, voice, 16_000, 6_000, effort="fast")
    assert path.read_bytes() == stream and size == len(stream)
    for name in (path, str(path)):
        samples, rate = sparc.read(name)
        assert rate == 16_000 and np.array_equal(samples, sparc.decode(stream)[0])
    part, _ = sparc.read(path, 100, 200, dtype="int16")
    assert part.shape == (100,) and part.dtype == np.int16
    assert sparc.read(path, 39_000)[0].shape == (1_000,)
    assert sparc.info(path) == sparc.info(stream)
    assert sparc.inspect(path) == sparc.inspect(stream)


def test_a_file_appears_whole_or_not_at_all(voice: Floats, tmp_path: Path) -> None:
    path = tmp_path / "a.sparc"
    path.write_bytes(b"before")
    with pytest.raises(sparc.AudioError):
        sparc.write(path, np.full(100, np.nan), 16_000)
    with pytest.raises(RuntimeError), sparc.Writer(path, 16_000, delay=0) as writer:
        writer.write(voice)
        assert writer.size > 0
        assert path.read_bytes() == b"before"
        raise RuntimeError
    with pytest.raises(sparc.AudioError, match="holds no samples"), sparc.Writer(path, 16_000):
        pass
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["a.sparc"]


def test_a_writer_writes_what_encode_gives(voice: Floats, stream: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.sparc"
    with sparc.Writer(path, 16_000, bitrate=6_000, effort="fast") as writer:
        for block in np.array_split(voice, 7):
            writer.write(block)
        assert not path.exists()
    writer.close()
    writer.discard()
    assert path.read_bytes() == stream and writer.size == len(stream)
    assert os.listdir(tmp_path) == ["a.sparc"]


@pytest.mark.skipif(os.name != "posix", reason="links and modes are those of posix")
def test_links_and_modes_are_those_of_any_new_file(voice: Floats, tmp_path: Path) -> None:
    there = tmp_path / "there.sparc"
    link = tmp_path / "link.sparc"
    link.symlink_to(there)
    sparc.write(link, voice, 16_000, effort="fast")
    assert link.is_symlink() and there.is_file()
    usual = tmp_path / "usual"
    usual.touch()
    assert stat.S_IMODE(there.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


def test_a_file_is_read_bit_by_bit(tmp_path: Path) -> None:
    path = tmp_path / "a.sparc"
    sparc.write(path, tone(2.0, channels=2), 16_000, effort="fast")
    found = list(sparc.blocks(path, dtype="int16"))
    assert len(found) > 3
    assert np.array_equal(np.concatenate(found), sparc.read(path, dtype="int16")[0])


def test_errors_name_the_file(stream: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.sparc"
    path.write_bytes(stream[:-1])
    for read in (sparc.read, sparc.info, lambda path: list(sparc.blocks(path))):
        with pytest.raises(sparc.StreamError, match="cut.sparc: stream: "):
            read(path)
    with pytest.raises(FileNotFoundError):
        sparc.read(tmp_path / "none.sparc")
    with pytest.raises(FileNotFoundError):
        sparc.write(tmp_path / "no" / "a.sparc", np.zeros(100), 16_000)
