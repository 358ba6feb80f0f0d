// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Finalised, IFinalityVerifier, Limits, TrustState} from "../contracts/interfaces/IFinalityVerifier.sol";
import {SchemeTrust} from "../contracts/schemes/and1/AgreementProof.sol";
import {AgreementVerifier} from "../contracts/schemes/and1/AgreementVerifier.sol";
import {Committees, FinalityStatement} from "../contracts/schemes/cmt1/CommitteeProof.sol";
import {CommitteeVerifier} from "../contracts/schemes/cmt1/CommitteeVerifier.sol";
import {Code, Refused} from "../contracts/types/Code.sol";
import {Bomb, Composed, Renamed, Stubborn} from "./support/Composed.sol";
import {Packing} from "./support/Network.sol";

/// What a scheme's contract can do to AND1, and what a carrier can do to a scheme.
contract And1ShadowTest is Packing {
    bytes32 private constant SOURCE = "source";

    CommitteeVerifier private _committee = new CommitteeVerifier();
    IFinalityVerifier private _twin = IFinalityVerifier(address(new Renamed("CMT2", _committee)));
    Bomb private _bomb = new Bomb("BOMB");
    Stubborn private _stubborn = new Stubborn("STUB");
    AgreementVerifier private _verifier;

    function setUp() public {
        IFinalityVerifier[] memory schemes = new IFinalityVerifier[](4);
        (schemes[0], schemes[1]) = (_committee, _twin);
        schemes[2] = IFinalityVerifier(address(_bomb));
        schemes[3] = IFinalityVerifier(address(_stubborn));
        _verifier = new AgreementVerifier(schemes);
    }

    function test_constructor_refuses_noContractItselfOrOneNameTwice() public {
        IFinalityVerifier[] memory schemes = new IFinalityVerifier[](1);
        schemes[0] = IFinalityVerifier(address(0xdead));
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.UnknownScheme));
        new AgreementVerifier(schemes);
        schemes[0] = _verifier;
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.UnknownScheme));
        new AgreementVerifier(schemes);
        schemes = new IFinalityVerifier[](2);
        (schemes[0], schemes[1]) = (_committee, new CommitteeVerifier());
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.AlreadyInitialised));
        new AgreementVerifier(schemes);
    }

    function test_verifierOf_refusesUnknownScheme_nameThatIsNotThere() public {
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.UnknownScheme));
        _verifier.verifierOf("XYZ1");
    }

    /// Whatever it does with its gas and its answer: the update is taken, its bit is set, and the carrier pays for
    /// `SHADOW_GAS` and no copy.
    function test_verify_reportsDissent_shadowBurnsOrBombs() public {
        (SchemeTrust[] memory list, bytes[] memory proofs) = _pairAnd("BOMB");
        for (uint256 i = 0; i <= uint256(type(Bomb.Charge).max); ++i) {
            _bomb.load(Bomb.Charge(i));
            uint256 before = gasleft();
            (TrustState memory next, Finalised memory finalised) = _ask(list, proofs);
            uint256 spent = before - gasleft();
            vm.assertEq(finalised.dissent, 4, "the third scheme");
            vm.assertEq(next.height, 20, "height");
            vm.assertEq(next.epoch, 1, "nothing moved");
            vm.assertLt(spent, _verifier.SHADOW_GAS() + 250_000, "gas");
        }
    }

    /// A carrier cannot make an honest scheme dissent by bringing little gas: it gets all it may need, or nothing
    /// happens at all.
    function test_verify_neverReportsDissent_whateverGasTheCarrierBrings() public view {
        (SchemeTrust[] memory list, bytes[] memory proofs) = _oneAndShadow();
        bytes memory question = _question(list, proofs);
        uint256 taken = 0;
        uint256 floored = 0;
        for (uint256 gas = 20_000; gas < 1_300_000; gas += 7919) {
            (bool success, bytes memory answer) = address(_verifier).staticcall{gas: gas}(question);
            if (success) {
                (, Finalised memory finalised) = abi.decode(answer, (TrustState, Finalised));
                vm.assertEq(finalised.dissent, 0, "starved");
                ++taken;
            } else if (answer.length == 4) {
                vm.assertEq(bytes32(answer), bytes32(AgreementVerifier.GasBelowFloor.selector), "below the floor");
                ++floored;
            } else {
                vm.assertEq(answer.length, 0, "out of gas before the schemes in shadow are asked");
            }
        }
        vm.assertTrue(taken != 0 && floored != 0, "both sides of the floor were seen");
    }

    function test_verify_reportsDissent_answerOfAnotherLength() public {
        (SchemeTrust[] memory list, bytes[] memory proofs) = _pairAnd("STUB");
        bytes memory agreed = _agreeing(1, list[2].authority, 0);
        _stubborn.answer(agreed, false);
        (, Finalised memory finalised) = _ask(list, proofs);
        vm.assertEq(finalised.dissent, 0, "the right answer");
        bytes[4] memory wrong = [bytes(""), new bytes(31), bytes.concat(agreed, hex"00"), new bytes(320)];
        for (uint256 i = 0; i < wrong.length; ++i) {
            _stubborn.answer(wrong[i], false);
            (, finalised) = _ask(list, proofs);
            vm.assertEq(finalised.dissent, 4, "another answer");
        }
        _stubborn.answer(agreed, true);
        (, finalised) = _ask(list, proofs);
        vm.assertEq(finalised.dissent, 4, "the right answer as a refusal");
    }

    /// The words that nobody compares may hold anything: they are not read.
    function test_verify_agrees_shadowsOtherWordsAreNotValues() public {
        (SchemeTrust[] memory list, bytes[] memory proofs) = _pairAnd("STUB");
        bytes memory agreed = _agreeing(1, list[2].authority, type(uint256).max);
        _stubborn.answer(agreed, false);
        (TrustState memory next, Finalised memory finalised) = _ask(list, proofs);
        vm.assertEq(finalised.dissent, 0, "agrees");
        vm.assertTrue(!next.smallCommittee, "a flag that no proof can set");
    }

    function test_verify_reportsDissent_shadowSkipsEpochs() public {
        (SchemeTrust[] memory list, bytes[] memory proofs) = _pairAnd("STUB");
        uint256[4] memory epochs = [uint256(0), 3, uint256(1) << 64, type(uint256).max];
        for (uint256 i = 0; i < epochs.length; ++i) {
            _stubborn.answer(_agreeing(epochs[i], list[2].authority, 0), false);
            (TrustState memory next, Finalised memory finalised) = _ask(list, proofs);
            vm.assertEq(finalised.dissent, 4, "skips");
            vm.assertEq(next.epoch, 1, "and nothing moved");
        }
        // After the last epoch of all: 2^64 would read as zero.
        list[2].epoch = type(uint64).max;
        _stubborn.answer(_agreeing(uint256(1) << 64, list[2].authority, 0), false);
        (, Finalised memory last) = _ask(list, proofs);
        vm.assertEq(last.dissent, 4, "no epoch follows");
        list[2].epoch = 1;
        _stubborn.answer(_agreeing(2, bytes32("next"), 0), false);
        (TrustState memory moved, Finalised memory found) = _ask(list, proofs);
        vm.assertEq(found.dissent, 0, "one at a time");
        vm.assertEq(moved.epoch, 2, "another list");
    }

    function test_verify_refusesBadHandover_decidingSchemeSkipsEpochs() public {
        (SchemeTrust[] memory list, bytes[] memory proofs) = _pairAnd("STUB");
        list[2].shadow = false;
        _stubborn.answer(_agreeing(3, list[2].authority, 0), false);
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.BadHandover));
        _ask(list, proofs);
        _stubborn.answer(_agreeing(2, list[2].authority, 0), false);
        (TrustState memory next,) = _ask(list, proofs);
        vm.assertEq(next.epoch, 2, "one at a time");
    }

    function test_initialise_refusesSchemesDisagree_startFromDifferentBlocks() public {
        (SchemeTrust[] memory list,) = _pairAnd("STUB");
        bytes[] memory geneses = new bytes[](3);
        for (uint256 i = 0; i < 2; ++i) {
            geneses[i] = packGenesis(1, addresses(sortedKeys("member", 4)), false);
        }
        TrustState memory own = _committee.initialise(geneses[0]);
        _stubborn.answer(abi.encode(own), false);
        _verifier.initialise(Composed.genesis(1, list, geneses));
        own.height = 1;
        _stubborn.answer(abi.encode(own), false);
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.SchemesDisagree));
        _verifier.initialise(Composed.genesis(1, list, geneses));
    }

    /// Total and bounded: a changed byte is refused with a code, or is the shadow's own affair.
    function testFuzz_verify_refusesOrReports_anyChangedByte(uint256 position, uint8 change) public view {
        (SchemeTrust[] memory list, bytes[] memory proofs) = _oneAndShadow();
        bytes memory encoded = Composed.proof(1, list, proofs);
        position %= encoded.length;
        encoded[position] = bytes1(uint8(encoded[position]) ^ (change == 0 ? 1 : change));
        bytes memory question =
            abi.encodeCall(_verifier.verify, (SOURCE, Composed.state(1, list), encoded, Limits(2000, 30)));
        (bool success, bytes memory answer) = address(_verifier).staticcall(question);
        if (success) {
            (, Finalised memory finalised) = abi.decode(answer, (TrustState, Finalised));
            vm.assertEq(finalised.dissent, 2, "the second scheme");
            vm.assertLe(encoded.length - proofs[1].length, position, "its own proof");
        } else {
            // forge-lint: disable-next-line(unsafe-typecast)
            vm.assertTrue(answer.length == 36 && bytes4(answer) == Refused.selector, "a typed refusal");
        }
    }

    function testFuzz_verify_refusesWithCode_anyBytes(bytes calldata encoded) public view {
        (SchemeTrust[] memory list,) = _pairAnd("CMT2");
        TrustState memory state = Composed.state(1, list);
        _assertRefused(abi.encodeCall(_verifier.verify, (SOURCE, state, encoded, Limits(2000, 30))));
        _assertRefused(abi.encodeCall(_verifier.checkMisbehaviour, (SOURCE, state, encoded, encoded)));
        _assertRefused(abi.encodeCall(_verifier.initialise, (encoded)));
    }

    function _assertRefused(bytes memory data) private view {
        (bool success, bytes memory answer) = address(_verifier).staticcall(data);
        // forge-lint: disable-next-line(unsafe-typecast)
        vm.assertTrue(!success && answer.length == 36 && bytes4(answer) == Refused.selector, "a typed refusal");
    }

    function _ask(SchemeTrust[] memory list, bytes[] memory proofs)
        private
        view
        returns (TrustState memory next, Finalised memory finalised)
    {
        bytes memory encoded = Composed.proof(1, list, proofs);
        return _verifier.verify(SOURCE, Composed.state(1, list), encoded, Limits(2000, 30));
    }

    function _question(SchemeTrust[] memory list, bytes[] memory proofs) private view returns (bytes memory) {
        bytes memory encoded = Composed.proof(1, list, proofs);
        return abi.encodeCall(_verifier.verify, (SOURCE, Composed.state(1, list), encoded, Limits(2000, 30)));
    }

    function _statement() private pure returns (FinalityStatement memory) {
        return FinalityStatement({
            epoch: 1,
            height: 20,
            blockHash: keccak256("block"),
            stateRoot: keccak256("state"),
            outboxSize: 0,
            outboxRoot: keccak256(""),
            timestamp: 2000,
            nextCommittee: 0
        });
    }

    /// Two committees that decide, and a third scheme in shadow; honest proofs for the first two, any for the third.
    function _pairAnd(bytes4 third) private pure returns (SchemeTrust[] memory list, bytes[] memory proofs) {
        list = new SchemeTrust[](3);
        proofs = new bytes[](3);
        bytes4[2] memory names = [bytes4("CMT1"), "CMT2"];
        for (uint256 i = 0; i < 2; ++i) {
            uint256[] memory keys = sortedKeys(i == 0 ? "member" : "other", 4);
            list[i] = SchemeTrust(names[i], false, 1, Committees.hash(1, addresses(keys)), false);
            proofs[i] = pack(evidence(SOURCE, keys, 3, _statement()));
        }
        list[2] = SchemeTrust(third, true, 1, list[1].authority, false);
        proofs[2] = "asked";
    }

    /// A committee that decides, and another in shadow, with honest proofs.
    function _oneAndShadow() private pure returns (SchemeTrust[] memory list, bytes[] memory proofs) {
        (SchemeTrust[] memory three, bytes[] memory said) = _pairAnd("CMT3");
        list = new SchemeTrust[](2);
        proofs = new bytes[](2);
        (list[0], list[1], proofs[0], proofs[1]) = (three[0], three[1], said[0], said[1]);
        list[1].shadow = true;
    }

    /// Ten words that agree with `_statement`; `others` in those that nobody compares.
    function _agreeing(uint256 epoch, bytes32 authority, uint256 others) private pure returns (bytes memory) {
        FinalityStatement memory said = _statement();
        return bytes.concat(
            abi.encode(epoch, said.height, said.timestamp, said.outboxSize, said.outboxRoot, authority, others),
            abi.encode(said.blockHash, said.stateRoot, others)
        );
    }
}
