// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Limits, TrustState} from "poft/interfaces/IFinalityVerifier.sol";
import {Refused} from "poft/types/Code.sol";
import {Bls12381, G1} from "../contracts/Bls12381.sol";
import {BlsVerifier} from "../contracts/BlsVerifier.sol";
import {Lines} from "./Lines.sol";

/// The scheme against its vectors: the verdict, and the very code, of every case.
contract Bls1Test is Lines {
    BlsVerifier private immutable VERIFIER = new BlsVerifier();

    function test_hashToG1_givesThePointsOfTheRfc() public {
        start("curve.json");
        uint256 count = 0;
        for (string memory json = next("curve.json"); bytes(json).length != 0; json = next("curve.json")) {
            G1 memory point = Bls12381.hashToG1(data(json, ".input.message"), data(json, ".input.tag"));
            bytes memory packed = abi.encodePacked(uint128(point.xHigh), point.xLow, uint128(point.yHigh), point.yLow);
            vm.assertEq(packed, data(json, ".expect.point"), text(json, ".name"));
            ++count;
        }
        report("curve", count);
    }

    function test_scheme_isNamed() public view {
        vm.assertEq(bytes32(VERIFIER.scheme()), bytes32("BLS1"), "scheme");
    }

    function test_vectors_getTheirVerdicts() public {
        start("bls1.json");
        uint256 count = 0;
        for (string memory json = next("bls1.json"); bytes(json).length != 0; json = next("bls1.json")) {
            (bool success, bytes memory answer) = address(VERIFIER).staticcall(_question(json));
            string memory name = text(json, ".name");
            if (has(json, "", ".error")) {
                vm.assertTrue(!success, string.concat(name, " was accepted"));
                bytes memory refusal = abi.encodeWithSelector(Refused.selector, codeOf(text(json, ".error")));
                vm.assertEq(answer, refusal, name);
            } else {
                vm.assertTrue(success, string.concat(name, " was refused"));
                _assertAnswer(json, name, answer);
            }
            ++count;
        }
        report("bls1", count);
    }

    function _question(string memory json) private pure returns (bytes memory) {
        string memory called = text(json, ".input.call");
        if (same(called, "initialise")) {
            return abi.encodeCall(BlsVerifier.initialise, (data(json, ".input.genesis")));
        }
        if (same(called, "epochOf")) return abi.encodeCall(BlsVerifier.epochOf, (data(json, ".input.proof")));
        bytes32 domain = word(json, ".input", ".domain");
        TrustState memory known = state(json, ".input.state");
        if (same(called, "checkMisbehaviour")) {
            return abi.encodeCall(
                BlsVerifier.checkMisbehaviour, (domain, known, data(json, ".input.first"), data(json, ".input.second"))
            );
        }
        Limits memory limits = Limits(number(json, ".input", ".now"), number(json, ".input", ".maxDrift"));
        return abi.encodeCall(BlsVerifier.verify, (domain, known, data(json, ".input.proof"), limits));
    }

    function _assertAnswer(string memory json, string memory name, bytes memory answer) private pure {
        string memory called = text(json, ".input.call");
        if (same(called, "epochOf")) {
            vm.assertEq(abi.decode(answer, (uint64)), number(json, ".expect", ".epoch"), name);
        } else if (same(called, "checkMisbehaviour")) {
            address[] memory expected = vm.parseJsonAddressArray(json, ".expect.signers");
            vm.assertEq(abi.decode(answer, (address[])), expected, name);
        } else {
            // An update's answer begins with the state as well.
            TrustState memory expected = state(json, ".expect.state");
            vm.assertEq(keccak256(abi.encode(abi.decode(answer, (TrustState)))), keccak256(abi.encode(expected)), name);
        }
    }
}
