/**
 * Builds everything of this folder:
 *
 *     dist/    the module as npm has it: index.js, client.js, worker.js, player.js, their types, sparc.wasm, sparc.simd.wasm
 *     site/    the page for a server: index.html and what it loads
 *     site/sparc.html    the page in one file, which works from the disk
 *
 * Needs rustup's target wasm32-unknown-unknown and `npm ci`; wasm-opt (binaryen) makes the WebAssembly smaller where it is there.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const [dist, site] = [join(here, "dist"), join(here, "site")];
const target = process.env.CARGO_TARGET_DIR ?? join(here, "target");
const BUILDS = { "sparc.wasm": "", "sparc.simd.wasm": "-C target-feature=+simd128" };

/** One build of the WebAssembly; its features differ, so each has a folder of its own. */
function wasm(name, flags) {
  const folder = join(target, name);
  execFileSync("cargo", ["build", "--locked", "--release", "--target", "wasm32-unknown-unknown"], {
    cwd: here,
    stdio: "inherit",
    env: { ...process.env, CARGO_TARGET_DIR: folder, RUSTFLAGS: flags },
  });
  const made = join(folder, "wasm32-unknown-unknown/release/sparc_web.wasm");
  const out = join(dist, name);
  const features = ["--enable-bulk-memory", "--enable-sign-ext", "--enable-mutable-globals", "--enable-nontrapping-float-to-int"];
  if (flags) features.push("--enable-simd");
  const smaller = spawnSync("wasm-opt", ["-O2", ...features, made, "-o", out], { stdio: ["ignore", "ignore", "pipe"] });
  if (smaller.status !== 0) {
    console.log(`${name}: wasm-opt ${smaller.error ? "is not installed" : "failed"}, left as it is`);
    copyFileSync(made, out);
  }
}

/** Scripts joined into one that needs no module loader. */
async function joined(entry) {
  const result = await build({
    entryPoints: [join(here, entry)],
    bundle: true,
    format: "iife",
    minify: true,
    target: "es2022",
    write: false,
    external: ["node:*"],
    // Where the page carries everything within, nothing is looked for beside it.
    define: { "import.meta.url": "location.href" },
  });
  return result.outputFiles[0].text;
}

rmSync(dist, { recursive: true, force: true });
rmSync(site, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
mkdirSync(site, { recursive: true });
for (const [name, flags] of Object.entries(BUILDS)) wasm(name, flags);
for (const name of ["index", "client", "worker", "player", "worklet"]) {
  copyFileSync(join(here, "js", `${name}.js`), join(dist, `${name}.js`));
  const types = join(here, "js", `${name}.d.ts`);
  if (existsSync(types)) copyFileSync(types, join(dist, `${name}.d.ts`));
}
for (const licence of ["LICENSE-APACHE", "LICENSE-MIT"]) copyFileSync(join(here, "..", licence), join(here, licence));

// The page for a server: modules as they are.
cpSync(join(here, "page"), site, { recursive: true });
cpSync(dist, join(site, "js"), { recursive: true });
for (const name of ["app.js", "stream.js"]) {
  const text = readFileSync(join(site, name), "utf8").replaceAll('"../js/', '"./js/');
  writeFileSync(join(site, name), text);
}

// The same in one file.
const text = (data) => JSON.stringify(data).replaceAll("</", "<\\/");
const packed = (name) => gzipSync(readFileSync(join(dist, name)), { level: 9 }).toString("base64");
const carried = `globalThis.SPARC_WASM = { simd: "${packed("sparc.simd.wasm")}", scalar: "${packed("sparc.wasm")}" };
globalThis.SPARC_WORKER = ${text(await joined("js/worker.js"))};`;
const app = (await joined("page/app.js")).replaceAll("</", "<\\/");
const page = readFileSync(join(here, "page/index.html"), "utf8")
  .replace('<link rel="stylesheet" href="style.css">', () => `<style>${readFileSync(join(here, "page/style.css"), "utf8")}</style>`)
  .replace('<script src="app.js" type="module"></script>', () => `<script>${carried}</script>\n<script>${app}</script>`);
writeFileSync(join(site, "sparc.html"), page);

for (const name of Object.keys(BUILDS)) {
  const bytes = readFileSync(join(dist, name));
  const kib = (size) => `${(size / 1024).toFixed(0)} KiB`;
  console.log(`${name}: ${kib(bytes.length)}, gzip ${kib(gzipSync(bytes, { level: 9 }).length)}, brotli ${kib(brotliCompressSync(bytes).length)}`);
}
console.log(`site/sparc.html: ${(page.length / 1024).toFixed(0)} KiB`);
