import type { Decoded, Description, EncodeOptions, LoadOptions, Picture, Report, Sound, SparcError, Spectrogram } from "./index.js";

/** The codec on a thread of its own: the calls of `Sparc` as promises. */
export class SparcWorker {
  constructor(worker?: Worker);
  /** Hears what goes wrong while a stream is played. */
  onfailure: (error: SparcError) => void;
  /** Comes before all else. */
  load(options?: LoadOptions): Promise<void>;
  decode(stream: Uint8Array): Promise<Decoded>;
  encode(channels: Float32Array[], rate: number, options?: EncodeOptions): Promise<Uint8Array>;
  inspect(stream: Uint8Array): Promise<Report>;
  picture(stream: Uint8Array, channel?: number): Promise<Picture>;
  spectrogram(samples: Float32Array, rate: number): Promise<Spectrogram>;
  readWav(file: Uint8Array): Promise<Sound>;
  writeWav(channels: Float32Array[], rate: number): Promise<Uint8Array>;
  /** What a stream's first bytes tell; zeros if they are too few. */
  probe(bytes: Uint8Array): Promise<Description>;
  /** Ends the thread. */
  terminate(): void;
}
