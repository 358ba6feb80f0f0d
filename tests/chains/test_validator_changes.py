"""One validator replaces another in a running network: nothing pauses, and each set is believed about its own time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chains.substrate import SubstrateChain
from chains.substrate.authorities import authorities_of, justified_block, scheduled_change
from chains.substrate.evidence import finality_evidence
from chains.substrate.genesis import GOVERNOR, keypair, value_key
from chains.substrate.grandpa import ENGINE, verify_justification
from chains.substrate.network import SubstrateNetwork
from chains.substrate.rpc import Json, Rpc
from chains.substrate.runtime import Runtime, octets
from chains.substrate.validators import set_keys, set_members, validator_set
from poft.protocol.errors import Code, Refused, Rejected

from .chain_kit import until
from .test_node_network import Liar
from .validator_changes import FOUNDERS, NODES, PATIENCE, SESSION, commitment, create, keys_of, replace_first

pytestmark = [pytest.mark.trial, pytest.mark.built, pytest.mark.devnet, pytest.mark.slow]

PAUSE = 20.0
"""Seconds without a new block that is final or committed to: a pause, on a machine whatever its load."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A network after the change."""

    network: SubstrateNetwork
    chain: SubstrateChain
    runtime: Runtime
    last: int
    """The block that ended the founders' set."""
    longest: float
    """Seconds that finality or commitments stood still at most while it happened."""

    @property
    def genesis(self) -> bytes:
        """Hash of the first block."""
        return octets(self.network.spec().deployment["genesis"])


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changed]:
    network = create(tmp_path_factory.mktemp("changing"))
    network.start()
    try:
        chain = SubstrateChain(network.spec([1]))
        runtime = Runtime(Rpc(network.validators[1].rpc))
        until(lambda: chain.final_height() >= 2, "finality", PATIENCE)
        refuses_what_is_no_set(runtime)
        chain.finality_evidence(chain.final_height())
        replace_first(runtime)
        longest = longest_pause(chain, runtime, lambda: set_id(runtime) >= 1)
        last = next(at for at in range(chain.final_height(), 0, -1) if scheduled_change(header(runtime, at)))
        until(lambda: chain.final_height() >= last + SESSION + 2, "blocks of the new set", PATIENCE)
        yield Changed(network, chain, runtime, last, longest)
        chain.close()
        runtime.rpc.close()
    finally:
        network.stop()


def header(runtime: Runtime, height: int) -> dict[str, Json]:
    return justified_block(runtime, height).header


def set_id(runtime: Runtime) -> int:
    final = runtime.rpc.text("chain_getFinalizedHead")
    found = runtime.read("Grandpa", "CurrentSetId", at=final)
    assert isinstance(found, int)
    return found


def refuses_what_is_no_set(runtime: Runtime) -> None:
    """The ledger refuses sets that could not validate, by the same codes as everywhere."""
    one, stranger = keys_of(1).public.account, keys_of(NODES - 1).public.account
    bad: list[tuple[list[bytes], Code]] = [
        ([], Code.CommitteeInvalid),
        ([one, one], Code.CommitteeInvalid),
        ([one, bytes(32)], Code.ZeroValue),
        ([one, stranger], Code.NotRegistered),
    ]
    for members, code in bad:
        with pytest.raises(Rejected) as caught:
            set_members(runtime, keypair(GOVERNOR), members)
        assert caught.value.code is code
    with pytest.raises(Rejected) as caught:
        set_members(runtime, keypair("//Bob"), [one])
    assert caught.value.code is Code.Unauthorised


def longest_pause(chain: SubstrateChain, runtime: Runtime, done: Callable[[], bool]) -> float:
    """Seconds for which neither finality nor commitments moved, at most, until it is done."""
    heads = (0, 0)
    moved, longest, deadline = time.monotonic(), 0.0, time.monotonic() + 180
    while not done():
        assert time.monotonic() < deadline, "the change never happened"
        committed = runtime.rpc.record("chain_getHeader", runtime.rpc.text("beefy_getFinalizedHead"))
        now = (chain.final_height(), int(str(committed["number"]), 16))
        if now[0] > heads[0] and now[1] > heads[1]:
            heads, moved = now, time.monotonic()
        longest = max(longest, time.monotonic() - moved)
        time.sleep(0.2)
    return longest


# --- what happens ----------------------------------------------------------------------------------------------------


def test_neither_finality_nor_commitments_pause(changed: Changed) -> None:
    assert changed.longest < PAUSE
    # Most blocks have a commitment of their own; a stretch without is no longer than what one round finalises.
    rpc, gap = changed.runtime.rpc, 0
    for height in range(1, changed.last + SESSION):
        gap = 0 if commitment(rpc, height) else gap + 1
        assert gap <= SESSION, f"no commitment up to block {height}"
    for first in (changed.last - SESSION, changed.last):
        assert commitment(rpc, first), f"the first block of a set, {first}, has none"


def test_evidence_verifies_before_during_and_after(changed: Changed) -> None:
    for height in range(1, changed.last + SESSION + 1):
        assert changed.chain.finality_evidence(height).height == height


def test_sets_are_followed_from_genesis(changed: Changed) -> None:
    founders = {keys_of(at).public.grandpa for at in range(FOUNDERS)}
    successors = {keys_of(at).public.grandpa for at in range(1, NODES)}
    fresh = Runtime(Rpc(changed.network.validators[2].rpc))
    for height, identity, keys in [
        (0, 0, founders),
        (changed.last, 0, founders),
        (changed.last + 1, 1, successors),
        (changed.last + SESSION, 1, successors),
        (1, 0, founders),
    ]:
        found = authorities_of(fresh, changed.genesis, height)
        assert (found.identity, set(found.weights)) == (identity, keys)
    fresh.rpc.close()


def test_ledger_says_who_validates(changed: Changed) -> None:
    found = validator_set(changed.runtime)
    assert set(found.members) == {keys_of(at).public.account for at in range(1, NODES)}
    assert set(found.keys) == {keys_of(at).public.beefy for at in range(1, NODES)}
    assert (found.identity, found.session_length) == (2, SESSION)


# --- who is no longer believed ---------------------------------------------------------------------------------------


def votes(signers: range, identity: int, block: bytes, height: int) -> bytes:
    """A justification as these nodes could make it, whoever they are today."""
    round_number = 7
    numbers = height.to_bytes(4, "little") + round_number.to_bytes(8, "little") + identity.to_bytes(8, "little")
    parts = [round_number.to_bytes(8, "little") + block + height.to_bytes(4, "little"), bytes([len(signers) << 2])]
    for at in signers:
        keys = keys_of(at)
        key = Ed25519PrivateKey.from_private_bytes(keys.seed("gran"))
        assert key.public_key().public_bytes_raw() == keys.public.grandpa
        parts.append(block + height.to_bytes(4, "little") + key.sign(b"\1" + block + numbers) + keys.public.grandpa)
    return b"".join([*parts, b"\0"])


def test_votes_of_a_replaced_set_count_no_more(changed: Changed) -> None:
    height = changed.last + 2
    block = octets(changed.runtime.rpc.text("chain_getBlockHash", height))
    now = authorities_of(changed.runtime, changed.genesis, height)
    verify_justification(votes(range(1, NODES), 1, block, height), now, block, height)

    def refused(raw: bytes) -> Code:
        with pytest.raises(Refused) as caught:
            verify_justification(raw, now, block, height)
        return caught.value.code

    assert refused(votes(range(FOUNDERS), 1, block, height)) is Code.NotSigner
    assert refused(votes(range(1, FOUNDERS), 0, block, height)) is Code.BadSignature
    assert refused(votes(range(1, 3), 1, block, height)) is Code.QuorumNotReached


def lied(changed: Changed, method: str, lie: Callable[[Json], Json], height: int) -> Code:
    """What evidence for a block says when the node's answers to a method are replaced."""
    runtime = Runtime(Liar(changed.network.validators[1].rpc, method, lie))
    try:
        finality_evidence(runtime, height, changed.network.spec())
    except Refused as error:
        return error.code
    finally:
        runtime.rpc.close()
    return Code.Ok


def test_evidence_refused_of_a_node_that_brings_votes_of_the_replaced_set(changed: Changed) -> None:
    height = changed.last + 2
    block = octets(changed.runtime.rpc.text("chain_getBlockHash", height))
    forged = votes(range(FOUNDERS), 1, block, height)

    def lie(answer: Json) -> Json:
        assert isinstance(answer, dict)
        shown = answer["block"]
        assert isinstance(shown, dict) and isinstance(shown["header"], dict)
        if int(str(shown["header"]["number"]), 16) != height:
            return answer
        return {**answer, "justifications": [[list(ENGINE), list(forged)]]}

    assert lied(changed, "chain_getBlock", lambda answer: answer, height) is Code.Ok
    assert lied(changed, "chain_getBlock", lie, height) is Code.NotSigner


def test_evidence_refused_of_a_node_that_hides_or_invents_a_change(changed: Changed) -> None:
    key = value_key("Grandpa", "CurrentSetId")

    class Numbering(Rpc):
        """The network's own node, which says another number of the set."""

        def __init__(self, url: str, number: int) -> None:
            super().__init__(url)
            self._number = number

        def ask_all(self, calls):  # type: ignore[no-untyped-def]
            answers = super().ask_all(calls)
            told = "0x" + self._number.to_bytes(8, "little").hex()
            return [
                told if arguments[:1] in ([key], (key,)) else answer
                for (_, arguments), answer in zip(calls, answers, strict=True)
            ]

    def said(number: int, height: int) -> Code:
        runtime = Runtime(Numbering(changed.network.validators[1].rpc, number))
        try:
            finality_evidence(runtime, height, changed.network.spec())
        except Refused as error:
            return error.code
        finally:
            runtime.rpc.close()
        return Code.Ok

    # Hidden: the new set's votes are no votes of the old one. Which refusal, depends on whose vote comes first.
    assert said(0, changed.last + 2) in (Code.NotSigner, Code.BadSignature)
    assert said(0, changed.last) is Code.Ok
    # Invented: no block of that height ends a set.
    assert said(1, changed.last) is Code.EvidenceDisagrees
    assert said(9, changed.last + 2) is Code.EvidenceDisagrees


# --- life goes on ----------------------------------------------------------------------------------------------------


def test_network_lives_without_the_validator_that_left(changed: Changed) -> None:
    changed.network.kill(0)
    before = changed.chain.final_height()
    until(lambda: changed.chain.final_height() >= before + 3, "finality without the one that left", PATIENCE)
    changed.network.kill(NODES - 1)
    before = changed.chain.final_height()
    until(lambda: changed.chain.final_height() >= before + 3, "finality with three of the four", PATIENCE)
    changed.network.start([0, NODES - 1])


def test_keys_of_a_member_can_be_replaced(changed: Changed) -> None:
    """What an operator does whose key leaked; here back to the keys that the node has, so that the network goes on."""
    receipt = set_keys(changed.runtime, keys_of(NODES - 1))
    assert receipt.height > changed.last
