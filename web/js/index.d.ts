/** What is wrong with a call that failed. */
export type ErrorKind = "stream" | "limit" | "model" | "audio" | "options" | "other" | "misuse";

/** A call that failed; the message is one line. */
export class SparcError extends Error {
  readonly kind: ErrorKind;
}

/** The kinds by the numbers of WebAssembly. */
export const errorKinds: Readonly<Record<string, ErrorKind>>;

/** How long to look for settings. */
export type Effort = "fast" | "default" | "best";

export interface EncoderOptions {
  /** Bits a second of all channels together; 6000 a channel unless said. */
  bitrate?: number;
  /** `"fast"` unless said. */
  effort?: Effort;
  /** Seconds of sound that are held before their bytes come out; 60 unless said, 0 for live sound. */
  delay?: number;
  /** Whether an index of the segments ends the stream. */
  seekIndex?: boolean;
}

export interface EncodeOptions extends EncoderOptions {
  /** Hears which share of the samples has gone in, 0 to 1. */
  onProgress?: (share: number) => void;
}

/** Samples, full scale 1, one array for each channel. */
export interface Sound {
  /** Hz. */
  rate: number;
  channels: Float32Array[];
}

export interface Decoded extends Sound {
  /** Segments that were damaged and concealed. */
  concealed: number;
}

export interface DecoderOptions {
  /** Whether the sound has the source's rate (true unless said) or the coded one. */
  resample?: boolean;
}

/** What a decoder knows: zeros before the header. */
export interface Description {
  /** Hz. */
  rate: number;
  channels: number;
  segments: number;
  concealed: number;
}

export interface Decoder {
  push(bytes: Uint8Array): void;
  finish(): void;
  pull(): Float32Array[] | undefined;
  describe(): Description;
  close(): void;
}

export interface Encoder {
  push(channels: Float32Array[]): Uint8Array;
  finish(): Uint8Array;
  close(): void;
}

/** Bits of each layer of a stream, and of all that is around them. */
export interface Layers {
  mask: number;
  values: number;
  thresholds: number;
  lattice: number;
  phases: number;
  waveform: number;
  container: number;
}

export interface Report {
  /** Of the source, Hz. */
  rate: number;
  channels: number;
  codedRate: number;
  /** Per channel, at the source's rate. */
  samples: number;
  seconds: number;
  bytes: number;
  bitsPerSecond: number;
  segments: number;
  concealed: number;
  /** Share of the pixels that are kept. */
  keptShare: number;
  /** Name or id of the network that completes the images. */
  network: string | null;
  layers: Layers;
}

/** Where the pixels of an image lie: frames x bins, `hop` samples at `rate` Hz from one frame to the next. */
export interface Grid {
  frames: number;
  bins: number;
  hop: number;
  rate: number;
}

export interface Picture extends Grid {
  /** dB, as the decoder completes it. */
  completed: Float32Array;
  /** dB, NaN where a pixel is not kept. */
  kept: Float32Array;
}

export interface Spectrogram extends Grid {
  /** dB. */
  levels: Float32Array;
}

/** The codec, loaded. */
export interface Sparc {
  /** Has another network at hand, from a `.sparcmodel` file. */
  addNetwork(file: Uint8Array): void;
  decode(stream: Uint8Array, options?: DecoderOptions): Decoded;
  encode(channels: Float32Array[], rate: number, options?: EncodeOptions): Uint8Array;
  decoder(options?: DecoderOptions): Decoder;
  decoderAt(stream: Uint8Array, sample: number): Decoder;
  encoder(rate: number, channels: number, options?: EncoderOptions): Encoder;
  inspect(stream: Uint8Array): Report;
  picture(stream: Uint8Array, channel?: number): Picture;
  spectrogram(samples: Float32Array, rate: number): Spectrogram;
  readWav(file: Uint8Array): Sound;
  writeWav(channels: Float32Array[], rate: number): Uint8Array;
}

export interface LoadOptions {
  /** Which build to take; by default the one with SIMD where the engine has it. */
  simd?: boolean;
  /** The build itself, where the file does not lie beside the module. */
  wasm?: BufferSource | WebAssembly.Module;
}

export function load(options?: LoadOptions): Promise<Sparc>;

/** Whether this engine has SIMD of 128 bits. */
export function hasSimd(): boolean;

/** Pieces of bytes as one. */
export function joined(pieces: Uint8Array[]): Uint8Array;
