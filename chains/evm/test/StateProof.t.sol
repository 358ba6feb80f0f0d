// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";
import {TrieProof} from "@openzeppelin/contracts/utils/cryptography/TrieProof.sol";
import {StateProof} from "../contracts/schemes/esp1/StateProof.sol";
import {Code, Refused} from "../contracts/types/Code.sol";
import {Calldata} from "./support/Calldata.sol";
import {Vectors} from "./support/Vectors.sol";

/// The library behind an external function.
contract StateProofHarness {
    function provenSlot(bytes32 stateRoot, address account, bytes32 slot, bytes calldata proof)
        external
        pure
        returns (bytes32)
    {
        StateProof.requireSizes(proof);
        return StateProof.provenSlot(stateRoot, account, slot, proof);
    }

    /// The same by OpenZeppelin's library, of which nothing is taken over: whatever we accept, it accepts.
    function foreignSlot(bytes32 stateRoot, address account, bytes32 slot, bytes calldata proof)
        external
        pure
        returns (bytes32)
    {
        (bytes[] memory nodes, uint256 position) = _nodes(proof, 0);
        bytes memory record =
            TrieProof.traverse(stateRoot, abi.encodePacked(keccak256(abi.encodePacked(account))), nodes);
        bytes32 storageRoot = RLP.readBytes32(RLP.decodeList(record)[2]);
        (nodes,) = _nodes(proof, position);
        return RLP.decodeBytes32(TrieProof.traverse(storageRoot, abi.encodePacked(keccak256(abi.encode(slot))), nodes));
    }

    function _nodes(bytes calldata proof, uint256 position) private pure returns (bytes[] memory nodes, uint256 next) {
        nodes = new bytes[](uint8(proof[position++]));
        for (uint256 i = 0; i < nodes.length; ++i) {
            next = position + 2 + uint16(bytes2(proof[position:]));
            nodes[i] = proof[position + 2:next];
            position = next;
        }
        next = position;
    }
}

/// State proofs against the shared vectors.
/// forge-config: default.evm_version = "cancun"
contract StateProofTest is Vectors, Calldata {
    StateProofHarness private _harness = new StateProofHarness();

    function test_vectors_agree_stateProof() public {
        string memory json = load("state_proof");
        uint256 count = countCases(json);
        for (uint256 i = 0; i < count; ++i) {
            string memory input = string.concat(caseAt(i), ".input");
            bytes32 stateRoot = word(json, input, ".stateRoot");
            address account = vm.parseJsonAddress(json, string.concat(input, ".account"));
            bytes memory proof = vm.parseJsonBytes(json, string.concat(input, ".proof"));
            bytes memory data =
                abi.encodeCall(_harness.provenSlot, (stateRoot, account, word(json, input, ".slot"), proof));
            bytes memory answer = assertVerdict(json, i, address(_harness), data);
            if (answer.length != 32) continue;
            data = abi.encodeCall(_harness.foreignSlot, (stateRoot, account, word(json, input, ".slot"), proof));
            (bool success, bytes memory foreign) = address(_harness).call(data);
            vm.assertTrue(success && bytes32(foreign) == bytes32(answer), "OpenZeppelin agrees");
            vm.assertEq(bytes32(answer), word(json, caseAt(i), ".expect.value"), "the word");
        }
        report("state proofs", count);
    }

    /// What lies behind a proof in the calldata is the caller's choice and no part of it.
    function test_requireSizes_refusesMalformed_truncatedBytesBeforeOthers() public {
        bytes memory proof = hex"0200010a00010b01000200ff";
        bytes memory data = abi.encodeCall(_harness.provenSlot, (bytes32(0), address(1), bytes32(0), proof));
        for (uint256 length = 0; length < proof.length; ++length) {
            (bool success, bytes memory answer) = address(_harness).call(cutInPlace(data, 3, length));
            vm.assertTrue(!success, "refused");
            vm.assertEq(answer, abi.encodeWithSelector(Refused.selector, Code.Malformed), "the code");
        }
    }
}
