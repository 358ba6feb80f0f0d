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
    /// bytes, and would revert without a code on dirty padding.
    function decodePayload(bytes calldata payload)
        internal
        pure
        returns (Checkpoint memory checkpoint, bytes32[] memory parents, bytes32 previous)
    {
        require(payload.length <= (HEAD_WORDS + 1 + MAX_PARENTS) * WORD, Refused(Code.Oversize));
        require(payload.length % WORD == 0, Refused(Code.Malformed));
        require(payload.length >= (HEAD_WORDS + 1) * WORD, Refused(Code.Malformed));
        require(_word(payload, OFFSET_WORD) == HEAD_WORDS * WORD, Refused(Code.Malformed));
        require(_word(payload, COUNT_WORD) == payload.length / WORD - HEAD_WORDS - 1, Refused(Code.Malformed));
        require(
            _word(payload, 2) <= U64_MAX && _word(payload, 4) <= U64_MAX && _word(payload, 7) <= U64_MAX,
            Refused(Code.Malformed)
        );
        (checkpoint, parents, previous) = abi.decode(payload, (Checkpoint, bytes32[], bytes32));
    }

    function _word(bytes calldata payload, uint256 index) private pure returns (uint256) {
        return uint256(bytes32(payload[index * WORD:]));
    }
}
