// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Signatures} from "../../libraries/Signatures.sol";
import {Code, Refused} from "../../types/Code.sol";

/// `(height, outbox, ...)` is final on the source. `nextCommittee` is zero, or the hash of the next epoch's.
struct FinalityStatement {
    uint64 epoch;
    uint64 height;
    bytes32 blockHash;
    bytes32 stateRoot;
    uint64 outboxSize;
    bytes32 outboxRoot;
    uint64 timestamp;
    bytes32 nextCommittee;
}

/// A decoded proof: the statement, and where the lists lie in the encoded bytes.
struct CommitteeProof {
    FinalityStatement statement;
    uint256 bitmap;
    uint256 memberCount;
    uint256 signatureCount;
    uint256 signatureBytes;
    uint256 nextCount;
    uint256 nodeCount;
}

/// CMT1's encoding, hashes and rules about committees.
///
/// A proof is packed, big-endian, because calldata is the largest part of an update's price after its signatures:
///
/// | bytes | field |
/// |---|---|
/// | 8 8 32 32 8 32 8 32 | statement: epoch, height, blockHash, stateRoot, outboxSize, outboxRoot, timestamp, nextCommittee |
/// | 8 | bitmap |
/// | 1 | n, number of members |
/// | 1 | k, number of signatures |
/// | 2 | length of all signatures together: 65 k, anything else is `BadSignature` |
/// | 1 | m, number of next members |
/// | 1 | c, number of nodes of the consistency proof |
/// | 20 n, 65 k, 20 m, 32 c | members, signatures in the order of their bits, next members, nodes |
library Committees {
    /// A bitmap is a uint64.
    uint256 internal constant MAX = 64;
    /// 3f + 1 with f = 1; fewer only in a client that was created with the devnet flag.
    uint256 internal constant MIN = 4;

    uint256 private constant HEAD = 174;
    uint256 private constant MAX_NODES = 128;
    bytes32 private constant TYPEHASH = keccak256(
        "Finality(uint64 epoch,uint64 height,bytes32 blockHash,bytes32 stateRoot,uint64 outboxSize,bytes32 outboxRoot,uint64 timestamp,bytes32 nextCommittee)"
    );

    function decodeGenesis(bytes calldata genesis)
        internal
        pure
        returns (uint64 epoch, address[] memory list, bool small)
    {
        // Three words of head, one of length: what governance passes has one encoding as well.
        require(genesis.length >= 4 * 32, Refused(Code.Malformed));
        (epoch, list, small) = abi.decode(genesis, (uint64, address[], bool));
        require(keccak256(abi.encode(epoch, list, small)) == keccak256(genesis), Refused(Code.Malformed));
    }

    /// Sizes are checked here, so that the list accessors below stay inside of `encoded`.
    function decode(bytes calldata encoded) internal pure returns (CommitteeProof memory proof) {
        require(encoded.length >= HEAD, Refused(Code.Malformed));
        FinalityStatement memory said = proof.statement;
        said.epoch = uint64(bytes8(encoded[0:8]));
        said.height = uint64(bytes8(encoded[8:16]));
        said.blockHash = bytes32(encoded[16:48]);
        said.stateRoot = bytes32(encoded[48:80]);
        said.outboxSize = uint64(bytes8(encoded[80:88]));
        said.outboxRoot = bytes32(encoded[88:120]);
        said.timestamp = uint64(bytes8(encoded[120:128]));
        said.nextCommittee = bytes32(encoded[128:160]);
        proof.bitmap = uint64(bytes8(encoded[160:168]));
        proof.memberCount = uint8(encoded[168]);
        proof.signatureCount = uint8(encoded[169]);
        proof.signatureBytes = uint16(bytes2(encoded[170:172]));
        proof.nextCount = uint8(encoded[172]);
        proof.nodeCount = uint8(encoded[173]);
        require(
            proof.memberCount <= MAX && proof.signatureCount <= MAX && proof.nextCount <= MAX
                && proof.nodeCount <= MAX_NODES,
            Refused(Code.Oversize)
        );
        require(encoded.length == _nodesAt(proof) + 32 * proof.nodeCount, Refused(Code.Malformed));
    }

    function members(CommitteeProof memory proof, bytes calldata encoded) internal pure returns (address[] memory) {
        return _addresses(encoded, HEAD, proof.memberCount);
    }

    function signatures(CommitteeProof memory proof, bytes calldata encoded) internal pure returns (bytes calldata) {
        uint256 start = HEAD + 20 * proof.memberCount;
        return encoded[start:start + proof.signatureBytes];
    }

    function nextMembers(CommitteeProof memory proof, bytes calldata encoded) internal pure returns (address[] memory) {
        return _addresses(encoded, HEAD + 20 * proof.memberCount + proof.signatureBytes, proof.nextCount);
    }

    /// The nodes lie in calldata as the elements of a `bytes32[]` do: point there, copy nothing.
    function consistency(CommitteeProof memory proof, bytes calldata encoded)
        internal
        pure
        returns (bytes32[] calldata nodes)
    {
        uint256 start = _nodesAt(proof);
        uint256 count = proof.nodeCount;
        assembly ("memory-safe") {
            nodes.offset := add(encoded.offset, start)
            nodes.length := count
        }
    }

    /// Returns when these addresses may form a committee: sorted ascending, unique, not zero, at most 64, and at least
    /// 4 unless `small`.
    function requireCommittee(address[] memory list, bool small) internal pure {
        require(list.length >= (small ? 1 : MIN) && list.length <= MAX, Refused(Code.CommitteeInvalid));
        address previous = address(0);
        for (uint256 i = 0; i < list.length; ++i) {
            require(list[i] > previous, Refused(Code.CommitteeInvalid));
            previous = list[i];
        }
    }

    function hash(uint64 epoch, address[] memory list) internal pure returns (bytes32) {
        return keccak256(abi.encode(epoch, list));
    }

    function structHash(FinalityStatement memory statement) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, statement));
    }

    /// What an attestor of the chain with this domain signs.
    function digest(FinalityStatement memory statement, bytes32 sourceDomain) internal pure returns (bytes32) {
        bytes32 separator = Signatures.separator(keccak256("PoFT Finality"), keccak256("1"), sourceDomain);
        return Signatures.typedDigest(separator, structHash(statement));
    }

    /// The members whose bit is set.
    function select(address[] memory list, uint256 bitmap) internal pure returns (address[] memory chosen) {
        chosen = new address[](bitCount(bitmap));
        uint256 cursor = 0;
        for (uint256 i = 0; i < list.length; ++i) {
            if ((bitmap >> i) & 1 == 1) chosen[cursor++] = list[i];
        }
    }

    function bitCount(uint256 value) internal pure returns (uint256 count) {
        for (; value != 0; value &= value - 1) {
            ++count;
        }
    }

    function _nodesAt(CommitteeProof memory proof) private pure returns (uint256) {
        return HEAD + 20 * (proof.memberCount + proof.nextCount) + proof.signatureBytes;
    }

    function _addresses(bytes calldata encoded, uint256 start, uint256 count)
        private
        pure
        returns (address[] memory list)
    {
        list = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = address(bytes20(encoded[start + 20 * i:start + 20 * i + 20]));
        }
    }
}
