"""Processor time of coding a clip here and by the command: `python speed.py CLIP.wav COMMAND [ROUNDS]`.

All in turns, medians over the rounds, on one core where `taskset -c 0` says so. The command's times have its start and its files
in them.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import wave
from pathlib import Path
from typing import Callable

import numpy as np

import sparc


def processor(work: Callable[[], object]) -> float:
    """Seconds of this process and of those it waits for."""
    before = used()
    work()
    return used() - before


def used() -> float:
    """Seconds so far."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def main() -> None:
    """Prints the table."""
    clip, command = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 9
    with wave.open(clip, "rb") as file:
        rate = file.getframerate()
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    seconds = len(sound) / rate
    data = sparc.encode(sound, rate, effort="fast")
    with tempfile.TemporaryDirectory() as folder:
        coded, back = Path(folder, "a.sparc"), Path(folder, "a.wav")
        coded.write_bytes(data)

        def run(*words: object) -> None:
            subprocess.run([command, *map(str, words)], check=True, capture_output=True)

        rows: dict[str, Callable[[], object]] = {
            "sparc.encode, effort fast": lambda: sparc.encode(sound, rate, effort="fast"),
            "sparc encode --effort fast": lambda: run("encode", clip, coded, "--effort", "fast"),
            "sparc.encode": lambda: sparc.encode(sound, rate),
            "sparc encode": lambda: run("encode", clip, coded),
            "sparc.decode": lambda: sparc.decode(data),
            "sparc decode": lambda: run("decode", coded, back),
        }
        times: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(rounds):
            for name, work in rows.items():
                times[name].append(processor(work))
        print(f"{clip}: {seconds:.2f} s in {len(data)} bytes")
        for name, found in times.items():
            middle = statistics.median(found)
            print(f"{name:<28} {middle:6.3f} s {seconds / middle:6.1f} times real time")


if __name__ == "__main__":
    main()
