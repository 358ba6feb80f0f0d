#!/bin/sh
# Builds our own node (node/) and says where it lies. From nothing about 13 minutes on two free cores and 2 GB of disk;
# after a change in node/ alone a minute and a half.
#
#   build_node.sh          build
#   build_node.sh --path   print where the program lies or would lie
#
# Everything is built outside the checkout, so that clones share it. POFT_NODE_TARGET names another folder, and
# CARGO_BUILD_JOBS limits the cores.
set -eu
cd "$(dirname "$0")/node"

target="${POFT_NODE_TARGET:-${XDG_CACHE_HOME:-$HOME/.cache}/poft/node-target}"
program="$target/release/poft-node"
[ "${1:-}" != --path ] || { echo "$program"; exit 0; }

missing=""
need() {
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
package=cargo need cargo --version
package=protobuf-compiler need protoc --version
package="pkg-config libssl-dev" need pkg-config --exists openssl
if [ -n "$missing" ]; then
    echo "make node needs what is not installed:$missing" >&2
    echo "Debian and Ubuntu: apt-get install$missing (cargo: Rust 1.90 or newer, https://rustup.rs)" >&2
    exit 1
fi

# The system's OpenSSL instead of one that is compiled along.
export OPENSSL_NO_VENDOR=1 CARGO_TARGET_DIR="$target"
begin=$(date +%s)
[ -x "$program" ] || echo "building the node: 776 crates, about a quarter of an hour on two cores" >&2
cargo build --release --locked
echo "$program: $(($(wc -c <"$program") / 1000000)) MB, built in $(($(date +%s) - begin)) s, $("$program" --version)"
