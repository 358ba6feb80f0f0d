"""When a block of an EVM chain is final: a setting of the chain, because chains differ in what they can promise.

    finality = "finalized"          the node's own tag: chains whose validators vote (geth --dev has it, too)
    finality = "safe"               the tag before it, where waiting for the last votes takes too long
    finality = "confirmations 12"   so many blocks on top: chains that can tell no more
    finality = "clique"             seals are counted (`clique.py`); the deployment names the signers
    finality = ""                   "clique" where the deployment names signers, else "finalized"; on a development
                                    chain the newest block

Clients, attestors, relayers and status tables ask here and nowhere else. A tag is the node's word, as its head is;
seals are not. A reorganisation of what a setting called final is looked for by whoever released something for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from poft.chain import ChainSpec
from poft.protocol.errors import ConfigError, Unreachable

from .clique import SIGNERS, read_signers, safe_height
from .rpc import NodeError, Object, Rpc, quantity

TAGS = ("finalized", "safe")
CLIQUE, CONFIRMATIONS = "clique", "confirmations"
MAX_CONFIRMATIONS = 9_999
"""More would outlast the states that a node keeps."""
_FORMS = f'"finalized", "safe", "clique" or "confirmations N" with N of 1 to {MAX_CONFIRMATIONS}'


@dataclass(frozen=True, slots=True)
class Tag:
    """The block that the node itself calls `name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Confirmations:
    """The block with so many on top."""

    blocks: int


@dataclass(frozen=True, slots=True)
class Seals:
    """The block that no branch of these Clique signers can replace."""

    signers: tuple[bytes, ...]


Finality = Tag | Confirmations | Seals


def read_finality(spec: ChainSpec) -> Finality:
    """The setting of a chain.

    Raises:
        ConfigError: it is none, lacks the signers, or takes the newest block of a chain that others rely on.
        Refused: CommitteeInvalid, the signers that the deployment names cannot be any.
    """
    signers = spec.deployment.get(SIGNERS)
    setting = spec.finality or _usual(spec)
    if setting in TAGS:
        return Tag(setting)
    if setting == CLIQUE:
        if signers is None:
            raise ConfigError(
                f"{spec.name}: finality {CLIQUE!r} without signers",
                f"Name them in the deployment: {SIGNERS}, addresses separated by blanks",
            )
        return Seals(read_signers(signers))
    found = re.fullmatch(rf"{CONFIRMATIONS} (\d{{1,{len(str(MAX_CONFIRMATIONS))}}})", setting)
    if found is None:
        raise ConfigError(f"{spec.name}: finality {spec.finality!r}", f"Write {_FORMS}")
    if int(found[1]) == 0 and not spec.development:
        raise ConfigError(f"{spec.name}: the newest block is final on a development chain only", f"Write {_FORMS}")
    return Confirmations(int(found[1]))


def final_height(endpoint: Rpc, finality: Finality) -> int:
    """Height of the newest final block, as this endpoint has the chain.

    Raises:
        ConfigError: the node knows no such tag.
        Refused: EvidenceDisagrees, NotSigner, BadSignature: headers that Clique's signers did not seal.
        Unreachable: no answer.
    """
    head = endpoint.number("eth_blockNumber")
    if isinstance(finality, Seals):
        return safe_height(head, partial(_header, endpoint), finality.signers)
    if isinstance(finality, Confirmations):
        return max(head - finality.blocks, 0)
    try:
        block = endpoint.record("eth_getBlockByNumber", finality.name, False)
    except NodeError as error:
        if head == 0:  # no vote was taken yet
            return 0
        raise ConfigError(
            f"{endpoint.url} knows no {finality.name} block: {error}", f"Set the chain's finality: {_FORMS}"
        ) from error
    return quantity(block.get("number")) if block is not None else 0


def _usual(spec: ChainSpec) -> str:
    if SIGNERS in spec.deployment:
        return CLIQUE
    return f"{CONFIRMATIONS} 0" if spec.development else TAGS[0]


def _header(endpoint: Rpc, height: int) -> Object:
    header = endpoint.record("eth_getBlockByNumber", hex(height), False)
    if header is None:
        raise Unreachable(f"{endpoint.url} has no block {height} below its head")
    return header
