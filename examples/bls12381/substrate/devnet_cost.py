"""What an update costs a devnet: milliseconds of the node's processor time, beside CMT1's.

    python substrate/devnet_cost.py RUNTIME.wasm         the embedded devnet, which interprets the runtime
    python substrate/devnet_cost.py RUNTIME.wasm node    PoFT's own node, which compiles it (make node)

The clock would tell as much of the machine's other work. The node's bookkeeping for a block (about 100 ms) is in it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil
from chains.substrate import SubstrateDevnet
from poft.chain import Chain, connect
from poft.conformance.hosts import DRIFT, STALENESS, Follower
from poft.conformance.plugin import find

SIZES = (4, 21)
"""A block of the runtime has no time for the proofs of possession of more than 22 members at once."""
UPDATES = 5


def spent(node: psutil.Process, since: float = 0.0) -> float:
    """Milliseconds of processor time beyond `since`."""
    times = node.cpu_times()
    return (times.user + times.system) * 1000 - since


def measure(chain: Chain, node: psutil.Process, scheme: str, members: int) -> None:
    """Creates a client and updates it, by the smallest quorum and by everybody."""
    subject = find(scheme)
    label = f"{scheme} {members}".encode()
    source = subject.plugin.source(members, label)
    followed = Follower(chain, source, label)
    began = spent(node)
    chain.create_client(source.domain, scheme.encode(), source.genesis(), DRIFT, STALENESS)
    created = spent(node, began)
    chain.set_peer(followed.peer)
    for who, signers in (("quorum", None), ("everybody", members)):
        updates, length, weight = [], 0, 0
        for _ in range(UPDATES):
            followed.export()
            proof = source.prove(followed.claim(len(followed.packets) - 1), signers)
            began = spent(node)
            weight = chain.update_client(source.domain, proof).cost
            updates.append(spent(node, began))
            length = len(proof)
        words = f"{median(updates):5.0f} ms an update, {weight / 1e9:5.1f} ms charged, {length:5} bytes"
        print(f"{scheme} {members:2} {who:9}: {words}, {created:5.0f} ms the creation")


def main(runtime: str, engine: str = "chopsticks") -> None:
    """Measures on a devnet of its own."""
    with tempfile.TemporaryDirectory(prefix="poft-interpreted-") as folder:
        devnet = SubstrateDevnet(engine, runtime=Path(runtime))
        spec = devnet.start(Path(folder), "interpreted", 0)
        try:
            node = psutil.Process(devnet.status(Path(folder)).pid)
            chain = connect(spec)
            began = time.perf_counter()
            for scheme in ("CMT1", "BLS1"):
                for members in SIZES:
                    measure(chain, node, scheme, members)
            print(f"{time.perf_counter() - began:.0f} s")
            chain.close()
        finally:
            devnet.stop(Path(folder))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
