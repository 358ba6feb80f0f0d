// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleLog} from "poft/libraries/MerkleLog.sol";
import {FinalityStatement} from "poft/schemes/cmt1/CommitteeProof.sol";
import {Code, Refused} from "poft/types/Code.sol";
import {Bls12381, G1, G2} from "./Bls12381.sol";

/// What a proof says about a committee: its size, and where the sum of its keys and the root of the log of them stand in
/// the encoded bytes, one behind the other.
struct Roll {
    uint256 count;
    uint256 offset;
}

/// A decoded proof: the statement, and where the rest lies in the encoded bytes.
struct BlsProof {
    FinalityStatement statement;
    Roll roll;
    Roll following;
    uint256 nodesAt;
    uint256 nodeCount;
    uint256 absentAt;
    uint256 absentCount;
}

/// BLS1's encodings, packed and big-endian; the table of bytes stands in `poft_bls12381/committee.py`. Twins: that, and
/// `substrate/bls1/src/encoding.rs`.
library BlsProofs {
    using Bls12381 for G2;

    uint256 internal constant MAX = 64;
    uint256 internal constant MIN = 4;
    /// Nodes of an inclusion proof in a log of at most 64 keys.
    uint256 private constant MAX_PATH = 6;
    uint256 private constant MAX_NODES = 128;

    uint256 private constant GENESIS_HEAD = 10;
    uint256 private constant MEMBER_BYTES = 288;
    uint256 private constant COUNTS = 160;
    uint256 private constant ROLL = 164;
    uint256 private constant ROLL_BYTES = 224;
    uint256 private constant SIGNATURE = 388;
    uint256 private constant HEAD = 484;
    uint256 private constant ABSENT_BYTES = 194;

    bytes32 private constant TAG = keccak256("poft/bls1/committee/v1");

    /// Bounds first: nothing that reads `genesis` afterwards leaves it.
    function decodeGenesis(bytes calldata genesis) internal pure returns (uint64 epoch, uint256 count, bool small) {
        require(genesis.length >= GENESIS_HEAD, Refused(Code.Malformed));
        epoch = uint64(bytes8(genesis[:8]));
        count = uint8(genesis[9]);
        require(count <= MAX, Refused(Code.Oversize));
        require(uint8(genesis[8]) <= 1, Refused(Code.Malformed));
        require(genesis.length == GENESIS_HEAD + count * MEMBER_BYTES, Refused(Code.Malformed));
        small = genesis[8] == 0x01;
    }

    /// What a client stores for the committee of a genesis. Keys are sorted and unique, each with its proof of possession:
    /// without them a member could choose its key as a point minus the others' keys, and sign for all of them.
    function authorityOf(bytes calldata genesis, uint64 epoch, uint256 count, bool small)
        internal
        view
        returns (bytes32)
    {
        requireCount(count, small);
        // Sorted before any key is looked at, as on the other chains.
        for (uint256 i = 1; i < count; ++i) {
            uint256 offset = GENESIS_HEAD + i * MEMBER_BYTES;
            require(_precedes(genesis, offset - MEMBER_BYTES, offset), Refused(Code.CommitteeInvalid));
        }
        bytes32[] memory leaves = new bytes32[](count);
        bytes memory sum = Bls12381.emptySum();
        for (uint256 i = 0; i < count; ++i) {
            uint256 offset = GENESIS_HEAD + i * MEMBER_BYTES;
            G2 memory key = Bls12381.readG2(genesis, offset);
            G1 memory possession = Bls12381.readG1(genesis, offset + Bls12381.G2_BYTES);
            require(key.possesses(possession), Refused(Code.CommitteeInvalid));
            require(Bls12381.addAt(sum, genesis, offset), Refused(Code.CommitteeInvalid));
            leaves[i] = keccak256(genesis[offset:offset + Bls12381.G2_BYTES]);
        }
        // Every key is in the subgroup, so the sum is.
        G2 memory total = Bls12381.total(sum);
        require(!total.isInfinity(), Refused(Code.CommitteeInvalid));
        return _authority(epoch, count, bytes.concat(total.pack(), MerkleLog.rootInPlace(leaves, count)));
    }

    /// Sizes are checked here, so that nothing that reads `encoded` afterwards leaves it.
    function decode(bytes calldata encoded) internal pure returns (BlsProof memory proof) {
        require(encoded.length >= HEAD, Refused(Code.Malformed));
        FinalityStatement memory said = proof.statement;
        said.epoch = uint64(bytes8(encoded[:8]));
        said.height = uint64(bytes8(encoded[8:16]));
        said.blockHash = bytes32(encoded[16:48]);
        said.stateRoot = bytes32(encoded[48:80]);
        said.outboxSize = uint64(bytes8(encoded[80:88]));
        said.outboxRoot = bytes32(encoded[88:120]);
        said.timestamp = uint64(bytes8(encoded[120:128]));
        said.nextCommittee = bytes32(encoded[128:160]);
        proof.roll = Roll(uint8(encoded[COUNTS]), ROLL);
        proof.absentCount = uint8(encoded[COUNTS + 1]);
        proof.following = Roll(uint8(encoded[COUNTS + 2]), HEAD);
        proof.nodeCount = uint8(encoded[COUNTS + 3]);
        require(
            proof.roll.count <= MAX && proof.absentCount <= MAX && proof.following.count <= MAX
                && proof.nodeCount <= MAX_NODES,
            Refused(Code.Oversize)
        );
        proof.nodesAt = proof.following.count == 0 ? HEAD : HEAD + ROLL_BYTES;
        proof.absentAt = proof.nodesAt + 32 * proof.nodeCount;
        uint256 offset = proof.absentAt;
        for (uint256 i = 0; i < proof.absentCount; ++i) {
            require(encoded.length >= offset + ABSENT_BYTES, Refused(Code.Malformed));
            uint256 nodes = uint8(encoded[offset + 1]);
            require(nodes <= MAX_PATH, Refused(Code.Oversize));
            offset += ABSENT_BYTES + 32 * nodes;
        }
        require(encoded.length == offset, Refused(Code.Malformed));
    }

    /// What a client stores for a committee of this epoch.
    function authority(Roll memory roll, bytes calldata encoded, uint64 epoch) internal pure returns (bytes32) {
        return _authority(epoch, roll.count, encoded[roll.offset:roll.offset + ROLL_BYTES]);
    }

    function aggregate(Roll memory roll, bytes calldata encoded) internal pure returns (G2 memory) {
        return Bls12381.readG2(encoded, roll.offset);
    }

    function root(Roll memory roll, bytes calldata encoded) internal pure returns (bytes32) {
        uint256 offset = roll.offset + Bls12381.G2_BYTES;
        return bytes32(encoded[offset:offset + 32]);
    }

    function signature(bytes calldata encoded) internal pure returns (G1 memory) {
        return Bls12381.readG1(encoded, SIGNATURE);
    }

    function consistency(BlsProof memory proof, bytes calldata encoded) internal pure returns (bytes32[] calldata) {
        return _nodes(encoded, proof.nodesAt, proof.nodeCount);
    }

    // The entry of an absent member, which stands at `offset`: index, number of nodes, key, nodes.

    function index(bytes calldata encoded, uint256 offset) internal pure returns (uint256) {
        return uint8(encoded[offset]);
    }

    /// Where the next entry stands.
    function following(bytes calldata encoded, uint256 offset) internal pure returns (uint256) {
        return offset + ABSENT_BYTES + 32 * uint256(uint8(encoded[offset + 1]));
    }

    /// Where the key stands.
    function keyOffset(uint256 offset) internal pure returns (uint256) {
        return offset + 2;
    }

    /// Hash of the key, which is what the log of keys has as a leaf's data. Memory is not kept.
    function keyHash(bytes calldata encoded, uint256 offset) internal pure returns (bytes32 hash) {
        uint256 start = keyOffset(offset);
        uint256 length = Bls12381.G2_BYTES;
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, add(encoded.offset, start), length)
            hash := keccak256(free, length)
        }
    }

    /// Inclusion proof of the key.
    function path(bytes calldata encoded, uint256 offset) internal pure returns (bytes32[] calldata) {
        return _nodes(encoded, offset + ABSENT_BYTES, uint8(encoded[offset + 1]));
    }

    function requireCount(uint256 count, bool small) internal pure {
        require(count >= (small ? 1 : MIN) && count <= MAX, Refused(Code.CommitteeInvalid));
    }

    function _authority(uint64 epoch, uint256 count, bytes memory sumAndRoot) private pure returns (bytes32) {
        // Counts are read from one byte.
        // forge-lint: disable-next-line(unsafe-typecast)
        return keccak256(abi.encodePacked(TAG, epoch, uint8(count), sumAndRoot));
    }

    /// Whether the key at one offset comes before the key at another, bytewise.
    function _precedes(bytes calldata genesis, uint256 first, uint256 second) private pure returns (bool) {
        for (uint256 i = 0; i < Bls12381.G2_BYTES; i += 32) {
            bytes32 a = bytes32(genesis[first + i:first + i + 32]);
            bytes32 b = bytes32(genesis[second + i:second + i + 32]);
            if (a != b) return a < b;
        }
        return false;
    }

    /// Nodes lie in calldata as the elements of a `bytes32[]` do: point there, copy nothing.
    function _nodes(bytes calldata encoded, uint256 offset, uint256 count)
        private
        pure
        returns (bytes32[] calldata nodes)
    {
        assembly ("memory-safe") {
            nodes.offset := add(encoded.offset, offset)
            nodes.length := count
        }
    }
}
