/**
 * The sparc codec for JavaScript: encode and decode `.sparc` streams in browsers, workers and Node.
 *
 * `load()` fetches the WebAssembly beside this file (the build with SIMD where the engine has it) and gives a {@link Sparc}.
 * Nothing here blocks but the calls themselves: in a page use `worker.js`, which runs them on a thread of its own.
 */

/** What is wrong, by the code of a call: see {@link SparcError}. */
export const errorKinds = Object.freeze({
  "-1": "stream",
  "-2": "limit",
  "-3": "model",
  "-4": "audio",
  "-5": "options",
  "-6": "other",
  "-7": "misuse",
});

/** Efforts of an encoder, by name. */
const EFFORTS = { fast: 0, default: 1, best: 2 };

/** A call that failed: `kind` is one of `errorKinds`' values, the message one line. */
export class SparcError extends Error {
  constructor(kind, message) {
    super(message);
    this.name = "SparcError";
    this.kind = kind;
  }
}

/** A module with one SIMD instruction: engines without SIMD refuse it. */
const SIMD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

/** Whether this engine has SIMD of 128 bits. */
export function hasSimd() {
  return WebAssembly.validate(SIMD);
}

/** The bytes of one of the files beside this one. */
async function beside(name) {
  const url = new URL(name, import.meta.url);
  if (url.protocol === "file:" && typeof process !== "undefined") {
    const { readFile } = await import("node:fs/promises");
    return readFile(url);
  }
  const response = await fetch(url);
  if (!response.ok) throw new SparcError("other", `${url}: ${response.status} ${response.statusText}`);
  return response.arrayBuffer();
}

/**
 * Loads the codec.
 *
 * @param {{ simd?: boolean, wasm?: BufferSource | WebAssembly.Module }} [options] `simd`: which build to take (by default the one
 *   this engine can run faster); `wasm`: the build itself, where the file does not lie beside this one
 */
export async function load(options = {}) {
  let { wasm } = options;
  if (!wasm) wasm = await beside(options.simd ?? hasSimd() ? "./sparc.simd.wasm" : "./sparc.wasm");
  const module = wasm instanceof WebAssembly.Module ? wasm : await WebAssembly.compile(wasm);
  const instance = await WebAssembly.instantiate(module, {});
  return new Sparc(instance.exports);
}

/** The codec, loaded. */
export class Sparc {
  #exports;

  constructor(exports) {
    this.#exports = exports;
  }

  /** Hands bytes or samples to the next call. */
  #give(data) {
    const bytes = data instanceof Uint8Array;
    const at = bytes ? this.#exports.bytes_in(data.length) : this.#exports.samples_in(data.length);
    const View = bytes ? Uint8Array : Float32Array;
    new View(this.#exports.memory.buffer, at, data.length).set(data);
  }

  /** Planar samples, one channel after the other. */
  #giveChannels(channels) {
    const length = channels[0]?.length ?? 0;
    if (channels.some((channel) => channel.length !== length)) {
      throw new SparcError("misuse", "channels differ in length");
    }
    const at = this.#exports.samples_in(length * channels.length);
    const all = new Float32Array(this.#exports.memory.buffer, at, length * channels.length);
    channels.forEach((channel, index) => all.set(channel, index * length));
  }

  /** A copy of the last answer. */
  #answer(View) {
    const [at, length] = [this.#exports.answer_at(), this.#exports.answer_len()];
    return new View(this.#exports.memory.buffer, at, length).slice();
  }

  /** Calls a function; its number, or what is wrong. */
  #call(name, ...numbers) {
    const code = this.#exports[name](...numbers);
    if (code < 0) {
      const text = new TextDecoder().decode(this.#answer(Uint8Array));
      throw new SparcError(errorKinds[code] ?? "other", text);
    }
    return code;
  }

  /** Gives buffers between calls back to WebAssembly's own memory. */
  #tidy() {
    this.#exports.tidy();
  }

  /**
   * Has another network at hand, for streams that name it.
   *
   * @param {Uint8Array} file a `.sparcmodel` file
   */
  addNetwork(file) {
    this.#give(file);
    this.#call("network_add");
  }

  /**
   * Decodes a whole stream.
   *
   * @param {Uint8Array} stream
   * @param {{ resample?: boolean }} [options] as {@link Sparc#decoder}
   * @returns {{ rate: number, channels: Float32Array[], concealed: number }} samples at `rate` Hz, full scale 1, one array
   *   for each channel; `concealed`: segments that were damaged
   */
  decode(stream, options) {
    const decoder = this.decoder(options);
    try {
      decoder.push(stream);
      decoder.finish();
      const pieces = [];
      for (let piece = decoder.pull(); piece; piece = decoder.pull()) pieces.push(piece);
      const { rate, channels: all, concealed } = decoder.describe();
      const length = pieces.reduce((sum, piece) => sum + piece[0].length, 0);
      const channels = Array.from({ length: all }, () => new Float32Array(length));
      let at = 0;
      for (const piece of pieces) {
        piece.forEach((samples, channel) => channels[channel].set(samples, at));
        at += piece[0].length;
      }
      return { rate, channels, concealed };
    } finally {
      decoder.close();
      this.#tidy();
    }
  }

  /**
   * Encodes a clip.
   *
   * @param {Float32Array[]} channels samples, full scale 1, one array for each channel, all equally long
   * @param {number} rate their rate, Hz
   * @param {{ bitrate?: number, effort?: "fast" | "default" | "best", delay?: number, seekIndex?: boolean,
   *   onProgress?: (share: number) => void }} [options] as {@link Sparc#encoder}; `onProgress` hears how much has gone in
   * @returns {Uint8Array} the stream
   */
  encode(channels, rate, options = {}) {
    const { onProgress, ...rest } = options;
    const encoder = this.encoder(rate, channels.length, rest);
    try {
      const length = channels[0]?.length ?? 0;
      const pieces = [];
      for (let from = 0; from < length; from += rate) {
        pieces.push(encoder.push(channels.map((channel) => channel.subarray(from, from + rate))));
        onProgress?.(Math.min(1, (from + rate) / length));
      }
      pieces.push(encoder.finish());
      return joined(pieces);
    } finally {
      encoder.close();
      this.#tidy();
    }
  }

  /**
   * A decoder of a stream that arrives in pieces. Close it when it is no longer needed.
   *
   * @param {{ resample?: boolean }} [options] `resample`: whether the sound has the source's rate (true) or the coded one, at
   *   which it is the same on every machine, to the last bit
   */
  decoder({ resample = true } = {}) {
    return this.#decoderOf(this.#call("decoder_new", resample ? 1 : 0));
  }

  /** A decoder of a whole stream that begins at a sample (per channel, of the output); nothing need be pushed. */
  decoderAt(stream, sample) {
    this.#give(stream);
    return this.#decoderOf(this.#call("decoder_at", sample));
  }

  #decoderOf(number) {
    return {
      /** Takes the next bytes. */
      push: (bytes) => {
        this.#give(bytes);
        this.#call("decoder_push", number);
      },
      /** Says that there are no more. */
      finish: () => void this.#call("decoder_finish", number),
      /** The next samples, one array for each channel; none while more bytes are needed, and at the end. */
      pull: () => {
        const length = this.#call("decoder_pull", number);
        if (length === 0) return undefined;
        const all = this.#answer(Float32Array);
        return Array.from({ length: all.length / length }, (_, c) => all.subarray(c * length, (c + 1) * length));
      },
      /** What is known: zeros before the header has been read by a pull. */
      describe: () => {
        this.#call("decoder_describe", number);
        const [rate, channels, segments, concealed] = this.#answer(Float32Array);
        return { rate, channels, segments, concealed };
      },
      close: () => this.#exports.close(number),
    };
  }

  /**
   * An encoder of PCM that arrives in pieces. Close it when it is no longer needed.
   *
   * @param {number} rate Hz
   * @param {number} channels 1 to 8
   * @param {{ bitrate?: number, effort?: "fast" | "default" | "best", delay?: number, seekIndex?: boolean }} [options]
   *   `bitrate`: bits a second of all channels together (6000 a channel); `effort`: how long to look for settings
   *   (`"fast"`); `delay`: seconds that are held before their bytes come out (60); `seekIndex`: whether one ends the stream
   */
  encoder(rate, channels, options = {}) {
    const { bitrate = 0, effort = "fast", delay = -1, seekIndex = false } = options;
    if (!(effort in EFFORTS)) throw new SparcError("options", `there is no effort "${effort}"`);
    const number = this.#call("encoder_new", rate, channels, bitrate, EFFORTS[effort], delay, seekIndex ? 1 : 0);
    return {
      /** Takes samples, one array for each channel; gives the bytes that they complete, perhaps none. */
      push: (pcm) => {
        if (pcm.length !== channels) throw new SparcError("misuse", `${channels} channels are expected`);
        this.#giveChannels(pcm);
        this.#call("encoder_push", number);
        return this.#answer(Uint8Array);
      },
      /** Ends the stream; gives the rest of it. */
      finish: () => {
        this.#call("encoder_finish", number);
        return this.#answer(Uint8Array);
      },
      close: () => this.#exports.close(number),
    };
  }

  /** What a whole stream is made of: rate, channels, length, bits of each layer. */
  inspect(stream) {
    this.#give(stream);
    this.#call("inspect");
    return JSON.parse(new TextDecoder().decode(this.#answer(Uint8Array)));
  }

  /**
   * The images of a channel of a stream, dB, frames x bins: `completed` as the decoder completes it, `kept` with only the pixels
   * that the stream says (others are NaN).
   */
  picture(stream, channel = 0) {
    this.#give(stream);
    this.#call("picture_of_stream", channel);
    const { grid, levels } = onGrid(this.#answer(Float32Array));
    this.#tidy();
    const size = grid.frames * grid.bins;
    return { ...grid, completed: levels.subarray(0, size), kept: levels.subarray(size) };
  }

  /** The image of sound (one channel), dB, frames x bins, on the grid of speech. */
  spectrogram(samples, rate) {
    this.#give(samples);
    this.#call("picture_of_sound", rate);
    const { grid, levels } = onGrid(this.#answer(Float32Array));
    this.#tidy();
    return { ...grid, levels };
  }

  /** The sound of a WAV file. */
  readWav(file) {
    this.#give(file);
    this.#call("wav_read");
    const answer = this.#answer(Float32Array);
    const [rate, count] = answer;
    const all = answer.subarray(2);
    const length = all.length / count;
    this.#tidy();
    return { rate, channels: Array.from({ length: count }, (_, c) => all.subarray(c * length, (c + 1) * length)) };
  }

  /** Sound as a WAV file of 16 bits. */
  writeWav(channels, rate) {
    this.#giveChannels(channels);
    this.#call("wav_write", rate, channels.length);
    const file = this.#answer(Uint8Array);
    this.#tidy();
    return file;
  }
}

/** Takes an image's answer apart. */
function onGrid(numbers) {
  const [frames, bins, hop, rate] = numbers;
  return { grid: { frames, bins, hop, rate }, levels: numbers.subarray(4) };
}

/** Pieces of bytes as one. */
export function joined(pieces) {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
