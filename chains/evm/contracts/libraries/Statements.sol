// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Signatures} from "./Signatures.sol";

/// Join or change; `capacity` in samples per second, 0 = leave; `sequence` grows with every statement.
struct Membership {
    bytes32 federation;
    address participant;
    bytes32 encryptionKey;
    uint32 capacity;
    uint64 sequence;
}

/// What one trainer contributes to a round; `base` is the id of the task's last final checkpoint.
struct Update {
    bytes32 federation;
    bytes32 task;
    uint64 round;
    address trainer;
    bytes32 base;
    bytes32 updateRoot;
    uint64 updateBytes;
    uint64 samples;
    uint64 computeMillis;
    uint32 steps;
    bytes32 trainingRoot;
    bytes32 datasetRoot;
    bytes32 accessRoot;
    bytes32 cipherHash;
}

/// Which updates a verifier accepts: bit i of `accepted` = member i of the round.
struct Verdict {
    bytes32 federation;
    bytes32 task;
    uint64 round;
    address verifier;
    uint64 accepted;
    bytes32 scoresRoot;
}

/// The checkpoint that a participant computed for a round.
struct Vote {
    bytes32 federation;
    bytes32 task;
    uint64 round;
    address participant;
    bytes32 checkpoint;
}

// A statement as it travels: `index` is the signer's position in the round's member list.

struct SignedMembership {
    Membership statement;
    bytes signature;
}

struct SignedUpdate {
    uint256 index;
    Update statement;
    bytes signature;
}

struct SignedVerdict {
    uint256 index;
    Verdict statement;
    bytes signature;
}

struct SignedVote {
    uint256 index;
    Vote statement;
    bytes signature;
}

/// EIP-712 digests of what participants sign (docs/federation.md). Twin: `poft/protocol/statements.py`.
library Statements {
    bytes32 private constant MEMBERSHIP_TYPEHASH = keccak256(
        "Membership(bytes32 federation,address participant,bytes32 encryptionKey,uint32 capacity,uint64 sequence)"
    );
    bytes32 private constant UPDATE_TYPEHASH = keccak256(
        "Update(bytes32 federation,bytes32 task,uint64 round,address trainer,bytes32 base,bytes32 updateRoot,uint64 updateBytes,uint64 samples,uint64 computeMillis,uint32 steps,bytes32 trainingRoot,bytes32 datasetRoot,bytes32 accessRoot,bytes32 cipherHash)"
    );
    bytes32 private constant VERDICT_TYPEHASH = keccak256(
        "Verdict(bytes32 federation,bytes32 task,uint64 round,address verifier,uint64 accepted,bytes32 scoresRoot)"
    );
    bytes32 private constant VOTE_TYPEHASH =
        keccak256("Vote(bytes32 federation,bytes32 task,uint64 round,address participant,bytes32 checkpoint)");

    /// Separator of all federation statements on the chain with this domain.
    function separator(bytes32 domain) internal pure returns (bytes32) {
        return Signatures.separator(keccak256("PoFT Federation"), keccak256("1"), domain);
    }

    function digest(Membership memory statement, bytes32 domainSeparator) internal pure returns (bytes32) {
        return Signatures.typedDigest(domainSeparator, keccak256(abi.encode(MEMBERSHIP_TYPEHASH, statement)));
    }

    function digest(Update memory statement, bytes32 domainSeparator) internal pure returns (bytes32) {
        return Signatures.typedDigest(domainSeparator, keccak256(abi.encode(UPDATE_TYPEHASH, statement)));
    }

    function digest(Verdict memory statement, bytes32 domainSeparator) internal pure returns (bytes32) {
        return Signatures.typedDigest(domainSeparator, keccak256(abi.encode(VERDICT_TYPEHASH, statement)));
    }

    function digest(Vote memory statement, bytes32 domainSeparator) internal pure returns (bytes32) {
        return Signatures.typedDigest(domainSeparator, keccak256(abi.encode(VOTE_TYPEHASH, statement)));
    }
}
