/** Plays a `.sparc` stream while it arrives: decoded in a worker, handed to the audio thread without passing the page. */
import { joined } from "./index.js";
import { source } from "./worklet.js";

/**
 * A player of one stream. Events: `time` (its place has changed), `starved` (it waits for bytes), `ended`, `failure` (its `detail` is
 * an error).
 */
export class Player extends EventTarget {
  #codec;
  #context;
  #node;
  #stream;
  #take = 0;
  #place = 0;
  #playing = false;

  /** Hz, and channels, of the stream. */
  rate = 0;
  channels = 0;
  /** Whether the last sample has been played. */
  ended = false;
  /** Settles when all bytes have arrived. */
  arrived;

  /**
   * Opens a stream.
   *
   * @param {SparcWorker} codec where it is decoded, loaded
   * @param {string | URL | Response | Blob | ReadableStream<Uint8Array> | Uint8Array} from the stream, or where it is
   * @param {AudioContext} [context] where it is heard; its rate must be the stream's. By default one of its own.
   */
  static async open(codec, from, context) {
    const player = new Player();
    player.#codec = codec;
    const reader = (await streamOf(from)).getReader();
    // Some kilobytes tell the rate, which the audio context is made for.
    const first = [];
    let about = { rate: 0 };
    let done = false;
    while (!done && about.rate === 0) {
      const read = await reader.read();
      done = read.done;
      if (read.value) first.push(read.value);
      about = await codec.probe(joined(first));
    }
    if (about.rate === 0) {
      // Too little for a header: what is wrong is for the decoder to say.
      await codec.decode(joined(first));
    }
    player.rate = about.rate;
    player.channels = about.channels;
    player.#context = context ?? new AudioContext({ sampleRate: about.rate });
    await player.#connect();
    player.arrived = player.#fetch(first, reader, done);
    player.arrived.catch((error) => player.#fail(error));
    return player;
  }

  async #connect() {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    try {
      await this.#context.audioWorklet.addModule(address);
    } finally {
      URL.revokeObjectURL(address);
    }
    this.#node = new AudioWorkletNode(this.#context, "sparc-player", {
      numberOfInputs: 0,
      outputChannelCount: [Math.max(1, this.channels)],
    });
    this.#node.connect(this.#context.destination);
    const { port1, port2 } = new MessageChannel();
    this.#stream = this.#codec.playing(port2);
    await this.#stream.opened;
    this.#node.port.postMessage({ decoder: port1 }, [port1]);
    this.#node.port.onmessage = ({ data }) => {
      if (data.take !== this.#take) return;
      this.#place = data.place;
      this.dispatchEvent(new Event("time"));
      if (data.starved) this.dispatchEvent(new Event("starved"));
      if (data.done && !this.ended) {
        this.ended = true;
        this.#playing = false;
        this.#node.port.postMessage({ playing: false });
        this.dispatchEvent(new Event("ended"));
      }
    };
    this.#codec.onfailure = (error) => this.#fail(error);
  }

  async #fetch(first, reader, done) {
    for (const bytes of first) await this.#stream.push(bytes);
    while (!done) {
      const read = await reader.read();
      done = read.done;
      if (read.value) await this.#stream.push(read.value);
    }
    await this.#stream.finish();
  }

  #fail(error) {
    this.dispatchEvent(new CustomEvent("failure", { detail: error }));
  }

  /** Where it is, seconds. */
  get currentTime() {
    return this.rate === 0 ? 0 : this.#place / this.rate;
  }

  get paused() {
    return !this.#playing;
  }

  /** The node that it sounds from, to connect elsewhere. */
  get node() {
    return this.#node;
  }

  async play() {
    if (this.ended) await this.seek(0);
    this.#playing = true;
    this.#node.port.postMessage({ playing: true });
    await this.#context.resume();
  }

  pause() {
    this.#playing = false;
    this.#node.port.postMessage({ playing: false });
  }

  /** Goes elsewhere, seconds from the start: at once in what has arrived, or as soon as it has. */
  async seek(seconds) {
    const sample = Math.max(0, Math.round(seconds * this.rate));
    this.#take += 1;
    this.#place = sample;
    this.ended = false;
    await this.#stream.seek(sample, this.#take);
    this.#node.port.postMessage({ seek: sample, take: this.#take });
  }

  /** Frees everything but a context that was given. */
  async close() {
    this.pause();
    this.#node.disconnect();
    await this.#stream.close();
  }
}

/** Bytes from wherever they are. */
async function streamOf(from) {
  if (from instanceof ReadableStream) return from;
  if (from instanceof Uint8Array) return new Blob([from]).stream();
  if (from instanceof Blob) return from.stream();
  const response = from instanceof Response ? from : await fetch(from);
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${response.statusText}`);
  return response.body;
}
