/**
 * The audio thread of the player, as text: an AudioWorklet loads its code by address, and a Blob's works everywhere.
 *
 * It holds a few seconds of samples, asks the decoder for more through a port of its own, and tells the page where it is.
 */
export const source = `
const AHEAD = 2; // seconds held
const REPORT = 0.05; // seconds between words to the page

registerProcessor("sparc-player", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.blocks = []; // { channels, from }
    this.held = 0;
    this.place = 0; // sample that is played next
    this.take = 0; // which seek the blocks belong to
    this.asked = false;
    this.ended = false;
    this.playing = false;
    this.reported = 0;
    this.port.onmessage = ({ data }) => {
      if (data.decoder) {
        this.decoder = data.decoder;
        this.decoder.onmessage = ({ data }) => this.receive(data);
      }
      if ("playing" in data) this.playing = data.playing;
      if ("seek" in data) {
        this.blocks = [];
        this.held = 0;
        this.place = data.seek;
        this.take = data.take;
        this.ended = false;
        this.asked = false;
      }
      this.ask();
    };
  }

  receive({ take, channels, ended }) {
    if (take !== this.take) return;
    this.asked = false;
    if (channels) {
      this.blocks.push({ channels, from: 0 });
      this.held += channels[0].length;
    }
    this.ended = ended;
    this.ask();
  }

  ask() {
    if (this.decoder && !this.asked && !this.ended && this.held < AHEAD * sampleRate) {
      this.asked = true;
      this.decoder.postMessage({ take: this.take });
    }
  }

  process(_, [out]) {
    const length = out[0].length;
    let at = 0;
    while (this.playing && at < length && this.blocks.length > 0) {
      const { channels, from } = this.blocks[0];
      const count = Math.min(length - at, channels[0].length - from);
      out.forEach((samples, c) => {
        samples.set((channels[c] ?? channels[0]).subarray(from, from + count), at);
      });
      at += count;
      this.blocks[0].from += count;
      if (this.blocks[0].from === channels[0].length) this.blocks.shift();
      this.held -= count;
      this.place += count;
    }
    this.ask();
    const done = this.ended && this.held === 0;
    if (currentTime - this.reported > REPORT || done) {
      this.reported = currentTime;
      this.port.postMessage({ take: this.take, place: this.place, done, starved: this.playing && at < length && !done });
    }
    return true;
  }
});
`;
