/** Plays one of two sounds that run side by side, equally loud. */
export class Deck {
  #context;
  #buffers = {};
  #gains = {};
  #sources = [];
  #started = 0;
  #from = 0;

  chosen = "coded";
  playing = false;
  /** Called when the end is reached. */
  onend = () => {};

  /** Takes the sounds to compare; there may be no original. */
  load(original, coded) {
    this.pause();
    this.#context ??= new AudioContext();
    const levels = {};
    this.#buffers = {};
    for (const [name, sound] of Object.entries({ original, coded })) {
      if (!sound || sound.channels[0].length === 0) continue;
      const buffer = this.#context.createBuffer(sound.channels.length, sound.channels[0].length, sound.rate);
      sound.channels.forEach((samples, channel) => buffer.copyToChannel(samples, channel));
      this.#buffers[name] = buffer;
      levels[name] = loudness(sound.channels);
    }
    this.#gains = { original: 1, coded: 1 };
    // The louder one is turned down, so that nothing clips.
    if (levels.original > 0 && levels.coded > 0) {
      const ratio = levels.original / levels.coded;
      if (ratio > 1) this.#gains.original = 1 / ratio;
      else this.#gains.coded = ratio;
    }
    this.#from = 0;
  }

  get seconds() {
    return this.#buffers.coded?.duration ?? 0;
  }

  /** Where it is, seconds. */
  get place() {
    const place = this.playing ? this.#from + this.#context.currentTime - this.#started : this.#from;
    return Math.min(Math.max(place, 0), this.seconds);
  }

  choose(which) {
    this.chosen = which;
    for (const { name, gain } of this.#sources) {
      gain.gain.setTargetAtTime(name === which ? this.#gains[name] : 0, this.#context.currentTime, 0.005);
    }
  }

  play() {
    if (this.playing || !this.#buffers.coded) return;
    if (this.#from >= this.seconds - 0.01) this.#from = 0;
    this.#context.resume();
    this.#started = this.#context.currentTime;
    this.playing = true;
    this.#sources = Object.entries(this.#buffers).map(([name, buffer]) => {
      const source = new AudioBufferSourceNode(this.#context, { buffer });
      const gain = new GainNode(this.#context, { gain: name === this.chosen ? this.#gains[name] : 0 });
      source.connect(gain).connect(this.#context.destination);
      source.start(0, this.#from);
      return { name, source, gain };
    });
    const coded = this.#sources.find(({ name }) => name === "coded").source;
    coded.onended = () => {
      this.pause();
      this.onend();
    };
  }

  pause() {
    this.#from = this.place;
    this.playing = false;
    for (const { source, gain } of this.#sources) {
      source.onended = null;
      source.stop();
      gain.disconnect();
    }
    this.#sources = [];
  }

  seek(seconds) {
    const playing = this.playing;
    this.pause();
    this.#from = Math.min(Math.max(seconds, 0), this.seconds);
    if (playing) this.play();
  }
}

/** Root mean square of all channels. */
function loudness(channels) {
  let sum = 0;
  let count = 0;
  for (const samples of channels) {
    for (const x of samples) sum += x * x;
    count += samples.length;
  }
  return Math.sqrt(sum / Math.max(1, count));
}
