"""A network of five nodes, four of which found it: what the tests of validator changes run, and what they recorded.

    python -m tests.chains.validator_changes

runs it once and writes `beefy_recorded.json`: justifications of real validators before, during and after a change.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from chains.substrate import SubstrateChain
from chains.substrate.genesis import GOVERNOR, keypair
from chains.substrate.headers import digest_of, handover_item
from chains.substrate.network import SubstrateNetwork, create_network
from chains.substrate.rpc import Json, Rpc
from chains.substrate.runtime import Runtime, items, record
from chains.substrate.validator_keys import ValidatorKeys, beefy_address, development_keys
from chains.substrate.validators import set_keys, set_members, validator_set

from .chain_kit import until

NAME = "Changing validators"
NODES, FOUNDERS, SESSION = 5, 4, 8
BEEFY = b"BEEF"
RECORD = Path(__file__).parent / "beefy_recorded.json"
PATIENCE = 180.0


def keys_of(position: int) -> ValidatorKeys:
    """The keys of a node."""
    return development_keys(NAME, position)


def create(folder: Path) -> SubstrateNetwork:
    """The network; the fifth node has coins, so that it can register its keys."""
    payer = "0x" + bytes(keys_of(NODES - 1).payer.seed_hex).hex()
    return create_network(folder, NAME, NODES, [payer], founders=FOUNDERS, session_length=SESSION)


def replace_first(runtime: Runtime) -> None:
    """The first validator goes, the fifth comes."""
    set_keys(runtime, keys_of(NODES - 1))
    set_members(runtime, keypair(GOVERNOR), [keys_of(at).public.account for at in range(1, NODES)])


def commitment(rpc: Rpc, height: int) -> bytes | None:
    """BEEFY's justification of a block, where the node has one."""
    found = rpc.record("chain_getBlock", rpc.text("chain_getBlockHash", height))["justifications"]
    for pair in items(found) if found is not None else []:
        engine, raw = (bytes(part) for part in items(pair))  # type: ignore[arg-type]
        if engine == BEEFY:
            return raw
    return None


def header(rpc: Rpc, height: int) -> dict[str, Json]:
    """The header of a block."""
    return rpc.record("chain_getHeader", rpc.text("chain_getBlockHash", height))


def _set(runtime: Runtime, height: int) -> dict[str, Json]:
    """The set that signs a block: the one of its state, since the first block of a set is signed by that set."""
    block = runtime.rpc.text("chain_getBlockHash", height)
    found = validator_set(runtime, block)
    said = handover_item(digest_of(header(runtime.rpc, height)))
    assert said is not None
    members: list[Json] = ["0x" + address.hex() for address in sorted(map(beefy_address, found.keys))]
    return {"setId": found.identity, "members": members, "nextCommittee": "0x" + said.next_committee.hex()}


def _block(rpc: Rpc, height: int) -> Json:
    raw = commitment(rpc, height)
    assert raw is not None
    name = rpc.text("chain_getBlockHash", height)
    shown = rpc.record("chain_getBlock", name)
    return {
        "number": height,
        "hash": name,
        "header": record(record(shown["block"])["header"]),
        "justification": "0x" + raw.hex(),
    }


def _record(network: SubstrateNetwork) -> dict[str, Json]:
    chain = SubstrateChain(network.spec())
    runtime = Runtime(Rpc(network.validators[1].rpc))
    rpc = runtime.rpc
    sets: list[Json] = []
    blocks: list[Json] = []

    def identity() -> int:
        return validator_set(runtime).identity

    def take(first: int, count: int) -> None:
        until(lambda: all(commitment(rpc, height) for height in range(first, first + count)), "commitments", PATIENCE)
        blocks.extend(_block(rpc, height) for height in range(first, first + count))

    until(lambda: chain.final_height() >= 3, "finality", PATIENCE)
    sets.append({**_set(runtime, 1), "first": 1})
    take(1, 3)
    replace_first(runtime)
    for wanted in (1, 2):
        until(lambda wanted=wanted: identity() >= wanted, f"set {wanted}", PATIENCE)  # type: ignore[misc]
        low = chain.height()
        while int(str(_set(runtime, low)["setId"])) >= wanted:
            low -= 1
        until(lambda low=low: chain.final_height() >= low + 3, "finality in the set", PATIENCE)  # type: ignore[misc]
        sets.append({**_set(runtime, low + 1), "first": low + 1})
        take(low, 4)
    evidence = chain.finality_evidence(chain.final_height())
    chain.close()
    return {
        "origin": "five poft-nodes 0.1.0 at slots of one second, four of which found the network; the first validator"
        " is replaced by the fifth node; chain_getBlock of another",
        "name": network.name,
        "domain": "0x" + network.domain.hex(),
        "genesis": network.spec().deployment["genesis"],
        "sets": sets,
        "blocks": blocks,
        "evidence": {"height": evidence.height, "blockHash": "0x" + evidence.block_hash.hex()},
    }


def main() -> None:
    """Writes the record."""
    with tempfile.TemporaryDirectory() as folder:
        network = create(Path(folder))
        network.start()
        try:
            recorded = _record(network)
        finally:
            network.stop()
    RECORD.write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
