"""Vectors of BEF1: commitments that a Substrate chain's validators sign for themselves (docs/vectors.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from poft.protocol.domain import substrate_domain
from poft.protocol.finality import Finality, committee_hash, quorum, sign_finality
from poft.protocol.hashing import U64_MAX, ZERO32, keccak
from poft.protocol.merkle import EMPTY_ROOT, consistency_proof, log_root
from poft.protocol.signatures import CURVE_ORDER, key_address, unsafe_sign_digest
from poft.verification.api import Limits, TrustState
from poft.verification.beefy import Commitment, Justification
from poft.verification.schemes.bef1 import BeefyGenesis, BeefyProof, BeefyVerifier, beefy_authority, build_proof

Named = tuple[str, dict[str, object], Callable[[], object]]

DOMAIN = substrate_domain(keccak(b"poft/vector/bef1"), "poft-vectors")
OTHER_DOMAIN = substrate_domain(keccak(b"poft/vector/bef1"), "another")
LEAVES = [keccak(b"poft/vector/bef1/leaf" + bytes([i])) for i in range(30)]
LIMITS = Limits(now=2000, max_drift=30)
KNOWN, GROWN = 13, 30
VERIFIER = BeefyVerifier()


def keys(count: int = 4, set_id: int = 0) -> tuple[bytes, ...]:
    """Validators of a set, in the order of their addresses. Public test keys."""
    made = [keccak(b"poft/vector/bef1/key/" + bytes([set_id, i])) for i in range(count)]
    return tuple(sorted(made, key=key_address))


def addresses(of: Sequence[bytes]) -> tuple[bytes, ...]:
    return tuple(map(key_address, of))


def committee(set_id: int, count: int = 4, of: Sequence[bytes] | None = None) -> bytes:
    """Hash of a set as the committee of its epoch."""
    return committee_hash(min(set_id + 1, U64_MAX), addresses(keys(count, set_id) if of is None else of))


def said(set_id: int = 0, size: int = GROWN, count: int = 4, **changes: object) -> Commitment:
    honest = Commitment(
        keccak(b"block"),
        keccak(b"state"),
        size,
        log_root(LEAVES[:size]),
        DOMAIN,
        1990,
        committee(set_id + 1, count),
        40,
        set_id,
    )
    return replace(honest, **changes)  # type: ignore[arg-type]


def proof(
    what: Commitment | None = None,
    known: int = KNOWN,
    count: int = 4,
    signers: Sequence[int] | None = None,
    of: Sequence[bytes] | None = None,
    trusted: int = 0,
    **changes: object,
) -> BeefyProof:
    """Signed by a quorum of the commitment's own set, for a client that trusts set `trusted`."""
    what = what or said(count=count)
    of = keys(count, what.set_id) if of is None else of
    chosen = range(quorum(len(of))) if signers is None else signers
    size = min(what.outbox_size, len(LEAVES))
    made = BeefyProof(
        what.encode(),
        committee(trusted, count),
        committee(trusted + 1, count),
        addresses(of),
        sum(1 << i for i in chosen),
        tuple(unsafe_sign_digest(of[i], what.digest()) for i in chosen),
        tuple(consistency_proof(LEAVES[:size], known)) if 0 < known < size else (),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def state(size: int = KNOWN, height: int = 30, set_id: int = 0, count: int = 4, small: bool = False) -> TrustState:
    authority = beefy_authority(committee(set_id, count), committee(set_id + 1, count))
    root = log_root(LEAVES[:size]) if size else EMPTY_ROOT
    return TrustState(set_id + 1, authority, height, 1900 if height else 0, size, root, small)


def verify(
    name: str, made: BeefyProof | bytes, at: TrustState | None = None, domain: bytes = DOMAIN, limits: Limits = LIMITS
) -> Named:
    data = made if isinstance(made, bytes) else made.encode()
    at = at or state()
    given = {"domain": domain, "state": at, "proof": data, "now": limits.now, "maxDrift": limits.max_drift}

    def run() -> object:
        following, finalised = VERIFIER.verify(domain, at, data, limits)
        return {"newState": following, "blockHash": finalised.block_hash, "stateRoot": finalised.state_root}

    return name, given, run


def cases() -> Iterator[Named]:
    """Every case of `bef1.json`, which the three languages read."""
    yield from _geneses()
    yield from _honest()
    yield from _commitments()
    yield from _sets()
    yield from _quorums()
    yield from _signatures()
    yield from _following()
    yield from _hand_overs()
    yield from _encodings()
    yield from _evidence()


def _geneses() -> Iterator[Named]:
    four, after = addresses(keys()), committee(1)
    sixty_five = addresses(sorted((keccak(b"x" + bytes([i])) for i in range(65)), key=key_address))
    honest = BeefyGenesis(1, four, after).encode()
    for name, genesis in (
        ("honest", honest),
        ("honest_64", BeefyGenesis(1, addresses(keys(64)), after).encode()),
        ("honest_later", BeefyGenesis(8, addresses(keys(set_id=7)), committee(8)).encode()),
        ("honest_last_epoch", BeefyGenesis(U64_MAX, four, after).encode()),
        ("small_one", BeefyGenesis(1, four[:1], after, True).encode()),
        ("small_without_flag", BeefyGenesis(1, four[:3], after).encode()),
        ("nobody", BeefyGenesis(1, (), after, True).encode()),
        ("unsorted", BeefyGenesis(1, four[::-1], after).encode()),
        ("duplicate", BeefyGenesis(1, (four[0], *four), after).encode()),
        ("zero_member", BeefyGenesis(1, (bytes(20), *four), after).encode()),
        ("epoch_zero", BeefyGenesis(0, four, after).encode()),
        ("next_committee_zero", BeefyGenesis(1, four, ZERO32).encode()),
        ("unsorted_next_committee_zero", BeefyGenesis(1, four[::-1], ZERO32).encode()),
        ("oversize", BeefyGenesis(1, sixty_five, after).encode()),
        ("oversize_with_flag_2", honest[:8] + b"\2\x41" + honest[10:]),
        ("flag_2", honest[:8] + b"\2" + honest[9:]),
        ("empty", b""),
        ("9_bytes", honest[:9]),
        ("head_alone", honest[:10]),
        ("without_next_committee", honest[:-32]),
        ("cut", honest[:-1]),
        ("trailing_byte", honest + b"\0"),
        ("of_a_committee", honest[:-32]),
    ):
        yield f"initialise_{name}", {"genesis": genesis}, lambda g=genesis: {"newState": VERIFIER.initialise(g)}


def _honest() -> Iterator[Named]:
    yield verify("honest", proof())
    yield verify("honest_first", proof(known=0), state(0, 0))
    yield verify("honest_same_size", proof(said(size=KNOWN)))
    yield verify("honest_empty_outbox", proof(said(size=0), known=0), state(0, 0))
    yield verify("honest_everybody", proof(signers=range(4)))
    yield verify("honest_last_three", proof(signers=(1, 2, 3)))
    yield verify("honest_highest_block", proof(said(height=2**32 - 1)))
    yield verify("honest_largest_drift", proof(said(timestamp=LIMITS.now + LIMITS.max_drift)))
    for count in (7, 21, 31, 64):
        yield verify(f"honest_of_{count}", proof(count=count), state(count=count))
    yield verify("honest_small", proof(count=1), state(count=1, small=True))
    yield verify("honest_hand_over", proof(said(1)))
    yield verify("honest_hand_over_first", proof(said(1), known=0), state(0, 0))
    yield verify("honest_hand_over_without_packets", proof(said(1, KNOWN)))
    yield verify("honest_after_hand_over", proof(said(1), trusted=1), state(set_id=1))
    yield verify("repetition", proof(known=GROWN), state(GROWN, 40))
    yield verify("repetition_of_another_block", proof(said(block_hash=keccak(b"x")), GROWN), state(GROWN, 40))
    yield verify("repetition_with_drift", proof(said(timestamp=U64_MAX), GROWN), state(GROWN, 40))
    yield verify("repetition_with_nodes", proof(), state(GROWN, 40))
    yield verify("repetition_of_a_new_client", proof(said(size=0, height=0), 0), state(0, 0))
    whole = proof().encode()
    yield "epoch", {"proof": whole}, lambda: {"epoch": VERIFIER.epoch_of(whole)}
    handing = proof(said(1)).encode()
    yield "epoch_of_a_hand_over", {"proof": handing}, lambda: {"epoch": VERIFIER.epoch_of(handing)}


def _commitments() -> Iterator[Named]:
    """The 193 bytes: other SCALE than ours is refused whoever signed it, and so is another chain's."""
    plain, rest = said().encode(), proof().encode()[193:]
    for name, commitment in (
        ("no_entry", b"\0" + plain[1:]),
        ("two_entries", b"\x08" + plain[1:]),
        ("two_entries_long", b"\x08" + plain[1:181] + b"mh\x00" + plain[181:]),
        ("count_in_two_bytes", b"\x05\0" + plain[1:]),
        ("id_of_mmr", plain[:1] + b"mh" + plain[3:]),
        ("id_backwards", plain[:1] + b"fp" + plain[3:]),
        ("length_in_four_bytes", plain[:3] + b"\xc2\x02\0\0" + plain[5:]),
        ("length_mode_changed", plain[:3] + b"\xc2\x02" + plain[5:]),
        ("length_of_175", plain[:3] + b"\xbd\x02" + plain[5:180] + plain[181:]),
        ("length_of_177", plain[:3] + b"\xc5\x02" + plain[5:181] + b"\0" + plain[181:]),
        ("length_says_175", plain[:3] + b"\xbd\x02" + plain[5:]),
        ("a_byte_less", plain[:-1]),
        ("a_byte_more", plain + b"\0"),
        ("of_a_payload_alone", plain[5:181]),
        ("of_zeros", bytes(193)),
    ):
        yield verify(f"commitment_{name}", commitment + rest)
    yield verify("domain_of_another_chain", proof(said(domain=OTHER_DOMAIN)))
    yield verify("domain_asked_of_another_chain", proof(), domain=OTHER_DOMAIN)
    yield verify("domain_zero", proof(said(domain=ZERO32)))
    yield verify("domain_before_signatures", proof(said(domain=OTHER_DOMAIN), signers=()))
    for name, at in (("block", 5), ("state", 37), ("root", 77), ("next_committee", 149), ("height", 181)):
        changed = plain[:at] + bytes([plain[at] ^ 1]) + plain[at + 1 :]
        yield verify(f"changed_{name}", proof(commitment=changed))


def _sets() -> Iterator[Named]:
    """Who may speak: the current set, or the next one when it takes over."""
    yield verify("authority_zero", proof(), replace(state(), authority=ZERO32))
    yield verify("authority_of_the_committee_alone", proof(), replace(state(), authority=committee(0)))
    yield verify("authority_of_another_current", proof(current_committee=committee(5)))
    yield verify("authority_of_another_next", proof(next_committee=committee(5)))
    swapped = proof(current_committee=committee(1), next_committee=committee(0))
    yield verify("authority_swapped", swapped)
    yield verify("authority_never_created", proof(), TrustState(0, ZERO32))
    yield verify("authority_before_epoch", proof(said(9), of=keys(), current_committee=ZERO32))
    for set_id in (2, 3, 100, U64_MAX - 1, U64_MAX):
        yield verify(f"set_{set_id}", proof(replace(said(), set_id=set_id), of=keys()))
    yield verify("set_past", proof(said(6), trusted=7, of=keys(set_id=6)), state(set_id=7))
    yield verify("set_after_the_next", proof(said(2), of=keys(set_id=2)))
    yield verify("set_old_after_hand_over", proof(), state(set_id=1))
    yield verify("set_old_after_hand_over_in_the_new_list", proof(trusted=1), state(set_id=1))
    yield verify("set_old_keys_in_the_new_set", proof(said(1), of=keys(), trusted=1), state(set_id=1))
    yield verify("set_next_in_the_old_set", proof(of=keys(set_id=1)))
    yield verify("set_next_by_the_present_members", proof(said(1), of=keys()))
    yield verify("members_left_out", proof(members=addresses(keys())[:3]))
    yield verify("members_of_the_prover", proof(of=keys(4, 50)))
    yield verify("members_reordered", proof(members=addresses(keys())[::-1]))
    yield verify("members_none", proof(members=(), bitmap=0, signatures=()))
    yield verify("members_before_domain", proof(said(domain=OTHER_DOMAIN), of=keys(4, 50)))


def _quorums() -> Iterator[Named]:
    for count in range(1, 13):
        small = count < 4
        least = quorum(count)
        at = state(count=count, small=small)
        yield verify(f"quorum_{least}_of_{count}", proof(count=count), at)
        yield verify(f"quorum_{least - 1}_of_{count}", proof(count=count, signers=range(least - 1)), at)
    yield verify("quorum_of_nobody_twice", proof(known=GROWN, signers=()), state(GROWN, 40))
    yield verify("bitmap_bit_beyond", proof(bitmap=0b10111))
    yield verify("bitmap_bit_63", proof(bitmap=0b11 | 1 << 63))
    yield verify("bitmap_without_signature", proof(bitmap=0b1111))
    yield verify("bitmap_signature_without_bit", proof(bitmap=0b11))
    yield verify("bitmap_of_others", proof(bitmap=0b1110))
    yield verify("bitmap_before_quorum", proof(bitmap=0b1, signatures=()))


def _signatures() -> Iterator[Named]:
    honest = proof()
    first = honest.signatures[0]
    r, s, v = first[:32], int.from_bytes(first[32:64], "big"), first[64]

    def signed(name: str, signature: bytes) -> Named:
        return verify(f"signature_{name}", replace(honest, signatures=(signature, *honest.signatures[1:])))

    yield signed("high_s", r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([55 - v]))
    for value in (0, 1, 26, 29, 255):
        yield signed(f"v_{value}", first[:64] + bytes([value]))
    yield signed("v_other", first[:64] + bytes([55 - v]))
    yield signed("r_zero", bytes(32) + first[32:])
    yield signed("r_order", CURVE_ORDER.to_bytes(32, "big") + first[32:])
    yield signed("s_zero", r + bytes(32) + bytes([v]))
    yield signed("s_order", r + CURVE_ORDER.to_bytes(32, "big") + bytes([v]))
    yield signed("r_no_point", (5).to_bytes(32, "big") + first[32:])
    yield signed("zeros", bytes(65))
    yield signed("64_bytes", first[:64])
    yield signed("66_bytes", first + b"\0")
    yield verify("signature_twice", proof(signatures=(first, first, honest.signatures[2])))
    yield verify("signature_reordered", proof(signatures=honest.signatures[::-1]))
    one = said()

    def by(name: str, digest: bytes) -> Named:
        return verify(
            f"signature_{name}", proof(one, signatures=tuple(unsafe_sign_digest(k, digest) for k in keys()[:3]))
        )

    alone = (unsafe_sign_digest(keys()[0], one.digest()),) * 3
    yield verify("signature_of_one_stolen_key", proof(one, signatures=alone))
    yield by("over_the_payload", keccak(one.encode()[5:181]))
    yield by("over_the_hash_again", keccak(one.digest()))
    yield by("personal", keccak(b"\x19Ethereum Signed Message:\n32" + one.digest()))
    yield by("over_another_set", replace(one, set_id=1).digest())
    yield by("over_another_block", replace(one, height=41).digest())
    statement = Finality(1, 40, one.block_hash, one.state_root, one.outbox_size, one.outbox_root, 1990, ZERO32)
    attested = tuple(sign_finality(k, DOMAIN, statement) for k in keys()[:3])
    yield verify("signature_of_an_attestor", proof(one, signatures=attested))


def _following() -> Iterator[Named]:
    """The commitment follows what is known."""
    yield verify("height_same", proof(said(height=30)))
    yield verify("height_before", proof(said(height=29)))
    yield verify("height_zero", proof(said(height=0)))
    yield verify("height_zero_of_a_new_client", proof(said(size=0, height=0), 0), state(0, 0))
    yield verify("height_same_another_outbox", proof(said(height=40)), state(KNOWN, 40))
    yield verify("height_before_quorum", proof(said(height=30), signers=()))
    yield verify("size_smaller", proof(said(size=12)))
    yield verify("size_zero", proof(said(size=0)))
    yield verify("size_largest", proof(said(outbox_size=U64_MAX)))
    yield verify("root_changed", proof(said(size=KNOWN, outbox_root=keccak(b"x"))))
    yield verify("root_of_an_empty_log", proof(said(size=0, outbox_root=keccak(b"x")), 0), state(0, 0))
    yield verify("timestamp_before", proof(said(timestamp=1899)))
    yield verify("timestamp_drift", proof(said(timestamp=LIMITS.now + LIMITS.max_drift + 1)))
    yield verify("timestamp_largest", proof(said(timestamp=U64_MAX)))
    yield verify("timestamp_largest_clock", proof(), limits=Limits(U64_MAX, U64_MAX))
    nodes = proof().consistency
    yield verify("consistency_missing", proof(consistency=()))
    yield verify("consistency_short", proof(consistency=nodes[:-1]))
    yield verify("consistency_long", proof(consistency=(*nodes, ZERO32)))
    yield verify("consistency_reversed", proof(consistency=nodes[::-1]))
    yield verify("consistency_first", proof(consistency=(ZERO32,)), state(0, 0))
    rewritten = [keccak(b"x"), *LEAVES[1:]]
    lie = said(outbox_root=log_root(rewritten))
    yield verify("consistency_rewritten", proof(lie, consistency=tuple(consistency_proof(rewritten, KNOWN))))


def _hand_overs() -> Iterator[Named]:
    """The next set signs for itself; its members were only a hash so far, and are looked at now."""
    yield verify("hand_over_announces_another", proof(said(next_committee=committee(7))))
    yield verify("hand_over_announces_nobody", proof(said(next_committee=ZERO32)))
    yield verify("hand_over_after_which_nobody_comes", proof(said(1, next_committee=ZERO32)))
    yield verify("hand_over_by_too_few", proof(said(1), signers=(0, 1)))
    yield verify("hand_over_again", proof(said(1)), replace(state(GROWN, 40, 1), timestamp=1990))
    yield verify("hand_over_repeated_in_its_epoch", proof(said(1), GROWN, trusted=1), state(GROWN, 40, 1))
    yield verify("hand_over_of_the_last_height", proof(said(1, height=30)))
    yield verify("hand_over_of_the_last_outbox", proof(said(1), GROWN), state(GROWN, 40))
    four = keys(set_id=1)
    for name, of, small in (
        ("to_nobody", (), False),
        ("to_one", four[:1], False),
        ("to_one_small", four[:1], True),
        ("to_duplicates", (four[0], four[0], *four[1:]), False),
        ("to_unsorted", four[::-1], False),
        ("to_64", keys(64, 1), False),
    ):
        after = committee(1, of=of)
        at = replace(state(small=small), authority=beefy_authority(committee(0), after))
        made = proof(said(1), of=of, signers=range(quorum(len(of))) if of else (), next_committee=after)
        yield verify(f"hand_over_{name}", made, at)
    zero = (bytes(20), *addresses(four))
    after = committee_hash(2, zero)
    at = replace(state(), authority=beefy_authority(committee(0), after))
    digest = said(1).digest()
    made = proof(
        said(1),
        next_committee=after,
        members=zero,
        bitmap=0b11110,
        signatures=tuple(unsafe_sign_digest(key, digest) for key in four),
    )
    yield verify("hand_over_to_zero_address", made, at)
    last = TrustState(U64_MAX, beefy_authority(committee_hash(U64_MAX, addresses(keys())), committee(1)))
    current = committee_hash(U64_MAX, addresses(keys()))
    final = said(set_id=0, next_committee=committee(1))
    ending = proof(replace(final, set_id=U64_MAX - 1), 0, of=keys(), current_committee=current)
    yield verify("hand_over_none_in_the_last_epoch", ending, last)
    beyond = proof(replace(final, set_id=U64_MAX), 0, of=keys(set_id=1), current_committee=current)
    yield verify("hand_over_beyond_the_last_epoch", beyond, last)


def _encodings() -> Iterator[Named]:
    whole = proof().encode()
    lists = 270
    for at in (0, 4, 5, 192, 193, 257, 269, lists, lists + 79, lists + 80, lists + 275, len(whole) - 1):
        yield verify(f"cut_at_{at}", whole[:at])
    yield verify("trailing_byte", whole + b"\0")
    yield verify("twice", whole + whole)
    for name, at, value in (
        ("members", 265, 65),
        ("signatures", 266, 65),
        ("nodes", 269, 129),
    ):
        yield verify(f"oversize_{name}", whole[:at] + bytes([value]) + whole[at + 1 :])
        yield verify(f"oversize_{name}_largest", whole[:at] + b"\xff" + whole[at + 1 :])
    yield verify("oversize_of_another_commitment", b"\x08" + whole[1:265] + b"\xff" + whole[266:])
    yield verify("count_of_members_down", whole[:265] + b"\3" + whole[266:])
    yield verify("count_of_signatures_down", whole[:266] + b"\2" + whole[267:])
    yield verify("length_of_signatures_up", whole[:267] + (196).to_bytes(2, "big") + whole[269:])
    yield verify("length_of_signatures_largest", whole[:267] + b"\xff\xff" + whole[269:])
    yield verify("trailing_byte_of_a_stranger", whole + b"\0", replace(state(), authority=ZERO32))
    none = proof(replace(said(), set_id=U64_MAX), of=keys()).encode()
    for name, data in (
        ("cut", whole[:-1]),
        ("empty", b""),
        ("of_the_set_without_one", none),
        ("trailing", whole + b"\0"),
    ):
        yield f"epoch_{name}", {"proof": data}, lambda d=data: {"epoch": VERIFIER.epoch_of(d)}


def _evidence() -> Iterator[Named]:
    def half(
        name: str, first: BeefyProof | bytes, second: BeefyProof | bytes, at: TrustState | None = None,
        domain: bytes = DOMAIN,
    ) -> Named:  # fmt: skip
        at = at or state()
        a, b = (each if isinstance(each, bytes) else each.encode() for each in (first, second))
        given = {"domain": domain, "state": at, "first": a, "second": b}
        return f"misbehaviour_{name}", given, lambda: {"signers": list(VERIFIER.check_misbehaviour(domain, at, a, b))}

    one, fork = proof(), proof(said(block_hash=keccak(b"fork")))
    yield half("one_height", one, fork)
    yield half("one_height_in_the_other_order", fork, one)
    yield half("one_height_two_times", one, proof(said(timestamp=1991)))
    yield half("one_height_two_states", one, proof(said(state_root=keccak(b"fork"))))
    yield half("one_height_two_successors", one, proof(said(next_committee=committee(9))))
    yield half("one_size", one, proof(said(height=41, outbox_root=keccak(b"fork"))))
    yield half("by_some", proof(signers=(0, 1, 2)), proof(said(block_hash=keccak(b"fork")), signers=(1, 2, 3)))
    yield half("of_a_new_client", one, fork, state(0, 0))
    yield half("one_commitment", one, one)
    yield half("one_commitment_by_others", one, proof(signers=(1, 2, 3)))
    yield half("none", one, proof(said(height=41)))
    yield half("none_with_more_packets", proof(said(size=20), KNOWN), proof(said(height=41)))
    yield half("second_by_too_few", one, proof(said(block_hash=keccak(b"fork")), signers=(0, 1)))
    yield half("first_by_too_few", proof(said(block_hash=keccak(b"fork")), signers=(0, 1)), one)
    yield half("second_by_strangers", one, proof(said(block_hash=keccak(b"fork")), of=keys(4, 50)))
    yield half("second_of_another_chain", one, proof(said(domain=OTHER_DOMAIN)))
    yield half("asked_of_another_chain", one, fork, domain=OTHER_DOMAIN)
    yield half("of_the_next_set", proof(said(1)), proof(said(1, block_hash=keccak(b"fork"))))
    yield half("half_of_the_next_set", one, proof(said(1)))
    yield half("half_of_a_later_set", one, proof(said(2), of=keys(set_id=2)))
    yield half("of_a_retired_set_as_the_present_one", one, fork, state(set_id=1))
    retired = proof(said(1), trusted=1), proof(said(1, block_hash=keccak(b"fork")), trusted=1)
    yield half("of_the_set_that_took_over", *retired, state(set_id=1))
    yield half("second_of_another_authority", one, replace(fork, next_committee=ZERO32))
    yield half("trailing_byte", one, fork.encode() + b"\0")
    yield half("empty", b"", b"")
    yield half("second_empty", one, b"")
    yield half("second_is_other_scale", one, b"\x08" + fork.encode()[1:])
    yield half("high_s", one, _malleable(fork))


def _malleable(made: BeefyProof) -> BeefyProof:
    first = made.signatures[0]
    s = CURVE_ORDER - int.from_bytes(first[32:64], "big")
    other = first[:32] + s.to_bytes(32, "big") + bytes([55 - first[64]])
    return replace(made, signatures=(other, *made.signatures[1:]))


def scale(what: Commitment, of: Sequence[bytes], signers: Sequence[int]) -> bytes:
    """The node's justification: `VersionedFinalityProof::V1`, as sp-consensus-beefy packs it."""
    bits = [int(i in signers) for i in range(len(of))]
    bits += [0] * (8 - len(bits) % 8)
    packed = bytes(int("".join(map(str, bits[at : at + 8])), 2) for at in range(0, len(bits), 8))
    signatures = [unsafe_sign_digest(of[i], what.digest()) for i in signers]
    raw = b"".join(signature[:64] + bytes([signature[64] - 27]) for signature in signatures)
    head = b"\1" + what.encode() + compact(len(packed)) + packed
    return head + len(of).to_bytes(4, "little") + compact(len(signers)) + raw


def compact(value: int) -> bytes:
    """A SCALE compact below 2^14."""
    return bytes([value << 2]) if value < 64 else (value << 2 | 1).to_bytes(2, "little")


def justifications() -> Iterator[Named]:
    """Every case of `justification.json`: what a node hands out, and the proof made of it. No chain reads it."""
    shuffled = tuple(keys()[i] for i in (2, 0, 3, 1))

    def made(name: str, data: bytes, members: Sequence[bytes] = addresses(keys())) -> Named:
        def run() -> object:
            found = Justification.decode(data)
            committees = committee(0, len(members)), committee(1, len(members))
            built = build_proof(found.commitment, committees, members, found.signers(), ())
            return {"validators": found.validators, "proof": built.encode()}

        return name, {"justification": data, "members": list(members)}, run

    honest = scale(said(), shuffled, (0, 1, 3))
    yield made("honest", honest)
    yield made("honest_everybody", scale(said(), shuffled, (0, 1, 2, 3)))
    for count in (1, 7, 8, 9, 64):
        of = keys(count)
        chosen = range(quorum(count))
        yield made(f"honest_of_{count}", scale(said(count=count), of, chosen), addresses(of))
    yield made("of_too_few", scale(said(), shuffled, (0, 1)))
    yield made("of_strangers", scale(said(), keys(4, 50), (0, 1, 2)))
    yield made("with_a_strangers_signature", scale(said(), (*keys(), *keys(1, 50)), (0, 1, 2, 4)))
    yield made("version_0", b"\0" + honest[1:])
    yield made("version_2", b"\2" + honest[1:])
    yield made("two_entries", b"\1\x08" + honest[2:])
    bits = 194
    yield made("bits_length_in_two_bytes", honest[:bits] + b"\x05\0" + honest[bits + 1 :])
    yield made("bits_length_in_four_bytes", honest[:bits] + b"\x06\0\0\0" + honest[bits + 1 :])
    yield made("bits_length_huge", honest[:bits] + b"\x03\xff\xff\xff\xff" + honest[bits + 1 :])
    yield made("bits_length_beyond_the_end", honest[:bits] + b"\xfd\xff" + honest[bits + 1 :])
    yield made("bits_none", honest[:bits] + b"\0" + honest[bits + 2 :])
    yield made("bits_two_bytes", honest[:bits] + b"\x08" + honest[bits + 1 : bits + 2] + b"\0" + honest[bits + 2 :])
    yield made("bits_beyond_the_validators", honest[: bits + 1] + bytes([honest[bits + 1] | 1]) + honest[bits + 2 :])
    yield made("bits_more_than_signatures", honest[: bits + 1] + b"\xf0" + honest[bits + 2 :])
    yield made("bits_fewer_than_signatures", honest[: bits + 1] + b"\xc0" + honest[bits + 2 :])
    yield made("validators_oversize", honest[: bits + 2] + (65).to_bytes(4, "little") + honest[bits + 6 :])
    yield made("validators_2_to_the_32", honest[: bits + 2] + b"\xff" * 4 + honest[bits + 6 :])
    yield made("validators_3", honest[: bits + 2] + (3).to_bytes(4, "little") + honest[bits + 6 :])
    yield made("signatures_count_in_two_bytes", honest[: bits + 6] + b"\x0d\0" + honest[bits + 7 :])
    yield made("signatures_oversize", honest[: bits + 6] + compact(65) + honest[bits + 7 :])
    yield made("signatures_one_less", honest[: bits + 6] + b"\x08" + honest[bits + 7 : -65])
    yield made("signatures_recovery_2", honest[:-1] + b"\2")
    yield made("signatures_recovery_27", honest[:-1] + b"\x1b")
    yield made("empty", b"")
    yield made("cut", honest[:-1])
    yield made("trailing_byte", honest + b"\0")
