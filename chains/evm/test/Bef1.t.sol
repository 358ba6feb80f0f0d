// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Finalised, Limits, TrustState} from "../contracts/interfaces/IFinalityVerifier.sol";
import {Beefy, Commitment} from "../contracts/schemes/bef1/BeefyProof.sol";
import {BeefyVerifier} from "../contracts/schemes/bef1/BeefyVerifier.sol";
import {Code, Refused} from "../contracts/types/Code.sol";
import {Validators} from "./support/Validators.sol";
import {Vectors} from "./support/Vectors.sol";

/// BEF1 on its own, against the shared vectors and against bytes from anywhere.
contract Bef1Test is Vectors, Validators {
    BeefyVerifier private _verifier = new BeefyVerifier();

    function test_scheme_names_bef1() public view {
        vm.assertEq(bytes32(_verifier.scheme()), bytes32("BEF1"), "scheme");
    }

    function test_vectors_agree_bef1() public {
        string memory json = load("bef1");
        uint256 count = countCases(json);
        uint256[4] memory compared;
        for (uint256 i = 0; i < count; ++i) {
            string memory input = string.concat(caseAt(i), ".input");
            if (has(json, input, ".genesis")) {
                _compareGenesis(json, i, input);
                ++compared[0];
            } else if (has(json, input, ".first")) {
                _compareMisbehaviour(json, i, input);
                ++compared[1];
            } else if (has(json, input, ".domain")) {
                _compareProof(json, i, input);
                ++compared[2];
            } else {
                _compareEpoch(json, i, vm.parseJsonBytes(json, string.concat(input, ".proof")));
                ++compared[3];
            }
        }
        report("bef1 genesis", compared[0]);
        report("bef1 misbehaviour", compared[1]);
        report("bef1 proofs", compared[2]);
        report("bef1 epochs", compared[3]);
    }

    function test_verify_refusesMalformed_truncatedOrPaddedBytes() public {
        (TrustState memory state, bytes memory proof) = _honest();
        _verifier.verify(bytes32("source"), state, proof, Limits(2000, 30));
        for (uint256 length = 0; length < proof.length; ++length) {
            bytes memory cut = new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                cut[i] = proof[i];
            }
            vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.Malformed));
            _verifier.verify(bytes32("source"), state, cut, Limits(2000, 30));
        }
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.Malformed));
        _verifier.verify(bytes32("source"), state, bytes.concat(proof, hex"00"), Limits(2000, 30));
    }

    /// Total and bounded: one changed byte anywhere is refused with a code, never a panic, never accepted.
    function testFuzz_verify_refusesWithCode_anyChangedByte(uint256 position, uint8 change) public view {
        (TrustState memory state, bytes memory proof) = _honest();
        position %= proof.length;
        proof[position] = bytes1(uint8(proof[position]) ^ (change == 0 ? 1 : change));
        _assertRefused(abi.encodeCall(_verifier.verify, (bytes32("source"), state, proof, Limits(2000, 30))));
    }

    function testFuzz_verify_refusesWithCode_anyBytes(bytes calldata proof) public view {
        (TrustState memory state,) = _honest();
        _assertRefused(abi.encodeCall(_verifier.verify, (bytes32("source"), state, proof, Limits(2000, 30))));
        _assertRefused(abi.encodeCall(_verifier.checkMisbehaviour, (bytes32("source"), state, proof, proof)));
    }

    /// Block number and set id are little-endian, whatever they are.
    function testFuzz_verify_readsLittleEndian_anyHeightAndSet(uint32 height, uint64 setId) public view {
        height = height == 0 ? 1 : height;
        setId = setId == type(uint64).max ? 0 : setId;
        uint256[] memory keys = sortedKeys("validator", 4);
        bytes32 current = committeeOf(setId + 1, keys);
        TrustState memory state = TrustState({
            epoch: setId + 1,
            height: 0,
            timestamp: 0,
            outboxSize: 0,
            outboxRoot: keccak256(""),
            authority: Beefy.authority(current, keccak256("next")),
            smallCommittee: false
        });
        Commitment memory said = _commitment();
        (said.height, said.setId) = (height, setId);
        bytes memory proof = packBeefyProof(said, current, keccak256("next"), keys, 3, new bytes32[](0));
        (TrustState memory next,) = _verifier.verify(bytes32("source"), state, proof, Limits(2000, 30));
        vm.assertEq(next.height, height, "height");
        vm.assertEq(_verifier.epochOf(proof), setId + 1, "epoch");
    }

    function testFuzz_verify_acceptsMoreThanTwoThirds_anySize(uint8 size, uint8 signers) public {
        uint256 n = uint256(size) % 20 + 4;
        uint256 k = uint256(signers) % (n + 1);
        uint256[] memory keys = sortedKeys("validator", n);
        (TrustState memory state,) = _honest();
        bytes32 current = committeeOf(1, keys);
        state.authority = Beefy.authority(current, keccak256("next"));
        bytes memory proof = packBeefyProof(_commitment(), current, keccak256("next"), keys, k, new bytes32[](0));
        if (3 * k <= 2 * n) vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.QuorumNotReached));
        _verifier.verify(bytes32("source"), state, proof, Limits(2000, 30));
    }

    function _commitment() private pure returns (Commitment memory) {
        return Commitment({
            blockHash: keccak256("block"),
            stateRoot: keccak256("state"),
            outboxSize: 0,
            outboxRoot: keccak256(""),
            domain: "source",
            timestamp: 2000,
            nextCommittee: keccak256("next"),
            height: 20,
            setId: 0
        });
    }

    function _honest() private pure returns (TrustState memory state, bytes memory proof) {
        uint256[] memory keys = sortedKeys("validator", 4);
        bytes32 current = committeeOf(1, keys);
        state = TrustState({
            epoch: 1,
            height: 10,
            timestamp: 1990,
            outboxSize: 0,
            outboxRoot: keccak256(""),
            authority: Beefy.authority(current, keccak256("next")),
            smallCommittee: false
        });
        proof = packBeefyProof(_commitment(), current, keccak256("next"), keys, 3, new bytes32[](0));
    }

    function _assertRefused(bytes memory data) private view {
        (bool success, bytes memory answer) = address(_verifier).staticcall(data);
        vm.assertTrue(!success, "accepted");
        vm.assertEq(answer.length, 36, "a code");
        vm.assertEq(bytes32(bytes4(answer)), bytes32(Refused.selector), "a refusal");
    }

    function _compareGenesis(string memory json, uint256 index, string memory input) private {
        bytes memory genesis = vm.parseJsonBytes(json, string.concat(input, ".genesis"));
        bytes memory answer =
            assertVerdict(json, index, address(_verifier), abi.encodeCall(_verifier.initialise, (genesis)));
        string memory expected = string.concat(caseAt(index), ".expect.newState");
        if (!vm.keyExistsJson(json, expected)) return;
        vm.assertEq(answer, abi.encode(stateAt(json, expected)), "first state");
    }

    function _compareProof(string memory json, uint256 index, string memory input) private {
        bytes memory data = abi.encodeCall(
            _verifier.verify,
            (
                word(json, input, ".domain"),
                stateAt(json, string.concat(input, ".state")),
                vm.parseJsonBytes(json, string.concat(input, ".proof")),
                Limits(number(json, input, ".now"), number(json, input, ".maxDrift"))
            )
        );
        bytes memory answer = assertVerdict(json, index, address(_verifier), data);
        string memory expected = string.concat(caseAt(index), ".expect");
        if (!has(json, expected, ".newState")) return;
        (TrustState memory next, Finalised memory finalised) = abi.decode(answer, (TrustState, Finalised));
        vm.assertEq(abi.encode(next), abi.encode(stateAt(json, string.concat(expected, ".newState"))), "new state");
        vm.assertEq(finalised.blockHash, word(json, expected, ".blockHash"), "block");
        vm.assertEq(finalised.stateRoot, word(json, expected, ".stateRoot"), "state root");
    }

    function _compareMisbehaviour(string memory json, uint256 index, string memory input) private {
        bytes memory data = abi.encodeCall(
            _verifier.checkMisbehaviour,
            (
                word(json, input, ".domain"),
                stateAt(json, string.concat(input, ".state")),
                vm.parseJsonBytes(json, string.concat(input, ".first")),
                vm.parseJsonBytes(json, string.concat(input, ".second"))
            )
        );
        bytes memory answer = assertVerdict(json, index, address(_verifier), data);
        string memory expected = string.concat(caseAt(index), ".expect.signers");
        if (!vm.keyExistsJson(json, expected)) return;
        vm.assertEq(abi.decode(answer, (address[])), vm.parseJsonAddressArray(json, expected), "double signers");
    }

    function _compareEpoch(string memory json, uint256 index, bytes memory proof) private {
        bytes memory data = abi.encodeCall(_verifier.epochOf, (proof));
        bytes memory answer = assertVerdict(json, index, address(_verifier), data);
        if (!has(json, caseAt(index), ".expect")) return;
        vm.assertEq(abi.decode(answer, (uint64)), number64(json, caseAt(index), ".expect.epoch"), "epoch");
    }
}
