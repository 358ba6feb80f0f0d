#!/bin/sh
# Starts a validator. MEMBER says whose; further arguments go to the node.
#
#   /network/node-spec.json, bootnodes   the chain and its validators (poft consortium network)
#   /run/secrets/validator               this one's keys
set -eu
unpack.sh /run/secrets/validator /keys
while read -r name address; do
    [ "$name" = "$MEMBER" ] || set -- "$@" --bootnodes "$address"
done </network/bootnodes

# The other containers of this member ask by another name than localhost, hence cors; the port is not published, and
# of the methods only the safe ones are served.
exec poft-node --chain /network/node-spec.json --base-path /data --name "$MEMBER" --validator \
    --keystore-path /keys/keystore --node-key-file /keys/node.key --listen-addr /ip4/0.0.0.0/tcp/30333 \
    --rpc-port 9944 --unsafe-rpc-external --rpc-methods safe --rpc-cors all \
    --state-pruning archive --blocks-pruning archive \
    --no-telemetry --no-prometheus --no-mdns --offchain-worker never --disable-log-color "$@"
