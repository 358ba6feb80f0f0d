"""Vectors of ESP1: a header that a committee finalised, and the outbox in the state below it (docs/vectors.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from poft.protocol.finality import Finality, committee_hash, sign_finality
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.merkle import consistency_proof, log_root
from poft.protocol.signatures import key_address
from poft.verification.api import Limits, TrustState
from poft.verification.schemes.cmt1 import CommitteeGenesis, CommitteeProof, build_proof
from poft.verification.schemes.esp1 import OutboxGenesis, OutboxProof, StateProofVerifier, outbox_authority
from poft.verification.state_proof import COMMITMENT_SLOT, StateProof, outbox_commitment

from .tries import World, account_record, encode, tall, world

Named = tuple[str, dict[str, object], Callable[[], object]]

OUTBOX = keccak(b"poft/vector/outbox")[:20]
DOMAIN = keccak(b"poft/vector/esp1")
LEAVES = [keccak(b"poft/vector/leaf" + bytes([i])) for i in range(9)]
LIMITS = Limits(now=2000, max_drift=30)
NOTHING = StateProof((), ())


@dataclass(frozen=True, slots=True)
class Source:
    """A chain at one height: its committee, its state, what its attestors sign."""

    keys: tuple[bytes, ...]
    size: int
    state: World

    @property
    def members(self) -> tuple[bytes, ...]:
        return tuple(key_address(key) for key in self.keys)

    def statement(self, **changes: object) -> Finality:
        honest = Finality(
            1, 40, keccak(b"block"), self.state.accounts.root, self.size, log_root(LEAVES[: self.size]), 1990, ZERO32
        )
        return replace(honest, **changes)  # type: ignore[arg-type]

    def inner(self, said: Finality, known: int, following: Sequence[bytes] = ()) -> CommitteeProof:
        signed = {key_address(key): sign_finality(key, DOMAIN, said) for key in self.keys}
        path = consistency_proof(LEAVES[: said.outbox_size], known) if known and known < said.outbox_size else []
        return build_proof(said, self.members, signed, path, following)

    def proof(self, said: Finality | None = None, known: int = 3, following: Sequence[bytes] = ()) -> OutboxProof:
        inner = self.inner(said or self.statement(), known, following).encode()
        return OutboxProof(OUTBOX, committee_hash(1, self.members), inner, self.state.proof)

    def trusted(self, known: int = 3, height: int = 30) -> TrustState:
        authority = outbox_authority(committee_hash(1, self.members), OUTBOX)
        return TrustState(1, authority, height, 1900, known, log_root(LEAVES[:known]))


def keys(count: int, first: int = 0) -> tuple[bytes, ...]:
    made = [keccak(b"poft/vector/esp1/key/" + bytes([i])) for i in range(first, first + count)]
    return tuple(sorted(made, key=key_address))


def chain(size: int = 5, seed: int = 200, account: bytes = OUTBOX, value: bytes | None = None) -> Source:
    commitment = value or outbox_commitment(size, log_root(LEAVES[:size]))
    return Source(keys(4), size, world(seed, 5, 4, commitment, account=account, slot=COMMITMENT_SLOT))


def large_chain() -> Source:
    """A chain whose state is as deep as that of Ethereum's main network: 8 full branches above an account."""
    rng, size = Random(202), 5
    storage = tall(keccak(COMMITMENT_SLOT), encode(outbox_commitment(size, log_root(LEAVES[:size]))), 2, rng)
    accounts = tall(keccak(OUTBOX), account_record(storage.root), 8, rng)
    return Source(keys(4), size, World(OUTBOX, COMMITMENT_SLOT, accounts, storage))


VERIFIER = StateProofVerifier()


def cases() -> Iterator[Named]:
    """Every case of `esp1.json`."""
    yield from _geneses()
    yield from _honest()
    yield from _states()
    yield from _headers()
    yield from _encodings()
    yield from _evidence()


def verify(name: str, proof: OutboxProof | bytes, state: TrustState | None = None) -> Named:
    data = proof if isinstance(proof, bytes) else proof.encode()
    at = state or chain().trusted()
    given = {"domain": DOMAIN, "state": at, "proof": data, "now": LIMITS.now, "maxDrift": LIMITS.max_drift}

    def run() -> object:
        following, finalised = VERIFIER.verify(DOMAIN, at, data, LIMITS)
        return {"newState": following, "stateRoot": finalised.state_root}

    return name, given, run


def _geneses() -> Iterator[Named]:
    committee = CommitteeGenesis(1, chain().members).encode()
    small = CommitteeGenesis(7, chain().members[:1], True).encode()
    for name, genesis in (
        ("honest", OutboxGenesis(OUTBOX, committee).encode()),
        ("small", OutboxGenesis(OUTBOX, small).encode()),
        ("zero_outbox", bytes(20) + committee),
        ("empty", b""),
        ("19_bytes", OUTBOX[:19]),
        ("outbox_alone", OUTBOX),
        ("zero_outbox_alone", bytes(20)),
        ("trailing_byte", OUTBOX + committee + b"\0"),
        ("epoch_zero", OUTBOX + bytes(8) + committee[8:]),
        ("committee_alone", committee),
    ):
        yield f"initialise_{name}", {"genesis": genesis}, lambda g=genesis: {"newState": VERIFIER.initialise(g)}


def _honest() -> Iterator[Named]:
    source = chain()
    yield verify("honest", source.proof())
    yield verify("honest_first", source.proof(known=0), source.trusted(0, 0))
    yield verify("honest_first_large", large_chain().proof(known=0), source.trusted(0, 0))
    yield verify("honest_same_size", source.proof(known=5), source.trusted(5))
    following = [key_address(key) for key in keys(4, 4)]
    handing = source.statement(next_committee=committee_hash(2, following))
    yield verify("honest_hand_over", source.proof(handing, following=following))
    known = source.trusted(5, 40)
    yield verify("repetition", source.proof(known=5), known)
    yield "epoch", {"proof": source.proof().encode()}, lambda: {"epoch": VERIFIER.epoch_of(source.proof().encode())}


def _states() -> Iterator[Named]:
    """A quorum signs, and the state says otherwise."""
    source = chain()
    grown = source.statement(outbox_size=6, outbox_root=log_root(LEAVES[:6]))
    yield verify("commitment_of_a_smaller_outbox", source.proof(grown))
    rewritten = log_root([*LEAVES[:4], LEAVES[8]])
    other = replace(
        source.inner(source.statement(outbox_root=rewritten), 3),
        consistency=tuple(consistency_proof([*LEAVES[:4], LEAVES[8]], 3)),
    )
    yield verify("commitment_of_another_root", replace(source.proof(), inner=other.encode()))
    zero = outbox_commitment(0, log_root([]))
    yield verify("commitment_of_the_empty_outbox", chain(value=zero).proof())
    yield verify("commitment_is_the_root_itself", chain(value=log_root(LEAVES[:5])).proof())
    yield verify("commitment_is_one", chain(value=b"\1").proof())
    yield verify("repetition_of_another_state", chain(value=b"\1").proof(known=5), source.trusted(5, 40))
    elsewhere = chain(account=keccak(b"another account")[:20])
    yield verify("state_of_another_account", elsewhere.proof())
    yield verify("state_of_another_block", replace(source.proof(), state=chain(seed=201).state.proof))
    yield verify("state_of_an_earlier_outbox", replace(source.proof(), state=chain(3).state.proof))
    yield verify("state_without_nodes", replace(source.proof(), state=NOTHING))
    yield verify("state_without_storage", replace(source.proof(), state=StateProof(source.state.proof.account, ())))
    stated = source.state.proof
    yield verify(
        "state_with_extra_node", replace(source.proof(), state=replace(stated, storage=(*stated.storage, b"")))
    )
    yield verify("state_of_another_block_again", replace(source.proof(known=5), state=NOTHING), source.trusted(5, 40))


def _headers() -> Iterator[Named]:
    """The state proof is honest; the header is not finalised."""
    source = chain()
    honest = source.inner(source.statement(), 3)
    few = replace(honest, bitmap=honest.bitmap & 3, signatures=honest.signatures[:2])
    yield verify("header_of_too_few", replace(source.proof(), inner=few.encode()))
    unsigned = replace(honest, statement=source.statement(block_hash=keccak(b"other")))
    yield verify("header_that_nobody_signed", replace(source.proof(), inner=unsigned.encode()))
    moved = replace(honest, statement=source.statement(state_root=keccak(b"other")))
    yield verify("header_with_another_state_root", replace(source.proof(), inner=moved.encode()))
    yield verify("header_of_a_stale_height", source.proof(source.statement(height=30)))
    yield verify("header_of_another_epoch", source.proof(source.statement(epoch=2)))
    yield verify("header_of_the_future", source.proof(source.statement(timestamp=2031)))
    yield verify("header_before_state", replace(source.proof(source.statement(height=30)), state=NOTHING))
    other = Source(keys(4, 4), 5, source.state)
    yield verify("header_of_another_committee", other.proof())
    yield verify("header_of_a_committee_under_a_trusted_name", replace(source.proof(), inner=other.proof().inner))
    yield verify("authority_of_another_outbox", replace(source.proof(), outbox=keccak(b"another account")[:20]))
    yield verify("authority_zero", replace(source.proof(), inner_authority=ZERO32))
    yield verify(
        "authority_unwrapped", source.proof(), replace(source.trusted(), authority=committee_hash(1, source.members))
    )
    yield verify("inner_empty", replace(source.proof(), inner=b""))
    yield verify("inner_trailing_byte", replace(source.proof(), inner=source.proof().inner + b"\0"))


def _encodings() -> Iterator[Named]:
    """The packed form: cut off, too much, too large; before anything is asked of the inner scheme."""
    source = chain()
    whole = source.proof().encode()
    inner_end = 54 + len(source.proof().inner)
    first = inner_end + 3 + len(source.state.proof.account[0])
    for at in (0, 19, 20, 52, 53, 54, inner_end - 1, inner_end, inner_end + 1, inner_end + 2, first, len(whole) - 1):
        yield verify(f"cut_at_{at}", whole[:at])
    yield verify("trailing_byte", whole + b"\0")
    yield verify("length_of_inner_up", whole[:52] + (len(source.proof().inner) + 1).to_bytes(2, "big") + whole[54:])
    yield verify("length_of_inner_down", whole[:52] + (len(source.proof().inner) - 1).to_bytes(2, "big") + whole[54:])
    yield verify("length_of_inner_largest", whole[:52] + b"\xff\xff" + whole[54:])
    yield verify("oversize_nodes", whole[:inner_end] + b"\x41" + whole[inner_end + 1 :])
    yield verify("oversize_node", whole[: inner_end + 1] + b"\x02\x15" + whole[inner_end + 3 :])
    wrong = replace(source.trusted(), authority=ZERO32)
    yield verify("oversize_nodes_of_a_stranger", whole[:inner_end] + b"\x41" + whole[inner_end + 1 :], wrong)
    yield verify("trailing_byte_of_a_stranger", whole + b"\0", wrong)
    yield verify("malformed_inner_of_a_stranger", replace(source.proof(), inner=b"\0"), wrong)
    for name, data in (("cut", whole[:-1]), ("empty", b""), ("inner_empty", whole[:52] + bytes(4))):
        yield f"epoch_{name}", {"proof": data}, lambda d=data: {"epoch": VERIFIER.epoch_of(d)}


def _evidence() -> Iterator[Named]:
    """Two stories of one committee. Nobody can prove the state below a header that was made up."""
    source = chain()
    one, two = source.proof(), source.proof(source.statement(block_hash=keccak(b"other")))
    forked = replace(source.proof(source.statement(height=41, outbox_root=keccak(b"fork")), known=0), state=NOTHING)

    def half(name: str, first: OutboxProof | bytes, second: OutboxProof | bytes, at: TrustState | None = None) -> Named:
        state = at or source.trusted()
        a, b = (each if isinstance(each, bytes) else each.encode() for each in (first, second))
        given = {"domain": DOMAIN, "state": state, "first": a, "second": b}
        return (
            f"misbehaviour_{name}",
            given,
            lambda: {"signers": list(VERIFIER.check_misbehaviour(DOMAIN, state, a, b))},
        )

    yield half("one_height", one, two)
    yield half("one_height_without_states", replace(one, state=NOTHING), replace(two, state=NOTHING))
    yield half("one_size", one, forked)
    yield half("one_statement", one, one)
    yield half("of_another_outbox", one, replace(two, outbox=keccak(b"another account")[:20]))
    yield half("of_another_authority", one, replace(two, inner_authority=ZERO32))
    yield half("first_of_another_authority", replace(one, inner_authority=ZERO32), two)
    yield half("authority_before_second_half", replace(one, inner_authority=ZERO32), two.encode() + b"\0")
    yield half("trailing_byte", one, two.encode() + b"\0")
    few = source.inner(source.statement(block_hash=keccak(b"other")), 3)
    few = replace(few, bitmap=few.bitmap & 3, signatures=few.signatures[:2])
    yield half("of_too_few", one, replace(two, inner=few.encode()))
