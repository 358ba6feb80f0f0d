"""BEF1 over what real validators signed: a client that began with the founders follows them to the set that took over.

`beefy_recorded.json` holds commitments of five nodes while one validator replaced another; nothing here was signed by a
key of a test.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import committee_hash
from poft.verification.api import Limits, TrustState
from poft.verification.beefy import Justification
from poft.verification.schemes.bef1 import BeefyGenesis, BeefyProof, BeefyVerifier, build_proof

SAID = json.loads((Path(__file__).parent / "beefy_recorded.json").read_text())
DOMAIN = bytes.fromhex(SAID["domain"][2:])
SETS = [
    (tuple(sorted(bytes.fromhex(member[2:]) for member in one["members"])), bytes.fromhex(one["nextCommittee"][2:]))
    for one in SAID["sets"]
]
BLOCKS = sorted(
    (Justification.decode(bytes.fromhex(block["justification"][2:])) for block in SAID["blocks"]),
    key=lambda justification: justification.commitment.height,
)
LIMITS = Limits(BLOCKS[-1].commitment.timestamp, 0)
VERIFIER = BeefyVerifier()


def begun() -> TrustState:
    members, following = SETS[0]
    return VERIFIER.initialise(BeefyGenesis(1, members, following).encode())


def proof(justification: Justification, state: TrustState) -> BeefyProof:
    """For a client that trusts the set of `state.epoch`."""
    said = justification.commitment
    members, following = SETS[state.epoch - 1]
    committees = committee_hash(state.epoch, members), following
    return build_proof(said, committees, SETS[said.set_id][0], justification.signers(), ())


def test_a_client_follows_every_block_and_every_set() -> None:
    state = begun()
    for justification in BLOCKS:
        said = justification.commitment
        # The outbox of the recording is empty, so every step goes on from the same log.
        state, finalised = VERIFIER.verify(DOMAIN, state, proof(justification, state).encode(), LIMITS)
        assert (state.epoch, state.height) == (said.set_id + 1, said.height)
        assert (finalised.block_hash, finalised.state_root) == (said.block_hash, said.state_root)
    assert state.epoch == len(SETS)


def test_a_client_is_led_on_by_one_commitment_of_each_set() -> None:
    state, steps = begun(), 0
    for set_id in range(1, len(SETS)):
        first = next(one for one in BLOCKS if one.commitment.set_id == set_id)
        state, _ = VERIFIER.verify(DOMAIN, state, proof(first, state).encode(), LIMITS)
        steps += 1
    assert (state.epoch, steps) == (3, 2)


def refusal(state: TrustState, brought: BeefyProof, domain: bytes = DOMAIN) -> Code:
    with pytest.raises(Refused) as caught:
        VERIFIER.verify(domain, state, brought.encode(), LIMITS)
    return caught.value.code


def test_real_signatures_prove_nothing_else() -> None:
    state, first = begun(), BLOCKS[0]
    honest = proof(first, state)
    other = replace(first.commitment, outbox_size=1).encode()
    assert refusal(state, replace(honest, commitment=other)) is Code.NotSigner
    assert refusal(state, honest, bytes(32)) is Code.WrongDomain
    assert refusal(state, replace(honest, bitmap=0b11, signatures=honest.signatures[:2])) is Code.QuorumNotReached
    last = BLOCKS[-1]
    assert last.commitment.set_id == 2
    skipped = build_proof(
        last.commitment,
        (honest.current_committee, honest.next_committee),
        SETS[2][0],
        last.signers(),
        (),
    )
    assert refusal(state, skipped) is Code.WrongEpoch
