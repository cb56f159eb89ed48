/** The page: sound in, `.sparc` out, and both beside one another for ears and eyes. */
import { SparcWorker } from "../js/client.js";
import { hasSimd } from "../js/index.js";
import { draw } from "./picture.js";
import { Deck } from "./deck.js";
import { record } from "./record.js";

const $ = (id) => document.getElementById(id);

/** Longest recording, and longest sound whose pictures are drawn, seconds. */
const LONGEST_RECORDING = 60;
const LONGEST_PICTURE = 120;
/** Sound longer than this is encoded in pieces as long, so that progress shows. */
const PIECE = 20;

/** Layers in the order of the bar, with their colours. */
const LAYERS = [
  ["mask", "Mask: which pixels are kept", "#c2410c"],
  ["values", "Kept values", "#f59e0b"],
  ["thresholds", "Thresholds", "#a16207"],
  ["lattice", "Background lattice", "#0f766e"],
  ["waveform", "Waveform of the lowest band", "#2563eb"],
  ["phases", "Phases", "#7c3aed"],
  ["container", "Container and checksums", "#6b7280"],
];

const state = { sound: undefined, name: "sound", stream: undefined, busy: false };
const deck = new Deck();
let codec;

/** The build of the codec that this engine runs best, where the page carries it within. */
async function within() {
  const packed = globalThis.SPARC_WASM;
  if (!packed) return undefined;
  const text = hasSimd() ? packed.simd : packed.scalar;
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(plain).arrayBuffer();
}

function workerWithin() {
  const code = globalThis.SPARC_WORKER;
  return code && new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
}

function say(text, wrong = false) {
  $("status").textContent = text;
  $("status").classList.toggle("wrong", wrong);
}

/** Shows how far something is; without a share, that it is under way; `null`: that it is over. */
function progress(share) {
  $("progress").hidden = share === null;
  if (share === undefined) $("progress").removeAttribute("value");
  else if (share !== null) $("progress").value = share;
}

/** Runs something that takes a while, one at a time. */
async function busy(text, run) {
  if (state.busy) return;
  state.busy = true;
  say(text);
  progress(undefined);
  $("encode").disabled = true;
  try {
    await run();
  } catch (error) {
    say(error.message, true);
  } finally {
    state.busy = false;
    progress(null);
    $("encode").disabled = !state.sound;
  }
}

const seconds = (sound) => sound.channels[0].length / sound.rate;
const bitrate = () => Math.round(Number($("bitrate").value) * 1000);

function describe(sound) {
  const channels = sound.channels.length === 1 ? "mono" : `${sound.channels.length} channels`;
  return `${state.name}: ${seconds(sound).toFixed(1)} s, ${(sound.rate / 1000).toLocaleString("en")} kHz, ${channels}`;
}

/** Sound of any file that is not ours: WAV by the codec, everything else by the browser. */
async function soundOf(bytes, name) {
  const wav = String.fromCharCode(...bytes.subarray(0, 4)) === "RIFF";
  if (wav) {
    try {
      return await codec.readWav(bytes);
    } catch {
      // Perhaps the browser knows more of it.
    }
  }
  const context = new OfflineAudioContext(1, 1, 48000);
  let buffer;
  try {
    buffer = await context.decodeAudioData(bytes.slice().buffer);
  } catch {
    throw new Error(`${name} is neither sound that this browser knows nor a .sparc file.`);
  }
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, c) => buffer.getChannelData(c).slice());
  return { rate: buffer.sampleRate, channels };
}

async function take(file) {
  const name = file.name.replace(/\.[^.]*$/, "") || "sound";
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (isSparc(bytes)) {
    await busy(`Decoding ${file.name}…`, async () => {
      const before = state.sound;
      state.sound = undefined;
      try {
        await show(bytes, name);
      } catch (error) {
        // What was there still is.
        state.sound = before;
        throw error;
      }
    });
    return;
  }
  let sound;
  await busy(`Reading ${file.name}…`, async () => {
    const read = await soundOf(bytes, file.name);
    if (!(read.channels[0]?.length > 0)) throw new Error(`${file.name} holds no samples.`);
    sound = read;
  });
  if (!sound) return;
  state.sound = sound;
  state.name = name;
  await encode();
}

/** Whether bytes begin as a stream does (Spec §3.1). */
function isSparc(bytes) {
  return [0x8b, 0x53, 0x50, 0x52, 0x0d, 0x0a, 0x1a, 0x0a].every((byte, at) => bytes[at] === byte);
}

async function encode() {
  await busy("Encoding…", async () => {
    const { sound } = state;
    const stream = await codec.encode(sound.channels, sound.rate, {
      bitrate: bitrate() * sound.channels.length,
      effort: $("effort").value,
      delay: seconds(sound) > 1.5 * PIECE ? PIECE : -1,
      onProgress: (share) => progress(seconds(sound) > 1.5 * PIECE ? share : undefined),
    });
    await show(stream);
  });
}

/** Shows and plays a stream, beside the sound it came from if that is known. */
async function show(stream, name = state.name) {
  const before = performance.now();
  const decoded = await codec.decode(stream);
  state.stream = stream;
  state.name = name;
  const took = (performance.now() - before) / 1000;
  const report = await codec.inspect(stream);
  deck.load(state.sound, decoded);
  $("hear-original").disabled = !state.sound;
  choose("coded");
  $("place").max = deck.seconds.toFixed(2);
  $("what").textContent = describe(state.sound ?? decoded);
  $("listen").hidden = $("bytes").hidden = false;
  tell(report, decoded);
  const drawn = seconds(decoded) <= LONGEST_PICTURE;
  $("pictures").hidden = $("axes").hidden = !drawn;
  if (drawn) await paint(stream, report);
  const damaged = decoded.concealed > 0 ? ` ${decoded.concealed} damaged segments were concealed.` : "";
  say(`Ready: ${(report.bitsPerSecond / 1000).toFixed(2)} kbit/s, decoded ${Math.round(deck.seconds / took)} times as fast as it sounds.${damaged}`);
}

async function paint(stream, report) {
  const picture = await codec.picture(stream);
  const peak = picture.completed.reduce((a, b) => Math.max(a, b), -Infinity);
  $("figure-original").hidden = !state.sound;
  if (state.sound) {
    const seen = await codec.spectrogram(state.sound.channels[0], state.sound.rate);
    draw($("picture-original"), seen, seen.levels, peak);
  }
  draw($("picture-kept"), picture, picture.kept, peak);
  draw($("picture-completed"), picture, picture.completed, peak);
  $("share").textContent = `${(100 * report.keptShare).toFixed(1)} % of the pixels`;
  $("axes").textContent = `Left to right ${deck.seconds.toFixed(1)} s, upwards to ${picture.rate / 2000} kHz, 80 dB from dark to light.`;
  cursor();
}

function tell(report, decoded) {
  const plain = report.samples * report.channels * 2;
  const size = (bytes) => (bytes < 10_000 ? `${bytes} bytes` : `${(bytes / 1000).toFixed(1)} kB`);
  $("size").textContent = `${size(report.bytes)} for ${report.seconds.toFixed(1)} s; as 16-bit PCM it would be ${size(plain)}, ${Math.round(plain / report.bytes)} times as much.`;
  const bar = $("bar");
  const body = $("layers").tBodies[0];
  bar.replaceChildren();
  body.replaceChildren();
  for (const [key, name, colour] of LAYERS) {
    const bits = report.layers[key];
    if (!(bits > 0)) continue;
    const share = bits / (report.bytes * 8);
    const part = document.createElement("span");
    part.style.cssText = `flex: ${share} 0 0; background: ${colour}`;
    bar.append(part);
    const row = body.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    const mark = document.createElement("span");
    mark.className = "key";
    mark.style.background = colour;
    head.append(mark, name);
    row.append(head);
    for (const text of [Math.round(bits / 8), Math.round(bits / report.seconds), `${(100 * share).toFixed(1)} %`]) {
      row.insertCell().textContent = text;
    }
  }
  save("save-sparc", state.stream, "application/octet-stream", `${state.name}.sparc`);
  codec.writeWav(decoded.channels, decoded.rate).then((file) => save("save-wav", file, "audio/wav", `${state.name}.sparc.wav`));
}

function save(id, bytes, type, name) {
  const link = $(id);
  if (link.href) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([bytes], { type }));
  link.download = name;
}

/** Which of the two is heard. */
function choose(which) {
  if (which === "original" && !state.sound) return;
  deck.choose(which);
  for (const name of ["original", "coded"]) {
    $(`hear-${name}`).setAttribute("aria-checked", String(name === which));
    $(`hear-${name}`).tabIndex = name === which ? 0 : -1;
  }
}

const other = () => (deck.chosen === "original" ? "coded" : "original");

/** Shows where it plays. */
function cursor() {
  $("time").textContent = `${deck.place.toFixed(1)} / ${deck.seconds.toFixed(1)} s`;
  if (document.activeElement !== $("place") || deck.playing) $("place").value = deck.place;
  $("play").textContent = deck.playing ? "Pause" : "Play";
  for (const canvas of document.querySelectorAll("canvas")) canvas.dispatchEvent(new CustomEvent("cursor", { detail: deck.place / (deck.seconds || 1) }));
  if (deck.playing) requestAnimationFrame(cursor);
}

function toggle() {
  if ($("listen").hidden) return;
  if (deck.playing) deck.pause();
  else deck.play();
  cursor();
}

function wire() {
  $("choose").onclick = () => $("file").click();
  $("file").onchange = () => $("file").files[0] && take($("file").files[0]).finally(() => ($("file").value = ""));
  $("bitrate").oninput = () => ($("rate-of").value = `${Number($("bitrate").value).toFixed(1)} kbit/s`);
  $("bitrate").onchange = () => state.sound && encode();
  $("encode").onclick = encode;
  $("play").onclick = toggle;
  $("hear-original").onclick = () => choose("original");
  $("hear-coded").onclick = () => choose("coded");
  document.querySelector(".choice").onkeydown = (event) => {
    if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
    choose(other());
    $(`hear-${deck.chosen}`).focus();
  };
  $("place").oninput = () => {
    deck.seek(Number($("place").value));
    cursor();
  };
  deck.onend = cursor;
  for (const canvas of document.querySelectorAll("canvas")) {
    canvas.onclick = (event) => {
      deck.seek((event.offsetX / canvas.clientWidth) * deck.seconds);
      cursor();
    };
  }
  document.onkeydown = (event) => {
    const typing = event.target.closest("input, select, button, a");
    if (event.key === " " && !typing) {
      event.preventDefault();
      toggle();
    }
    if (event.key.toLowerCase() === "x" && !event.ctrlKey && !event.metaKey && !$("listen").hidden) choose(other());
  };
  const drop = document.documentElement;
  drop.ondragover = (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  };
  drop.ondragleave = () => $("drop").classList.remove("over");
  drop.ondrop = (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) take(file);
  };
  $("record").onclick = speak;
}

let recording;

async function speak() {
  if (recording) {
    recording.stop();
    return;
  }
  deck.pause();
  try {
    recording = await record(LONGEST_RECORDING, (time) => say(`Recording… ${time.toFixed(0)} s. Press again to stop.`));
  } catch (error) {
    say(`The microphone cannot be heard: ${error.message}`, true);
    return;
  }
  $("record").textContent = "Stop";
  $("record").setAttribute("aria-pressed", "true");
  const sound = await recording.sound;
  recording = undefined;
  $("record").textContent = "Record";
  $("record").setAttribute("aria-pressed", "false");
  if (sound.channels[0].length === 0) {
    say("Nothing was recorded.", true);
    return;
  }
  state.name = "recording";
  state.sound = sound;
  await encode();
}

async function begin() {
  wire();
  try {
    codec = new SparcWorker(workerWithin());
    await codec.load({ wasm: await within() });
    say("Ready.");
    document.documentElement.dataset.ready = "";
  } catch (error) {
    say(`The codec cannot be loaded: ${error.message}`, true);
  }
}

begin();
