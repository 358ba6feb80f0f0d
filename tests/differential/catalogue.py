"""Every rule that is asked about: a random case of any of them, mutated or honest."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from . import honest
from .agreements import an_accusation, an_agreement, an_honest_accusation, an_honest_agreement
from .commitments import a_commitment, a_contradiction, an_honest_commitment, an_honest_contradiction
from .mutate import (
    Case,
    a_consistency,
    a_delivery,
    a_misbehaviour,
    a_payload,
    a_proof,
    a_statement,
    an_inclusion,
)
from .questions import Question
from .seals import a_seal, an_honest_seal
from .states import a_slot, an_honest_outbox, an_honest_slot, an_outbox


def mutated(rng: Random, receiver: bytes) -> Case:
    """A case of any rule, more of the rules with more to go wrong."""
    rule = rng.choices(range(14), (3, 3, 2, 8, 3, 2, 3, 4, 3, 5, 2, 5, 2, 4))[0]
    made: tuple[Callable[[Random], Case], ...] = (
        an_inclusion,
        a_consistency,
        a_payload,
        a_proof,
        a_misbehaviour,
        a_statement,
        lambda rng: a_delivery(rng, receiver),
        a_slot,
        an_outbox,
        an_agreement,
        an_accusation,
        a_commitment,
        a_contradiction,
        a_seal,
    )
    return made[rule](rng)


def untouched(rng: Random, receiver: bytes) -> Case:
    """An honest case of any rule; the three must take it."""
    rule = rng.randrange(14)
    if rule == 6:
        return Case(honest.a_delivery(rng, receiver))
    if rule == 4:
        return Case(honest.a_misbehaviour(rng)[0])
    makers: dict[int, Callable[[Random], Question]] = {
        0: honest.an_inclusion,
        1: honest.a_consistency,
        2: honest.a_payload,
        3: lambda rng: honest.a_scene(rng).signed(),
        5: honest.a_statement,
        7: an_honest_slot,
        8: an_honest_outbox,
        9: an_honest_agreement,
        10: an_honest_accusation,
        11: an_honest_commitment,
        12: an_honest_contradiction,
        13: an_honest_seal,
    }
    return Case(makers[rule](rng))
