// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFinalityVerifier, TrustState, Finalised, Limits} from "../../interfaces/IFinalityVerifier.sol";
import {MerkleLog} from "../../libraries/MerkleLog.sol";
import {Code, Refused} from "../../types/Code.sol";
import {CommitteeProof, Committees, FinalityStatement} from "./CommitteeProof.sol";

/// CMT1: more than two thirds of a committee signed a finality statement (docs/protocol.md section 8).
///
/// Stateless; anyone may call it, and nothing it returns has an effect but through a host. Encodings of genesis and
/// proof: `CommitteeProof.sol`. Twins: `poft/verification/schemes/cmt1.py`, `primitives/src/committee.rs`; the order of
/// checks is the same in the three, so that a forgery is refused for the same reason everywhere.
contract CommitteeVerifier is IFinalityVerifier {
    using Committees for CommitteeProof;

    function scheme() external pure returns (bytes4) {
        return "CMT1";
    }

    /// `genesis`: the first committee of a source of which nothing is known yet.
    function initialise(bytes calldata genesis) external pure returns (TrustState memory state) {
        (uint64 epoch, address[] memory members, bool small) = Committees.decodeGenesis(genesis);
        require(epoch != 0, Refused(Code.ZeroValue));
        Committees.requireCommittee(members, small);
        state.epoch = epoch;
        state.outboxRoot = MerkleLog.EMPTY_ROOT;
        state.authority = Committees.hash(epoch, members);
        state.smallCommittee = small;
    }

    function verify(bytes32 sourceDomain, TrustState memory state, bytes calldata encoded, Limits calldata limits)
        external
        view
        returns (TrustState memory next, Finalised memory finalised)
    {
        CommitteeProof memory proof = Committees.decode(encoded);
        FinalityStatement memory said = proof.statement;
        finalised.blockHash = said.blockHash;
        finalised.stateRoot = said.stateRoot;
        (address[] memory members, bytes32 committee) = proof.members(encoded, state.epoch);
        require(committee == state.authority, Refused(Code.CommitteeMismatch));
        if (_acceptedLast(state, said)) {
            _requireQuorum(sourceDomain, proof, members, encoded);
            return (state, finalised);
        }
        // The statement follows what is known.
        require(said.epoch == state.epoch, Refused(Code.WrongEpoch));
        require(said.height > state.height, Refused(Code.StaleHeight));
        require(said.outboxSize >= state.outboxSize, Refused(Code.SizeRegression));
        require(said.outboxSize != state.outboxSize || said.outboxRoot == state.outboxRoot, Refused(Code.RootChanged));
        require(said.timestamp >= state.timestamp, Refused(Code.TimestampRegression));
        require(said.timestamp <= limits.time + limits.maxDrift, Refused(Code.TimestampDrift));
        // A quorum said so.
        _requireQuorum(sourceDomain, proof, members, encoded);
        // History was only appended to.
        MerkleLog.verifyConsistency(
            state.outboxSize, state.outboxRoot, said.outboxSize, said.outboxRoot, proof.consistency(encoded)
        );
        (next.epoch, next.authority) = _handOver(state, proof, encoded);
        next.height = said.height;
        next.timestamp = said.timestamp;
        next.outboxSize = said.outboxSize;
        next.outboxRoot = said.outboxRoot;
        next.smallCommittee = state.smallCommittee;
    }

    function epochOf(bytes calldata encoded) external pure returns (uint64) {
        return Committees.decode(encoded).statement.epoch;
    }

    /// Contradictions: two statements for one height, or two roots for one size.
    function checkMisbehaviour(
        bytes32 sourceDomain,
        TrustState memory state,
        bytes calldata first,
        bytes calldata second
    ) external view returns (address[] memory signers) {
        CommitteeProof memory a = _requireHalf(sourceDomain, state, first);
        CommitteeProof memory b = _requireHalf(sourceDomain, state, second);
        bool oneHeight = a.statement.height == b.statement.height
            && Committees.structHash(a.statement) != Committees.structHash(b.statement);
        bool oneSize =
            a.statement.outboxSize == b.statement.outboxSize && a.statement.outboxRoot != b.statement.outboxRoot;
        require(oneHeight || oneSize, Refused(Code.NotMisbehaviour));
        (address[] memory members,) = a.members(first, state.epoch);
        signers = Committees.select(members, a.bitmap & b.bitmap);
    }

    function _acceptedLast(TrustState memory state, FinalityStatement memory said) private pure returns (bool) {
        return state.height > 0 && said.epoch == state.epoch && said.height == state.height
            && said.outboxSize == state.outboxSize && said.outboxRoot == state.outboxRoot;
    }

    function _requireHalf(bytes32 sourceDomain, TrustState memory state, bytes calldata encoded)
        private
        view
        returns (CommitteeProof memory proof)
    {
        proof = Committees.decode(encoded);
        (address[] memory members, bytes32 committee) = proof.members(encoded, state.epoch);
        require(committee == state.authority, Refused(Code.CommitteeMismatch));
        require(proof.statement.epoch == state.epoch, Refused(Code.WrongEpoch));
        _requireQuorum(sourceDomain, proof, members, encoded);
    }

    function _requireQuorum(
        bytes32 sourceDomain,
        CommitteeProof memory proof,
        address[] memory members,
        bytes calldata encoded
    ) private view {
        bytes32 digest = Committees.digest(proof.statement, sourceDomain);
        Committees.requireQuorum(digest, members, proof.bitmap, proof.signatureCount, proof.signatures(encoded));
    }

    /// (epoch, authority) after the proof.
    function _handOver(TrustState memory state, CommitteeProof memory proof, bytes calldata encoded)
        private
        pure
        returns (uint64, bytes32)
    {
        bytes32 nextCommittee = proof.statement.nextCommittee;
        if (nextCommittee == 0) {
            require(proof.nextCount == 0, Refused(Code.BadHandover));
            return (state.epoch, state.authority);
        }
        uint64 following;
        unchecked {
            // Zero after the last epoch, which nothing follows.
            following = state.epoch + 1;
        }
        (address[] memory members, bytes32 committee) = proof.nextMembers(encoded, following);
        Committees.requireCommittee(members, state.smallCommittee);
        require(following != 0 && committee == nextCommittee, Refused(Code.BadHandover));
        return (following, nextCommittee);
    }
}
