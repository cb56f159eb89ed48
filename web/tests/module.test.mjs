/** The module in Node: both builds, against the vectors of the specification and against themselves. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { hasSimd, load, SparcError } from "../dist/index.js";

const root = new URL("../../", import.meta.url);
const vectors = new URL("spec/vectors/", root);
const builds = { scalar: false, simd: true };

/** Faults of the manifest by the kind of error that the module throws for them (Spec §3.9). */
const KINDS = { 1: ["stream"], 2: ["stream"], 3: ["stream"], 4: ["stream", "model"], 5: ["limit"], 6: ["model"] };

/** Two seconds of something like a voice. */
function voice(rate, seconds = 2) {
  return Float32Array.from({ length: rate * seconds }, (_, i) => {
    const t = i / rate;
    let x = 0;
    for (let h = 1; h < 20; h++) x += Math.sin(2 * Math.PI * 120 * h * t + Math.sin(5 * t) * h) / h;
    return 0.15 * x * (0.6 + 0.4 * Math.sin(2 * Math.PI * 3 * t));
  });
}

function hash(channels) {
  const all = new Float32Array(channels.length * (channels[0]?.length ?? 0));
  channels.forEach((samples, c) => samples.forEach((x, i) => (all[i * channels.length + c] = x)));
  return createHash("sha256").update(new Uint8Array(all.buffer)).digest("hex");
}

test("this engine has SIMD", () => assert.equal(hasSimd(), true));

for (const [name, simd] of Object.entries(builds)) {
  test(`${name}: every vector gives the sound that the specification says`, async () => {
    const sparc = await load({ simd });
    for (const file of readdirSync(new URL("models/", root))) {
      if (file.endsWith(".sparcmodel")) sparc.addNetwork(readFileSync(new URL(`models/${file}`, root)));
    }
    const lines = readFileSync(new URL("MANIFEST.tsv", vectors), "utf8").trim().split("\n").slice(1);
    let sounds = 0;
    for (const line of lines) {
      const [file, , , , sound] = line.split("\t");
      const stream = readFileSync(new URL(file, vectors));
      const fault = sound.match(/^error (\d)$/)?.[1];
      if (fault in KINDS) {
        const decode = () => sparc.decode(stream, { resample: false });
        assert.throws(decode, (error) => error instanceof SparcError && KINDS[fault].includes(error.kind), file);
      } else {
        assert.equal(hash(sparc.decode(stream, { resample: false }).channels), sound, file);
        sounds += 1;
      }
    }
    assert.ok(sounds > 50, `${sounds} of ${lines.length} vectors have sound`);
  });

  test(`${name}: sound goes there and back, whole and in pieces`, async () => {
    const sparc = await load({ simd });
    const pcm = voice(22050);
    const shares = [];
    const stream = sparc.encode([pcm], 22050, { bitrate: 6000, onProgress: (share) => shares.push(share) });
    assert.equal(shares.at(-1), 1);
    assert.ok(stream.length * 8 <= 6000 * 2, `${stream.length} bytes`);
    const whole = sparc.decode(stream);
    assert.equal(whole.rate, 22050);
    assert.equal(whole.channels[0].length, pcm.length);
    const decoder = sparc.decoder();
    const pieces = [];
    for (let at = 0; at < stream.length; at += 97) {
      decoder.push(stream.subarray(at, at + 97));
      for (let piece; (piece = decoder.pull()); ) pieces.push(...piece[0]);
    }
    decoder.finish();
    for (let piece; (piece = decoder.pull()); ) pieces.push(...piece[0]);
    assert.deepEqual(Float32Array.from(pieces), whole.channels[0]);
    assert.deepEqual(decoder.describe(), { rate: 22050, channels: 1, segments: 2, concealed: 0 });
    decoder.close();
    assert.throws(() => decoder.pull(), { kind: "misuse" });
  });
}

test("both builds make the same bytes", async () => {
  const [scalar, simd] = [await load({ simd: false }), await load({ simd: true })];
  const pcm = [voice(16000), voice(16000).reverse()];
  assert.deepEqual(scalar.encode(pcm, 16000), simd.encode(pcm, 16000));
});

test("a decoder begins where it is told", async () => {
  const sparc = await load();
  const stream = sparc.encode([voice(16000, 4)], 16000);
  const decoder = sparc.decoderAt(stream, 40_000);
  let length = 0;
  for (let piece; (piece = decoder.pull()); ) length += piece[0].length;
  assert.equal(length, 24_000);
  decoder.close();
});

test("a report adds up, and pictures have the pixels they say", async () => {
  const sparc = await load();
  const pcm = voice(16000);
  const stream = sparc.encode([pcm], 16000);
  const report = sparc.inspect(stream);
  const bits = Object.values(report.layers).reduce((a, b) => a + b);
  assert.ok(Math.abs(bits - stream.length * 8) < 1);
  assert.equal(report.network, "speech");
  assert.equal(report.seconds, 2);
  const picture = sparc.picture(stream);
  assert.equal(picture.completed.length, picture.frames * picture.bins);
  assert.equal(picture.kept.length, picture.completed.length);
  const kept = picture.kept.filter((level) => !Number.isNaN(level)).length;
  assert.ok(Math.abs(kept / picture.kept.length - report.keptShare) < 0.01);
  const seen = sparc.spectrogram(pcm, 16000);
  assert.equal(seen.levels.length, seen.frames * seen.bins);
});

test("WAV files are read and written", async () => {
  const sparc = await load();
  const pcm = [voice(8000), voice(8000).map((x) => -x)];
  const { rate, channels } = sparc.readWav(sparc.writeWav(pcm, 8000));
  assert.equal(rate, 8000);
  channels.forEach((samples, c) => samples.forEach((x, i) => assert.ok(Math.abs(x - pcm[c][i]) <= 1 / 65536 + 1e-7)));
});

test("what cannot be is said", async () => {
  const sparc = await load();
  const kinds = (run, kind) => assert.throws(run, (error) => error instanceof SparcError && error.kind === kind && error.message.length > 5);
  kinds(() => sparc.decode(new Uint8Array([1, 2, 3])), "stream");
  kinds(() => sparc.decode(new Uint8Array()), "stream");
  kinds(() => sparc.encode([], 16000), "audio");
  kinds(() => sparc.encode([voice(16000)], 7), "audio");
  kinds(() => sparc.encode([voice(16000)], 16000, { bitrate: 10 }), "options");
  kinds(() => sparc.encode([voice(16000)], 16000, { effort: "much" }), "options");
  kinds(() => sparc.encode([new Float32Array([NaN])], 16000), "audio");
  kinds(() => sparc.encode([voice(16000), voice(8000)], 16000), "misuse");
  kinds(() => sparc.addNetwork(new Uint8Array(9)), "model");
  kinds(() => sparc.picture(sparc.encode([voice(16000)], 16000), 3), "misuse");
  kinds(() => sparc.readWav(new Uint8Array(50)), "audio");
});
