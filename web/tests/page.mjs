/**
 * The page in a browser: Chromium without a window, driven by playwright-core. Ends with 1 if anything is not as it should be.
 *
 *     node tests/page.mjs [FOLDER]    screenshots go to the folder, if one is named
 *
 * CHROMIUM names the browser (/usr/bin/chromium).
 */
import assert from "node:assert/strict";
import { createReadStream, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { load } from "../dist/index.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "../..");
const site = join(here, "../site");
const shots = process.argv[2];
const browserPath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm" };
const axe = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

if (!existsSync(browserPath)) {
  console.error(`${browserPath} is not there (Debian: chromium); CHROMIUM may name another`);
  process.exit(2);
}
if (shots) mkdirSync(shots, { recursive: true });

/** Serves the site, samples and vectors; what lies below /slow comes at 2 kB/s. */
const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url, "http://x").pathname);
  const file = path.startsWith("/slow/") || path.startsWith("/root/") ? join(root, path.slice(6)) : join(site, path);
  if (!existsSync(file)) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
  if (!path.startsWith("/slow/")) return createReadStream(file).pipe(response);
  const bytes = readFileSync(file);
  let at = 0;
  const timer = setInterval(() => {
    response.write(bytes.subarray(at, (at += 200)));
    if (at >= bytes.length) {
      clearInterval(timer);
      response.end();
    }
  }, 100);
});
/** A clip of so many seconds, from the samples, for the player. */
const SECONDS = 12;
const sparc = await load();
const samples = ["speech-low", "speech-high", "speech-noise"].flatMap((name) =>
  Array.from(sparc.readWav(readFileSync(join(root, `samples/${name}.wav`))).channels[0]));
writeFileSync(join(site, "clip.sparc"), sparc.encode([Float32Array.from(samples.slice(0, SECONDS * 16_000))], 16_000));

await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const address = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath: browserPath,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
  ],
});

let failed = 0;

/** Runs one check in a page of its own, whose console must stay silent and which must not ask anyone else. */
async function check(name, { url, width = 1280, height = 900, dark = false }, run) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? "dark" : "light", permissions: ["microphone"] });
  const page = await context.newPage();
  const said = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && said.push(message.text()));
  page.on("pageerror", (error) => said.push(error.message));
  page.on("request", (request) => {
    const to = request.url();
    if (![address, "file:", "blob:", "data:"].some((ours) => to.startsWith(ours))) said.push(`asks ${to}`);
  });
  try {
    await page.goto(url);
    await page.waitForSelector("html[data-ready]", { state: "attached", timeout: 60_000 });
    await run(page);
    assert.deepEqual(said, []);
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`WRONG ${name}\n${error.stack}\n${said.join("\n")}`);
    if (shots) await page.screenshot({ path: join(shots, `wrong-${failed}.png`), fullPage: true }).catch(() => {});
  } finally {
    await context.close();
  }
}

const status = (page) => page.textContent("#status");

/** Gives the page a file and waits for what it says. */
async function give(page, file) {
  // What it said of the file before is no answer.
  await page.evaluate(() => (document.getElementById("status").textContent = "…"));
  await page.setInputFiles("#file", file);
  await page.waitForFunction(() => !document.getElementById("status").textContent.includes("…")
    && document.getElementById("progress").hidden, null, { timeout: 60_000 });
}

/** What axe finds that is serious. */
async function accessible(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run());
  const serious = found.violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`), []);
}

const shoot = (page, name) => shots && page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });

/** Colours that a canvas shows. */
const colours = (page, id) => page.evaluate((id) => {
  const canvas = document.getElementById(id);
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const found = new Set();
  for (let at = 0; at < data.length; at += 4) found.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
  return found.size;
}, id);

/** Encodes a recording, and looks at all that the page says of it. */
async function whole(page) {
  await give(page, join(root, "samples/speech-low.wav"));
  assert.match(await status(page), /^Ready: [45]\.\d\d kbit\/s, decoded \d+ times|^Ready: 6\.00 kbit/);
  for (const id of ["picture-original", "picture-kept", "picture-completed"]) {
    assert.ok(await colours(page, id) > 50, `${id} shows an image`);
  }
  const layers = await page.$$eval("#layers tbody tr", (rows) => rows.map((row) => Number(row.cells[1].textContent)));
  const bytes = Number((await page.textContent("#size")).match(/^(\d+) bytes/)?.[1]);
  assert.ok(layers.length >= 4);
  assert.ok(Math.abs(layers.reduce((a, b) => a + b) - bytes) <= layers.length, `${layers} of ${bytes}`);
}

await check("a recording is encoded, shown and described, on a wide page", { url: `${address}/index.html` }, async (page) => {
  await shoot(page, "empty-wide");
  await whole(page);
  await accessible(page);
  await shoot(page, "wide");
});

await check("the same on a phone, in the dark", { url: `${address}/index.html`, width: 390, height: 844, dark: true }, async (page) => {
  await whole(page);
  await accessible(page);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing is wider than the phone");
  await shoot(page, "phone-dark");
});

await check("the same from the disk, in one file", { url: pathToFileURL(join(site, "sparc.html")).href }, async (page) => {
  await whole(page);
});

await check("keys play, pause and change what is heard; the cursor moves", { url: `${address}/index.html` }, async (page) => {
  await whole(page);
  await page.locator("h1").click();
  await page.keyboard.press("Space");
  await page.waitForFunction(() => Number(document.getElementById("place").value) > 0.3, null, { timeout: 20_000 });
  assert.equal(await page.textContent("#play"), "Pause");
  await page.keyboard.press("x");
  assert.equal(await page.getAttribute("#hear-original", "aria-checked"), "true");
  await page.keyboard.press("Space");
  assert.equal(await page.textContent("#play"), "Play");
  await page.locator("#picture-completed").click({ position: { x: 200, y: 40 } });
  const place = Number(await page.inputValue("#place"));
  const most = Number(await page.getAttribute("#place", "max"));
  assert.ok(place > 0.2 * most && place < 0.9 * most, `a click goes to ${place} of ${most}`);
  await shoot(page, "cursor");
});

await check("a lower bitrate makes a smaller file; what it saves it reads again", { url: `${address}/index.html` }, async (page) => {
  await whole(page);
  const size = async () => Number((await page.textContent("#size")).match(/^(\d+)/)[1]);
  const before = await size();
  await page.fill("#bitrate", "3");
  await page.dispatchEvent("#bitrate", "change");
  await page.waitForFunction((before) => Number(document.getElementById("size").textContent.match(/^(\d+)/)[1]) < 0.7 * before, before, { timeout: 60_000 });
  await page.waitForFunction(() => document.getElementById("progress").hidden);
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save-sparc")]);
  assert.equal(download.suggestedFilename(), "speech-low.sparc");
  const file = await download.path();
  const bytes = readFileSync(file);
  assert.equal(bytes.length, await size());
  await give(page, { name: "again.sparc", mimeType: "application/octet-stream", buffer: bytes });
  assert.match(await status(page), /^Ready: /);
  assert.equal(await page.isVisible("#figure-original"), false);
  assert.equal(await page.isDisabled("#hear-original"), true);
});

await check("what is no sound is named, and nothing is lost", { url: `${address}/index.html` }, async (page) => {
  await whole(page);
  await give(page, { name: "poem.txt", mimeType: "text/plain", buffer: Buffer.from("roses are red") });
  assert.match(await status(page), /^poem\.txt is neither sound/);
  assert.equal(await page.isVisible("#listen"), true);
  const broken = readFileSync(join(root, "spec/vectors/baseline/example.sparc")).subarray(0, 40);
  await give(page, { name: "broken.sparc", mimeType: "application/octet-stream", buffer: broken });
  assert.ok((await page.getAttribute("#status", "class")).includes("wrong"));
});

await check("the microphone is recorded and encoded", { url: `${address}/index.html` }, async (page) => {
  await page.click("#record");
  await page.waitForFunction(() => /Recording… [2-9]/.test(document.getElementById("status").textContent), null, { timeout: 20_000 });
  await page.click("#record");
  await page.waitForFunction(() => /^Ready: /.test(document.getElementById("status").textContent), null, { timeout: 60_000 });
});

await check("streams of the vectors give the sound that the specification says", { url: `${address}/index.html` }, async (page) => {
  const lines = readFileSync(join(root, "spec/vectors/MANIFEST.tsv"), "utf8").trim().split("\n").slice(1).map((line) => line.split("\t"));
  const some = lines.filter(([file, , , , sound]) => file.startsWith("baseline/") && sound.length === 64).slice(0, 20);
  const found = await page.evaluate(async (files) => {
    const { load } = await import("./js/index.js");
    const sparc = await load();
    const out = [];
    for (const file of files) {
      const stream = new Uint8Array(await (await fetch(`/root/spec/vectors/${file}`)).arrayBuffer());
      const { channels } = sparc.decode(stream, { resample: false });
      const all = new Float32Array(channels.length * channels[0].length);
      channels.forEach((samples, c) => samples.forEach((x, i) => (all[i * channels.length + c] = x)));
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", all.buffer));
      out.push(Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join(""));
    }
    return out;
  }, some.map(([file]) => file));
  assert.deepEqual(found, some.map(([, , , , sound]) => sound));
});

await check("a stream plays while it arrives, seeks, and ends where it should", { url: `${address}/stream.html?from=/slow/web/site/clip.sparc` }, async (page) => {
  await page.click("text=Open");
  await page.waitForSelector("html[data-rate]", { state: "attached", timeout: 20_000 });
  await page.click("#play");
  await page.waitForFunction(() => parseFloat(document.getElementById("time").textContent) > 0.3, null, { timeout: 20_000 });
  assert.equal(await page.evaluate(() => "arrived" in document.documentElement.dataset), false, "it plays before all is there");
  await page.waitForSelector("html[data-arrived]", { state: "attached", timeout: 60_000 });
  await page.fill("#place", String(SECONDS - 1));
  await page.waitForSelector("html[data-ended]", { state: "attached", timeout: 20_000 });
  const ended = Number(await page.getAttribute("html", "data-ended"));
  assert.ok(Math.abs(ended - SECONDS) < 0.01, `it ends at ${ended} s of ${SECONDS}`);
  await accessible(page);
});

await browser.close();
server.close();
console.log(failed === 0 ? "all is as it should be" : `${failed} checks failed`);
process.exit(failed === 0 ? 0 : 1);
