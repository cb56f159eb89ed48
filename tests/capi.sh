#!/usr/bin/env bash
# Everything about the C interface (capi/): the header is what the sources say; library, examples and tests compile without a
# warning; tests pass as they are, under valgrind and with the sanitisers; what is decoded is what the specification's vectors
# and the command say; what is installed is found by pkg-config and CMake. Ends with 1 if anything fails; what is not
# installed is skipped, and said so.
#
#   tests/capi.sh                  all of it but arm
#   tests/capi.sh build cmake      only these steps
#   tests/capi.sh build arm        a 32-bit build for ARM, its tests under qemu
#
# Needs Rust, and the Debian packages gcc, g++, make, cmake, pkg-config and valgrind; arm also gcc-arm-linux-gnueabihf and
# qemu-user. It compares with the command in $SPARC or target/release/sparc, and builds that if it is not there. All other
# outputs go to capi/target.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
capi=$root/capi
vectors=$root/spec/vectors
# The command is where cargo puts it, the rest in a folder of its own.
usual=${CARGO_TARGET_DIR:-$root/target}
unset CARGO_TARGET_DIR
built=$capi/target/release
out=$capi/target/check
warnings=(-Wall -Wextra -Wpedantic -Werror)
c99=(gcc -std=c99 "${warnings[@]}" -g -O1 -I "$capi/include")
private=$(sed -n 's/^private := //p' "$capi/Makefile")
read -ra static_libs <<< "$private"
tests=(decoder encoder misuse fixed pcm)
examples=(decode encode play)
skipped=()

fail() {
    printf 'FAILED: %s\n' "$1" >&2
    exit 1
}

# Whether these programs are installed; if not, the step is noted as skipped.
installed() {
    local program
    for program in "$@"; do
        if ! command -v "$program" > /dev/null; then
            skipped+=("$step: $program is not installed")
            return 1
        fi
    done
}

# The names of the functions in the header, comments apart.
functions() {
    grep -v '^ *\*' "$capi/include/sparc.h" | grep -o 'sparc_[a-z0-9_]*(' | tr -d '(' | sort
}

header() {
    local version
    cargo run --locked --quiet --manifest-path "$capi/header/Cargo.toml"
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$capi/Cargo.toml")
    grep -qx "version = \"$version\"" Cargo.toml || fail "capi is version $version, the library is not"
}

build() {
    make -s -C "$capi"
    nm -D --defined-only "$built/libsparc.so" | awk '{ print $3 }' | sort > "$out/exported"
    functions > "$out/declared"
    diff "$out/exported" "$out/declared" || fail "the shared library exports other functions than the header declares"
    local abi
    abi=$(sed -n 's/^#define SPARC_ABI //p' "$capi/include/sparc.h")
    readelf -d "$built/libsparc.so" | grep -q "SONAME.*\[libsparc.so.$abi\]" || fail "the shared library has another name"
    [ "$(grep -c . "$out/exported")" -gt 30 ] || fail "hardly any functions are exported"
}

# Tests against the static library, examples against the shared one.
compile() {
    local name
    for name in "${tests[@]}"; do
        "${c99[@]}" "$capi/tests/$name.c" "$built/libsparc.a" "${static_libs[@]}" -o "$out/$name"
    done
    for name in "${examples[@]}"; do
        "${c99[@]}" "$capi/examples/$name.c" "$built/libsparc.so" -Wl,-rpath,"$out" -o "$out/example-$name"
    done
    cp "$built/libsparc.so" "$out/libsparc.so.1"
    sed -n '/^```c$/,/^```$/{/^```/!p}' "$capi/README.md" > "$out/readme.c"
    "${c99[@]}" "$out/readme.c" "$built/libsparc.so" -Wl,-rpath,"$out" -o "$out/readme"
    # Allocations pass by the test's own functions.
    "${c99[@]}" -DCOUNTED "$capi/tests/fixed.c" "$built/libsparc.a" "${static_libs[@]}" \
        -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=posix_memalign,--wrap=free -o "$out/counted"
    if [ -e /usr/include/alsa/asoundlib.h ]; then
        "${c99[@]}" -DWITH_ALSA "$capi/examples/play.c" "$built/libsparc.so" -lasound -o "$out/example-alsa"
    else
        skipped+=("$step: play.c with ALSA, whose header is not installed")
    fi
    if echo '#include <stdint.h>' | gcc -m32 -fsyntax-only -xc - 2> /dev/null; then
        for name in "${tests[@]/#/tests/}" "${examples[@]/#/examples/}"; do
            "${c99[@]}" -m32 -fsyntax-only "$capi/$name.c"
        done
    else
        skipped+=("$step: gcc -m32, which has no headers here")
    fi
}

run() {
    "$out/misuse" "$vectors/baseline/stereo.sparc"
    "$out/decoder" "$vectors"/*/*.sparc
    "$out/encoder" models/speech.sparcmodel
    "$out/fixed" "$vectors"/*/*.sparc
    "$out/counted" "$vectors"/*/*.sparc
}

# The sound that the specification's vectors pin, bit by bit.
pinned() {
    local file sound found count=0
    while IFS=$'\t' read -r file _ _ _ sound; do
        [ "$file" = file ] && continue
        found=error
        if "$out/pcm" "$vectors/$file" > "$out/pcm.raw"; then
            found=$(sha256sum < "$out/pcm.raw" | cut -d' ' -f1)
        fi
        [ "$found" = "${sound%% *}" ] || fail "$file gives other sound than the manifest says"
        count=$((count + 1))
    done < "$vectors/MANIFEST.tsv"
    [ "$count" -gt 100 ] || fail "the manifest lists hardly any vectors"
    echo "$count vectors as the manifest says"
}

# The examples against the command: the same WAV files, and the same streams.
compared() {
    local sparc=${SPARC:-$usual/release/sparc} file count=0 from
    if [ ! -x "$sparc" ]; then
        CARGO_TARGET_DIR=$usual cargo build --locked --release --no-default-features -p sparc-cli
    fi
    for file in samples/speech-high.wav samples/speech-low.wav; do
        from=$out/$(basename "$file" .wav)
        "$sparc" -q encode "$file" "$from.expected" --bitrate 6000
        "$out/example-encode" "$file" "$from.sparc" 6000
        cmp "$from.expected" "$from.sparc" || fail "the example encodes $file otherwise than the command"
    done
    for file in "$vectors"/{baseline,uncommon}/*.sparc "$out"/*.sparc; do
        rm -f "$out/expected.wav"
        # Damage that is concealed has an exit code of its own.
        "$sparc" -q decode "$file" "$out/expected.wav" 2> /dev/null || [ $? -eq 8 ] || continue
        "$out/example-decode" "$file" "$out/found.wav" 2> /dev/null || fail "the example does not decode $file"
        cmp "$out/expected.wav" "$out/found.wav" || fail "the example decodes $file otherwise than the command"
        "$out/example-play" "$file" 2> /dev/null > "$out/found.raw" || fail "the example does not play $file"
        cmp "$out/found.raw" <("$out/readme" < "$file" 2> /dev/null) || fail "the README's program decodes $file otherwise"
        cmp <(tail -c "$(wc -c < "$out/found.raw")" "$out/expected.wav") "$out/found.raw" || fail "$file plays otherwise"
        count=$((count + 1))
    done
    [ "$count" -gt 90 ] || fail "only $count streams were compared"
    echo "$count streams as the command decodes them"
}

# Few streams, for it is forty times as slow. Small ones of every kind.
few() {
    printf '%s\n' "$vectors"/baseline/{example,stereo,waveform,sparse-network}.sparc \
        "$vectors"/uncommon/{eight-channels,no-samples,segment-lost-with-a-network,other-source-rate,model-of-another-id}.sparc \
        "$vectors"/faulty/{empty,header-cut,cut-in-a-segment,model-damaged,two-headers}.sparc
}

leaks() {
    installed valgrind || return 0
    local streams check=(valgrind -q --error-exitcode=9 --leak-check=full)
    mapfile -t streams < <(few)
    "${c99[@]}" -DFRAMES=17000 "$capi/tests/encoder.c" "$built/libsparc.a" "${static_libs[@]}" -o "$out/encoder-short"
    "${check[@]}" "$out/misuse" "$vectors/baseline/stereo.sparc"
    "${check[@]}" "$out/decoder" "${streams[@]}"
    "${check[@]}" "$out/fixed" "${streams[@]}"
    "${check[@]}" "$out/encoder-short" models/speech.sparcmodel
    "${check[@]}" "$out/example-decode" "$vectors/baseline/stereo.sparc" "$out/valgrind.wav"
}

# C's side instrumented; the buffers that the library reads and writes are the sanitiser's, too.
sanitised() {
    local name flags=(-fsanitize=address,undefined -fno-sanitize-recover=all)
    if ! echo 'int main(void) { return 0; }' | gcc "${flags[@]}" -xc - -o "$out/nothing" 2> /dev/null; then
        skipped+=("$step: gcc has no sanitisers here")
        return 0
    fi
    for name in "${tests[@]}"; do
        "${c99[@]}" "${flags[@]}" "$capi/tests/$name.c" "$built/libsparc.a" "${static_libs[@]}" -o "$out/sanitised-$name"
    done
    "$out/sanitised-misuse" "$vectors/baseline/stereo.sparc"
    "$out/sanitised-decoder" "$vectors"/*/*.sparc
    "$out/sanitised-encoder" models/speech.sparcmodel
    "$out/sanitised-fixed" "$vectors"/*/*.sparc
    for name in "${examples[@]}"; do
        "${c99[@]}" "${flags[@]}" "$capi/examples/$name.c" "$built/libsparc.a" "${static_libs[@]}" -o "$out/sanitised-$name"
    done
    "$out/sanitised-decode" "$vectors/baseline/stereo.sparc" "$out/sanitised.wav"
    "$out/sanitised-encode" samples/speech-low.wav "$out/sanitised.sparc"
    "$out/sanitised-play" "$out/sanitised.sparc" > "$out/sanitised.raw"
}

cplusplus() {
    installed g++ || return 0
    g++ -std=c++11 "${warnings[@]}" -I "$capi/include" "$capi/tests/cplusplus.cpp" "$built/libsparc.a" "${static_libs[@]}" \
        -o "$out/cplusplus"
    "$out/cplusplus" "$vectors/baseline/stereo.sparc"
}

# Installs into an empty folder, which is then moved: what is found there must not depend on where it was.
installs() {
    rm -rf "$out/stage" "$out/moved"
    make -s -C "$capi" install DESTDIR="$out/stage" PREFIX=/usr
    mv "$out/stage" "$out/moved"
    installed pkg-config || return 0
    export PKG_CONFIG_PATH=$out/moved/usr/lib/pkgconfig
    local flags version options=(--define-variable=prefix="$out/moved/usr")
    version=$(pkg-config --modversion sparc)
    grep -qx "version = \"$version\"" Cargo.toml || fail "sparc.pc has version $version"
    read -ra flags <<< "$(pkg-config "${options[@]}" --cflags --libs sparc)"
    gcc -std=c99 "${warnings[@]}" "$capi/examples/decode.c" "${flags[@]}" -o "$out/installed-shared"
    LD_LIBRARY_PATH=$out/moved/usr/lib "$out/installed-shared" "$vectors/baseline/stereo.sparc" "$out/installed.wav"
    LD_LIBRARY_PATH=$out/moved/usr/lib ldd "$out/installed-shared" | grep -q "libsparc.so.1 => $out/moved/usr/lib/" ||
        fail "the program does not use the library that was installed"
    read -ra flags <<< "$(pkg-config "${options[@]}" --static --cflags --libs sparc)"
    # Of the two libraries the static one.
    gcc -std=c99 "${warnings[@]}" "$capi/examples/decode.c" "${flags[@]/#-lsparc/-l:libsparc.a}" -o "$out/installed-static"
    "$out/installed-static" "$vectors/baseline/stereo.sparc" "$out/installed-static.wav"
    cmp "$out/installed.wav" "$out/installed-static.wav"
    unset PKG_CONFIG_PATH
}

cmakes() {
    installed cmake || return 0
    [ -d "$out/moved" ] || installs
    rm -rf "$out/cmake"
    mkdir "$out/cmake"
    cat > "$out/cmake/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.13)
project(uses_sparc C)
find_package(sparc 0.1 CONFIG REQUIRED)
foreach(kind sparc static)
  add_executable(decode-\${kind} $capi/examples/decode.c)
  target_link_libraries(decode-\${kind} PRIVATE sparc::\${kind})
  set_target_properties(decode-\${kind} PROPERTIES C_STANDARD 99)
endforeach()
END
    cmake -S "$out/cmake" -B "$out/cmake/build" -DCMAKE_PREFIX_PATH="$out/moved/usr" > "$out/cmake/log"
    cmake --build "$out/cmake/build" >> "$out/cmake/log"
    local kind
    for kind in sparc static; do
        "$out/cmake/build/decode-$kind" "$vectors/baseline/stereo.sparc" "$out/cmake/$kind.wav"
    done
    cmp "$out/cmake/sparc.wav" "$out/cmake/static.wav"
    # Another series is refused.
    sed -i 's/find_package(sparc 0.1/find_package(sparc 0.2/' "$out/cmake/CMakeLists.txt"
    if cmake -S "$out/cmake" -B "$out/cmake/other" -DCMAKE_PREFIX_PATH="$out/moved/usr" > "$out/cmake/log" 2>&1; then
        fail "CMake takes this version for 0.2"
    fi
}

# Pointers of four bytes.
arm() {
    local target=armv7-unknown-linux-gnueabihf cc=arm-linux-gnueabihf-gcc name
    installed "$cc" qemu-arm || return 0
    rustup target list --installed 2> /dev/null | grep -qx "$target" || rustup target add "$target" ||
        { skipped+=("$step: rustup cannot add $target"); return 0; }
    CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_LINKER=$cc make -s -C "$capi" TARGET="$target"
    for name in "${tests[@]}"; do
        "$cc" -std=c99 "${warnings[@]}" -O1 -I "$capi/include" "$capi/tests/$name.c" \
            "$capi/target/$target/release/libsparc.a" "${static_libs[@]}" -o "$out/arm-$name"
    done
    export QEMU_LD_PREFIX=/usr/arm-linux-gnueabihf
    local streams
    mapfile -t streams < <(few)
    qemu-arm "$out/arm-misuse" "$vectors/baseline/stereo.sparc"
    qemu-arm "$out/arm-decoder" "${streams[@]}"
    qemu-arm "$out/arm-fixed" "${streams[@]}"
    qemu-arm "$out/arm-encoder" models/speech.sparcmodel
    unset QEMU_LD_PREFIX
}

steps=(header build compile run pinned compared leaks sanitised cplusplus installs cmakes)
# Only when asked for.
extra=(arm)
wanted=("$@")
for step in "${wanted[@]}"; do
    if [[ " ${steps[*]} ${extra[*]} " != *" $step "* ]]; then
        echo "no step called $step; there are: ${steps[*]} ${extra[*]}" >&2
        exit 2
    fi
done
mkdir -p "$out"
for step in "${steps[@]}" "${extra[@]}"; do
    if [ ${#wanted[@]} -gt 0 ]; then
        [[ " ${wanted[*]} " == *" $step "* ]] || continue
    elif [[ " ${extra[*]} " == *" $step "* ]]; then
        continue
    fi
    start=$SECONDS
    printf '\n== %s\n' "$step"
    # Not in a condition, or `set -e` would sleep inside the function.
    "$step"
    printf '== %s: %d s\n' "$step" $((SECONDS - start))
done
printf '\nall good\n'
if [ ${#skipped[@]} -gt 0 ]; then
    printf 'skipped: %s\n' "${skipped[@]}"
fi
