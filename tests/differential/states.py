"""State proofs and ESP1: the questions, honest ones, and one random mutation of one.

Most mutations hash the changed node into its parents, up to a state root of the forger's own: otherwise the first hash
that does not fit would answer for every rule below it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import ClassVar

import rlp  # type: ignore[import-untyped]

from poft.protocol.errors import Code
from poft.verification.api import Limits, TrustState
from poft.verification.schemes.esp1 import OutboxProof, StateProofVerifier, outbox_authority
from poft.verification.state_proof import COMMITMENT_SLOT, StateProof, outbox_commitment, proven_slot
from tests.vectors.state_proofs import packed
from tests.vectors.tries import Rlp, World, encode, world

from . import honest
from .encodings import abi_bytes, abi_call, octets, u64, word
from .mutate import BEFORE, Case, carried, fixed, flip
from .mutate import octets as broken
from .questions import STATE, Answer, abi_state, scale_state

ESP1 = StateProofVerifier()


@dataclass(frozen=True, slots=True)
class Slot:
    """What a slot of an account holds under a state root."""

    rule: ClassVar[int] = 10
    state_root: bytes
    account: bytes
    slot: bytes
    proof: bytes

    def result(self) -> Answer:
        found = proven_slot(self.state_root, self.account, self.slot, StateProof.decode(self.proof))
        return Answer(Code.Ok, found, found)

    def scale(self) -> bytes:
        return self.state_root + self.account + self.slot + octets(self.proof)

    def calldata(self) -> bytes | None:
        head = self.state_root + bytes(12) + self.account + self.slot
        return abi_call("slot(bytes32,address,bytes32,bytes)", head, abi_bytes(self.proof))

    def fields(self) -> dict[str, object]:
        return {"state_root": self.state_root, "account": self.account, "slot": self.slot, "proof": self.proof}


@dataclass(frozen=True, slots=True)
class Outbox:
    """An ESP1 proof, asked of a client."""

    rule: ClassVar[int] = 11
    domain: bytes
    state: TrustState
    proof: bytes
    limits: Limits

    def result(self) -> Answer:
        state, finalised = ESP1.verify(self.domain, self.state, self.proof, self.limits)
        return Answer(Code.Ok, scale_state(state) + finalised.state_root, abi_state(state))

    def scale(self) -> bytes:
        limits = u64(self.limits.now) + u64(self.limits.max_drift)
        return self.domain + scale_state(self.state) + octets(self.proof) + limits

    def calldata(self) -> bytes | None:
        return abi_call(
            f"outbox(bytes32,{STATE},bytes,(uint256,uint256))",
            self.domain + abi_state(self.state),
            abi_bytes(self.proof),
            after=word(self.limits.now) + word(self.limits.max_drift),
        )

    def fields(self) -> dict[str, object]:
        said = {"domain": self.domain, "state": self.state, "proof": self.proof}
        return {**said, "now": self.limits.now, "max_drift": self.limits.max_drift}


@cache
def _world(seed: int) -> World:
    """Few worlds, of every depth: building one costs more than asking about it."""
    rng = Random(seed)
    accounts, slots = (sorted(rng.sample(range(64), rng.randint(0, 4))) for _ in range(2))
    return world(seed, rng.choice((1, 2, 5, 20)), rng.choice((1, 2, 5)), None, accounts, slots)


def _place(rng: Random) -> World:
    return _world(rng.randrange(40))


def _question(of: World, root: bytes, proof: StateProof) -> Slot:
    return Slot(root, of.account, of.slot, packed(proof))


def an_honest_slot(rng: Random) -> Slot:
    """A proof that holds."""
    of = _place(rng)
    return _question(of, of.accounts.root, of.proof)


def _rehashed(rng: Random, of: World) -> tuple[str, bytes, StateProof]:
    """(name, state root, proof) of a world in which one node is another one."""
    part = rng.choice(("account", "storage"))
    nodes = (of.storage if part == "storage" else of.accounts).nodes
    level = rng.randrange(len(nodes))
    if rng.randrange(2):
        how, encoded = _bytes(rng, nodes[level].encoded)
    else:
        how, items = _items(rng, list(nodes[level].items))
        encoded = encode(items)
    # What no packed proof can hold in two bytes of length is not asked.
    return (f"{part}.{how}", *of.with_raw(part, level, encoded[:0xFFFF]))


def _bytes(rng: Random, data: bytes) -> tuple[str, bytes]:
    """(name, a node with a fault in its bytes)."""
    head = rng.randrange(min(3, len(data)))
    place = rng.randrange(len(data))
    made = {
        "bit": flip(rng, data),
        "head_bit": flip(rng, data[: head + 1]) + data[head + 1 :],
        "head": data[:head] + rng.randbytes(1) + data[head + 1 :],
        "byte": data[:place]
        + bytes([rng.choice((0, 0x7F, 0x80, 0x81, 0xA0, 0xB8, 0xBF, 0xC0, 0xF8, 0xFF))])
        + data[place + 1 :],
        "inserted": data[:place] + rng.randbytes(1) + data[place:],
        "removed": data[:place] + data[place + 1 :],
        "truncated": data[:place],
        "padded": data + rng.randbytes(rng.randint(1, 3)),
        "long_head": b"\xf9" + (len(data) - 3).to_bytes(2, "big") + data[3:] if len(data) > 3 else b"\xf9\0\0",
        "empty": b"",
        "oversize": data + bytes(600),
    }
    name = rng.choice([name for name, other in made.items() if other != data])
    return f"bytes.{name}", made[name]


def _items(rng: Random, items: list[Rlp]) -> tuple[str, list[Rlp]]:
    """(name, a node with other items)."""
    at = rng.randrange(len(items))
    item = items[at]
    made: dict[str, Rlp] = {
        "empty": b"",
        "list": [],
        "nested": [item],
        "embedded": [bytes(rng.randrange(28, 33))],
        "short": rng.randbytes(rng.choice((1, 2, 31, 33))),
        "hash": rng.randbytes(32),
    }
    if isinstance(item, bytes) and item:
        made |= {
            "bit": flip(rng, item),
            "head_bit": bytes([item[0] ^ 1 << rng.randrange(8)]) + item[1:],
            "zero_first": b"\0" + item,
            "cut": item[:-1],
            "cut_first": item[1:],
            "trailing": item + b"\0",
            "reencoded": encode(item),
            "decoded": _decoded(item),
        }
    name = rng.choice([*made, "dropped", "doubled", "swapped", "appended"])
    if name == "dropped":
        return f"items.{name}", [*items[:at], *items[at + 1 :]]
    if name == "doubled":
        return f"items.{name}", [*items[: at + 1], *items[at:]]
    if name == "appended":
        return f"items.{name}", [*items, rng.choice((b"", b"\1", rng.randbytes(32)))]
    if name == "swapped":
        other = rng.randrange(len(items))
        changed = list(items)
        changed[at], changed[other] = changed[other], changed[at]
        return f"items.{name}", changed
    return f"items.{name}", [*items[:at], made[name], *items[at + 1 :]]


def _decoded(item: bytes) -> Rlp:
    """A value that is RLP itself, put in as what it encodes."""
    try:
        found: Rlp = rlp.decode(item)
    except rlp.DecodingError:
        return b""
    return found


def _listed(rng: Random, proof: StateProof) -> tuple[str, StateProof]:
    """(name, the same nodes in another order or number)."""
    part = rng.choice(("account", "storage"))
    nodes: tuple[bytes, ...] = getattr(proof, part)
    at, other = rng.randrange(len(nodes)), rng.randrange(len(nodes))
    swapped = list(nodes)
    swapped[at], swapped[other] = swapped[other], swapped[at]
    made = {
        "dropped": (*nodes[:at], *nodes[at + 1 :]),
        "doubled": (*nodes[: at + 1], *nodes[at:]),
        "swapped": tuple(swapped),
        "appended": (*nodes, rng.choice((b"", nodes[-1], rng.randbytes(40)))),
        "prepended": (rng.choice((b"", nodes[0])), *nodes),
        "none": (),
        "at_bound": (*nodes, *(nodes[-1:] * 64))[:64],
        "beyond_bound": (*nodes, *(nodes[-1:] * 65))[:65],
        "flipped": (*nodes[:at], flip(rng, nodes[at]), *nodes[at + 1 :]),
    }
    name = rng.choice([name for name, changed in made.items() if changed != nodes])
    return f"{part}.{name}", replace(proof, **{part: made[name]})


def a_slot(rng: Random) -> Case:
    """One mutation of a state proof."""
    of = _place(rng)
    choice = rng.randrange(10)
    if choice < 6:
        name, root, proof = _rehashed(rng, of)
        return Case(_question(of, root, proof), f"rehashed.{name}")
    asked = an_honest_slot(rng)
    if choice == 6:
        name, data = broken(rng, asked.proof)
        return Case(replace(asked, proof=data), f"bytes.{name}", True)
    if choice == 7:
        what = rng.choice(("state_root", "account", "slot"))
        how, value = fixed(rng, getattr(asked, what))
        return Case(replace(asked, **{what: value}), f"{what}.{how}", True)  # type: ignore[arg-type]
    name, proof = _listed(rng, of.proof)
    return Case(_question(of, of.accounts.root, proof), name, True)


def _staged(rng: Random, scene: honest.Scene) -> tuple[honest.Scene, World]:
    """The scene's statement under a state that has its outbox."""
    said = scene.statement
    held = outbox_commitment(said.outbox_size, said.outbox_root)
    outbox = rng.randbytes(20)
    state = world(rng.getrandbits(32), rng.choice((1, 2, 5)), rng.choice((1, 2)), held, (), (), outbox, COMMITMENT_SLOT)
    return replace(scene, statement=replace(said, state_root=state.accounts.root)), state


def _asked(scene: honest.Scene, of: World, state: StateProof, inner: bytes | None = None) -> Outbox:
    authority = scene.state.authority
    proof = OutboxProof(of.account, authority, inner or scene.proof().encode(), state)
    head = proof.outbox + proof.inner_authority + len(proof.inner).to_bytes(2, "big") + proof.inner
    wrapped = replace(scene.state, authority=outbox_authority(authority, of.account))
    return Outbox(scene.domain, wrapped, head + packed(state), scene.limits)


def an_honest_outbox(rng: Random) -> Outbox:
    """An ESP1 proof that its client takes."""
    scene, of = _staged(rng, honest.a_scene(rng))
    return _asked(scene, of, of.proof)


def an_outbox(rng: Random) -> Case:
    """One mutation of an ESP1 proof: of the header, of the state below it, or of how both are put together."""
    scene, of = _staged(rng, honest.a_scene(rng))
    choice = rng.randrange(9)
    if choice < 3:
        # Said and signed before the state is looked at: another outbox, among others, is not the state's.
        name, changed = rng.choice(BEFORE)(rng, scene)
        return Case(_asked(changed, of, of.proof), f"header.{name}", name.startswith("said.outbox_"))
    if choice == 3:
        name, root, state = _rehashed(rng, of)
        signed = replace(scene, statement=replace(scene.statement, state_root=root))
        return Case(_asked(signed, of, state), f"state.{name}")
    if choice == 4:
        name, state = _listed(rng, of.proof)
        return Case(_asked(scene, of, state), f"nodes.{name}", True)
    if choice == 5:
        name, inner, forges = carried(rng, scene, scene.proof())
        return Case(_asked(scene, of, of.proof, inner.encode()), f"inner.{name}", forges)
    asked = _asked(scene, of, of.proof)
    if choice == 6:
        name, data = broken(rng, asked.proof)
        return Case(replace(asked, proof=data), f"bytes.{name}")
    if choice == 7:
        at = rng.choice((0, 20, 52))
        width = {0: 20, 20: 32, 52: 2}[at]
        how, value = fixed(rng, asked.proof[at : at + width])
        return Case(
            replace(asked, proof=asked.proof[:at] + value + asked.proof[at + width :]), f"head.{at}.{how}", True
        )
    how, authority = fixed(rng, asked.state.authority)
    return Case(replace(asked, state=replace(asked.state, authority=authority)), f"authority.{how}", True)
