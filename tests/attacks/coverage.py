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
    "BEEFY commitments": {
        "two entries, none, another id": Case(
            (
                "bef1:commitment_*entr*=Malformed",
                "bef1:commitment_id_*=Malformed",
                "justification:two_entries=Malformed",
            )
        ),
        "compact lengths in more bytes than they need, or that lie": Case(
            (
                "bef1:commitment_length_*=Malformed",
                "bef1:commitment_count_in_two_bytes=Malformed",
                "justification:*_in_two_bytes=Malformed",
                "justification:*_in_four_bytes=Malformed",
                "justification:bits_length_huge=Oversize",
                "justification:bits_length_beyond_the_end=Malformed",
            )
        ),
        "a byte more or less": Case(
            (
                "bef1:commitment_a_byte_*=Malformed|Oversize",
                "bef1:cut_at_*=Malformed",
                "bef1:trailing_byte*=Malformed",
                "justification:cut=Malformed",
                "justification:trailing_byte=Malformed",
            )
        ),
        "another chain's": Case(("bef1:domain_*=WrongDomain",)),
        "signed over the payload, over the hash of the hash, as a wallet's message": Case(
            (
                "bef1:signature_over_*=NotSigner",
                "bef1:signature_personal=NotSigner",
                "bef1:signature_of_an_attestor=NotSigner",
            )
        ),
        "a set past, next, after the next, 2^64−1": Case(
            (
                "bef1:set_past=WrongEpoch",
                "bef1:set_after_the_next=WrongEpoch",
                "bef1:set_[0-9]*=WrongEpoch",
                "bef1:epoch_of_the_set_without_one=WrongEpoch",
                "bef1:hand_over_beyond_the_last_epoch=BadHandover",
            )
        ),
        "the next set's members under the present number and the reverse": Case(
            ("bef1:set_next_*=CommitteeMismatch", "bef1:set_old_keys_in_the_new_set=CommitteeMismatch")
        ),
        "another successor than was announced, or none": Case(
            (
                "bef1:hand_over_announces_*=BadHandover",
                "bef1:hand_over_after_which_nobody_comes=BadHandover",
                "bef1:authority_*=CommitteeMismatch",
            )
        ),
        "a next set of nobody, one, twice one, unsorted, zero": Case(
            (
                "bef1:hand_over_to_nobody=QuorumNotReached",
                "bef1:hand_over_to_one=CommitteeInvalid",
                "bef1:hand_over_to_duplicates=CommitteeInvalid",
                "bef1:hand_over_to_unsorted=CommitteeInvalid",
                "bef1:hand_over_to_zero_address=CommitteeInvalid",
            )
        ),
        "the old set after the hand-over": Case(
            ("bef1:set_old_after_*=CommitteeMismatch|WrongEpoch", "bef1:hand_over_again=CommitteeMismatch")
        ),
        "a justification whose bits, counts and signatures do not fit": Case(
            (
                "justification:bits_more_*=Malformed",
                "justification:bits_fewer_*=Malformed",
                "justification:validators_*=Malformed|Oversize",
                "justification:signatures_*=Malformed|Oversize|BadSignature",
            ),
            ("tests/unit/test_relayer_bef1.py:test_nothing_is_paid_for_what_a_node_makes_up",),
        ),
        "a stolen key": Case(
            ("bef1:signature_of_one_stolen_key=NotSigner", "bef1:quorum_2_of_4=QuorumNotReached"),
        ),
        "endpoints with two stories": Case(
            ("bef1:misbehaviour_one_*=Ok|NotMisbehaviour",),
            ("tests/unit/test_relayer_bef1.py:test_endpoints_with_two_stories_of_one_set_freeze_the_client",),
        ),
    },
    "Composed schemes": {
        "a scheme left out, swapped, twice": Case(
            (
                "composed:list_one_dropped=CommitteeMismatch",
                "composed:list_swapped=CommitteeMismatch",
                "composed:list_first_twice=CommitteeMismatch",
                "composed:initialise_one_twice*=CommitteeInvalid",
                "composed:one_scheme_alone=Malformed",
            ),
            ("tests/attacks/test_composed.py:test_a_broken_scheme_alone_convinces_nobody",),
        ),
        "flag of the shadow flipped": Case(
            (
                "composed:list_flag_*=CommitteeMismatch",
                "composed:first_in_shadow=Malformed",
                "composed:initialise_first_in_shadow=Malformed",
            )
        ),
        "list of another client": Case(
            (
                "composed:list_of_another_client=CommitteeMismatch",
                "composed:misbehaviour_list_of_another_client=CommitteeMismatch",
                "composed:misbehaviour_second_half_of_another_list=CommitteeMismatch",
            )
        ),
        "an authority, epoch or name of the prover's choice": Case(
            (
                "composed:list_own_committee=CommitteeMismatch",
                "composed:list_later_inner_epoch=CommitteeMismatch",
                "composed:list_renamed=CommitteeMismatch",
                "composed:list_names_*=UnknownScheme",
            ),
            ("tests/attacks/test_composed.py:test_a_list_from_the_prover_is_the_provers_committee",),
        ),
        "proofs of two blocks": Case(
            ("composed:disagree_*=SchemesDisagree", "composed:repetition_for_*=SchemesDisagree"),
            ("tests/attacks/test_composed.py:test_two_proofs_that_hold_may_be_about_two_blocks",),
        ),
        "one proof for two schemes": Case(
            ("composed:first_proof_twice=CommitteeMismatch", "composed:proofs_swapped=CommitteeMismatch")
        ),
        "lengths that overlap, overflow or leave bytes": Case(
            (
                "composed:first_length_*=Malformed",
                "composed:second_length_*=Malformed",
                "composed:cut_to_*=Malformed",
                "composed:trailing_*=Malformed",
                "composed:count_*=Malformed|Oversize",
            ),
            ("tests/attacks/test_composed.py:test_no_boundary_between_two_proofs_can_be_moved",),
        ),
        "a list within a list": Case(
            (
                "composed:initialise_nested=UnknownScheme",
                "composed:list_names_nested*=UnknownScheme",
                "composed:shadow_named_AND1=Ok",
            ),
            on_ledgers(("And1Shadow.test_constructor_refuses_noContractItselfOrOneNameTwice",), ()),
        ),
        "one list for two epochs": Case(
            (
                "composed:epoch_*=WrongEpoch",
                "composed:after_handover_old_list*=CommitteeMismatch",
                "composed:misbehaviour_other_epoch=WrongEpoch",
                "composed:misbehaviour_second_half_of_another_epoch=WrongEpoch",
            )
        ),
        "a dissent that was starved": Case(
            (),
            # Gas exists on the EVM only.
            on_ledgers(("And1Shadow.test_verify_neverReportsDissent_whateverGasTheCarrierBrings",), ()),
        ),
        "a shadow that burns, bombs or traps": Case(
            # Rust's schemes return, whatever the bytes are: that is the trait's contract.
            ("composed:shadow_has_garbage=Ok",),
            on_ledgers(
                (
                    "And1Shadow.test_verify_reportsDissent_shadowBurnsOrBombs",
                    "And1Shadow.test_verify_reportsDissent_answerOfAnotherLength",
                ),
                (),
            ),
        ),
        "a shadow that moves epochs": Case(
            (
                "composed:handover_in_shadow*=Ok",
                "composed:shadow_fell_behind=Ok",
                "composed:last_epoch_handover_in_shadow=Ok",
                "composed:last_epoch_handover=BadHandover",
            ),
            on_ledgers(("And1Shadow.test_verify_reportsDissent_shadowSkipsEpochs",), ()),
        ),
        "evidence of a shadow": Case(
            (
                "composed:misbehaviour_in_shadow=NotMisbehaviour",
                "composed:misbehaviour_in_shadow_shown_as_deciding=CommitteeMismatch",
            ),
            on_ledgers((), ("bridge.a_scheme_in_shadow_is_reported_and_decides_nothing",)),
        ),
        "halves of two schemes": Case(("composed:misbehaviour_halves_of_two_schemes=NotMisbehaviour",)),
        "an old epoch after recovery": Case(
            (
                "composed:recovered_old_signatures=WrongEpoch",
                "composed:recovered_old_proof=CommitteeMismatch",
                "composed:initialise_inner_epoch_*=WrongEpoch",
                "composed:initialise_outer_epoch_alone_later=WrongEpoch",
            ),
            (
                "tests/attacks/test_composed.py:test_after_a_recovery_no_scheme_counts_a_signature_of_the_past",
                *on_ledgers(
                    (
                        "And1Host.test_recover_refusesWrongEpoch_usedByTheListOrByAScheme",
                        "And1Host.test_update_refusesCommitteeMismatch_proofFromBeforeTheRecovery",
                    ),
                    ("bridge.a_scheme_in_shadow_is_reported_and_decides_nothing",),
                ),
            ),
        ),
    },
    # Vectors of `state_proof` and `esp1`; where hashes are not the point, every hash of the forgery fits.
    "State proofs": {
        "valid hashes on a wrong path": Case(("state_proof:wrong_path_*=BadStateProof",)),
        "flag nibbles": Case(("state_proof:flags_*=BadStateProof",)),
        "odd/even prefix alias": Case(("state_proof:padding_*=BadStateProof", "state_proof:parity_*=BadStateProof")),
        "empty extension": Case(("state_proof:empty_extension_*=BadStateProof",)),
        "inline nodes": Case(
            (
                "state_proof:embedded_leaf_*=BadStateProof",
                "state_proof:child_on_way_list_*=BadStateProof",
                "state_proof:list_for_*=BadStateProof",
                "state_proof:slot_beside_embedded_*=Ok",
            )
        ),
        "value in a branch": Case(("state_proof:branch_*=BadStateProof",)),
        "non-minimal RLP": Case(
            (
                "state_proof:non_minimal_*=BadStateProof",
                "state_proof:account_non_minimal_*=BadStateProof",
                "state_proof:account_*_leading_zero=BadStateProof",
                "state_proof:word_non_minimal_*=BadStateProof",
                "state_proof:word_leading_zero=BadStateProof",
            )
        ),
        "trailing bytes": Case(
            (
                "state_proof:trailing_*=BadStateProof",
                "state_proof:account_trailing_byte=BadStateProof",
                "state_proof:word_trailing_byte=BadStateProof",
                "state_proof:packed_trailing_*=Malformed",
                "esp1:trailing_byte=Malformed",
            )
        ),
        # The reverse has no place: no rule takes a proof that there is nothing.
        "absence offered as presence and the reverse": Case(("state_proof:absence_*=BadStateProof",)),
        "other account, other slot": Case(
            (
                "state_proof:wrong_path_other_account=BadStateProof",
                "state_proof:wrong_path_other_slot=BadStateProof",
                "esp1:state_of_another_account=BadStateProof",
                "esp1:authority_of_another_outbox=CommitteeMismatch",
            )
        ),
        "extra, missing, oversize nodes": Case(
            (
                "state_proof:extra_*=BadStateProof",
                "state_proof:missing_*=BadStateProof",
                "state_proof:oversize_*=Oversize",
                "esp1:state_without_*=BadStateProof",
                "esp1:state_with_extra_node=BadStateProof",
                "esp1:oversize_*=Oversize",
            )
        ),
        "unfinalised header": Case(
            ("esp1:header_that_nobody_signed=NotSigner", "esp1:header_with_another_state_root=NotSigner"),
            ("tests/chains/test_esp1.py:test_a_quorum_cannot_sign_an_outbox_that_its_chain_does_not_have",),
        ),
        "digest item of 43/45 bytes, wrong tag, two items": Case(
            (),
            (
                "tests/chains/test_substrate_evidence.py:test_outbox_item_refused_forged",
                "tests/chains/test_substrate_evidence.py:test_outbox_item_missing_is_not_an_empty_outbox",
            ),
        ),
        "non-canonical compact lengths": Case(
            (), ("tests/chains/test_substrate_evidence.py:test_outbox_item_refused_forged",)
        ),
        "huge length prefix": Case(
            (
                "state_proof:huge_length_*=BadStateProof",
                "state_proof:*_huge_length=BadStateProof",
                "esp1:length_of_inner_largest=Malformed",
            )
        ),
    },
}

ELSEWHERE = {
    "Relayer and system": "tests/system runs these against live devnets",
    "Parity": "tests/attacks/test_parity.py",
}
"""Families of section 11 that are not in the table, and why."""
