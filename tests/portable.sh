#!/usr/bin/env bash
# The same bits everywhere: replays spec/vectors (symbols, PCM, numbers of faults) on one kind of processor after another
# and prints a table. Ends with 1 if anything differs or does not build; what is not installed is skipped, and said so.
#
#   tests/portable.sh              all rows
#   tests/portable.sh wasm aarch   rows with one of these words in their names
#
# Needs rustup (which fetches the targets) and the Debian packages qemu-user, gcc-arm-linux-gnueabihf and nodejs (20 or
# later). Programs are static, against musl and linked by rustc's own linker where there is such a target, so that they run
# under an emulator without a foreign system around them. CARGO_TARGET_DIR/portable holds what is built.
set -uo pipefail
cd "$(dirname "$0")/.."

vectors=$PWD/spec/vectors
built=${CARGO_TARGET_DIR:-target}/portable
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
wanted=("$@")
failed=0
own='-C linker=rust-lld -C linker-flavor=ld.lld -C link-self-contained=yes'

report() {
    printf '%-36s %-34s %7s  %s\n' "$1" "$2" "$3" "$4"
}

# Whether a row's name has one of the words asked for.
chosen() {
    [ ${#wanted[@]} -eq 0 ] && return 0
    local word
    for word in "${wanted[@]}"; do
        [[ $1 == *"$word"* ]] && return 0
    done
    return 1
}

# Whether this processor has all of these features.
has() {
    local feature
    for feature in "$@"; do
        grep -qw "$feature" /proc/cpuinfo || { missing="no $feature here"; return 1; }
    done
}

# Whether these programs are installed.
installed() {
    local program
    for program in "$@"; do
        command -v "$program" > /dev/null || { missing="$program is not installed"; return 1; }
    done
}

# row NAME TARGET FLAGS CONDITION RUNNER...: builds the program for a target with rustc's flags, and runs it.
row() {
    local name=$1 target=$2 flags=$3 condition=$4 missing=
    shift 4
    chosen "$name" || return 0
    if ! $condition; then
        report "$name" "$target" - "skipped: $missing"
        return 0
    fi
    if ! rustup target list --installed 2> /dev/null | grep -x "$target" > "$scratch/log" &&
        ! rustup target add "$target" > "$scratch/log" 2>&1; then
        report "$name" "$target" - "skipped: rustup cannot add $target"
        return 0
    fi
    local folder program started
    folder=$built/$(printf '%s' "$target$flags" | tr -cs 'a-z0-9-' _)
    if ! CARGO_TARGET_DIR=$folder RUSTFLAGS=$flags \
        cargo build --locked --quiet --release -p sparc-replay --target "$target" 2> "$scratch/log"; then
        failed=1
        report "$name" "$target" - "DOES NOT BUILD"
        sed 's/^/    /' "$scratch/log"
        return 0
    fi
    program=$folder/$target/release/sparc-replay
    [ -e "$program" ] || program=$program.wasm
    started=$(date +%s%N)
    if ! "$@" "$program" "$vectors" > "$scratch/out" 2> "$scratch/log"; then
        failed=1
        report "$name" "$target" - "DIFFERS: $(tail -n 1 "$scratch/out")"
        sed 's/^/    /' "$scratch/log"
        return 0
    fi
    report "$name" "$target" "$((($(date +%s%N) - started) / 1000000)) ms" "$(cat "$scratch/out")"
}

cat > "$scratch/wasi.mjs" <<'JS'
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';
const [program, vectors] = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args: ['sparc-replay', '/vectors'], preopens: { '/vectors': vectors } });
const module = await WebAssembly.compile(await readFile(program));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
JS
wasi() {
    node --no-warnings "$scratch/wasi.mjs" "$@"
}

x86=x86_64-unknown-linux-musl
report processor target time streams
row 'x86-64, no AVX (qemu Nehalem)' $x86 "$own" 'installed qemu-x86_64' qemu-x86_64 -cpu Nehalem
row 'x86-64, AVX2 found as it runs' $x86 "$own" 'has avx2' env
row 'x86-64, built for AVX2' $x86 "$own -C target-cpu=x86-64-v3" 'has avx2 fma bmi2' env
row 'x86-64, built for AVX-512' $x86 "$own -C target-cpu=x86-64-v4 -C target-feature=-prefer-256-bit" \
    'has avx512f avx512bw avx512cd avx512dq avx512vl' env
row 'x86-64, built for this processor' $x86 "$own -C target-cpu=native" 'has sse2' env
row 'aarch64 (qemu)' aarch64-unknown-linux-musl "$own" 'installed qemu-aarch64' qemu-aarch64
arm='-C linker=arm-linux-gnueabihf-gcc -C target-feature=+crt-static'
row 'armhf (qemu)' armv7-unknown-linux-gnueabihf "$arm" 'installed qemu-arm arm-linux-gnueabihf-gcc' qemu-arm
row 'armhf with NEON (qemu)' armv7-unknown-linux-gnueabihf "$arm,+neon" 'installed qemu-arm arm-linux-gnueabihf-gcc' qemu-arm
row 'wasm32 (node)' wasm32-wasip1 '' 'installed node' wasi
row 'wasm32 with simd128 (node)' wasm32-wasip1 '-C target-feature=+simd128' 'installed node' wasi
exit $failed
