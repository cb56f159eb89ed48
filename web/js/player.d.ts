import type { SparcWorker } from "./client.js";

/** Where a stream comes from. */
export type Source = string | URL | Response | Blob | ReadableStream<Uint8Array> | Uint8Array;

/** Plays a stream while it arrives. Events: `time`, `starved`, `ended`, `failure` (a CustomEvent with the error). */
export class Player extends EventTarget {
  static open(codec: SparcWorker, from: Source, context?: AudioContext): Promise<Player>;
  /** Hz. */
  readonly rate: number;
  readonly channels: number;
  readonly ended: boolean;
  /** Settles when all bytes have arrived. */
  readonly arrived: Promise<void>;
  /** Seconds. */
  readonly currentTime: number;
  readonly paused: boolean;
  /** What it sounds from. */
  readonly node: AudioWorkletNode;
  play(): Promise<void>;
  pause(): void;
  /** Seconds from the start. */
  seek(seconds: number): Promise<void>;
  close(): Promise<void>;
}
