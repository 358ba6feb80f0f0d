"""docs/protocol.md section 11, line by line: where each attempt is run and refused.

A vector runs in Python, forge and cargo (docs/vectors.md), so one is enough. What is about contracts, pallets or
services has no vector: then the tests of each ledger are named. `test_coverage.py` holds this table against the text,
the vectors' codes and the tests' names, so that a line without a case fails.
"""

from __future__ import annotations

from dataclasses import dataclass

EVM = "chains/evm/test"
PALLETS = "chains/substrate/pallets"


@dataclass(frozen=True, slots=True)
class Case:
    """`vectors` are `file:name=Code` (`Ok`: to be taken; `*` as in a shell, `|` between codes); `tests` `file:name`."""

    vectors: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


def on_ledgers(forge: tuple[str, ...], cargo: tuple[str, ...]) -> tuple[str, ...]:
    """Tests named `File.test` of forge, `pallet.test` of cargo."""
    sol = tuple(f"{EVM}/{name.split('.')[0]}.t.sol:{name.split('.')[1]}" for name in forge)
    return sol + tuple(f"{PALLETS}/{name.split('.')[0]}/src/tests.rs:{name.split('.')[1]}" for name in cargo)


SECTION_11: dict[str, dict[str, Case]] = {
    "Log": {
        "forged root": Case(
            (
                "log:inclusion_forged_root_*=RootMismatch",
                "log:inclusion_zero_root_*=RootMismatch",
                "inbox:*_root*=RootMismatch",
            )
        ),
        "each sibling flipped": Case(
            ("log:inclusion_sibling_*=RootMismatch", "log:consistency_node_*=InconsistentLog")
        ),
        "truncated or padded proof": Case(
            (
                "log:inclusion_truncated_*=ProofLength",
                "log:inclusion_padded_*=ProofLength",
                "log:consistency_truncated_*=ProofLength",
                "log:consistency_padded_*=ProofLength",
            )
        ),
        "right proof, wrong index": Case(
            ("log:inclusion_reversed_*=RootMismatch|IndexOutOfRange", "inbox:wrong_index=RootMismatch")
        ),
        "index ≥ size": Case(
            (
                "log:inclusion_index_at_size_*=IndexOutOfRange",
                "log:inclusion_index_2_64_minus_1=IndexOutOfRange",
                "inbox:index_at_size=IndexOutOfRange",
            )
        ),
        "size lied up or down": Case(
            ("inbox:size_up=ProofLength", "inbox:size_down=ProofLength", "log:consistency_size_down_*=SizeRegression"),
            (
                "tests/attacks/test_log.py:test_size_is_bound_by_the_commitment_not_by_the_root",
                *on_ledgers(
                    ("Inbox.test_deliver_refusesUnknownOutbox_sizeNeverFinalised",),
                    ("bridge.deliver_refuses_forgeries_by_name",),
                ),
            ),
        ),
        "internal node as leaf": Case(("log:inclusion_parent_as_leaf=RootMismatch", "inbox:id_as_root=RootMismatch")),
        "64-byte payload equal to two children": Case(
            ("log:inclusion_inner_node_as_leaf=RootMismatch",),
            ("tests/attacks/test_log.py:test_second_preimage_two_children_as_a_packet",),
        ),
        "tags swapped": Case(("log:inclusion_swapped_tags=RootMismatch",)),
        "proof from another log": Case(("log:inclusion_other_log=RootMismatch",)),
        "pruned root": Case(
            (),
            on_ledgers(
                ("Inbox.test_deliver_refusesUnknownOutbox_prunedAfter256",),
                ("bridge.old_outboxes_serve_until_they_are_pruned",),
            ),
        ),
        "rewritten history with a correct quorum": Case(
            (
                "finality:rewritten_history=InconsistentLog",
                "finality:rewritten_history_own_proof=InconsistentLog",
                "log:consistency_rewritten_*=InconsistentLog",
            )
        ),
    },
    "Packet": {
        "replay": Case(("inbox:replay=NonceReplayed",)),
        "gap": Case(("inbox:gap=NonceGap",)),
        "nonce 2^64−1": Case(("inbox:nonce_max=NonceGap", "packet:nonce_max=Ok")),
        "wrong source, destination, receiver": Case(
            (
                "inbox:wrong_source=WrongSource",
                "inbox:own_domain_as_source=WrongSource",
                "inbox:wrong_destination=WrongDestination",
                "inbox:sent_to_its_source=WrongDestination",
                "inbox:wrong_receiver=WrongReceiver",
                "inbox:wrong_sender=WrongSender",
            )
        ),
        "dirty address padding": Case(
            ("inbox:dirty_sender_padding=WrongSender", "inbox:dirty_receiver_padding=WrongReceiver")
        ),
        "payload not matching": Case(
            (
                "inbox:payload_altered=PayloadMismatch",
                "inbox:payload_empty=PayloadMismatch",
                "inbox:payload_hash_other=PayloadMismatch",
            )
        ),
        "unknown version or kind": Case(("inbox:wrong_version*=WrongVersion", "inbox:wrong_kind_*=WrongKind")),
        "expired at height and height+1": Case(("inbox:expires_at_height=Ok", "inbox:expired_one_block_ago=Ok")),
        "round regression": Case(
            (),
            on_ledgers(
                ("Inbox.test_registry_failsWithRoundRegression_sameRoundAgain",),
                ("federation.imports_follow_the_peers_chain_of_exports",),
            ),
        ),
        "unknown parent": Case(
            (),
            on_ledgers(
                ("Inbox.test_registry_failsWithCode_badCheckpoints",),
                ("federation.imports_follow_the_peers_chain_of_exports",),
            ),
        ),
        "oversize": Case(
            (
                "inbox:payload_oversize=Oversize",
                "inbox:proof_oversize=Oversize",
                "checkpoint:payload_nine_parents=Oversize",
            )
        ),
        "trailing bytes": Case(
            (
                "checkpoint:payload_trailing_*=Malformed",
                "checkpoint:payload_odd_length=Malformed",
                "inbox:payload_trailing=PayloadMismatch",
            )
        ),
        "re-entrant application": Case(
            (),
            # A pallet's application is called by its twin, not the other way round: there is nothing to re-enter with.
            on_ledgers(("Inbox.test_deliver_storesFailure_applicationReenters",), ()),
        ),
        "application revert, out of gas at the 63/64 rule, return bomb": Case(
            (),
            # Gas and return data exist on the EVM only.
            on_ledgers(
                (
                    "Inbox.test_deliver_storesFailure_applicationReverts",
                    "Inbox.test_deliver_storesFailure_applicationBurnsItsGas",
                    "Inbox.test_deliver_reverts_gasBelowFloor",
                    "Inbox.test_deliver_storesFailure_applicationBombsReturnData",
                ),
                ("bridge.a_refusing_application_blocks_nothing_and_may_be_retried",),
            ),
        ),
        "front-run relayer (no-op)": Case(
            ("finality:noop_same_statement=Ok", "finality:noop_needs_quorum=QuorumNotReached")
        ),
    },
    "Committee": {
        "thresholds for n = 1..12": Case(
            tuple(f"finality:threshold_{2 * n // 3 + 1}_of_{n}=Ok" for n in range(1, 13))
            + tuple(f"finality:threshold_{2 * n // 3}_of_{n}=QuorumNotReached" for n in range(2, 13))
        ),
        "outsider": Case(("finality:outsiders=CommitteeMismatch", "finality:outsider_signs=NotSigner")),
        "same signer twice": Case(
            ("finality:same_signature_twice=NotSigner", "finality:initialise_duplicate=CommitteeInvalid")
        ),
        "one signature under two bits": Case(
            ("finality:same_signature_twice=NotSigner", "finality:signature_without_bit=BitmapMismatch")
        ),
        "bits without signatures and the reverse": Case(
            ("finality:bit_without_signature=BitmapMismatch", "finality:signature_without_bit=BitmapMismatch")
        ),
        "unsorted": Case(
            (
                "finality:members_swapped=CommitteeMismatch",
                "finality:signatures_swapped=NotSigner",
                "finality:initialise_unsorted=CommitteeInvalid",
            )
        ),
        "bit ≥ n": Case(("finality:bit_beyond_members=BitmapMismatch", "finality:bitmap_all_ones=BitmapMismatch")),
        "high s": Case(("finality:signature_high_s=HighS", "federation:Vote_high_s=HighS")),
        "v = 0, 1, 26, 29": Case(
            (
                *(f"finality:signature_v_{v}=BadSignature" for v in (0, 1, 26, 29)),
                "federation:Vote_v_29=BadSignature",
            )
        ),
        "r or s = 0 or ≥ n": Case(
            tuple(
                f"finality:signature_{name}=BadSignature"
                for name in ("r_zero", "s_zero", "r_order", "s_order", "r_max", "all_zero")
            )
        ),
        "compact 64 bytes": Case(
            ("finality:signature_compact_64=BadSignature", "federation:*_short_signature=BadSignature")
        ),
        "recover-to-zero": Case(
            ("finality:signature_r_on_no_point=BadSignature", "finality:initialise_zero_member=CommitteeInvalid")
        ),
        "signature made for another struct, domain, chain, version": Case(
            (
                "finality:signed_other_struct=NotSigner",
                "finality:signed_other_domain=NotSigner",
                "finality:signed_other_name=NotSigner",
                "finality:signed_other_version=NotSigner",
                "finality:verified_for_other_domain=NotSigner",
                "federation:*_other_domain=NotSigner",
                "federation:Vote_signed_finality_statement=NotSigner",
            )
        ),
        "raw or personal-sign of the same data": Case(
            ("finality:signed_raw_struct_hash=NotSigner", "finality:signed_personal=NotSigner")
        ),
        "epoch past, future, +2": Case(tuple(f"finality:epoch_{epoch}=WrongEpoch" for epoch in (0, 2, 3))),
        "next committee signing early": Case(("finality:next_committee_signs_early=CommitteeMismatch",)),
        "hand-over to empty, one, duplicate, zero, unsorted, oversize": Case(
            (
                *(
                    f"finality:handover_{name}=CommitteeInvalid"
                    for name in ("empty", "one", "duplicate", "zero_member", "unsorted", "small_refused")
                ),
                "finality:handover_65=Oversize",
            )
        ),
        "stale height": Case(("finality:height_below=StaleHeight", "finality:height_zero=StaleHeight")),
        "equal height equal/different content": Case(
            ("finality:noop_same_statement=Ok", "finality:height_equal_other_content=StaleHeight")
        ),
        "half-valid evidence": Case(
            (
                "finality:misbehaviour_half_without_quorum=QuorumNotReached",
                "finality:misbehaviour_half_bad_signature=NotSigner",
                "finality:misbehaviour_identical=NotMisbehaviour",
            )
        ),
        "evidence of a retired epoch": Case(
            ("finality:misbehaviour_retired_epoch=CommitteeMismatch",),
            on_ledgers(
                ("LightClient.test_submitMisbehaviour_freezes_retiredCommitteesContradiction",),
                ("bridge.evidence_of_a_retired_epoch_still_freezes",),
            ),
        ),
        "update while frozen, uninitialised, halted": Case(
            ("finality:unset_*=CommitteeMismatch|InconsistentLog",),
            on_ledgers(
                (
                    "LightClient.test_submitMisbehaviour_freezes_twoStatementsOfOneHeight",
                    "LightClient.test_update_refusesUninitialised_unknownSource",
                    "Inbox.test_deliver_refusesHalted_linkHalted",
                ),
                (
                    "bridge.misbehaviour_freezes_until_governance_recovers",
                    "bridge.update_refuses_forgeries_by_name",
                    "bridge.only_governance_halts_freezes_and_trusts",
                ),
            ),
        ),
        "double initialise": Case(
            (),
            on_ledgers(
                ("LightClient.test_create_refused_badArguments",),
                ("bridge.create_client_refuses_own_domain_zero_values_and_a_second_time",),
            ),
        ),
        # No threshold is stored that could be zero: it follows from the committee, which cannot be empty.
        "zero threshold": Case(
            (
                "finality:no_signatures=QuorumNotReached",
                "finality:initialise_empty=CommitteeInvalid",
                "finality:unset_state_nobody_signs=CommitteeMismatch",
            )
        ),
        "unfreeze by a stranger": Case(
            (),
            on_ledgers(
                ("LightClient.test_governance_refused_stranger",),
                ("bridge.only_governance_halts_freezes_and_trusts",),
            ),
        ),
        "old signatures after recovery": Case(
            (),
            on_ledgers(
                ("LightClient.test_recover_startsGeneration_laterEpoch",),
                ("bridge.misbehaviour_freezes_until_governance_recovers",),
            ),
        ),
    },
}

ELSEWHERE = {
    "State proofs": "scheme ESP1 and its digest items are not implemented",
    "Relayer and system": "tests/system runs these against live devnets",
    "Parity": "tests/attacks/test_parity.py",
}
"""Families of section 11 that are not in the table, and why."""
