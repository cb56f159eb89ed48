/** A page that plays a stream of its server while it arrives: the player at its simplest. */
import { SparcWorker } from "../js/client.js";
import { Player } from "../js/player.js";

const $ = (id) => document.getElementById(id);
const codec = new SparcWorker();
let player;

const say = (text) => ($("status").textContent = text);

function show() {
  $("time").textContent = `${player.currentTime.toFixed(1)} s`;
  $("place").value = player.currentTime;
  $("play").textContent = player.paused ? "Play" : "Pause";
}

$("form").onsubmit = async (event) => {
  event.preventDefault();
  try {
    await player?.close();
    player = await Player.open(codec, $("address").value);
  } catch (error) {
    say(error.message);
    return;
  }
  document.documentElement.dataset.rate = player.rate;
  $("play").disabled = $("place").disabled = false;
  player.addEventListener("time", show);
  player.addEventListener("starved", () => say("Waiting for more…"));
  player.addEventListener("ended", () => {
    document.documentElement.dataset.ended = player.currentTime;
    say("The end.");
    show();
  });
  player.addEventListener("failure", ({ detail }) => say(detail.message));
  player.arrived.then(() => (document.documentElement.dataset.arrived = ""));
  say("Ready.");
};

$("play").onclick = async () => {
  if (player.paused) await player.play();
  else player.pause();
  say("");
  show();
};

$("place").oninput = () => player.seek(Number($("place").value));

codec.load().then(() => (document.documentElement.dataset.ready = ""), (error) => say(error.message));
const asked = new URLSearchParams(location.search).get("from");
if (asked) $("address").value = asked;
