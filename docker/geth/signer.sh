#!/bin/sh
# Starts a signer of the Clique chain; further arguments go to geth.
#
#   /network/genesis.json, peers.toml, bootnodes   the chain and its signers (poft consortium network)
#   /run/secrets/signer                            this one's keys
set -eu
unpack.sh /run/secrets/signer /keys
[ -d /data/geth/chaindata ] || geth --datadir /data --db.engine leveldb --state.scheme hash --verbosity 2 init /network/genesis.json
chain_id=$(sed -n 's/.*"chainId": *\([0-9]*\).*/\1/p' /network/genesis.json)
members=$(wc -l </network/bootnodes)

# Who seals before it sees its peers makes a branch that is thrown away later.
seal_when_connected() {
    until [ "$(geth attach --exec net.peerCount /tmp/geth.ipc 2>/dev/null || echo 0)" -ge $((members / 2)) ]; do
        sleep 1
    done
    geth attach --exec 'miner.start()' /tmp/geth.ipc
}
seal_when_connected &

# The account is unlocked to seal, and has no coins. The port of JSON-RPC is not published; other containers of this
# member ask it by another name than localhost, hence vhosts.
exec geth --datadir /data --db.engine leveldb --config /network/peers.toml --networkid "$chain_id" \
    --keystore /keys/keystore --nodekey /keys/nodekey --unlock "$(cat /keys/address)" --password /keys/password \
    --allow-insecure-unlock --miner.etherbase "$(cat /keys/address)" --miner.gasprice 1 \
    --port 30303 --nodiscover --nat none --syncmode full --gcmode archive --ipcpath /tmp/geth.ipc --authrpc.port 0 \
    --http --http.addr 0.0.0.0 --http.port 8545 --http.api eth,net,web3,clique --http.vhosts '*' --verbosity 2 "$@"
