"""The command gives the same bytes, and the same samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, Command, Wav, tone

import sparc

SAMPLES = ROOT / "samples"


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--effort", "fast"], {"effort": "fast"}),
        (["-b", "4500", "--effort", "fast"], {"bitrate": 4_500, "effort": "fast"}),
        (["-b", "9000"], {"bitrate": 9_000}),
        (["-b", "6000", "--cbr", "--effort", "fast"], {"bitrate": 6_000, "cbr": True, "effort": "fast"}),
        (["--quality", "3"], {"quality": 3}),
        (["--segment", "250", "--effort", "fast"], {"segment": 0.25, "effort": "fast"}),
        (["--model", "none", "--effort", "fast"], {"model": "none", "effort": "fast"}),
        (["--embed-model", "--effort", "fast"], {"embed_model": True, "effort": "fast"}),
    ],
    ids=" ".join,
)
def test_the_same_bytes(command: Command, wav: Wav, tmp_path: Path, arguments: list[str], options: dict[str, int]) -> None:
    source = SAMPLES / "speech-high.wav"
    command("encode", source, tmp_path / "a.sparc", *arguments)
    samples, rate = wav(source)
    assert sparc.encode(samples, rate, **options) == (tmp_path / "a.sparc").read_bytes()  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [1, 2])
def test_the_same_samples(command: Command, wav: Wav, tmp_path: Path, channels: int) -> None:
    path = tmp_path / "a.sparc"
    sparc.write(path, tone(2.0, 22_050, channels), 22_050, effort="fast")
    command("decode", path, tmp_path / "a.wav")
    theirs, rate = wav(tmp_path / "a.wav")
    ours, found = sparc.read(path, dtype="int16")
    assert found == rate and np.array_equal(ours, theirs)


def test_the_same_live(command: Command, wav: Wav, tmp_path: Path) -> None:
    source = SAMPLES / "speech-low.wav"
    command("encode", source, tmp_path / "a.sparc", "-b", "6000", "--delay", "0")
    samples, rate = wav(source)
    with sparc.Writer(tmp_path / "b.sparc", rate, bitrate=6_000, delay=0) as writer:
        for block in np.array_split(samples, 11):
            writer.write(block)
    assert (tmp_path / "a.sparc").read_bytes() == (tmp_path / "b.sparc").read_bytes()
