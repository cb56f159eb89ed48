#!/usr/bin/env python3
"""What a decode costs, stage by stage: instructions (callgrind), time (samples of the stack), memory, delay. See README.md.

    stages.py [--seconds N] [--bitrate BPS] [stages] [memory] [delay]
"""

import argparse
import collections
import os
import re
import subprocess
import tempfile

import peers

# A function belongs to the first stage that has a prefix of its path; one that belongs to none (transforms, libm, copies)
# to the stages that call it.
STAGES = [
    ("reading", ["codec_format::stream", "codec_format::crc", "crc32fast", "sparc::intake"]),
    ("entropy", ["codec_format::segment", "codec_format::entropy", "codec_format::symbols"]),
    ("planes", ["codec_core::planes", "codec_core::quantise", "codec_core::decode::planes", "codec_core::decode::low_band",
                "codec_core::decode::rows"]),
    ("network", ["codec_core::network", "codec_core::decode::completion"]),
    ("phases", ["codec_core::decode::phases"]),
    ("output", ["codec_core::decode::overlap", "codec_core::decode", "sparc::pcm", "sparc::resample", "sparc::decoder",
                "codec_audio", "hound"]),
    ("command", ["sparc::main", "sparc::", "codec_format::model", "codec_format", "main"]),
]
NAMES = [name for name, _ in STAGES] + ["elsewhere"]


def stage(function):
    """The stage a function belongs to, if any."""
    path = re.sub(r"^[<&*\s]*(dyn |mut )?", "", function)
    for name, prefixes in STAGES:
        if any(path == p or path.startswith(p if p.endswith(":") else p + ":") for p in prefixes):
            return name
    return None


def callgrind(path):
    """Instructions of each stage, from callgrind's file: a function's own are its stage's, those of a function without one
    its callers' in proportion to what they spend in it."""
    names, own = {}, collections.Counter()
    calls = collections.defaultdict(collections.Counter)
    at = callee = None
    called = False

    def name(text):
        number, _, text = text.partition(" ")
        return names.setdefault(number, text)

    with open(path, errors="replace") as file:
        for line in file:
            line = line.rstrip("\n")
            if line.startswith("fn="):
                at = name(line[3:])
            elif line.startswith("cfn="):
                callee = name(line[4:])
            elif line.startswith("calls="):
                called = True
            elif line and (line[0].isdigit() or line[0] in "+-*"):
                cost = int(line.split()[1]) if len(line.split()) > 1 else 0
                if called:
                    if callee != at:
                        calls[callee][at] += cost
                    called = False
                elif at is not None:
                    own[at] += cost
    share = {f: {stage(f): 1.0} for f in own if stage(f)}
    helpers = [f for f in set(own) | set(calls) if not stage(f)]
    for _ in range(50):
        for helper in helpers:
            sums = collections.Counter()
            total = sum(calls[helper].values())
            for caller, cost in calls[helper].items():
                for s, part in share.get(caller, {}).items():
                    sums[s] += part * cost / total if total else 0
            share[helper] = sums
    out = collections.Counter()
    for function, cost in own.items():
        left = 1.0
        for s, part in share.get(function, {}).items():
            out[s] += part * cost
            left -= part
        out["elsewhere"] += max(left, 0) * cost
    return out


def samples(text):
    """Milliseconds of each stage, from the stacks that `sparc-peers stages` saw: a sample is the innermost stage's."""
    first, *rest = text.splitlines()
    each = float(first.split("\t")[1])
    out = collections.Counter()
    for line in rest:
        count, stack = line.split("\t")
        found = next((s for s in map(stage, stack.split(";")) if s), "elsewhere")
        out[found] += int(count)
    total = sum(out.values())
    return {s: each * n / total for s, n in out.items()}, each


def stages(sparc, program, file, seconds, scratch):
    text = subprocess.run([program, "stages", file, "10"], check=True, stdout=subprocess.PIPE, text=True).stdout
    times, each = samples(text)
    record = os.path.join(scratch, "callgrind")
    subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={record}", sparc, "decode", file,
                    os.path.join(scratch, "c.wav")], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    instructions = callgrind(record)
    total = sum(instructions.values())
    rows = [(s, f"{instructions[s] / seconds * 1e-6:.2f}", f"{100 * instructions[s] / total:.1f} %",
             f"{times.get(s, 0) / seconds:.3f}", f"{100 * times.get(s, 0) / each:.1f} %") for s in NAMES]
    rows.append(("together", f"{total / seconds * 1e-6:.2f}", "", f"{each / seconds:.3f}", ""))
    peers.table(f"Stages of decoding {seconds:.0f} s: instructions of the whole process, processor time within one", (
        "stage", "million instructions a second of sound", "of them", "ms a second of sound", "of it"), rows)


def memory(sparc, file, seconds, scratch):
    out = os.path.join(scratch, "m.wav")
    peak = peers.peak(sparc, "decode", file, out)
    said = subprocess.run(["valgrind", "--tool=dhat", f"--dhat-out-file={os.path.join(scratch, 'dhat')}", sparc, "decode", file,
                           out], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
    number = lambda pattern: [int(n.replace(",", "")) for n in re.search(pattern, said).groups()]
    total, blocks = number(r"Total:\s+([\d,]+) bytes in ([\d,]+) blocks")
    most, = number(r"At t-gmax:\s+([\d,]+) bytes")
    peers.table(f"Memory of the command, decoding {seconds:.0f} s", (
        "peak resident, MB", "peak heap, kB", "allocations a second of sound", "allocated, kB a second of sound"), [(
            f"{peak:.1f}", f"{most / 1e3:.0f}", f"{blocks / seconds:.0f}", f"{total / seconds / 1e3:.0f}")])


def delay(program, file):
    said, = peers.lines(program, "delay", file)
    share = said["first_byte"] / said["bytes"]
    peers.table("Delay of a decoder that gets a byte at a time", (
        "segment, s", "bytes before the first sample", "of the stream", "most samples at once",
        "most bytes between two pieces of sound"), [(
            f"{said['segment_s']}", f"{said['first_byte']}", f"{100 * share:.1f} %", f"{said['most_at_once']}",
            f"{said['longest_silence_bytes']}")])


def main():
    arguments = argparse.ArgumentParser(description="what a decode costs, stage by stage")
    arguments.add_argument("what", nargs="*", help="stages, memory, delay; all unless one is named")
    arguments.add_argument("--seconds", type=int, default=10, help="length of the clip")
    arguments.add_argument("--bitrate", type=int, default=peers.BITRATE)
    given = arguments.parse_args()
    sparc, program = peers.programs()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    peers.machine()
    with tempfile.TemporaryDirectory() as scratch:
        at = lambda name: os.path.join(scratch, name)
        peers.clip(at("in.wav"), given.seconds)
        peers.process(sparc, "encode", at("in.wav"), at("x.sparc"), "--bitrate", str(given.bitrate), "--effort", "fast")
        wanted = lambda word: not given.what or word in given.what
        if wanted("stages"):
            stages(sparc, program, at("x.sparc"), given.seconds, scratch)
        if wanted("memory"):
            memory(sparc, at("x.sparc"), given.seconds, scratch)
        if wanted("delay"):
            delay(program, at("x.sparc"))


if __name__ == "__main__":
    main()
