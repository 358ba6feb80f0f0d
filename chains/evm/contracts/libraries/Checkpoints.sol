// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Code, Refused} from "../types/Code.sol";

/// A digest of a model and of how it came to be (docs/protocol.md section 5). Round 0 is a task's genesis.
struct Checkpoint {
    bytes32 federation;
    bytes32 task;
    uint64 round;
    bytes32 modelRoot;
    uint64 modelBytes;
    bytes32 manifestHash;
    bytes32 parentsHash;
    uint64 samples;
    bytes32 metricsHash;
    bytes32 trainingRoot;
    bytes32 datasetRoot;
    bytes32 locatorHash;
}

/// Ids of checkpoints and the payload that announces one (docs/federation.md). Twin: `poft/protocol/checkpoint.py`.
library Checkpoints {
    uint256 internal constant MAX_PARENTS = 8;

    bytes32 private constant TYPEHASH = keccak256(
        "Checkpoint(bytes32 federation,bytes32 task,uint64 round,bytes32 modelRoot,uint64 modelBytes,bytes32 manifestHash,bytes32 parentsHash,uint64 samples,bytes32 metricsHash,bytes32 trainingRoot,bytes32 datasetRoot,bytes32 locatorHash)"
    );
    uint256 private constant WORD = 32;
    /// 12 fields, offset of the parents, previous.
    uint256 private constant HEAD_WORDS = 14;
    uint256 private constant OFFSET_WORD = 12;
    uint256 private constant PREVIOUS_WORD = 13;
    uint256 private constant COUNT_WORD = HEAD_WORDS;
    uint256 private constant U64_MAX = type(uint64).max;

    function id(Checkpoint memory checkpoint) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, checkpoint));
    }

    function hashParents(bytes32[] memory parents) internal pure returns (bytes32) {
        return keccak256(abi.encode(parents));
    }

    /// `previous` is the export before it to the same destination, or the task's genesis.
    function encodePayload(Checkpoint memory checkpoint, bytes32[] memory parents, bytes32 previous)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encode(checkpoint, parents, previous);
    }

    /// The inverse of `encodePayload`, for its one canonical encoding: `abi.decode` would take any offset, trailing
    /// bytes, and would revert without a code on dirty padding. Nothing is copied: the results point into `payload`.
    function decodePayload(bytes calldata payload)
        internal
        pure
        returns (Checkpoint calldata checkpoint, bytes32[] calldata parents, bytes32 previous)
    {
        require(payload.length <= (HEAD_WORDS + 1 + MAX_PARENTS) * WORD, Refused(Code.Oversize));
        require(payload.length >= (HEAD_WORDS + 1) * WORD, Refused(Code.Malformed));
        require(_word(payload, OFFSET_WORD) == HEAD_WORDS * WORD, Refused(Code.Malformed));
        // No overflow: the count is multiplied only when it is small; this also refuses lengths that are not whole words.
        uint256 count = _word(payload, COUNT_WORD);
        unchecked {
            require(count <= MAX_PARENTS && payload.length == (HEAD_WORDS + 1 + count) * WORD, Refused(Code.Malformed));
        }
        require((_word(payload, 2) | _word(payload, 4) | _word(payload, 7)) <= U64_MAX, Refused(Code.Malformed));
        previous = bytes32(_word(payload, PREVIOUS_WORD));
        uint256 parentsAt = (HEAD_WORDS + 1) * WORD;
        assembly ("memory-safe") {
            checkpoint := payload.offset
            parents.offset := add(payload.offset, parentsAt)
            parents.length := count
        }
    }

    /// Of a payload that `decodePayload` has taken: the checkpoint's id, the hash of the parents, and a copy of the
    /// payload. They are hashed where they lie in that copy: `abi.encode` would move every word three times, which was
    /// 4,000 gas of a delivery.
    function fingerprint(bytes calldata payload)
        internal
        pure
        returns (bytes32 checkpointId, bytes32 parentsHash, bytes memory copy)
    {
        bytes32 typeHash = TYPEHASH;
        copy = payload;
        assembly ("memory-safe") {
            // The length word gives way to the type hash for a moment: keccak(typeHash, 12 fields).
            mstore(copy, typeHash)
            checkpointId := keccak256(copy, 0x1a0)
            mstore(copy, payload.length)
            // `previous` gives way to the offset in abi.encode(parents): keccak(0x20, count, parents).
            let head := add(copy, 0x1c0)
            let previous := mload(head)
            mstore(head, 0x20)
            parentsHash := keccak256(head, sub(payload.length, 0x1a0))
            mstore(head, previous)
        }
    }

    /// A word of a payload that is known to be long enough.
    function _word(bytes calldata payload, uint256 index) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(payload.offset, shl(5, index)))
        }
    }
}
