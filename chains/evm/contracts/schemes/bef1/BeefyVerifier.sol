// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFinalityVerifier, TrustState, Finalised, Limits} from "../../interfaces/IFinalityVerifier.sol";
import {MerkleLog} from "../../libraries/MerkleLog.sol";
import {Code, Refused} from "../../types/Code.sol";
import {Committees} from "../cmt1/CommitteeProof.sol";
import {Beefy, BeefyProof, Commitment} from "./BeefyProof.sol";

/// BEF1: more than two thirds of a Substrate chain's validators signed a BEEFY commitment (docs/protocol.md section 8).
///
/// Stateless; anyone may call it, and nothing it returns has an effect but through a host. The epoch is the validator
/// set's id + 1; the authority commits to the committee of this epoch and to that of the next, which takes over by
/// signing for itself. Encodings of genesis and proof: `BeefyProof.sol`. Twins: `poft/verification/schemes/bef1.py`,
/// `primitives/src/bef1.rs`; the order of checks is the same in the three, so that a forgery is refused for the same
/// reason everywhere.
contract BeefyVerifier is IFinalityVerifier {
    using Beefy for BeefyProof;

    function scheme() external pure returns (bytes4) {
        return "BEF1";
    }

    /// `genesis`: the validators of a source of which nothing is known yet, and who comes after them.
    function initialise(bytes calldata genesis) external pure returns (TrustState memory state) {
        (uint64 epoch, address[] memory members, bytes32 committee, bytes32 nextCommittee, bool small) =
            Beefy.decodeGenesis(genesis);
        require(epoch != 0, Refused(Code.ZeroValue));
        Committees.requireCommittee(members, small);
        require(nextCommittee != 0, Refused(Code.ZeroValue));
        state.epoch = epoch;
        state.outboxRoot = MerkleLog.EMPTY_ROOT;
        state.authority = Beefy.authority(committee, nextCommittee);
        state.smallCommittee = small;
    }

    function verify(bytes32 sourceDomain, TrustState memory state, bytes calldata encoded, Limits calldata limits)
        external
        view
        returns (TrustState memory next, Finalised memory finalised)
    {
        BeefyProof memory proof = Beefy.decode(encoded);
        Commitment memory said = proof.commitment;
        finalised.blockHash = said.blockHash;
        finalised.stateRoot = said.stateRoot;
        (bool takesOver, address[] memory members) = _requireSet(sourceDomain, state, proof, encoded);
        if (!takesOver && _acceptedLast(state, said)) {
            _requireQuorum(proof, members, encoded);
            return (state, finalised);
        }
        // The commitment follows what is known.
        require(said.height > state.height, Refused(Code.StaleHeight));
        require(said.outboxSize >= state.outboxSize, Refused(Code.SizeRegression));
        require(said.outboxSize != state.outboxSize || said.outboxRoot == state.outboxRoot, Refused(Code.RootChanged));
        require(said.timestamp >= state.timestamp, Refused(Code.TimestampRegression));
        require(said.timestamp <= limits.time + limits.maxDrift, Refused(Code.TimestampDrift));
        // A quorum said so.
        _requireQuorum(proof, members, encoded);
        // History was only appended to.
        MerkleLog.verifyConsistency(
            state.outboxSize, state.outboxRoot, said.outboxSize, said.outboxRoot, proof.consistency(encoded)
        );
        (next.epoch, next.authority) = _handOver(state, proof, members, takesOver);
        next.height = said.height;
        next.timestamp = said.timestamp;
        next.outboxSize = said.outboxSize;
        next.outboxRoot = said.outboxRoot;
        next.smallCommittee = state.smallCommittee;
    }

    function epochOf(bytes calldata encoded) external pure returns (uint64) {
        uint64 setId = Beefy.decode(encoded).commitment.setId;
        // No epoch follows the last.
        require(setId != type(uint64).max, Refused(Code.WrongEpoch));
        return setId + 1;
    }

    /// Contradictions: two commitments for one block, or two roots for one size.
    function checkMisbehaviour(
        bytes32 sourceDomain,
        TrustState memory state,
        bytes calldata first,
        bytes calldata second
    ) external view returns (address[] memory signers) {
        (BeefyProof memory a,) = _requireHalf(sourceDomain, state, first);
        (BeefyProof memory b, address[] memory members) = _requireHalf(sourceDomain, state, second);
        (Commitment memory x, Commitment memory y) = (a.commitment, b.commitment);
        bool oneHeight = x.height == y.height && a.digest != b.digest;
        bool oneSize = x.outboxSize == y.outboxSize && x.outboxRoot != y.outboxRoot;
        require(oneHeight || oneSize, Refused(Code.NotMisbehaviour));
        signers = Committees.select(members, a.bitmap & b.bitmap);
    }

    function _acceptedLast(TrustState memory state, Commitment memory said) private pure returns (bool) {
        return state.height > 0 && said.height == state.height && said.outboxSize == state.outboxSize
            && said.outboxRoot == state.outboxRoot;
    }

    /// Whether the next set signs, when the proof is one of a set that the client knows, about this source.
    function _requireSet(bytes32 sourceDomain, TrustState memory state, BeefyProof memory proof, bytes calldata encoded)
        private
        pure
        returns (bool takesOver, address[] memory members)
    {
        require(
            Beefy.authority(proof.currentCommittee, proof.nextCommittee) == state.authority,
            Refused(Code.CommitteeMismatch)
        );
        uint64 setId = proof.commitment.setId;
        uint64 epoch;
        unchecked {
            // Zero after the last epoch, which nothing follows.
            epoch = setId + 1;
        }
        takesOver = setId == state.epoch;
        require(takesOver || epoch == state.epoch, Refused(Code.WrongEpoch));
        require(epoch != 0, Refused(Code.BadHandover));
        bytes32 committee;
        (members, committee) = proof.members(encoded, epoch);
        require(
            committee == (takesOver ? proof.nextCommittee : proof.currentCommittee), Refused(Code.CommitteeMismatch)
        );
        require(proof.commitment.domain == sourceDomain, Refused(Code.WrongDomain));
    }

    /// A half of some evidence that holds on its own; evidence is of one epoch.
    function _requireHalf(bytes32 sourceDomain, TrustState memory state, bytes calldata encoded)
        private
        view
        returns (BeefyProof memory proof, address[] memory members)
    {
        bool takesOver;
        proof = Beefy.decode(encoded);
        (takesOver, members) = _requireSet(sourceDomain, state, proof, encoded);
        require(!takesOver, Refused(Code.WrongEpoch));
        _requireQuorum(proof, members, encoded);
    }

    function _requireQuorum(BeefyProof memory proof, address[] memory members, bytes calldata encoded) private view {
        Committees.requireQuorum(proof.digest, members, proof.bitmap, proof.signatureCount, proof.signatures(encoded));
    }

    /// (epoch, authority) after the proof.
    function _handOver(TrustState memory state, BeefyProof memory proof, address[] memory members, bool takesOver)
        private
        pure
        returns (uint64, bytes32)
    {
        bytes32 announced = proof.commitment.nextCommittee;
        if (!takesOver) {
            // A set names its successor once.
            require(announced == proof.nextCommittee, Refused(Code.BadHandover));
            return (state.epoch, state.authority);
        }
        Committees.requireCommittee(members, state.smallCommittee);
        require(announced != 0, Refused(Code.BadHandover));
        // No overflow: a set whose epoch would be beyond the last was refused.
        return (state.epoch + 1, Beefy.authority(proof.nextCommittee, announced));
    }
}
