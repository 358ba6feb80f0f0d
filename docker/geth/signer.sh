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

console() { # Its history has to go somewhere.
    geth attach --datadir /tmp --exec "$1" /tmp/geth.ipc
}

# Who seals before it sees its peers makes a branch that is thrown away later, and who fails at its first block, because
# the account is still being unlocked, never tries again.
seal_when_connected() {
    until peers=$(console net.peerCount 2>/dev/null) && [ "$peers" -ge $((members / 2)) ]; do
        sleep 1
    done
    until console 'eth.sign(eth.coinbase, "0x00")' 2>/dev/null | grep -q '^"0x'; do
        sleep 1
    done
    console 'miner.start()'
}
seal_when_connected &

# The account is unlocked to seal, and has no coins. The port of JSON-RPC is not published; other containers of this
# member ask it by another name than localhost, hence vhosts.
exec geth --datadir /data --db.engine leveldb --config /network/peers.toml --networkid "$chain_id" \
    --keystore /keys/keystore --nodekey /keys/nodekey --unlock "$(cat /keys/address)" --password /keys/password \
    --allow-insecure-unlock --miner.etherbase "$(cat /keys/address)" --miner.gasprice 1 \
    --port 30303 --nodiscover --nat none --syncmode full --gcmode archive --ipcpath /tmp/geth.ipc --authrpc.port 0 \
    --http --http.addr 0.0.0.0 --http.port 8545 --http.api eth,net,web3,clique --http.vhosts '*' --verbosity 2 "$@"
