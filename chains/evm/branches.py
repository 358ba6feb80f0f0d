"""A chain as one of its nodes has it: headers and the outbox in its state, for whoever compares branches.

What a node says is checked against itself (`evidence.py`). Whether it is the chain, seals say, not the node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import rlp  # type: ignore[import-untyped]

from poft.chain import Consortium
from poft.protocol.errors import Code, ConfigError, Refused
from poft.protocol.hashing import keccak
from poft.verification.state_proof import StateProof

from .clique import SIGNERS, read_signers
from .evidence import commitment_proof, finality_evidence, header_fields, read_state_proof
from .rpc import Rpc, hex_bytes, read_bytes

SINCE = "cliqueSince"
"""Key in a deployment: the height of the last recovery of clients that follow its signers; missing: 0."""
CHECKPOINT = "cliqueEpoch"
"""Key in a deployment: every so many blocks the signers are listed; missing: 30,000, as EIP-225 has it."""
_EIP_225 = 30_000


class EndpointBranch:
    """The chain as one endpoint has it. See `poft.chain.Branch`."""

    def __init__(self, endpoint: Rpc, outbox: bytes, check: Callable[[Rpc], None]) -> None:
        """`check` refuses an endpoint of another chain."""
        self._endpoint, self._outbox, self._check = endpoint, outbox, check

    @property
    def url(self) -> str:
        return self._endpoint.url

    def head(self) -> int:
        self._check(self._endpoint)
        return self._endpoint.number("eth_blockNumber")

    def header(self, height: int) -> bytes | None:
        found = self._endpoint.record("eth_getBlockByNumber", hex(height), False)
        return None if found is None else bytes(rlp.encode(header_fields(found)))

    def outbox(self, height: int) -> tuple[int, bytes]:
        said = finality_evidence(self._endpoint, self._outbox, height)
        return said.outbox_size, said.outbox_root

    def state_proof(self, height: int) -> StateProof:
        return read_state_proof(commitment_proof(self._endpoint, self._outbox, height))


def read_consortium(endpoint: Rpc, outbox: bytes, deployment: Mapping[str, str]) -> Consortium:
    """The sealers that a deployment names, and the code of its outbox.

    Raises:
        Refused: CommitteeInvalid, it names none.
        ConfigError: a height that is no number, or no code at the outbox's address.
    """
    if SIGNERS not in deployment:
        raise Refused(Code.CommitteeInvalid, SIGNERS, "the deployment names no signers")
    code = read_bytes(endpoint.text("eth_getCode", hex_bytes(outbox), "latest"))
    if not code:
        raise ConfigError(f"{endpoint.url} has no code at 0x{outbox.hex()}", "Check the deployment's Outbox")
    since, checkpoint = _number(deployment, SINCE, 0), _number(deployment, CHECKPOINT, _EIP_225)
    if checkpoint == 0:
        raise ConfigError(f"{CHECKPOINT} is 0", f"Write the genesis' clique.epoch, or leave {CHECKPOINT} out")
    return Consortium(outbox, keccak(code), read_signers(deployment[SIGNERS]), since, checkpoint)


def _number(deployment: Mapping[str, str], key: str, usual: int) -> int:
    text = deployment.get(key, str(usual))
    if not text.isdecimal():
        raise ConfigError(f"{key} = {text!r}", "Write a number in decimal digits")
    return int(text)
