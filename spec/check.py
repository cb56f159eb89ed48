#!/usr/bin/env python3
"""Replays the streams of `vectors` through the second decoder and holds the outcomes against the manifest (§13).

    check.py [NAME]...      those whose file name contains a NAME; else all
    check.py --example      prints the worked example of §12

Exits with 1 if anything differs, §12 of sparc.md from what this prints included.
"""

import hashlib
import os
import sys
import time

import numpy as np

import decoder as d

VECTORS = os.path.join(d.HERE, "vectors")
MODELS = os.path.join(d.HERE, "..", "models")


def models():
    files = sorted(f for f in os.listdir(MODELS) if f.endswith(".sparcmodel"))
    return [open(os.path.join(MODELS, f), "rb").read() for f in files]


def outcome(data):
    """The symbols' hash and what the manifest has for the sound."""
    stream = d.Stream(data)
    symbols = hashlib.sha256(d.serialised(stream.header, stream.segments)).hexdigest()
    try:
        _, pcm = d.sound(stream, models())
        return symbols, hashlib.sha256(pcm.astype("<f4").tobytes()).hexdigest()
    except d.Fault as fault:
        return symbols, "error %d" % fault.number


def example():
    """The body of §12: one stream, followed from its bytes to its samples."""
    with open(os.path.join(VECTORS, "baseline", "example.sparc"), "rb") as f:
        data = f.read()
    stream, out = d.Stream(data), []
    h = stream.header

    def show(title, items, each, gap="  "):
        out.append("    " + title)
        for at in range(0, len(items), each):
            out.append("        " + gap.join(items[at:at + each]))
        out.append("")

    def number(x):
        return np.format_float_positional(x, unique=True, trim="-")

    def spectrum(pair):
        return ["(%s, %s)" % (number(x), number(y)) for x, y in zip(*(part[t, :8] for part in pair))]

    show("the stream, %d bytes (hexadecimal)" % len(data), ["%02x" % x for x in data], 32, " ")
    at, kind, log = 8, None, []
    while kind != d.SEGM:
        kind, body, at = d.chunk_at(data, at)
    d.read_segment(h, body, log)
    show("first decisions of segment 0 (site, p, bit)", ["%s %d %d" % row for row in log[:20]], 5)
    image, t = stream.segments[0][0], 1
    kept = {p % h.bins: v for p, v in image.kept.items() if p // h.bins == t}
    show("frame 1: threshold; coefficients; kept bins and their values",
         ["%d;" % image.thresholds[t], " ".join(map(str, image.waveform[t])) + ";",
          ", ".join("%d: %d" % row for row in kept.items())], 9)
    show("the lattice's columns", [" ".join(map(str, c)) + (";" if n + 1 < len(image.lattice) else "") for n, c in enumerate(image.lattice)], 4)

    images = [stream.segments[i][0] for i in sorted(stream.segments)]
    up, tr, dense, low = d.completed(h, None, images)
    t = 5
    show("dense levels of fine frame 5, bins 0 to 11 (1/16 dB above the origin)", ["%d" % x for x in dense[t, :12]], 12)
    steps = []
    phases, pcm = d.synthesise(h, tr, up, dense, images, low, steps)
    show("phases of fine frame 5, bins 2 to 11 (§9.3)", ["%d" % x for x in phases[t, 2:12]], 5)
    for n in (0, 1, 7):
        show("S[%d] of fine frame 5, bins 0 to 7 (§9.4)" % n, spectrum(steps[n]), 4)
    show("samples 96 to 107 of the output", [number(x) for x in pcm[96:108]], 6)
    pcm = pcm[:stream.total]
    show("SHA-256 of all %d, binary32" % len(pcm), [hashlib.sha256(pcm.astype("<f4").tobytes()).hexdigest()], 1)
    return "\n".join(out).rstrip()


def main(names):
    if names == ["--example"]:
        print(example())
        return 0
    wrong = 0
    with open(os.path.join(d.HERE, "sparc.md"), encoding="utf-8") as f:
        if example() not in f.read():
            print("the worked example of sparc.md differs")
            wrong += 1
    with open(os.path.join(VECTORS, "MANIFEST.tsv")) as f:
        rows = [line.rstrip("\n").split("\t") for line in f][1:]
    for file, whole, _, symbols, sound in rows:
        if names and not any(name in file for name in names):
            continue
        with open(os.path.join(VECTORS, file), "rb") as f:
            data = f.read()
        began = time.time()
        found = (hashlib.sha256(data).hexdigest(),) + outcome(data)
        differs = [name for name, a, b in zip(("file", "symbols", "sound"), found, (whole, symbols, sound)) if a != b]
        print("%-50s %s  %.1f s" % (file, "differs: " + ", ".join(differs) if differs else "same", time.time() - began), flush=True)
        wrong += bool(differs)
    print("%d of %d differ" % (wrong, len(rows)))
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
