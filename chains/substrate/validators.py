"""Changing who validates a running network (docs/operating.md, Changing validators).

A validator that is to join sets its session keys itself, from an account with coins, and proves that it has them; then
governance sets the list of members. The change is announced at the end of the running session and done at the end of
the next, without a pause in blocks, finality or commitments. Whoever is taken from the list goes the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from substrateinterface import Keypair  # type: ignore[import-untyped]
from substrateinterface.utils.ss58 import ss58_decode  # type: ignore[import-untyped]

from poft.chain import Receipt

from .rpc import Json
from .runtime import Runtime, items, number, octets, record, scale
from .sending import Payer
from .validator_keys import SessionKeys, ValidatorKeys

PALLET = "Validators"


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """Who validates after a block: the number of the BEEFY set, its keys, and the accounts that governance wants."""

    identity: int
    keys: tuple[bytes, ...]
    members: tuple[bytes, ...]
    session_length: int


def set_keys(runtime: Runtime, keys: ValidatorKeys) -> Receipt:
    """Registers a validator's keys, or replaces them; its own account signs, and pays.

    Raises:
        Rejected: the account has no coins, or another one has these keys.
    """
    arguments: dict[str, Json] = {"keys": _session(keys.public), "proof": scale(keys.ownership)}
    return Payer(runtime, keys.payer).send("Session", "set_keys", arguments)


def set_members(runtime: Runtime, governor: Keypair, accounts: Sequence[bytes]) -> Receipt:
    """Sets who is to validate.

    Raises:
        Rejected: CommitteeInvalid (nobody, or one twice), Oversize, ZeroValue, NotRegistered (no session keys),
            Unauthorised (the payer does not govern).
    """
    return Payer(runtime, governor).send(PALLET, "set_members", {"members": scale(list(accounts))}, root=True)


def validator_set(runtime: Runtime, block: str | None = None) -> ValidatorSet:
    """Who validates after this block, or after the head, as the node says."""
    wanted = [("Beefy", "ValidatorSetId"), ("Beefy", "Authorities"), (PALLET, "Members"), (PALLET, "SessionLength")]
    identity, keys, members, length = runtime.read_all([(*item, ()) for item in wanted], block)
    return ValidatorSet(
        number(identity),
        tuple(octets(key) for key in items(keys)),
        tuple(_account(member) for member in items(members)),
        number(length),
    )


def _session(keys: SessionKeys) -> dict[str, Json]:
    return record(scale(keys))


def _account(shown: Json) -> bytes:
    return bytes.fromhex(ss58_decode(str(shown)))
