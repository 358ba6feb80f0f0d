"""Seals of a block, and what they do not say: the mechanisms behind CLQ1 and QBF1.

    a majority built on it      3 | 4 of 7, two of them on both sides:     … ── 41 ── 42 ── 43 ── 44    by 0 1 2 3
                                                                            └── 41'── 42'── 43'── 44'   by 2 3 4 5
    another network             the same signers seal a second chain: its headers fit the first
    evidence of last year       seals name no epoch of the bridge: after a recovery they are still seals

Headers are made by real keys (`poft/conformance/clq1.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from poft.conformance.clq1 import CliqueSource, Turn
from poft.conformance.qbf1 import QbftSource
from poft.conformance.source import Claim
from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import keccak
from poft.protocol.merkle import log_root
from poft.verification.api import FinalityVerifier, Limits, TrustState
from poft.verification.headers import Header
from poft.verification.schemes.clq1 import CliqueVerifier, find_safe, is_safe, pause, sealer_of
from poft.verification.schemes.qbf1 import QbftVerifier, find_committed
from poft.verification.sealed import SealedGenesis, SealedProof

LEAVES = [keccak(b"packet")]
CLAIM = Claim(40, 1_000, 1, log_root(LEAVES))
LIMITS = Limits(1_000, 0)
SOURCES: dict[str, tuple[type[CliqueSource] | type[QbftSource], FinalityVerifier]] = {
    "CLQ1": (CliqueSource, CliqueVerifier()),
    "QBF1": (QbftSource, QbftVerifier()),
}
scheme = pytest.mark.parametrize("name", SOURCES)


def refused(code: Code, action: Callable[[], object]) -> None:
    with pytest.raises(Refused) as info:
        action()
    assert info.value.code is code


def seals_hold(proof: SealedProof, name: str) -> bool:
    """The naive design: who believes seals and asks nothing else."""
    headers = tuple(map(Header.decode, proof.headers))
    rule = find_safe if name == "CLQ1" else find_committed
    try:
        rule(proof, headers, False)
    except Refused:
        return False
    return True


# --- a majority is not enough ----------------------------------------------------------------------------------------


def built_upon_by(source: CliqueSource, places: list[int], fork: int) -> SealedProof:
    """The claim's block with one header of each of these signers on top."""
    claim = replace(CLAIM, fork=fork)
    turns = [Turn(source._keys[place]) for place in places]
    return replace(source.proof(claim), headers=tuple(source.chain(claim, turns)))


def test_two_dishonest_signers_of_seven_do_not_make_two_safe_blocks() -> None:
    source = CliqueSource(7, b"majority")
    assert source.anchor.dishonest == 2
    # Signers 2 and 3 seal on both sides; each side has a majority of all.
    sides = [built_upon_by(source, places, fork) for fork, places in enumerate(([0, 1, 2, 3], [2, 3, 4, 5]))]
    state = CliqueVerifier().initialise(source.genesis())
    for proof in sides:
        above = {sealer_of(Header.decode(header)) for header in proof.headers[1:]}
        assert len(above) == 4 > 7 // 2
        refused(
            Code.QuorumNotReached,
            lambda proof=proof: CliqueVerifier().verify(source.domain, state, proof.encode(), LIMITS),  # type: ignore[misc]
        )


def test_no_two_branches_are_safe_while_the_assumption_holds() -> None:
    """Every split of honest signers between two branches, the dishonest on both, as heavy as they can be."""
    for signers in range(4, 20):
        for dishonest in range(1, (signers - 1) // 3 + 1):
            honest = signers - dishonest
            for left in range(honest + 1):
                right = honest - left
                ks = left + dishonest, right + dishonest
                # Whoever cannot reach the number that goes on makes one block each at most.
                weights = [10**6 if k >= pause(signers) else 2 * k for k in ks]
                safe = [is_safe(k, weight, signers, dishonest) for k, weight in zip(ks, weights, strict=True)]
                assert not all(safe), f"N {signers}, f {dishonest}, {left} | {right}"


# --- another network with the same signers ---------------------------------------------------------------------------


@scheme
def test_blocks_of_another_network_with_the_same_signers_prove_nothing(name: str) -> None:
    make, verifier = SOURCES[name]
    source = make(4, b"network")
    state = verifier.initialise(source.genesis())
    twin = source.proof(CLAIM, domain=keccak(b"the test network"))
    assert seals_hold(twin, name)
    refused(Code.WrongDomain, lambda: verifier.verify(source.domain, state, twin.encode(), LIMITS))
    # Named as what it is, it is for another client.
    named = replace(twin, anchor=replace(twin.anchor, domain=keccak(b"the test network")))
    refused(Code.CommitteeMismatch, lambda: verifier.verify(source.domain, state, named.encode(), LIMITS))


@scheme
def test_blocks_of_another_network_are_no_evidence(name: str) -> None:
    make, verifier = SOURCES[name]
    source = make(4, b"network")
    state = verifier.initialise(source.genesis())
    own, other = source.proof(CLAIM), source.proof(replace(CLAIM, fork=1), domain=keccak(b"the test network"))
    assert seals_hold(own, name) and seals_hold(other, name)
    for halves in ((own, other), (other, own)):
        encoded = [half.encode() for half in halves]
        refused(
            Code.WrongDomain,
            lambda encoded=encoded: verifier.check_misbehaviour(source.domain, state, *encoded),  # type: ignore[misc]
        )


# --- after a recovery ------------------------------------------------------------------------------------------------


def recovered(
    verifier: FinalityVerifier, source: CliqueSource | QbftSource, since: int
) -> tuple[TrustState, SealedGenesis]:
    first = SealedGenesis.decode(source.genesis(2))
    genesis = replace(first, anchor=replace(first.anchor, since=since))
    return verifier.initialise(genesis.encode()), genesis


@scheme
def test_old_evidence_does_not_freeze_a_recovered_client_again(name: str) -> None:
    make, verifier = SOURCES[name]
    source = make(4, b"recovery")
    halves = [source.proof(replace(CLAIM, fork=fork)) for fork in (0, 1)]

    def accuse(since: int) -> object:
        state, genesis = recovered(verifier, source, since)
        # Nothing that was sealed names the epoch: whoever carries it writes there what he likes.
        relabelled = [replace(half, anchor=genesis.anchor, epoch=2).encode() for half in halves]
        return verifier.check_misbehaviour(source.domain, state, *relabelled)

    assert accuse(0) and accuse(CLAIM.height - 1)
    refused(Code.StaleHeight, lambda: accuse(CLAIM.height))


@scheme
def test_old_blocks_do_not_move_a_recovered_client(name: str) -> None:
    make, verifier = SOURCES[name]
    source = make(4, b"recovery")
    for since, moves in ((CLAIM.height - 1, True), (CLAIM.height, False)):
        state, genesis = recovered(verifier, source, since)
        proof = replace(source.proof(CLAIM), anchor=genesis.anchor, epoch=2).encode()
        if moves:
            assert verifier.verify(source.domain, state, proof, LIMITS)[0].height == CLAIM.height
        else:
            refused(
                Code.StaleHeight,
                lambda state=state, proof=proof: verifier.verify(source.domain, state, proof, LIMITS),  # type: ignore[misc]
            )


# --- bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signers", "dishonest", "small", "taken"),
    [
        (4, 1, False, True),
        (4, 2, False, True),
        (4, 3, False, False),
        (4, 0, False, False),
        (4, 0, True, True),
        (3, 1, False, False),
        (3, 1, True, True),
        (3, 2, True, False),
        (7, 3, False, True),
        (7, 4, False, False),
    ],
)
def test_a_genesis_whose_rule_cannot_work_is_refused(signers: int, dishonest: int, small: bool, taken: bool) -> None:
    first = SealedGenesis.decode(CliqueSource(signers, b"bounds").genesis())
    genesis = replace(first, anchor=replace(first.anchor, dishonest=dishonest), small_committee=small).encode()
    if taken:
        assert CliqueVerifier().initialise(genesis).small_committee is small
    else:
        refused(Code.CommitteeInvalid, lambda: CliqueVerifier().initialise(genesis))


@scheme
def test_a_genesis_that_names_nothing_is_refused(name: str) -> None:
    make, verifier = SOURCES[name]
    first = SealedGenesis.decode(make(4, b"bounds").genesis())
    for change in ({"domain": bytes(32)}, {"outbox": bytes(20)}, {"code_hash": bytes(32)}):
        empty = replace(first, anchor=replace(first.anchor, **change))  # type: ignore[arg-type]
        refused(Code.ZeroValue, lambda empty=empty: verifier.initialise(empty.encode()))  # type: ignore[misc]
    crowd = first.encode()[:-81] + bytes([65]) + bytes(range(1, 21)) * 65
    refused(Code.Oversize, lambda: verifier.initialise(crowd))


def test_qbft_has_no_number_of_its_own_for_the_dishonest() -> None:
    first = SealedGenesis.decode(QbftSource(4, b"bounds").genesis())
    named = replace(first, anchor=replace(first.anchor, dishonest=1)).encode()
    refused(Code.CommitteeInvalid, lambda: QbftVerifier().initialise(named))
