/** The page's side of `worker.js`: the calls of {@link Sparc} as promises, on a thread of their own. */
import { SparcError } from "./index.js";

/** The codec on a thread of its own. */
export class SparcWorker {
  #worker;
  #waiting = new Map();
  #next = 1;

  /** Hears what goes wrong while a stream is played. */
  onfailure = () => {};

  /**
   * @param {Worker} [worker] a worker that runs `worker.js`, where the one beside this file cannot be reached
   */
  constructor(worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" })) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => {
      if ("failed" in data) return this.onfailure(new SparcError("stream", data.failed));
      const waiting = this.#waiting.get(data.id);
      if ("share" in data) return waiting?.onProgress?.(data.share);
      this.#waiting.delete(data.id);
      if (data.error) waiting?.reject(new SparcError(data.error.kind, data.error.message));
      else waiting?.resolve(data.result);
    };
    worker.onerror = (event) => {
      for (const { reject } of this.#waiting.values()) reject(new SparcError("other", event.message));
      this.#waiting.clear();
    };
  }

  #ask(name, values, { transfer = [], onProgress } = {}) {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { resolve, reject, onProgress });
      this.#worker.postMessage({ id, name, values }, transfer);
    });
  }

  /** Loads the codec: comes before all else. Options as {@link load}'s. */
  load(options = {}) {
    return this.#ask("load", [options]);
  }

  decode(stream) {
    return this.#ask("decode", [stream]);
  }

  encode(channels, rate, { onProgress, ...options } = {}) {
    return this.#ask("encode", [channels, rate, options], { onProgress });
  }

  inspect(stream) {
    return this.#ask("inspect", [stream]);
  }

  picture(stream, channel = 0) {
    return this.#ask("picture", [stream, channel]);
  }

  spectrogram(samples, rate) {
    return this.#ask("spectrogram", [samples, rate]);
  }

  readWav(file) {
    return this.#ask("readWav", [file]);
  }

  writeWav(channels, rate) {
    return this.#ask("writeWav", [channels, rate]);
  }

  /** What a stream's first bytes tell: see {@link Player}. */
  probe(bytes) {
    return this.#ask("probe", [bytes]);
  }

  /** A stream that is played while it arrives; the port is the player's. */
  playing(port) {
    const name = this.#next++;
    const asked = this.#ask("open", [name, port], { transfer: [port] });
    return {
      opened: asked,
      push: (bytes) => this.#ask("push", [name, bytes]),
      finish: () => this.#ask("finish", [name]),
      seek: (sample, take) => this.#ask("seek", [name, sample, take]),
      close: () => this.#ask("close", [name]),
    };
  }

  /** Ends the thread. */
  terminate() {
    this.#worker.terminate();
  }
}
