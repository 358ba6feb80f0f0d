"""What a run tries against its own links, over the real RPC, with packets that wait for delivery.

The attacker is a relayer who also got hold of whatever the case names: honest statements, packets and proofs always,
and for some cases the keys of a whole committee (the run knows its devnet keys). Every case states the code with which
it has to be refused; it counts as refused only when that code came back and the destination's state did not change.
At the end the honest delivery goes through, in two transactions, so that each part's cost is measured.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from experiments.services import Attestor
from poft.chain import Chain, ClientStatus, OutboxEntry
from poft.model.commitment import checkpoint_model
from poft.model.store import ArtifactStore
from poft.protocol.checkpoint import decode_payload
from poft.protocol.errors import Code, PoftError, Unreachable
from poft.protocol.finality import Finality, quorum, sign_finality
from poft.protocol.hashing import keccak
from poft.protocol.merkle import consistency_proof, inclusion_proof, log_root
from poft.protocol.signatures import CURVE_ORDER
from poft.verification.receive import PacketProof
from poft.verification.schemes.cmt1 import CommitteeProof, build_proof
from relayers.wire import MAX_PAGE_BYTES, read_page

STATEMENT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class LinkUnderAttack:
    """A direction of traffic with at least one packet that waits; `source_store` is the source's folder."""

    name: str
    source: Chain
    destination: Chain
    attestors: Sequence[Attestor]
    other_attestors: Sequence[Attestor]
    source_store: Path


@dataclass(frozen=True, slots=True)
class Forgery:
    """One attempt. `code` is what the destination answered."""

    link: str
    name: str
    code: str
    refused: bool


@dataclass(frozen=True, slots=True)
class Honest:
    """What an honest relayer would deliver now, and what the attacker starts from."""

    proof: CommitteeProof
    packet: PacketProof
    size: int
    leaves: tuple[bytes, ...]
    client: ClientStatus
    delivered: OutboxEntry | None


def attack(link: LinkUnderAttack) -> tuple[list[Forgery], dict[str, int]]:
    """Runs all cases, then delivers honestly; returns the attempts and what update and delivery cost."""
    honest = _honest(link)
    results = [_attempt(link, name, code, act) for name, code, act in _cases(link, honest)]
    source = link.source.domain
    update = link.destination.update_client(source, honest.proof.encode())
    results += [_attempt(link, name, code, act) for name, code, act in _cases_after_update(link, honest)]
    delivery = link.destination.deliver(source, None, honest.size, [honest.packet])
    results += [
        _attempt(
            link,
            "the delivered packet once more",
            Code.NonceReplayed,
            lambda: link.destination.deliver(source, None, honest.size, [honest.packet]),
        )
    ]
    costs = {
        "update": update.cost,
        "delivery": delivery.cost,
        "ledger_bytes": link.destination.ledger_bytes([update, delivery]),
    }
    return results, costs


Case = tuple[str, Code, Callable[[], object]]


def _cases(link: LinkUnderAttack, honest: Honest) -> list[Case]:
    """Finality proofs that must not move the client, and packets that no finalised outbox covers."""
    proof, said = honest.proof, honest.proof.statement
    members, keys = proof.members, {one.address: one.key for one in link.attestors}
    source = link.source.domain

    def deliver(forged: CommitteeProof) -> Callable[[], object]:
        return lambda: link.destination.update_client(source, forged.encode())

    def quorum_says(statement: Finality, domain: bytes = source) -> CommitteeProof:
        signatures = {member: sign_finality(keys[member], domain, statement) for member in members}
        return build_proof(statement, members, signatures, proof.consistency)

    rewritten = [keccak(leaf) for leaf in honest.leaves]
    lie = replace(said, outbox_root=log_root(rewritten))
    history = replace(
        quorum_says(lie),
        consistency=tuple(consistency_proof(rewritten, honest.client.state.outbox_size)),
    )
    outsiders = {keccak(b"outsider" + one.key): one for one in link.attestors}
    outside = tuple(sign_finality(key, source, said) for key in list(outsiders)[: len(proof.signatures)])
    others = sorted(one.address for one in link.other_attestors)
    other_keys = {one.address: one.key for one in link.other_attestors}
    foreign = build_proof(
        said, others, {a: sign_finality(other_keys[a], source, said) for a in others}, proof.consistency
    )
    few = quorum(len(members)) - 1
    drifted = replace(said, timestamp=2**63)
    cases: list[Case] = [
        ("statement signed by outsiders", Code.NotSigner, deliver(replace(proof, signatures=outside))),
        ("another chain's committee", Code.CommitteeMismatch, deliver(foreign)),
        (
            "one signature short of a quorum",
            Code.QuorumNotReached,
            deliver(replace(proof, bitmap=(1 << few) - 1, signatures=proof.signatures[:few])),
        ),
        (
            "one signature under every bit",
            Code.NotSigner,
            deliver(replace(proof, signatures=(proof.signatures[0],) * len(proof.signatures))),
        ),
        (
            "a bit without its signature",
            Code.BitmapMismatch,
            deliver(replace(proof, bitmap=(1 << len(members)) - 1, signatures=proof.signatures[:-1])),
        ),
        ("malleable signature (high s)", Code.HighS, deliver(_malleable(proof))),
        ("altered outbox root", Code.NotSigner, deliver(replace(proof, statement=lie))),
        ("statement for another chain's domain", Code.NotSigner, deliver(quorum_says(said, link.destination.domain))),
        ("past epoch", Code.WrongEpoch, deliver(quorum_says(replace(said, epoch=said.epoch - 1)))),
        ("future epoch", Code.WrongEpoch, deliver(quorum_says(replace(said, epoch=said.epoch + 1)))),
        ("history rewritten by a full quorum", Code.InconsistentLog, deliver(history)),
        (
            "padded consistency proof",
            Code.ProofLength,
            deliver(replace(proof, consistency=(*proof.consistency, bytes(32)))),
        ),
        ("clock far ahead, by a full quorum", Code.TimestampDrift, deliver(quorum_says(drifted))),
        (
            "packet under an outbox that nobody finalised",
            Code.UnknownOutbox,
            lambda: link.destination.deliver(source, None, honest.size, [honest.packet]),
        ),
    ]
    state = honest.client.state
    if state.height:
        stale = replace(said, height=state.height, block_hash=keccak(b"fork"))
        cases.append(("another block of an old height, full quorum", Code.StaleHeight, deliver(quorum_says(stale))))
    if state.outbox_size:
        shrunk = replace(said, outbox_size=state.outbox_size - 1)
        cases.append(("a log that shrank, by a full quorum", Code.SizeRegression, deliver(quorum_says(shrunk))))
    return cases


def _cases_after_update(link: LinkUnderAttack, honest: Honest) -> list[Case]:
    """Packets that must not be taken although their outbox is final, and a model that is not what was announced."""
    source, good = link.source.domain, honest.packet
    packet = good.packet

    def deliver(forged: PacketProof) -> Callable[[], object]:
        return lambda: link.destination.deliver(source, None, honest.size, [forged])

    def altered(**fields: object) -> Callable[[], object]:
        return deliver(replace(good, packet=replace(packet, **fields)))  # type: ignore[arg-type]

    flipped = bytes([good.payload[100] ^ 1])
    cases: list[Case] = [
        ("altered packet (expiry)", Code.RootMismatch, altered(expires_at=packet.expires_at + 10**9)),
        ("altered packet (payload hash)", Code.RootMismatch, altered(payload_hash=keccak(b"other"))),
        (
            "altered payload",
            Code.PayloadMismatch,
            deliver(replace(good, payload=good.payload[:100] + flipped + good.payload[101:])),
        ),
        ("nonce ahead of its turn", Code.NonceGap, altered(nonce=packet.nonce + 1)),
        ("packet for another chain", Code.WrongDestination, altered(dest_domain=source)),
        ("packet from another source", Code.WrongSource, altered(source_domain=link.destination.domain)),
        ("packet of another sender", Code.WrongSender, altered(sender=keccak(b"stranger"))),
        ("packet to another application", Code.WrongReceiver, altered(receiver=keccak(b"stranger"))),
        ("unknown packet version", Code.WrongVersion, altered(version=2)),
        ("wrong index at the end of the log", Code.IndexOutOfRange, deliver(replace(good, leaf_index=honest.size))),
        ("padded inclusion proof", Code.ProofLength, deliver(replace(good, proof=(*good.proof, bytes(32))))),
        ("altered model chunk", Code.ChunkMismatch, lambda: _altered_chunk(link, good)),
    ]
    if good.proof:
        first = bytes([good.proof[0][0] ^ 1]) + good.proof[0][1:]
        cases += [
            ("truncated inclusion proof", Code.ProofLength, deliver(replace(good, proof=good.proof[:-1]))),
            ("altered inclusion proof", Code.RootMismatch, deliver(replace(good, proof=(first, *good.proof[1:])))),
        ]
    if (old := honest.delivered) is not None:
        proof = tuple(inclusion_proof(honest.leaves, old.index))
        replay = PacketProof(old.packet, old.payload, old.index, proof)
        cases.append(("replay of a delivered packet", Code.NonceReplayed, deliver(replay)))
    return cases


def _attempt(link: LinkUnderAttack, name: str, expected: Code, act: Callable[[], object]) -> Forgery:
    before = _state(link)
    try:
        act()
    except PoftError as error:
        code = getattr(error, "code", None)
        answer = code.name if isinstance(code, Code) else str(error)
        return Forgery(link.name, name, answer, code is expected and _state(link) == before)
    return Forgery(link.name, name, Code.Ok.name, False)


def _state(link: LinkUnderAttack) -> tuple[ClientStatus, int, int]:
    """What a forgery could have changed on the destination."""
    source = link.source.domain
    return link.destination.client(source), link.destination.next_nonce(source), len(link.destination.imports())


def _altered_chunk(link: LinkUnderAttack, good: PacketProof) -> None:
    """The announced model from a mirror that changed its last byte, fetched as a destination fetches it."""
    ref = checkpoint_model(decode_payload(good.payload).checkpoint)
    with tempfile.TemporaryDirectory() as place:
        evil = Path(place) / "mirror"
        model = Path("models") / ref.model_root.hex()
        shutil.copytree(link.source_store / model, evil / model)
        container = evil / model / "model.safetensors"
        data = bytearray(container.read_bytes())
        data[-1] ^= 1
        container.write_bytes(data)
        ArtifactStore(f"{place}/own", [str(evil)]).fetch_model(ref)


def _malleable(proof: CommitteeProof) -> CommitteeProof:
    """The same proof with the first signature's other form: (r, n - s) verifies wherever s is not checked."""
    first = proof.signatures[0]
    s = CURVE_ORDER - int.from_bytes(first[32:64], "big")
    other = first[:32] + s.to_bytes(32, "big") + bytes([55 - first[64]])
    return replace(proof, signatures=(other, *proof.signatures[1:]))


def _honest(link: LinkUnderAttack) -> Honest:
    source = link.source.domain
    nonce = link.destination.next_nonce(source)
    size = link.source.outbox_size()
    entries = link.source.outbox_entries(0, size)
    leaves = tuple(entry.packet.id for entry in entries)
    ours = [entry for entry in entries if entry.packet.dest_domain == link.destination.domain]
    entry = next(entry for entry in ours if entry.packet.nonce == nonce)
    client = link.destination.client(source)
    statement, signatures = _statement(link, size)
    members = sorted(one.address for one in link.attestors)
    consistency = consistency_proof(leaves, client.state.outbox_size)
    proof = build_proof(statement, members, signatures, consistency)
    packet = PacketProof(entry.packet, entry.payload, entry.index, tuple(inclusion_proof(leaves, entry.index)))
    delivered = next((one for one in ours if one.packet.nonce < nonce), None)
    return Honest(proof, packet, size, leaves, client, delivered)


def _statement(link: LinkUnderAttack, size: int) -> tuple[Finality, dict[bytes, bytes]]:
    """The statement about an outbox of this size with a quorum's signatures, from the attestors' own service."""
    deadline = time.monotonic() + STATEMENT_SECONDS
    after = link.destination.client(link.source.domain).state.height
    while time.monotonic() < deadline:
        found: dict[Finality, dict[bytes, bytes]] = {}
        for attestor in link.attestors:
            answer = httpx.get(f"{attestor.url}/statements", params={"after": after}, timeout=5.0)
            for one in read_page(link.source.domain, answer.content[: MAX_PAGE_BYTES + 1]):
                if one.statement.outbox_size == size:
                    found.setdefault(one.statement, {})[attestor.address] = one.signature
        for statement, signatures in found.items():
            if len(signatures) >= quorum(len(link.attestors)):
                return statement, signatures
        time.sleep(0.1)
    raise Unreachable(f"{link.name}: no quorum of attestors for an outbox of {size} within {STATEMENT_SECONDS:.0f} s")
