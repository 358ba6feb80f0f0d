#!/bin/sh
# Builds the runtime's WebAssembly into runtime.wasm.zst and records in runtime.source.json what it was built from.
#
#   build_runtime.sh           build (Rust is needed)
#   build_runtime.sh --check   exit 1 when the sources have moved on since the committed artefact (nothing is needed)
#   build_runtime.sh --weights build it with its benchmarks, run them (bencher/) and rewrite pallets/*/src/weights.rs
#
# Two toolchains can build it: a rustup toolchain that has the target (`rustup target add wasm32v1-none`), or Debian's
# rustc-web with its sources, which builds `core` and `alloc` for the target as well. Everything is built outside the
# checkout, so that clones share it.
set -eu
cd "$(dirname "$0")"

# One digest over "sha256  path" of every file that the WebAssembly is made from, sorted by path; tests are not.
sources() {
    find Cargo.toml Cargo.lock primitives schemes pallets runtime -type f \( -name '*.rs' -o -name 'Cargo.*' \) \
        ! -path '*/tests/*' ! -path '*/examples/*' ! -name tests.rs ! -name mock.rs ! -name testing.rs \
        ! -name harness.rs ! -name benchmarking.rs ! -name benchmarks.rs |
        LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d ' ' -f 1
}

field() {
    sed -n "s/^ *\"$1\": \"\(.*\)\",\{0,1\}$/\1/p" runtime.source.json
}

if [ "${1:-}" = --check ]; then
    if [ "$(sources)" != "$(field sources)" ]; then
        echo "runtime.wasm.zst was built from other sources: run make runtime" >&2
        exit 1
    fi
    if [ "$(sha256sum <runtime.wasm.zst | cut -d ' ' -f 1)" != "$(field artefact)" ]; then
        echo "runtime.wasm.zst is not the file that runtime.source.json records: run make runtime" >&2
        exit 1
    fi
    exit 0
fi

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/poft/target}"
flags="--cfg substrate_runtime -C link-arg=--export-table -C link-arg=--allow-undefined"

command -v zstd >/dev/null || { echo "zstd is missing: apt-get install zstd" >&2; exit 1; }
if rustc --print target-libdir --target wasm32v1-none 2>/dev/null | xargs -r test -d; then
    cargo=cargo rustc=rustc std=""
elif [ -d /usr/lib/rustlib/src/rust ] && [ -x /usr/bin/cargo ]; then
    command -v wasm-ld-19 >/dev/null || { echo "wasm-ld-19 is missing: apt-get install lld-19" >&2; exit 1; }
    cargo=/usr/bin/cargo rustc=/usr/bin/rustc std="-Zbuild-std=core,alloc"
    flags="$flags -C linker=wasm-ld-19"
    export RUSTC_BOOTSTRAP=1
else
    echo "no Rust for wasm32v1-none: rustup target add wasm32v1-none," >&2
    echo "or apt-get install rustc-web cargo-web rust-web-src lld-19 protobuf-compiler clang" >&2
    exit 1
fi
export RUSTC="$rustc" CARGO_TARGET_WASM32V1_NONE_RUSTFLAGS="$flags"

if [ "${1:-}" = --weights ]; then
    # Another folder: with their features on, none of the crates are those of the runtime.
    CARGO_TARGET_DIR="$CARGO_TARGET_DIR/weights" $cargo rustc --locked -p poft-runtime --release --no-default-features \
        --features runtime-benchmarks --target wasm32v1-none --crate-type cdylib $std
    (cd bencher && $cargo build --release --locked)
    place="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(date -u +%Y-%m-%d)"
    for pallet in bridge federation validators; do
        "$CARGO_TARGET_DIR/release/poft-bencher" "$CARGO_TARGET_DIR/weights/wasm32v1-none/release/poft_runtime.wasm" \
            "pallet_poft_$pallet" "pallets/$pallet/src/weights.rs" "$place"
    done
    exit 0
fi

before="$(sources)"
command="cargo rustc --locked -p poft-runtime --release --no-default-features --target wasm32v1-none --crate-type cdylib"
# shellcheck disable=SC2086 # words are meant
$cargo ${command#cargo } $std
wasm="$CARGO_TARGET_DIR/wasm32v1-none/release/poft_runtime.wasm"
[ "$(sources)" = "$before" ] || { echo "the sources changed during the build: run it again" >&2; exit 1; }

zstd -19 --quiet --force "$wasm" -o runtime.wasm.zst
cat >runtime.source.json <<JSON
{
  "sources": "$before",
  "wasm": "$(sha256sum <"$wasm" | cut -d ' ' -f 1)",
  "artefact": "$(sha256sum <runtime.wasm.zst | cut -d ' ' -f 1)",
  "rustc": "$($rustc --version)",
  "command": "$command${std:+ $std}",
  "rustflags": "$flags"
}
JSON
ls -l runtime.wasm.zst | awk '{print $5, "bytes", $9}'
