// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Outbox} from "../contracts/Outbox.sol";
import {Finalised, Limits, TrustState} from "../contracts/interfaces/IFinalityVerifier.sol";
import {CommitteeVerifier} from "../contracts/schemes/cmt1/CommitteeVerifier.sol";
import {StateProofVerifier} from "../contracts/schemes/esp1/StateProofVerifier.sol";
import {Code, Refused} from "../contracts/types/Code.sol";
import {Network} from "./support/Network.sol";
import {Vectors} from "./support/Vectors.sol";

/// ESP1 over CMT1, against the shared vectors and against bytes from anywhere.
contract Esp1Test is Vectors {
    StateProofVerifier private _verifier = new StateProofVerifier(new CommitteeVerifier());

    function test_scheme_names_esp1() public view {
        vm.assertEq(bytes32(_verifier.scheme()), bytes32("ESP1"), "scheme");
    }

    function test_slot_is_theOutboxs() public {
        vm.assertEq(_verifier.COMMITMENT_SLOT(), new Outbox(address(this), "genesis").COMMITMENT_SLOT(), "slot");
    }

    function test_constructor_refusesUnknownScheme_noContract() public {
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.UnknownScheme));
        new StateProofVerifier(CommitteeVerifier(address(1)));
    }

    function test_vectors_agree_esp1() public {
        string memory json = load("esp1");
        uint256 count = countCases(json);
        uint256[4] memory compared;
        for (uint256 i = 0; i < count; ++i) {
            string memory input = string.concat(caseAt(i), ".input");
            if (has(json, input, ".genesis")) {
                _compareGenesis(json, i, vm.parseJsonBytes(json, string.concat(input, ".genesis")));
                ++compared[0];
            } else if (has(json, input, ".first")) {
                _compareMisbehaviour(json, i, input);
                ++compared[1];
            } else if (has(json, input, ".state")) {
                _compareProof(json, i, input);
                ++compared[2];
            } else {
                _compareEpoch(json, i, vm.parseJsonBytes(json, string.concat(input, ".proof")));
                ++compared[3];
            }
        }
        report("ESP1 genesis", compared[0]);
        report("ESP1 misbehaviour", compared[1]);
        report("ESP1 proofs", compared[2]);
        report("ESP1 epochs", compared[3]);
    }

    /// Total and bounded: one changed byte anywhere is refused with a code, never a panic, never accepted.
    function testFuzz_verify_refusesWithCode_anyChangedByte(uint256 position, uint8 change) public view {
        (bytes32 domain, TrustState memory state, bytes memory proof, Limits memory limits) = _honest();
        position %= proof.length;
        proof[position] = bytes1(uint8(proof[position]) ^ (change == 0 ? 1 : change));
        _assertRefused(abi.encodeCall(_verifier.verify, (domain, state, proof, limits)));
    }

    function testFuzz_verify_refusesWithCode_anyBytes(bytes calldata proof) public view {
        (bytes32 domain, TrustState memory state,, Limits memory limits) = _honest();
        _assertRefused(abi.encodeCall(_verifier.verify, (domain, state, proof, limits)));
        _assertRefused(abi.encodeCall(_verifier.checkMisbehaviour, (domain, state, proof, proof)));
    }

    function _honest()
        private
        view
        returns (bytes32 domain, TrustState memory state, bytes memory proof, Limits memory limits)
    {
        string memory json = load("esp1");
        string memory input = inputOf(json, 10, "honest");
        return (
            word(json, input, ".domain"),
            stateAt(json, string.concat(input, ".state")),
            vm.parseJsonBytes(json, string.concat(input, ".proof")),
            Limits(number(json, input, ".now"), number(json, input, ".maxDrift"))
        );
    }

    function _assertRefused(bytes memory data) private view {
        (bool success, bytes memory answer) = address(_verifier).staticcall(data);
        // forge-lint: disable-next-line(unsafe-typecast)
        vm.assertTrue(!success && answer.length == 36 && bytes4(answer) == Refused.selector, "a typed refusal");
    }

    function _compareGenesis(string memory json, uint256 index, bytes memory genesis) private {
        bytes memory data = abi.encodeCall(_verifier.initialise, (genesis));
        bytes memory answer = assertVerdict(json, index, address(_verifier), data);
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

/// What an update costs as a transaction of its own, by how deep the source's state is. Written to snapshots/gas.json.
contract Esp1GasTest is Vectors, Network {
    /// A devnet: 5 accounts, 4 slots.
    function test_update_staysBelow200000_smallState() public {
        _update("update_esp1_3_of_4_small_state", 11, "honest_first", 200_000);
    }

    /// Ethereum's main network: 8 full branches above an account, 2 above the slot.
    function test_update_staysBelow300000_largeState() public {
        _update("update_esp1_3_of_4_large_state", 12, "honest_first_large", 300_000);
    }

    function _update(string memory key, uint256 index, string memory name, uint256 goal) private {
        string memory json = load("esp1");
        bytes memory genesis = vm.parseJsonBytes(json, string.concat(inputOf(json, 0, "initialise_honest"), ".genesis"));
        string memory input = inputOf(json, index, name);
        bytes32 source = word(json, input, ".domain");
        bytes memory proof = vm.parseJsonBytes(json, string.concat(input, ".proof"));
        lightClient.create(source, new StateProofVerifier(verifier), genesis, 3600, 30);
        lightClient.update(source, proof);
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        uint256 tokens = 0;
        bytes memory data = abi.encodeCall(lightClient.update, (source, proof));
        for (uint256 i = 0; i < data.length; ++i) {
            tokens += data[i] == 0 ? 1 : 4;
        }
        emit log_named_uint("bytes of the proof", proof.length);
        emit log_named_uint("calldata gas", 4 * tokens);
        // From Prague on (EIP-7623) so much is due for the calldata alone when it is more than the rest.
        emit log_named_uint("calldata floor", 21_000 + 10 * tokens);
        emit log_named_uint(key, gas);
        vm.snapshotValue("gas", key, gas);
        vm.assertLe(gas, goal, key);
    }
}
