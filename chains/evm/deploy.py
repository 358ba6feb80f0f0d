"""Deploys the contracts and gives out the roles, in the order of README.md.

Addresses follow from the payer and its nonce, so a new devnet has the same ones every time. Once this returns, the
payer is the administrator of `Authority`; on a network that others rely on, it grants that role to a Governor or a
multi-signature account and renounces it.
"""

from __future__ import annotations

from dataclasses import replace

from eth_utils.address import to_canonical_address, to_checksum_address

from poft.chain import ChainSpec
from poft.protocol.domain import evm_domain
from poft.protocol.errors import Code, Refused, Unreachable

from .abi import VERIFIERS, artifact, verifier_key
from .rpc import Rpc, quantity, read_bytes
from .sending import Payer

SENDER = 1
EXPORTER = 2
"""Roles of `Authority.sol`."""

FIRST_BLOCK = "firstBlock"
"""Key in a deployment of the height at which its outbox begins (0x hex): nothing is looked for or said below it."""

OUTBOX_BLOCK = "outboxBlock"
"""Key in a deployment of the height of the block that has created the present outbox (0x hex), where that took the
place of another one: its state says nothing about it before."""


def chain_domain(rpc: Rpc) -> bytes:
    """Domain of the chain behind an endpoint, from its chain id and the hash of its block 0."""
    genesis = rpc.record("eth_getBlockByNumber", "0x0", False)
    if genesis is None:
        raise Unreachable(f"{rpc.url} has no genesis block")
    return evm_domain(read_bytes(genesis.get("hash")), rpc.number("eth_chainId"))


def deploy(spec: ChainSpec) -> ChainSpec:
    """A fresh deployment on the chain of a spec, paid and governed by its key; returns the spec that has its addresses.

    Raises:
        Refused: WrongDomain, another chain answers.
    """
    rpc = Rpc(spec.rpc[0])
    domain = chain_domain(rpc)
    if spec.domain and spec.domain != domain:
        raise Refused(Code.WrongDomain, spec.rpc[0], "another chain answers")
    genesis = rpc.record("eth_getBlockByNumber", "0x0", False)
    assert genesis is not None  # chain_domain read it
    payer = Payer(rpc, spec.key)
    placed: dict[str, str] = {}
    created_by: dict[str, str] = {}

    def create(name: str, *arguments: object, key: str = "") -> str:
        mined = payer.send(None, artifact(name).creation(*arguments))
        created_by[name] = mined.receipt.transaction
        created = to_checksum_address(str(mined.record["contractAddress"]))
        placed[key or name] = created
        return created

    authority = create("Authority", payer.address)
    outbox = create("Outbox", authority, read_bytes(genesis["hash"]))
    for verifier in VERIFIERS:
        inner = [placed[verifier_key(scheme)] for scheme in verifier.inner]
        arguments = (inner,) if verifier.composed else inner
        create(verifier.contract, *arguments, key=verifier_key(verifier.scheme))
    light_client = create("LightClient", authority, outbox)
    inbox = create("Inbox", authority, light_client, outbox)
    registry = create("CheckpointRegistry", authority, outbox, inbox)
    federation = create("Federation", authority, registry, spec.name)
    exports = ("declareTask", "exportCheckpoint")
    _give(payer, authority, outbox, "Outbox", ("send",), SENDER, (registry, inbox))
    _give(payer, authority, registry, "CheckpointRegistry", exports, EXPORTER, (federation,))
    # Asked for now: a reorganisation may have moved it since.
    record = rpc.record("eth_getTransactionReceipt", created_by["Outbox"])
    if record is None:
        raise Unreachable(f"{rpc.url}: a reorganisation took the deployment back; deploy again")
    placed[FIRST_BLOCK] = hex(quantity(record["blockNumber"]))
    rpc.close()
    return replace(spec, domain=domain, deployment=placed)


def _give(
    payer: Payer,
    authority: str,
    target: str,
    contract: str,
    functions: tuple[str, ...],
    role: int,
    holders: tuple[str, ...],
) -> None:
    """Makes `holders` those who may call these functions of `target`."""
    manager = artifact("Authority")
    selectors = [artifact(contract).selector(function) for function in functions]
    payer.send(authority, manager.call("setTargetFunctionRole", target, selectors, role))
    for holder in holders:
        payer.send(authority, manager.call("grantRole", role, to_canonical_address(holder), 0))
