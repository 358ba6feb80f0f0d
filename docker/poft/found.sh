#!/bin/sh
# Governance founds the consortium on its running chains; then every member's services get their files. Done again,
# it changes nothing.
set -eu
cd /consortium
poft consortium found --network network --governor governor \
    --evm-rpc http://signer-east:8545 --substrate-rpc ws://validator-east:9944
for name in east north south west; do
    poft consortium services --network network --folder "members/$name/services" \
        --evm-rpc "http://signer-$name:8545" --substrate-rpc "ws://validator-$name:9944"
done
poft consortium experiment /poft/experiments/demo.toml --network network --governor governor \
    --evm-rpc http://signer-east:8545 --substrate-rpc ws://validator-east:9944 --output governor/experiment.toml
