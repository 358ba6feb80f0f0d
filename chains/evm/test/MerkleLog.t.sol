// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleLog} from "../contracts/libraries/MerkleLog.sol";
import {Code, Refused} from "../contracts/types/Code.sol";
import {LogTwin} from "./support/LogTwin.sol";
import {Test} from "./support/Test.sol";
import {Vectors} from "./support/Vectors.sol";

/// The library behind an external face, so that a refusal can be caught, with a log of its own.
contract LogFace {
    using MerkleLog for MerkleLog.Frontier;

    MerkleLog.Frontier private _log;

    function append(bytes32 data) external returns (uint64 size, bytes32 root) {
        return _log.append(data);
    }

    function verifyInclusion(bytes32 data, uint256 index, uint256 size, bytes32[] calldata proof, bytes32 root)
        external
        pure
    {
        MerkleLog.verifyInclusion(data, index, size, proof, root);
    }

    function verifyConsistency(
        uint256 fromSize,
        bytes32 fromRoot,
        uint256 toSize,
        bytes32 toRoot,
        bytes32[] calldata proof
    ) external pure {
        MerkleLog.verifyConsistency(fromSize, fromRoot, toSize, toRoot, proof);
    }
}

/// 1. Round trip: honest proofs of every (index, size) and (from, to) hold, and equal the RFC's recursion.
/// 2. Position binding: a proof holds for its index only.
/// 3. Any changed node, root, length or leaf is refused, with its code.
/// 4. The stored log has the root of the recursion after every append.
/// 5. The assembly of a node hash equals the plain expression, and leaves the free-memory pointer alone.
contract MerkleLogTest is Vectors {
    LogFace private _face = new LogFace();

    function test_verifyInclusion_returns_everyIndexOfEverySize() public view {
        for (uint256 size = 1; size <= 33; ++size) {
            bytes32[] memory leaves = _leaves(size, 0);
            bytes32 root = LogTwin.root(leaves);
            for (uint256 i = 0; i < size; ++i) {
                _face.verifyInclusion(leaves[i], i, size, LogTwin.inclusion(leaves, i), root);
            }
        }
    }

    function test_verifyConsistency_returns_everyPairOfSizes() public view {
        bytes32[] memory leaves = _leaves(33, 0);
        for (uint256 to = 0; to <= 33; ++to) {
            bytes32[] memory now_ = LogTwin.prefix(leaves, to);
            for (uint256 from = 0; from <= to; ++from) {
                bytes32 old = LogTwin.root(LogTwin.prefix(leaves, from));
                _face.verifyConsistency(from, old, to, LogTwin.root(now_), LogTwin.consistency(now_, from));
            }
        }
    }

    function test_append_keepsRoot_everySize() public {
        bytes32[] memory leaves = _leaves(70, 0);
        for (uint256 i = 0; i < leaves.length; ++i) {
            (uint64 size, bytes32 root) = _face.append(leaves[i]);
            vm.assertEq(size, i + 1, "size");
            vm.assertEq(root, LogTwin.root(LogTwin.prefix(leaves, i + 1)), "root");
        }
    }

    function test_rootInPlace_equalsRecursion_everySize() public pure {
        for (uint256 size = 0; size <= 64; ++size) {
            vm.assertEq(MerkleLog.rootInPlace(_leaves(size, 1), size), LogTwin.root(_leaves(size, 1)), "root");
        }
    }

    function testFuzz_nodeHash_equalsPlainTwin_anyChildren(bytes32 left, bytes32 right) public pure {
        bytes32 fast = MerkleLog.nodeHash(left, right);
        vm.assertEq(fast, keccak256(abi.encodePacked(uint8(1), left, right)), "node");
        vm.assertEq(MerkleLog.leafHash(left), keccak256(abi.encodePacked(uint8(0), left)), "leaf");
        // Memory that is allocated after it still starts at zero and below 2^64.
        vm.assertEq(new bytes(64).length, 64, "memory");
    }

    function testFuzz_verifyInclusion_refuses_changedNode(uint8 size, uint8 index, uint8 node, uint256 flip) public {
        uint256 count = uint256(size) % 200 + 2;
        bytes32[] memory leaves = _leaves(count, flip);
        uint256 leaf = index % count;
        bytes32[] memory proof = LogTwin.inclusion(leaves, leaf);
        proof[node % proof.length] ^= bytes32(flip | 1);
        bytes32 root = LogTwin.root(leaves);
        _expect(Code.RootMismatch);
        _face.verifyInclusion(leaves[leaf], leaf, count, proof, root);
    }

    function testFuzz_verifyInclusion_refuses_otherIndex(uint8 size, uint8 index, uint8 claimed) public {
        uint256 count = uint256(size) % 200 + 2;
        bytes32[] memory leaves = _leaves(count, 7);
        uint256 leaf = index % count;
        uint256 other = claimed % count;
        vm.assume(leaf != other);
        bytes32[] memory proof = LogTwin.inclusion(leaves, leaf);
        bytes32 root = LogTwin.root(leaves);
        bool sameLength = LogTwin.inclusion(leaves, other).length == proof.length;
        _expect(sameLength ? Code.RootMismatch : Code.ProofLength);
        _face.verifyInclusion(leaves[leaf], other, count, proof, root);
    }

    function testFuzz_verifyConsistency_refuses_rewrittenHistory(uint8 from, uint8 more, uint8 changed) public {
        uint256 old = uint256(from) % 100 + 1;
        uint256 size = old + uint256(more) % 100 + 1;
        bytes32[] memory leaves = _leaves(size, 3);
        bytes32 oldRoot = LogTwin.root(LogTwin.prefix(leaves, old));
        leaves[changed % old] = keccak256("another leaf");
        bytes32[] memory proof = LogTwin.consistency(leaves, old);
        bytes32 root = LogTwin.root(leaves);
        _expect(Code.InconsistentLog);
        _face.verifyConsistency(old, oldRoot, size, root, proof);
    }

    function testFuzz_verify_refusesWithCode_anyBytes(
        uint64 index,
        uint64 size,
        uint64 from,
        bytes32[] calldata proof,
        bytes32 root
    ) public view {
        _assertTyped(abi.encodeCall(_face.verifyInclusion, (root, index, size, proof, keccak256("no root"))));
        _assertTyped(abi.encodeCall(_face.verifyConsistency, (from, root, size, keccak256("no root"), proof)));
    }

    function test_vectors_agree_log() public {
        string memory json = load("log");
        uint256 count = countCases(json);
        uint256 compared = 0;
        for (uint256 i = 0; i < count; ++i) {
            string memory input = string.concat(caseAt(i), ".input");
            if (has(json, input, ".leaves")) continue;
            bytes32[] memory proof = vm.parseJsonBytes32Array(json, string.concat(input, ".proof"));
            bytes memory data;
            if (has(json, input, ".leaf")) {
                bytes memory leaf = vm.parseJsonBytes(json, string.concat(input, ".leaf"));
                // Leaves of other lengths exist off chain only: here they are packet ids and digests.
                if (leaf.length != 32) continue;
                data = abi.encodeCall(
                    _face.verifyInclusion,
                    (
                        // forge-lint: disable-next-line(unsafe-typecast)
                        bytes32(leaf),
                        number(json, input, ".index"),
                        number(json, input, ".size"),
                        proof,
                        word(json, input, ".root")
                    )
                );
            } else {
                data = abi.encodeCall(
                    _face.verifyConsistency,
                    (
                        number(json, input, ".fromSize"),
                        word(json, input, ".fromRoot"),
                        number(json, input, ".toSize"),
                        word(json, input, ".toRoot"),
                        proof
                    )
                );
            }
            assertVerdict(json, i, address(_face), data);
            ++compared;
        }
        report("log", compared);
    }

    function test_vectors_agree_logBuilders() public {
        string memory json = load("log");
        uint256 built = 0;
        uint256 count = countCases(json);
        for (uint256 i = 0; i < count; ++i) {
            string memory input = string.concat(caseAt(i), ".input");
            if (!has(json, input, ".leaves")) continue;
            bytes[] memory data = vm.parseJsonBytesArray(json, string.concat(input, ".leaves"));
            bytes32[] memory leaves = new bytes32[](data.length);
            bool words = true;
            for (uint256 j = 0; j < data.length; ++j) {
                words = words && data[j].length == 32;
                // forge-lint: disable-next-line(unsafe-typecast)
                leaves[j] = bytes32(data[j]);
            }
            if (!words) continue;
            string memory expected = string.concat(caseAt(i), ".expect");
            vm.assertEq(LogTwin.root(leaves), word(json, expected, ".root"), "root");
            LogFace log = new LogFace();
            for (uint256 j = 0; j < leaves.length; ++j) {
                (, bytes32 root) = log.append(leaves[j]);
                if (j + 1 == leaves.length) vm.assertEq(root, word(json, expected, ".root"), "frontier");
            }
            ++built;
        }
        report("log builders", built);
    }

    function _leaves(uint256 count, uint256 salt) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            leaves[i] = keccak256(abi.encode(salt, i));
        }
    }

    function _expect(Code code) private {
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, code));
    }

    /// Total: whatever comes in, the answer is a typed refusal, never a panic.
    function _assertTyped(bytes memory data) private view {
        (bool success, bytes memory answer) = address(_face).staticcall(data);
        // forge-lint: disable-next-line(unsafe-typecast)
        vm.assertTrue(success || (answer.length == 36 && bytes4(answer) == Refused.selector), "a typed refusal");
    }
}
