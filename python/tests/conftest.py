"""What the tests share: clips, and the command if it is built."""

from __future__ import annotations

import os
import subprocess
import wave
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import sparc

#: The repository.
ROOT = Path(__file__).resolve().parents[2]

Wav = Callable[[Path], "tuple[NDArray[np.int16], int]"]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def tone(seconds: float, rate: int = 16_000, channels: int = 1, seed: int = 1) -> NDArray[np.float32]:
    """Something like a voice: harmonics of a pitch that moves, in bursts, over a little noise; (n,) or (n, channels)."""
    draw = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    made = []
    for channel in range(channels):
        pitch = 120 + 30 * channel + 20 * np.sin(2 * np.pi * 2 * time)
        phase = 2 * np.pi * np.cumsum(pitch) / rate
        voice = sum(np.sin(k * phase) / k for k in range(1, 12))
        burst = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1)
        made.append(0.1 * voice * burst + 0.001 * draw.standard_normal(len(time)))
    sound = np.stack(made, axis=1).astype(np.float32)
    return sound[:, 0].copy() if channels == 1 else sound


@pytest.fixture(scope="session")
def voice() -> NDArray[np.float32]:
    """2.5 s of mono at 16 kHz."""
    return tone(2.5)


@pytest.fixture(scope="session")
def stream(voice: NDArray[np.float32]) -> bytes:
    """The voice, coded."""
    return sparc.encode(voice, 16_000, 6_000, effort="fast")


@pytest.fixture(scope="session")
def wav() -> Wav:
    """Reads a WAV file of 16 bits: (n,) or (n, channels), and its rate."""

    def read(path: Path) -> tuple[NDArray[np.int16], int]:
        with wave.open(str(path), "rb") as file:
            assert file.getsampwidth() == 2
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            if file.getnchannels() > 1:
                samples = samples.reshape(-1, file.getnchannels())
            return samples, file.getframerate()

    return read


@pytest.fixture(scope="session")
def command() -> Command:
    """The command, from SPARC_COMMAND or from where cargo leaves it."""
    usual = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "sparc"
    program = Path(os.environ.get("SPARC_COMMAND", usual))
    if not program.is_file():
        pytest.skip(f"the command is not built: no {program}")

    def run(*arguments: Any) -> subprocess.CompletedProcess[str]:
        words = [str(program), *map(str, arguments)]
        return subprocess.run(words, check=True, capture_output=True, text=True)

    return run
