"""One random mutation of an honest object: the catalogue of docs/protocol.md section 11 as operations.

A mutation after signing is what a relayer can do; one before signing is what a lying quorum can say, or what another
destination may ask. `forges` marks mutations that must never be accepted: they change what a signature or a root
commits to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from poft.protocol.finality import Finality, committee_hash, quorum
from poft.protocol.hashing import U64_MAX, WORD, ZERO32, keccak
from poft.protocol.merkle import EMPTY_ROOT, node_hash
from poft.protocol.packet import MAX_PAYLOAD
from poft.protocol.signatures import CURVE_ORDER, unsafe_sign_digest
from poft.protocol.statements import Vote, statement_digest
from poft.protocol.structs import Struct
from poft.verification.api import Limits, TrustState
from poft.verification.schemes.cmt1 import CommitteeProof

from . import honest
from .questions import Consistency, Payload, Question

S = TypeVar("S", bound=Struct)


@dataclass(frozen=True, slots=True)
class Case:
    """A question and how it came about: `mutation` is empty when the object is honest."""

    question: Question
    mutation: str = ""
    forges: bool = False


# --- values ----------------------------------------------------------------------------------------------------------


def integer(rng: Random, value: int, bits: int = 64) -> tuple[str, int]:
    """(name, another value of the type)."""
    top = (1 << bits) - 1
    made = {
        "plus_one": (value + 1) & top,
        "minus_one": (value - 1) & top,
        "zero": 0,
        "one": 1,
        "max": top,
        "half": 1 << (bits - 1),
        "bit": value ^ 1 << rng.randrange(bits),
        "random": rng.getrandbits(bits),
        "double": (2 * value) & top,
    }
    name = rng.choice([name for name, other in made.items() if other != value])
    return name, made[name]


def flip(rng: Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def fixed(rng: Random, value: bytes) -> tuple[str, bytes]:
    """(name, other bytes of the same length)."""
    made = {
        "bit": flip(rng, value),
        "zero": bytes(len(value)),
        "ones": b"\xff" * len(value),
        "random": rng.randbytes(len(value)),
        "reversed": value[::-1],
        "rotated": value[1:] + value[:1],
    }
    name = rng.choice([name for name, other in made.items() if other != value])
    return name, made[name]


def items(rng: Random, value: Sequence[bytes], width: int, bound: int) -> tuple[str, tuple[bytes, ...]]:
    """(name, another list of items of this width). `bound` is the protocol's limit for its length."""
    listed, new = tuple(value), rng.randbytes(width)
    made: dict[str, tuple[bytes, ...]] = {
        "append_random": (*listed, new),
        "append_zero": (*listed, bytes(width)),
        "prepend_random": (new, *listed),
        "at_bound": (listed + (new,) * bound)[:bound],
        "beyond_bound": (listed + (new,) * (bound + 1))[: bound + 1],
    }
    if listed:
        at = rng.randrange(len(listed))
        made |= {
            "clear": (),
            "drop_first": listed[1:],
            "drop_last": listed[:-1],
            "drop_one": listed[:at] + listed[at + 1 :],
            "duplicate": (*listed[: at + 1], *listed[at:]),
            "append_last": (*listed, listed[-1]),
            "bit": (*listed[:at], flip(rng, listed[at]), *listed[at + 1 :]),
            "zero_one": (*listed[:at], bytes(width), *listed[at + 1 :]),
            "random_one": (*listed[:at], new, *listed[at + 1 :]),
        }
    if len(listed) > 1:
        a, b = sorted(rng.sample(range(len(listed)), 2))
        swapped = (*listed[:a], listed[b], *listed[a + 1 : b], listed[a], *listed[b + 1 :])
        made |= {
            "swap": swapped,
            "reverse": listed[::-1],
            "rotate": (*listed[1:], listed[0]),
            "copy_over": (*listed[:b], listed[a], *listed[b + 1 :]),
        }
    name = rng.choice([name for name, other in made.items() if other != listed])
    return name, made[name]


def field(rng: Random, struct: S, only: Sequence[str] = ()) -> tuple[str, S]:
    """(name, the struct with another value in one field)."""
    names = struct.__dataclass_fields__  # type: ignore[attr-defined]
    kinds = dict(zip(names, (kind for _, kind in struct.fields()), strict=True))
    name = rng.choice(list(only or kinds))
    value = getattr(struct, name)
    if isinstance(value, bytes):
        how, other = fixed(rng, value)
        return f"{name}.{how}", replace(struct, **{name: other})  # type: ignore[type-var]
    how, number = integer(rng, value, int(kinds[name].removeprefix("uint")))
    return f"{name}.{how}", replace(struct, **{name: number})  # type: ignore[type-var]


def signature(rng: Random, value: bytes) -> tuple[str, bytes]:
    """(name, a signature that is not the one)."""
    r, s, v = value[:32], value[32:64], value[64]
    order, high = CURVE_ORDER.to_bytes(32, "big"), CURVE_ORDER - int.from_bytes(s, "big")
    made = {
        "bit": flip(rng, value),
        "high_s": r + high.to_bytes(32, "big") + bytes([55 - v]),
        "high_s_same_v": r + high.to_bytes(32, "big") + bytes([v]),
        "v_flipped": r + s + bytes([55 - v]),
        "v_other": r + s + bytes([rng.choice((0, 1, 2, 26, 29, 30, 31, 35, 36, 255))]),
        "r_zero": bytes(32) + s + bytes([v]),
        "s_zero": r + bytes(32) + bytes([v]),
        "r_order": order + s + bytes([v]),
        "s_order": r + order + bytes([v]),
        "r_beyond": b"\xff" * 32 + s + bytes([v]),
        "s_beyond": r + b"\xff" * 32 + bytes([v]),
        "s_half": r + (CURVE_ORDER // 2 + rng.randint(0, 1)).to_bytes(32, "big") + bytes([v]),
        "r_random": rng.randbytes(32) + s + bytes([v]),
        "r_small": rng.randrange(1, 20).to_bytes(32, "big") + s + bytes([v]),
        "s_random": r + rng.randbytes(32) + bytes([v]),
        "r_s_swapped": s + r + bytes([v]),
        "zero": bytes(65),
        "compact": r + bytes([s[0] | (v - 27) << 7]) + s[1:],
        "truncated": value[: rng.randrange(65)],
        "padded": value + rng.randbytes(rng.randint(1, 3)),
        "v_first": bytes([v]) + r + s,
    }
    name = rng.choice([name for name, other in made.items() if other != value])
    return name, made[name]


def octets(rng: Random, data: bytes) -> tuple[str, bytes]:
    """(name, the encoding of a proof with a fault in its bytes)."""
    at = rng.randrange(len(data))
    head = rng.randrange(136, min(174, len(data)))
    made = {
        "bit": flip(rng, data),
        "count": data[:head] + rng.randbytes(1) + data[head + 1 :],
        "count_bit": data[:head] + bytes([data[head] ^ 1 << rng.randrange(8)]) + data[head + 1 :],
        "truncated": data[:at],
        "one_short": data[:-1],
        "padded": data + rng.randbytes(rng.randint(1, 70)),
        "inserted": data[:at] + rng.randbytes(1) + data[at:],
        "removed": data[:at] + data[at + 1 :],
        "empty": b"",
        "random": rng.randbytes(rng.randrange(400)),
        "oversize": data + bytes(1 << 16),
    }
    name = rng.choice([name for name, other in made.items() if other != data])
    return name, made[name]


# --- questions -------------------------------------------------------------------------------------------------------


def an_inclusion(rng: Random) -> Case:
    asked = honest.an_inclusion(rng)
    what = rng.choice(("leaf", "index", "size", "root", "proof", "proof", "inner_node"))
    if what in ("leaf", "root"):
        how, value = fixed(rng, getattr(asked, what))
        return Case(replace(asked, **{what: value}), f"{what}.{how}", True)  # type: ignore[arg-type]
    if what in ("index", "size"):
        how, number = integer(rng, getattr(asked, what))
        # A size is no input of the hashes: what binds it to its root is the finalised outbox.
        return Case(replace(asked, **{what: number}), f"{what}.{how}", what == "index")  # type: ignore[arg-type]
    if what == "proof" or not asked.proof:
        how, proof = items(rng, asked.proof, WORD, 64)
        return Case(replace(asked, proof=proof), f"proof.{how}", True)
    # The second preimage that leaf and node tags prevent: the hashes of two children as a leaf of 64 bytes, or their
    # parent as a leaf of 32, one level up.
    children = keccak(b"\x00" + asked.leaf) + asked.proof[0]
    leaf = children if rng.randrange(2) else node_hash(children[:32], children[32:])
    up = replace(asked, leaf=leaf, index=asked.index >> 1, size=(asked.size + 1) >> 1, proof=asked.proof[1:])
    return Case(up, "inner_node", True)


def a_consistency(rng: Random) -> Case:
    asked = honest.a_consistency(rng)
    what = rng.choice(("from_size", "to_size", "from_root", "to_root", "proof", "proof", "swapped", "empty"))
    if what == "swapped":
        turned = Consistency(asked.to_size, asked.to_root, asked.from_size, asked.from_root, asked.proof)
        return Case(turned, what, False)
    if what == "empty":
        return Case(replace(asked, from_size=0, from_root=rng.choice((EMPTY_ROOT, ZERO32)), proof=()), what, False)
    if what == "proof":
        how, proof = items(rng, asked.proof, WORD, 128)
        return Case(replace(asked, proof=proof), f"proof.{how}", True)
    if what.endswith("root"):
        how, root = fixed(rng, getattr(asked, what))
        # From the empty log every log is a continuation.
        forges = not (asked.from_size == 0 and what == "to_root")
        return Case(replace(asked, **{what: root}), f"{what}.{how}", forges)  # type: ignore[arg-type]
    how, size = integer(rng, getattr(asked, what))
    return Case(replace(asked, **{what: size}), f"{what}.{how}", False)  # type: ignore[arg-type]


def a_payload(rng: Random) -> Case:
    data = honest.a_payload(rng).payload
    words = [data[at : at + WORD] for at in range(0, len(data), WORD)]
    at = rng.randrange(len(words))
    number = integer(rng, int.from_bytes(words[at], "big"), 256)[1].to_bytes(WORD, "big")
    low = integer(rng, int.from_bytes(words[at][24:], "big"), 64)[1].to_bytes(WORD, "big")
    made = {
        "bit": flip(rng, data),
        "word_number": b"".join((*words[:at], number, *words[at + 1 :])),
        "word_uint64": b"".join((*words[:at], low, *words[at + 1 :])),
        "offset": b"".join((*words[:12], integer(rng, 14 * WORD, 16)[1].to_bytes(WORD, "big"), *words[13:])),
        "count": b"".join((*words[:14], integer(rng, len(words) - 15, 8)[1].to_bytes(WORD, "big"), *words[15:])),
        # Modulo 2^256, 32 times such a count is what the honest one is.
        "count_wraps": b"".join(
            (*words[:14], (len(words) - 15 + (rng.randrange(1, 32) << 251)).to_bytes(WORD, "big"), *words[15:])
        ),
        "truncated": data[: rng.randrange(len(data))],
        "truncated_words": data[: WORD * rng.randrange(len(words))],
        "padded": data + rng.randbytes(rng.randint(1, 40)),
        "padded_words": data + bytes(WORD) * rng.randint(1, 10),
        "words": b"".join(items(rng, words, WORD, 24)[1]),
        "empty": b"",
        "oversize": data + bytes(5000),
    }
    name = rng.choice([name for name, other in made.items() if other != data])
    return Case(Payload(made[name]), name, len(made[name]) != len(data) and name != "words")


def _quorum_lies(rng: Random, scene: honest.Scene) -> tuple[str, honest.Scene]:
    """Something else is said, and signed as it should be."""
    how, said = field(rng, scene.statement)
    if how.startswith("epoch") and rng.randrange(2):
        step = rng.choice((-1, 1, 2))
        how, said = f"epoch{step:+d}", replace(scene.statement, epoch=(scene.statement.epoch + step) % 2**64)
    return f"said.{how}", replace(scene, statement=said)


def _boundary(rng: Random, scene: honest.Scene) -> tuple[str, honest.Scene]:
    """The statement meets the client's state or clock exactly, or by one."""
    state, limits, step = scene.state, scene.limits, rng.choice((-1, 0, 1))
    what = rng.choice(("height", "timestamp", "outbox_size", "drift"))
    target = limits.now + limits.max_drift if what == "drift" else getattr(state, what)
    name = "timestamp" if what == "drift" else what
    changed = replace(scene.statement, **{name: min(U64_MAX, max(0, target + step))})  # type: ignore[arg-type]
    return f"boundary.{what}{step:+d}", replace(scene, statement=changed)


def _hand_over(rng: Random, scene: honest.Scene) -> tuple[str, honest.Scene]:
    """A committee that may not follow, named and signed as if it might."""
    epoch = scene.state.epoch
    following = tuple(member.address for member in honest.members(rng.choice((4, 5, 7)), 3))
    count = rng.choice((0, 1, 2, 3, 4, 64, 65))
    made = {
        "unsorted": following[::-1],
        "duplicate": (following[0], *following),
        "zero": (bytes(20), *following),
        "ones": (*following, b"\xff" * 20),
        f"count_{count}": tuple((i + 1).to_bytes(20, "big") for i in range(count)),
        "same": tuple(member.address for member in scene.committee),
        "other_epoch": following,
        "unnamed": following,
        "unlisted": following,
    }
    name = rng.choice(list(made))
    listed = made[name]
    after = epoch if name == "other_epoch" or epoch == U64_MAX else epoch + 1
    named = ZERO32 if name == "unnamed" else committee_hash(after, listed)
    said = replace(scene.statement, next_committee=named)
    return f"hand_over.{name}", replace(scene, statement=said, following=() if name == "unlisted" else listed)


def _signers(rng: Random, scene: honest.Scene) -> tuple[str, honest.Scene]:
    """Other members sign: any number of them."""
    count = len(scene.committee)
    k = rng.choice((0, 1, quorum(count) - 1, quorum(count), count, rng.randint(0, count)))
    return f"signers.{k - quorum(count):+d}", replace(scene, signers=tuple(sorted(rng.sample(range(count), k))))


def _client(rng: Random, scene: honest.Scene) -> tuple[str, honest.Scene]:
    """The same proof at a client that believes something else."""
    names = ("epoch", "authority", "height", "timestamp", "outbox_size", "outbox_root", "small_committee")
    name = rng.choice(names)
    value = getattr(scene.state, name)
    if isinstance(value, bool):
        return "state.small_committee", replace(scene, state=replace(scene.state, small_committee=not value))
    how, other = fixed(rng, value) if isinstance(value, bytes) else integer(rng, value)
    changed: TrustState = replace(scene.state, **{name: other})  # type: ignore[arg-type]
    return f"state.{name}.{how}", replace(scene, state=changed)


def _clock(rng: Random, scene: honest.Scene) -> tuple[str, honest.Scene]:
    """The same proof at another time, or under another setting."""
    limits = scene.limits
    if rng.randrange(2):
        how, now = integer(rng, limits.now)
        return f"now.{how}", replace(scene, limits=Limits(now, limits.max_drift))
    how, drift = integer(rng, limits.max_drift)
    return f"drift.{how}", replace(scene, limits=Limits(limits.now, drift))


BEFORE: tuple[Callable[[Random, honest.Scene], tuple[str, honest.Scene]], ...] = (
    _quorum_lies,
    _boundary,
    _hand_over,
    _signers,
    _client,
    _clock,
)


def carried(rng: Random, scene: honest.Scene, proof: CommitteeProof) -> tuple[str, CommitteeProof, bool]:
    """What a relayer can do to a proof: (name, the proof, whether it must be refused)."""
    what = rng.choice(
        ("statement", "members", "bitmap", "signature", "signature", "signatures", "digest", "next", "consistency")
    )
    if what == "statement":
        how, said = field(rng, proof.statement)
        return f"statement.{how}", replace(proof, statement=said), True
    if what == "members":
        how, members = items(rng, proof.members, 20, 64)
        return f"members.{how}", replace(proof, members=members), True
    if what == "bitmap":
        how, bitmap = integer(rng, proof.bitmap)
        return f"bitmap.{how}", replace(proof, bitmap=bitmap), True
    if what == "signatures":
        how, signatures = items(rng, proof.signatures, 65, 64)
        return f"signatures.{how}", replace(proof, signatures=signatures), True
    if what == "next":
        how, following = items(rng, proof.next_members, 20, 64)
        return f"next_members.{how}", replace(proof, next_members=following), not scene.repeats
    if what == "consistency":
        how, consistency = items(rng, proof.consistency, WORD, 128)
        return f"consistency.{how}", replace(proof, consistency=consistency), not scene.repeats
    at = rng.randrange(len(proof.signatures))
    if what == "signature":
        how, other = signature(rng, proof.signatures[at])
        how = f"signature.{how}"
    else:
        how, digest = _other_digest(rng, scene.domain, proof.statement)
        signers = [member for i, member in enumerate(scene.committee) if proof.bitmap >> i & 1]
        other = unsafe_sign_digest(signers[at].key, digest)
    changed = (*proof.signatures[:at], other, *proof.signatures[at + 1 :])
    return how, replace(proof, signatures=changed), True


def _other_digest(rng: Random, domain: bytes, said: Finality) -> tuple[str, bytes]:
    """(name, what the member signed instead)."""
    digest = said.digest(domain)
    vote = Vote(said.block_hash, said.state_root, said.height, bytes(20), said.outbox_root)
    made = {
        "signed.other_domain": said.digest(flip(rng, domain)),
        "signed.other_statement": field(rng, said)[1].digest(domain),
        "signed.other_struct": statement_digest(domain, vote),
        "signed.struct_hash": said.struct_hash(),
        "signed.personal": keccak(b"\x19Ethereum Signed Message:\n32" + digest),
        "signed.digest_of_digest": keccak(digest),
        "signed.zero": ZERO32,
    }
    name = rng.choice(list(made))
    return name, made[name]


def a_proof(rng: Random) -> Case:
    scene = honest.a_scene(rng)
    choice = rng.randrange(20)
    if choice < 9:
        name, changed = rng.choice(BEFORE)(rng, scene)
        return Case(changed.signed(), name)
    asked = scene.signed()
    if choice == 9:
        how, domain = fixed(rng, asked.domain)
        return Case(replace(asked, domain=domain), f"domain.{how}", True)
    if choice < 13:
        name, data = octets(rng, asked.proof)
        return Case(scene.carrying(data), f"bytes.{name}")
    name, proof, forges = carried(rng, scene, scene.proof())
    return Case(scene.carrying(proof.encode()), name, forges)


def a_misbehaviour(rng: Random) -> Case:
    asked, scene, fork = honest.a_misbehaviour(rng)
    choice = rng.randrange(10)
    if choice == 0:
        return Case(replace(asked, second=asked.first), "identical", True)
    if choice == 1:
        return Case(replace(asked, first=asked.second, second=asked.first), "turned")
    if choice == 2:
        name, changed = _client(rng, scene)
        return Case(replace(asked, state=changed.state), name)
    if choice == 3:
        how, domain = fixed(rng, asked.domain)
        return Case(replace(asked, domain=domain), f"domain.{how}", True)
    if choice < 6:
        # Both halves are signed as they should be; whether they contradict each other is the question.
        name, changed = rng.choice((_quorum_lies, _hand_over, _signers))(rng, scene)
        return Case(replace(asked, second=changed.signed().proof), f"against.{name}")
    half = rng.choice(("first", "second"))
    if choice == 6:
        name, data = octets(rng, getattr(asked, half))
        return Case(replace(asked, **{half: data}), f"{half}.bytes.{name}")  # type: ignore[arg-type]
    told = scene if half == "first" else fork
    name, proof, forges = carried(rng, told, told.proof())
    # Evidence is about what was signed: neither list takes part in it.
    unread = name.startswith(("next_members", "consistency"))
    return Case(replace(asked, **{half: proof.encode()}), f"{half}.{name}", forges and not unread)  # type: ignore[arg-type]


def a_statement(rng: Random) -> Case:
    asked = honest.a_statement(rng)
    choice = rng.randrange(5)
    if choice < 2:
        how, statement = field(rng, asked.statement)
        return Case(replace(asked, statement=statement), how, True)
    if choice == 2:
        how, domain = fixed(rng, asked.domain)
        return Case(replace(asked, domain=domain), f"domain.{how}", True)
    how, other = signature(rng, asked.signature)
    return Case(replace(asked, signature=other), f"signature.{how}", True)


def a_delivery(rng: Random, receiver: bytes) -> Case:
    asked = honest.a_delivery(rng, receiver)
    sent, expected = asked.delivered, asked.expected
    what = rng.choice(("packet", "sent", "sent", "payload", "leaf_index", "proof", "world", "world", "expiry", "last"))
    if what == "last":
        made = honest.included(
            rng, replace(expected, next_nonce=U64_MAX), replace(sent.packet, nonce=U64_MAX), sent.payload
        )
        return Case(made, "last_nonce")
    if what == "packet":
        how, packet = field(rng, sent.packet)
        return Case(replace(asked, delivered=replace(sent, packet=packet)), f"packet.{how}", True)
    if what == "sent":
        # The source did send this; it is final; this destination must take it all the same only if it is due here.
        how, packet = field(rng, sent.packet)
        return Case(honest.included(rng, expected, packet, sent.payload), f"sent.{how}")
    if what == "expiry":
        at = honest.HEIGHT + rng.choice((-2, -1, 0, 1, 2))
        made = honest.included(rng, expected, replace(sent.packet, expires_at=at), sent.payload)
        return Case(made, f"expires.{at - honest.HEIGHT:+d}")
    if what == "payload":
        made_of = {
            "bit": flip(rng, sent.payload) if sent.payload else b"\0",
            "truncated": sent.payload[:-1],
            "padded": sent.payload + b"\0",
            "empty": b"",
            "at_bound": bytes(MAX_PAYLOAD),
            "beyond_bound": bytes(MAX_PAYLOAD + 1),
        }
        name = rng.choice([name for name, other in made_of.items() if other != sent.payload])
        expired = 0 < sent.packet.expires_at < honest.HEIGHT
        return Case(replace(asked, delivered=replace(sent, payload=made_of[name])), f"payload.{name}", not expired)
    if what == "leaf_index":
        how, index = integer(rng, sent.leaf_index)
        return Case(replace(asked, delivered=replace(sent, leaf_index=index)), f"leaf_index.{how}", True)
    if what == "proof":
        how, proof = items(rng, sent.proof, WORD, 64)
        return Case(replace(asked, delivered=replace(sent, proof=proof)), f"proof.{how}", True)
    name = rng.choice(("source_domain", "sender", "next_nonce", "outbox_size", "outbox_root"))
    value = getattr(expected, name)
    how, other = fixed(rng, value) if isinstance(value, bytes) else integer(rng, value)
    if name in ("source_domain", "sender") and not any(other):  # type: ignore[arg-type]
        other = flip(rng, value)  # zero is no sender and no source: the ledger cannot be in this state
    changed = replace(expected, **{name: other})  # type: ignore[arg-type]
    return Case(replace(asked, expected=changed), f"expected.{name}.{how}", name != "outbox_size")
