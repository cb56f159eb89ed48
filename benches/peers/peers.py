#!/usr/bin/env python3
"""Our decoder and network beside other people's, in one run on one core. See README.md.

    peers.py [--rounds N] [--model MODEL.sparcmodel]... [codec] [network]
"""

import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import wave

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
RATE, SECONDS, BITRATE = 16_000, 60, 6_000


def built(*arguments, folder=ROOT, target=TARGET, name, profile):
    """The path of a program, built if it is not up to date."""
    command = ["cargo", "build", "--locked", "--profile", profile, *arguments]
    subprocess.run(command, cwd=folder, check=True, env={**os.environ, "CARGO_TARGET_DIR": target})
    return os.path.join(target, profile, name)


def programs():
    """Ours as it is handed out (or the one that SPARC names), and the program of this folder."""
    sparc = os.environ.get("SPARC") or built(
        "-p", "sparc-cli", "--no-default-features", name="sparc", profile="dist")
    return sparc, built(folder=HERE, target=os.path.join(TARGET, "peers"), name="sparc-peers", profile="release")


def clip(path, seconds=SECONDS):
    """So many seconds of the repository's samples, one behind the other, again and again."""
    pcm = b""
    for name in ("speech-low", "speech-high", "speech-noise"):
        with wave.open(os.path.join(ROOT, "samples", name + ".wav")) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
            pcm += file.readframes(file.getnframes())
    size = 2 * RATE * seconds
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((pcm * (size // len(pcm) + 1))[:size])


def process(*command):
    """Processor time of a whole process, seconds."""
    devnull = subprocess.DEVNULL
    child = subprocess.Popen(command, stdin=devnull, stdout=devnull, stderr=devnull)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{' '.join(command)} ended with {child.returncode}")
    return used.ru_utime + used.ru_stime


def peak(*command):
    """Peak resident memory of a whole process, MB; by GNU time, for a child of this one would inherit this one's."""
    said = subprocess.run(["time", "-f", "%M", *command], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True).stderr
    return int(said.split()[-1]) / 1024


def lines(*command):
    """What a program said in lines of JSON."""
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in text.splitlines()]


def table(title, columns, rows):
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()


def have(program):
    return subprocess.run(["sh", "-c", f"command -v {program}"], stdout=subprocess.DEVNULL).returncode == 0


def codec(sparc, peers, rounds, scratch):
    """Decoding of the clip: whole processes, and within one."""
    at = lambda name: os.path.join(scratch, name)
    clip(at("in.wav"))
    process(sparc, "encode", at("in.wav"), at("x.sparc"), "--bitrate", str(BITRATE), "--effort", "fast")
    sizes = {"sparc decode": os.path.getsize(at("x.sparc"))}
    commands = {"sparc decode": (sparc, "decode", at("x.sparc"), at("s.wav"))}
    if have("opusdec") and have("opusenc"):
        process("opusenc", "--quiet", "--speech", "--bitrate", str(BITRATE / 1000), at("in.wav"), at("x.opus"))
        sizes["opusdec"] = os.path.getsize(at("x.opus"))
        commands["opusdec"] = ("opusdec", "--quiet", "--rate", str(RATE), at("x.opus"), at("o.wav"))
    else:
        print("opusdec is not installed (Debian: opus-tools): left out")
    times = {}
    for _ in range(rounds):
        for name, command in commands.items():
            times.setdefault(name, []).append(process(*command))
    ours = statistics.median(times["sparc decode"])
    table(f"A file of {SECONDS} s to WAV, whole process, median of {rounds}", (
        "program", "kbit/s", "processor s", "times real time", "ours / this", "peak MB"), [(
            name, f"{sizes[name] * 8e-3 / SECONDS:.2f}", f"{statistics.median(t):.3f}",
            f"{SECONDS / statistics.median(t):.0f}", f"{ours / statistics.median(t):.2f}", f"{peak(*commands[name]):.1f}")
        for name, t in times.items()])

    inside, version = {}, {}
    for _ in range(rounds):
        for line in lines(peers, "decode", at("x.sparc"), "1") + lines(peers, "opus", at("in.wav"), str(BITRATE), "1"):
            if "version" in line:
                version = line
            else:
                inside.setdefault(line["name"], []).extend(line["ms"])
    ours = statistics.median(inside["decode"])
    names = {"decode": "sparc", **{k: f"{version['version']}, {k}" for k in ("plain", "LACE", "NoLACE")}}
    table(f"The same bytes to PCM within a process, median of {rounds} (Opus: packets of 20 ms, {version['kbps']} kbit/s)",
          ("decoder", "ms a second of sound", "times real time", "ours / this"), [(
              names[name], f"{statistics.median(t) / SECONDS:.3f}", f"{SECONDS * 1e3 / statistics.median(t):.0f}",
              f"{ours / statistics.median(t):.2f}") for name, t in inside.items()])


def network(peers, rounds, scratch, path, frames=1024):
    """One network on the same planes in three engines."""
    import numpy as np
    import onnx
    import onnxruntime
    import tract

    import onnx_of
    with open(path, "rb") as file:
        model = onnx_of.decoder.Model(file.read())
    bins = (1 << (model.transform & 15)) // 2 + 1
    made, macs = onnx_of.export(model, frames, bins)
    at = lambda name: os.path.join(scratch, name)
    onnx.save(made, at("net.onnx"))
    # Levels in 1/16 dB: an image between 0 and 60 dB, a tenth of it kept, a flatter background.
    draw = np.random.default_rng(1)
    image = draw.integers(0, 960, (frames, bins)).astype("<i2")
    mask = (draw.random((frames, bins)) < 0.1).astype("<i2")
    planes = {"values": image * mask, "image": image, "background": (image // 2).astype("<i2"), "mask": mask}
    with open(at("planes"), "wb") as file:
        file.write(struct.pack("<2I", frames, bins) + b"".join(p.tobytes() for p in planes.values()))
    given, base = onnx_of.given(model, planes)
    feeds = {i.name: np.ascontiguousarray(given[i.name][None, None], np.float32) for i in made.graph.input}
    onnx_of.quantise(at("net.onnx"), at("net8.onnx"), feeds)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = lambda name: onnxruntime.InferenceSession(at(name), options, providers=["CPUExecutionProvider"])
    single, bytewise, theirs = session("net.onnx"), session("net8.onnx"), tract.onnx().load(at("net.onnx")).into_model()
    order = [feeds[theirs.input_name(i)] for i in range(theirs.input_count())]
    theirs = theirs.into_runnable()
    engines = {
        f"onnxruntime {onnxruntime.__version__}, binary32": lambda: single.run(None, feeds)[0],
        "onnxruntime, bytes": lambda: bytewise.run(None, feeds)[0],
        f"tract {tract.version()}, binary32": lambda: theirs.run(order)[0].to_numpy(),
    }
    levels = {name: onnx_of.dense(model, run(), base) for name, run in engines.items()}
    times = {"sparc": []}
    for _ in range(rounds):
        said, = lines(peers, "network", path, at("planes"), at("ours"), "1")
        times["sparc"] += said["ms"]
        for name, run in engines.items():
            start = time.process_time()
            run()
            times.setdefault(name, []).append((time.process_time() - start) * 1e3)
    levels["sparc"] = np.fromfile(at("ours"), "<f4").reshape(-1, bins)
    reference = levels[next(iter(engines))]
    sound = frames * model.hop / model.rate
    ours = statistics.median(times["sparc"])
    table(f"{os.path.basename(path)}: {macs / bins:.0f} multiply-adds a pixel, {macs * frames / sound * 1e-9:.3f} GMAC a second "
          f"of sound; {bins} x {frames} pixels, median of {rounds}",
          ("engine", "ms a second of sound", "GMAC/s", "ours / this", "mean distance from onnxruntime, dB", "largest"), [(
              name, f"{statistics.median(t) / sound:.2f}", f"{macs * frames / statistics.median(t) * 1e-6:.1f}",
              f"{ours / statistics.median(t):.2f}", *(f"{far(np.abs(levels[name] - reference)):.5f}" for far in (np.mean, np.max)))
          for name, t in times.items()])


def machine():
    """Says where and when this was measured, and of what."""
    with open("/proc/cpuinfo") as file:
        print(next(line.split(":")[1].strip() for line in file if line.startswith("model name")), end=", ")
    print(time.strftime("%Y-%m-%d"), subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty"], stdout=subprocess.PIPE, text=True).stdout.strip(), sep=", ")


def main():
    arguments = argparse.ArgumentParser(description="our decoder and network beside other people's")
    arguments.add_argument("what", nargs="*", help="codec, network; both unless one is named")
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--model", action="append", help="networks to time; models/speech.sparcmodel unless named")
    given = arguments.parse_args()
    sparc, peers = programs()
    # One core for everything, whichever is first of those allowed.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    machine()
    with tempfile.TemporaryDirectory() as scratch:
        if not given.what or "codec" in given.what:
            codec(sparc, peers, given.rounds, scratch)
        if not given.what or "network" in given.what:
            for model in given.model or [os.path.join(ROOT, "models", "speech.sparcmodel")]:
                network(peers, given.rounds, scratch, model)


if __name__ == "__main__":
    main()
