#!/usr/bin/env bash
# The Python package from a clean clone: builds the wheel, installs it where nothing else is, and tests it there. Ends
# non-zero at the first thing that does not hold.
#
#   tests/python.sh            everything that can be run here
#   tests/python.sh torch ray pyspark
#                              with these installed from PyPI for their tests, which are skipped otherwise
#
# Needs Rust 1.85 or later and Python 3.9 or later (PYTHON says which), and PyPI for numpy, maturin, pytest, hypothesis and mypy.
# The tests against the command run where it is built (target/release/sparc, or SPARC_COMMAND). CARGO_TARGET_DIR/python holds
# what is built, the wheel in its folder `wheels`. PIP_ARGUMENTS goes to pip, such as for another index.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
extra=()
for name in "$@"; do
    case $name in
        torch) extra+=(torch) ;;
        ray) extra+=("ray[data]" soundfile) ;;
        pyspark) extra+=(pyspark pyarrow soundfile) ;;
        *) echo "nothing called $name; there are torch, ray and pyspark" >&2; exit 2 ;;
    esac
done

# The Python of a new environment, with what is named installed from PyPI.
environment() {
    local place=$scratch/$1
    shift
    "${PYTHON:-python3}" -m venv "$place"
    # shellcheck disable=SC2086
    "$place/bin/pip" install --quiet --disable-pip-version-check ${PIP_ARGUMENTS:-} "$@"
}

printf '== build\n'
environment build "maturin>=1.9.4,<2"
rm -rf "$target/python/wheels"
CARGO_TARGET_DIR=$target/python "$scratch/build/bin/maturin" build --quiet --locked --release \
    --manifest-path python/Cargo.toml --out "$target/python/wheels"
wheel=$(echo "$target"/python/wheels/*.whl)
printf '%s: %s bytes\n' "$(basename "$wheel")" "$(stat -c %s "$wheel")"

printf '== a clean environment\n'
environment alone "$wheel"
(cd "$scratch" && alone/bin/python -c '
import numpy, sparc
samples, rate = sparc.decode(sparc.encode(numpy.zeros(16000, "f4"), 16000))
assert (samples.shape, rate) == ((16000,), 16000)
')

printf '== tests\n'
environment tests "$wheel" hypothesis mypy pytest "${extra[@]}"
for name in torch ray pyspark; do
    "$scratch/tests/bin/python" -c "import $name" 2> /dev/null || printf '%s is not installed: its tests are skipped\n' "$name"
done
cd python
# Nothing of a test run is left in the tree.
export HYPOTHESIS_STORAGE_DIRECTORY=$scratch/hypothesis
"$scratch/tests/bin/python" -B -m pytest -q -rs -p no:cacheprovider

printf '== types\n'
export MYPY_CACHE_DIR=$scratch/mypy
"$scratch/tests/bin/mypy"
# What runs is held against what the stubs say.
(cd "$scratch" && tests/bin/stubtest sparc --mypy-config-file "$OLDPWD/pyproject.toml")
printf '== all good\n'
