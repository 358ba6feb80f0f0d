// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Finalised, IFinalityVerifier, Limits, TrustState} from "poft/interfaces/IFinalityVerifier.sol";
import {MerkleLog} from "poft/libraries/MerkleLog.sol";
import {Committees, FinalityStatement} from "poft/schemes/cmt1/CommitteeProof.sol";
import {Code, Refused} from "poft/types/Code.sol";
import {Bls12381, G2} from "./Bls12381.sol";
import {BlsProof, BlsProofs, Roll} from "./BlsProof.sol";

/// BLS1: more than two thirds of a committee signed a finality statement, in one aggregate signature.
///
/// The statement, its digest, the order of the checks and the codes are those of CMT1 (docs/protocol.md section 8), so
/// that the two schemes differ in one thing: how a quorum's word is shown. Who is present is told by who is absent: the key
/// under which the signature verifies is the sum of all keys, which the client's `authority` commits to, minus the keys
/// of the absent members, which the log of keys commits to. Stateless; anyone may call it. Twins:
/// `poft_bls12381/scheme.py`, `substrate/bls1/src/lib.rs`.
contract BlsVerifier is IFinalityVerifier {
    using Bls12381 for G2;
    using BlsProofs for BlsProof;
    using BlsProofs for Roll;

    function scheme() external pure returns (bytes4) {
        return "BLS1";
    }

    /// The first committee of a source of which nothing is known yet.
    function initialise(bytes calldata genesis) external view returns (TrustState memory state) {
        (uint64 epoch, uint256 count, bool small) = BlsProofs.decodeGenesis(genesis);
        require(epoch != 0, Refused(Code.ZeroValue));
        state.epoch = epoch;
        state.outboxRoot = MerkleLog.EMPTY_ROOT;
        state.authority = BlsProofs.authorityOf(genesis, epoch, count, small);
        state.smallCommittee = small;
    }

    function verify(bytes32 sourceDomain, TrustState calldata state, bytes calldata encoded, Limits calldata limits)
        external
        view
        returns (TrustState memory next, Finalised memory finalised)
    {
        BlsProof memory proof = BlsProofs.decode(encoded);
        FinalityStatement memory said = proof.statement;
        finalised.blockHash = said.blockHash;
        finalised.stateRoot = said.stateRoot;
        require(proof.roll.authority(encoded, state.epoch) == state.authority, Refused(Code.CommitteeMismatch));
        if (_acceptedLast(state, said)) {
            _requireQuorum(sourceDomain, proof, encoded);
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
        _requireQuorum(sourceDomain, proof, encoded);
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
        return BlsProofs.decode(encoded).statement.epoch;
    }

    /// Contradictions: two statements for one height, or two roots for one size.
    function checkMisbehaviour(
        bytes32 sourceDomain,
        TrustState calldata state,
        bytes calldata first,
        bytes calldata second
    ) external view returns (address[] memory) {
        (BlsProof memory a, uint256 absentFirst) = _requireHalf(sourceDomain, state, first);
        (BlsProof memory b, uint256 absentSecond) = _requireHalf(sourceDomain, state, second);
        bool oneHeight = a.statement.height == b.statement.height
            && Committees.structHash(a.statement) != Committees.structHash(b.statement);
        bool oneSize =
            a.statement.outboxSize == b.statement.outboxSize && a.statement.outboxRoot != b.statement.outboxRoot;
        require(oneHeight || oneSize, Refused(Code.NotMisbehaviour));
        return _signers(state.authority, a.roll.count, absentFirst | absentSecond);
    }

    function _acceptedLast(TrustState calldata state, FinalityStatement memory said) private pure returns (bool) {
        return state.height > 0 && said.epoch == state.epoch && said.height == state.height
            && said.outboxSize == state.outboxSize && said.outboxRoot == state.outboxRoot;
    }

    function _requireHalf(bytes32 sourceDomain, TrustState calldata state, bytes calldata encoded)
        private
        view
        returns (BlsProof memory proof, uint256 absent)
    {
        proof = BlsProofs.decode(encoded);
        require(proof.roll.authority(encoded, state.epoch) == state.authority, Refused(Code.CommitteeMismatch));
        require(proof.statement.epoch == state.epoch, Refused(Code.WrongEpoch));
        absent = _requireQuorum(sourceDomain, proof, encoded);
    }

    /// Returns when more than two thirds are present, the absent are members, and the present signed; bit i of `absent` =
    /// member i is absent.
    function _requireQuorum(bytes32 sourceDomain, BlsProof memory proof, bytes calldata encoded)
        private
        view
        returns (uint256 absent)
    {
        uint256 count = proof.roll.count;
        uint256 offset = proof.absentAt;
        for (uint256 i = 0; i < proof.absentCount; ++i) {
            uint256 index = BlsProofs.index(encoded, offset);
            // No bit at or above this one is set yet: indices ascend.
            require(index < count && absent >> index == 0, Refused(Code.BitmapMismatch));
            // forge-lint: disable-next-line(incorrect-shift)
            absent |= 1 << index;
            offset = BlsProofs.following(encoded, offset);
        }
        require(3 * (count - proof.absentCount) > 2 * count, Refused(Code.QuorumNotReached));
        (bool success, G2 memory key) = _presentKey(proof, encoded);
        bytes32 digest = Committees.digest(proof.statement, sourceDomain);
        require(
            success && key.verifies(bytes.concat(digest), BlsProofs.signature(encoded), Bls12381.SIGNATURE_TAG),
            Refused(Code.BadSignature)
        );
    }

    /// Sum of the present members' keys: of all keys, minus those of the absent, which the log of keys has at their places.
    /// Where a quorum handed over to keys that are no points, there is none.
    function _presentKey(BlsProof memory proof, bytes calldata encoded)
        private
        view
        returns (bool success, G2 memory key)
    {
        key = proof.roll.aggregate(encoded);
        if (proof.absentCount == 0) return (true, key);
        bytes32 root = proof.roll.root(encoded);
        bytes memory missing = Bls12381.emptySum();
        uint256 offset = proof.absentAt;
        success = true;
        for (uint256 i = 0; i < proof.absentCount; ++i) {
            MerkleLog.verifyInclusion(
                BlsProofs.keyHash(encoded, offset),
                BlsProofs.index(encoded, offset),
                proof.roll.count,
                BlsProofs.path(encoded, offset),
                root
            );
            // Told after the last member: places are looked at before points, as on the other chains.
            success = Bls12381.addAt(missing, encoded, BlsProofs.keyOffset(offset)) && success;
            offset = BlsProofs.following(encoded, offset);
        }
        if (success) (success, key) = key.add(Bls12381.total(missing).negate());
    }

    /// (epoch, authority) after the proof. The next committee's sum is checked, as nobody could sign under another; its
    /// proofs of possession were checked by the quorum that signed.
    function _handOver(TrustState calldata state, BlsProof memory proof, bytes calldata encoded)
        private
        view
        returns (uint64, bytes32)
    {
        bytes32 named = proof.statement.nextCommittee;
        Roll memory roll = proof.following;
        if (named == 0) {
            require(roll.count == 0, Refused(Code.BadHandover));
            return (state.epoch, state.authority);
        }
        BlsProofs.requireCount(roll.count, state.smallCommittee);
        require(roll.aggregate(encoded).isKey(), Refused(Code.CommitteeInvalid));
        require(state.epoch != type(uint64).max, Refused(Code.BadHandover));
        uint64 following = state.epoch + 1;
        require(roll.authority(encoded, following) == named, Refused(Code.BadHandover));
        return (following, named);
    }

    /// The names of the members whose bit is not set: the last 20 bytes of keccak(authority || index). The keys of those
    /// who are present do not travel; the authority commits to them in their order.
    function _signers(bytes32 authority, uint256 count, uint256 absent)
        private
        pure
        returns (address[] memory signers)
    {
        signers = new address[](count);
        uint256 found = 0;
        for (uint256 i = 0; i < count; ++i) {
            if ((absent >> i) & 1 == 1) continue;
            // forge-lint: disable-next-line(unsafe-typecast)
            signers[found++] = address(uint160(uint256(keccak256(abi.encodePacked(authority, uint8(i))))));
        }
        assembly ("memory-safe") {
            mstore(signers, found)
        }
    }
}
