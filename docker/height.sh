#!/bin/sh
# Health of a node: JSON-RPC answers, and the chain has another height than at the last check. So the first check after
# a start fails always.
#
#   height.sh METHOD PORT     METHOD: chain_getHeader or eth_blockNumber
set -eu
request='{"jsonrpc":"2.0","id":1,"method":"'"$1"'","params":[]}'
answer=$(curl --silent --show-error --fail --max-time 5 --header 'content-type: application/json' \
    --data "$request" "http://127.0.0.1:$2")
height=$(printf '%s' "$answer" | sed -n 's/.*"\(number\|result\)":"\(0x[0-9a-f]*\)".*/\2/p')
[ -n "$height" ] || { echo "no height: $answer" >&2; exit 1; }
last=/tmp/height
before=$(cat "$last" 2>/dev/null || echo "$height")
printf '%s' "$height" >"$last"
[ "$height" != "$before" ] || { echo "the height is still $height" >&2; exit 1; }
