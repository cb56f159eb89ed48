/** What the types allow is what people write: compiled, never run. */
import { load, SparcError, type Report } from "../dist/index.js";
import { SparcWorker } from "../dist/client.js";
import { Player } from "../dist/player.js";

export async function everything(sound: Float32Array, url: URL): Promise<Report> {
  const sparc = await load({ simd: true });
  const stream: Uint8Array = sparc.encode([sound], 16000, { bitrate: 6000, effort: "fast", onProgress: (share: number) => void share });
  const { rate, channels } = sparc.decode(stream);
  sparc.writeWav(channels, rate);
  const encoder = sparc.encoder(16000, 1, { delay: 0 });
  encoder.push([sound]);
  encoder.finish();
  encoder.close();
  const codec = new SparcWorker();
  await codec.load();
  const player = await Player.open(codec, url);
  await player.play();
  await player.seek(1.5);
  try {
    // @ts-expect-error: there is no such effort.
    await codec.encode([sound], 16000, { effort: "much" });
  } catch (error) {
    if (error instanceof SparcError && error.kind === "options") throw error;
  }
  return sparc.inspect(stream);
}
