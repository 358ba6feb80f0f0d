// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Finalised, IFinalityVerifier, Limits, TrustState} from "../contracts/interfaces/IFinalityVerifier.sol";
import {AgreementVerifier} from "../contracts/schemes/and1/AgreementVerifier.sol";
import {CommitteeVerifier} from "../contracts/schemes/cmt1/CommitteeVerifier.sol";
import {StateProofVerifier} from "../contracts/schemes/esp1/StateProofVerifier.sol";
import {Renamed} from "./support/Composed.sol";
import {Vectors} from "./support/Vectors.sol";

/// AND1 over CMT1, CMT1 under seven other names, and ESP1, against the shared vectors.
contract And1Test is Vectors {
    AgreementVerifier private _verifier;

    function setUp() public {
        IFinalityVerifier[] memory schemes = new IFinalityVerifier[](9);
        schemes[0] = new CommitteeVerifier();
        bytes4[7] memory names = [bytes4("CMT2"), "CMT3", "CMT4", "CMT5", "CMT6", "CMT7", "CMT8"];
        for (uint256 i = 0; i < names.length; ++i) {
            schemes[i + 1] = IFinalityVerifier(address(new Renamed(names[i], schemes[0])));
        }
        schemes[8] = new StateProofVerifier(schemes[0]);
        _verifier = new AgreementVerifier(schemes);
    }

    function test_scheme_names_and1() public view {
        vm.assertEq(bytes32(_verifier.scheme()), bytes32("AND1"), "scheme");
        vm.assertEq(bytes32(_verifier.verifierOf("CMT7").scheme()), bytes32("CMT7"), "a scheme under its name");
    }

    function test_vectors_agree_composed() public {
        string memory json = load("composed");
        uint256 count = countCases(json);
        uint256[3] memory compared;
        for (uint256 i = 0; i < count; ++i) {
            string memory input = string.concat(caseAt(i), ".input");
            if (has(json, input, ".proof")) {
                _compareProof(json, i, input);
                ++compared[0];
            } else if (has(json, input, ".genesis")) {
                _compareGenesis(json, i, input);
                ++compared[1];
            } else {
                _compareMisbehaviour(json, i, input);
                ++compared[2];
            }
        }
        report("composed proofs", compared[0]);
        report("composed genesis", compared[1]);
        report("composed misbehaviour", compared[2]);
    }

    function _compareProof(string memory json, uint256 index, string memory input) private {
        bytes memory question = abi.encodeCall(
            _verifier.verify,
            (
                word(json, input, ".domain"),
                _state(json, string.concat(input, ".state")),
                vm.parseJsonBytes(json, string.concat(input, ".proof")),
                Limits(number(json, input, ".now"), number(json, input, ".maxDrift"))
            )
        );
        bytes memory answer = assertVerdict(json, index, address(_verifier), question);
        string memory expected = string.concat(caseAt(index), ".expect");
        if (!has(json, expected, ".newState")) return;
        (TrustState memory next, Finalised memory finalised) = abi.decode(answer, (TrustState, Finalised));
        vm.assertEq(abi.encode(next), abi.encode(_state(json, string.concat(expected, ".newState"))), "new state");
        vm.assertEq(finalised.blockHash, word(json, expected, ".blockHash"), "block hash");
        vm.assertEq(finalised.stateRoot, word(json, expected, ".stateRoot"), "state root");
        vm.assertEq(finalised.dissent, number(json, expected, ".dissent"), "dissent");
    }

    function _compareGenesis(string memory json, uint256 index, string memory input) private {
        bytes memory genesis = vm.parseJsonBytes(json, string.concat(input, ".genesis"));
        bytes memory answer =
            assertVerdict(json, index, address(_verifier), abi.encodeCall(_verifier.initialise, (genesis)));
        string memory expected = string.concat(caseAt(index), ".expect");
        if (!has(json, expected, ".newState")) return;
        vm.assertEq(answer, abi.encode(_state(json, string.concat(expected, ".newState"))), "first state");
    }

    function _compareMisbehaviour(string memory json, uint256 index, string memory input) private {
        bytes memory question = abi.encodeCall(
            _verifier.checkMisbehaviour,
            (
                word(json, input, ".domain"),
                _state(json, string.concat(input, ".state")),
                vm.parseJsonBytes(json, string.concat(input, ".first")),
                vm.parseJsonBytes(json, string.concat(input, ".second"))
            )
        );
        bytes memory answer = assertVerdict(json, index, address(_verifier), question);
        string memory expected = string.concat(caseAt(index), ".expect.signers");
        if (!vm.keyExistsJson(json, expected)) return;
        vm.assertEq(abi.decode(answer, (address[])), vm.parseJsonAddressArray(json, expected), "double signers");
    }

    function _state(string memory json, string memory path) private pure returns (TrustState memory) {
        return TrustState({
            epoch: number64(json, path, ".epoch"),
            height: number64(json, path, ".height"),
            timestamp: number64(json, path, ".timestamp"),
            outboxSize: number64(json, path, ".outboxSize"),
            outboxRoot: word(json, path, ".outboxRoot"),
            authority: word(json, path, ".authority"),
            smallCommittee: vm.parseJsonBool(json, string.concat(path, ".smallCommittee"))
        });
    }
}
