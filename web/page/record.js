/** The microphone, as samples. */

const CAPTURE = `
registerProcessor("sparc-capture", class extends AudioWorkletProcessor {
  process([channels]) {
    if (channels[0]) this.port.postMessage(channels[0].slice());
    return true;
  }
});
`;

/**
 * Records one channel until it is stopped, or for at most so many seconds. `onTime` hears how long it has been.
 *
 * @returns {Promise<{ stop: () => void, sound: Promise<{ rate: number, channels: Float32Array[] }> }>}
 */
export async function record(longest, onTime) {
  if (!navigator.mediaDevices) throw new Error("this page may not ask for one here");
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const context = new AudioContext();
  const address = URL.createObjectURL(new Blob([CAPTURE], { type: "text/javascript" }));
  await context.audioWorklet.addModule(address);
  URL.revokeObjectURL(address);
  const source = new MediaStreamAudioSourceNode(context, { mediaStream: microphone });
  const node = new AudioWorkletNode(context, "sparc-capture", { numberOfOutputs: 0 });
  source.connect(node);
  const pieces = [];
  let length = 0;
  let finish;
  const sound = new Promise((resolve) => (finish = resolve));
  const stop = () => {
    node.port.onmessage = null;
    microphone.getTracks().forEach((track) => track.stop());
    const rate = context.sampleRate;
    context.close();
    const samples = new Float32Array(length);
    let at = 0;
    for (const piece of pieces) {
      samples.set(piece, at);
      at += piece.length;
    }
    finish({ rate, channels: [samples] });
  };
  let told = -1;
  node.port.onmessage = ({ data }) => {
    pieces.push(data);
    length += data.length;
    const time = length / context.sampleRate;
    if (Math.floor(time) > told) {
      told = Math.floor(time);
      onTime(time);
    }
    if (time >= longest) stop();
  };
  return { stop, sound };
}
