#!/bin/sh
# A consortium of four on one machine: each member's keys, governance's keys, and both chains' public files, in
# /consortium. Real members do this each on their own machine (docs/docker.md).
set -eu
cd /consortium
address=11
for name in east north south west; do
    # geth wants its peers' addresses; docker/consortium.yaml gives these.
    poft consortium member "$name" --folder "members/$name" --validator "validator-$name:30333" \
        --signer "10.83.0.$address:30303" \
        --attestor-evm "attestor-evm-$name:7101" --attestor-substrate "attestor-substrate-$name:7102"
    mkdir "members/$name/services"
    address=$((address + 1))
done
poft consortium governor --folder governor
poft consortium network members/*/share.toml --governor governor/share.toml --folder network
