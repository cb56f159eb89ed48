/**
 * The codec on a thread of its own. Messages are `{ id, name, values }`, answers `{ id, result }` or `{ id, error }`;
 * `client.js` speaks this.
 */
import { joined, load, SparcError } from "./index.js";

/** Samples that are given to the player at once, at least. */
const BLOCK = 8192;

let sparc;
const streams = new Map();

/** A stream that is played while it arrives. */
class Playing {
  pieces = [];
  complete = false;
  take = 0;
  wanted = false;
  /** Samples that are decoded but not given out, after a seek into what is still arriving. */
  skipped = 0;

  constructor(port) {
    this.port = port;
    this.decoder = sparc.decoder();
    port.onmessage = ({ data }) => {
      if (data.take !== this.take) return;
      this.wanted = true;
      this.#serve();
    };
  }

  push(bytes) {
    this.pieces.push(bytes);
    this.decoder.push(bytes);
    this.#serve();
  }

  finish() {
    this.complete = true;
    this.pieces = [joined(this.pieces)];
    this.decoder.finish();
    this.#serve();
  }

  seek(sample, take) {
    this.decoder.close();
    this.take = take;
    this.wanted = false;
    this.skipped = 0;
    if (this.complete) {
      this.decoder = sparc.decoderAt(this.pieces[0], sample);
      return;
    }
    this.decoder = sparc.decoder();
    this.pieces.forEach((bytes) => this.decoder.push(bytes));
    this.skipped = sample;
  }

  /** Gives the player a block, if it waits for one and there is one. */
  #serve() {
    if (!this.wanted) return;
    try {
      const pieces = [];
      let length = 0;
      let pulled;
      while (length < BLOCK && (pulled = this.decoder.pull())) {
        const skipped = Math.min(this.skipped, pulled[0].length);
        this.skipped -= skipped;
        if (skipped < pulled[0].length) {
          pieces.push(pulled.map((samples) => samples.subarray(skipped)));
          length += pulled[0].length - skipped;
        }
      }
      const ended = this.complete && !pulled;
      if (length === 0 && !ended) return;
      this.wanted = false;
      const channels = length === 0 ? undefined : (pieces[0] ?? []).map((_, channel) => {
        const all = new Float32Array(length);
        let at = 0;
        for (const piece of pieces) {
          all.set(piece[channel], at);
          at += piece[channel].length;
        }
        return all;
      });
      this.port.postMessage({ take: this.take, channels, ended }, (channels ?? []).map((samples) => samples.buffer));
    } catch (error) {
      this.wanted = false;
      this.port.postMessage({ take: this.take, ended: true });
      postMessage({ failed: error.message });
    }
  }
}

const commands = {
  async load(options) {
    sparc = await load(options);
  },
  decode: (stream) => sparc.decode(stream),
  encode: (channels, rate, options, id) =>
    sparc.encode(channels, rate, { ...options, onProgress: (share) => postMessage({ id, share }) }),
  inspect: (stream) => sparc.inspect(stream),
  picture: (stream, channel) => sparc.picture(stream, channel),
  spectrogram: (samples, rate) => sparc.spectrogram(samples, rate),
  readWav: (file) => sparc.readWav(file),
  writeWav: (channels, rate) => sparc.writeWav(channels, rate),
  /** Opens a stream that is to be played: what is known of it when its first bytes are there. */
  open: (name, port) => void streams.set(name, new Playing(port)),
  push: (name, bytes) => streams.get(name)?.push(bytes),
  finish: (name) => streams.get(name)?.finish(),
  seek: (name, sample, take) => streams.get(name)?.seek(sample, take),
  close(name) {
    streams.get(name)?.decoder.close();
    streams.delete(name);
  },
  /** Rate, channels and perhaps seconds of a stream that begins with these bytes; zeros if they are too few. */
  probe(bytes) {
    const decoder = sparc.decoder();
    try {
      decoder.push(bytes);
      decoder.pull();
      return decoder.describe();
    } finally {
      decoder.close();
    }
  },
};

/** What of a result can be handed over rather than copied. */
function buffers(result) {
  const found = new Set();
  const visit = (value) => {
    if (ArrayBuffer.isView(value)) found.add(value.buffer);
    else if (Array.isArray(value)) value.forEach(visit);
    else if (value && typeof value === "object") Object.values(value).forEach(visit);
  };
  visit(result);
  return [...found];
}

self.onmessage = async ({ data: { id, name, values } }) => {
  try {
    if (name !== "load" && !sparc) throw new SparcError("misuse", "the codec is not loaded");
    const result = await commands[name](...values, id);
    self.postMessage({ id, result }, buffers(result));
  } catch (error) {
    self.postMessage({ id, error: { kind: error.kind ?? "other", message: error.message } });
  }
};
