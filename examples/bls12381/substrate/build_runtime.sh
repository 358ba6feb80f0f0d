#!/bin/sh
# Builds the WebAssembly of a runtime that has BLS1 into the file that is named:
#
#   build_runtime.sh OUTPUT.wasm
#
# Toolchain and flags are those of chains/substrate/build_runtime.sh; some minutes, and everything lies outside the checkout.
set -eu
output="$(realpath "${1:?the file to write}")"
cd "$(dirname "$0")"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/poft/target}"
flags="--cfg substrate_runtime -C link-arg=--export-table -C link-arg=--allow-undefined"
if rustc --print target-libdir --target wasm32v1-none 2>/dev/null | xargs -r test -d; then
    cargo=cargo rustc=rustc std=""
elif [ -d /usr/lib/rustlib/src/rust ] && [ -x /usr/bin/cargo ] && command -v wasm-ld-19 >/dev/null; then
    cargo=/usr/bin/cargo rustc=/usr/bin/rustc std="-Zbuild-std=core,alloc"
    flags="$flags -C linker=wasm-ld-19"
    export RUSTC_BOOTSTRAP=1
else
    echo "no Rust for wasm32v1-none: rustup target add wasm32v1-none," >&2
    echo "or apt-get install rustc-web cargo-web rust-web-src lld-19 protobuf-compiler clang" >&2
    exit 1
fi
export RUSTC="$rustc" CARGO_TARGET_WASM32V1_NONE_RUSTFLAGS="$flags"

# shellcheck disable=SC2086 # words are meant
"$cargo" rustc --locked -p poft-bls1-runtime --release --no-default-features --target wasm32v1-none \
    --crate-type cdylib $std
cp "$CARGO_TARGET_DIR/wasm32v1-none/release/poft_bls1_runtime.wasm" "$output"
ls -l "$output" | awk '{print $5, "bytes", $9}'
