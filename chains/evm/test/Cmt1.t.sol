// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Finalised, IFinalityVerifier, Limits, TrustState} from "../contracts/interfaces/IFinalityVerifier.sol";
import {CommitteeVerifier} from "../contracts/schemes/cmt1/CommitteeVerifier.sol";
import {Committees, FinalityStatement} from "../contracts/schemes/cmt1/CommitteeProof.sol";
import {Code, Refused} from "../contracts/types/Code.sol";
import {Calldata} from "./support/Calldata.sol";
import {Evidence, Packing} from "./support/Network.sol";
import {Vectors} from "./support/Vectors.sol";

/// CMT1 on its own, against the shared vectors and against bytes from anywhere.
contract Cmt1Test is Vectors, Packing, Calldata {
    CommitteeVerifier private _verifier = new CommitteeVerifier();

    function test_scheme_names_cmt1() public view {
        vm.assertEq(bytes32(_verifier.scheme()), bytes32("CMT1"), "scheme");
    }

    function test_vectors_agree_finality() public {
        string memory json = load("finality");
        uint256 count = countCases(json);
        uint256[3] memory compared;
        for (uint256 i = 0; i < count; ++i) {
            string memory input = string.concat(caseAt(i), ".input");
            if (has(json, input, ".genesis")) {
                _compareGenesis(json, i, string.concat(input, ".genesis"));
                ++compared[1];
            } else if (has(json, input, ".first")) {
                _compareMisbehaviour(json, i, input);
                ++compared[2];
            } else {
                _compareProof(json, i, input);
                ++compared[0];
            }
        }
        report("finality proofs", compared[0]);
        report("finality genesis", compared[1]);
        report("finality misbehaviour", compared[2]);
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

    /// What lies behind a proof in the calldata is the caller's choice and no part of it.
    function test_verify_refusesMalformed_truncatedBytesBeforeOthers() public {
        (TrustState memory state, bytes memory proof) = _honest();
        bytes memory data = abi.encodeCall(_verifier.verify, (bytes32("source"), state, proof, Limits(2000, 30)));
        for (uint256 length = 0; length < 200; ++length) {
            (bool success, bytes memory answer) = address(_verifier).call(cutInPlace(data, 8, length));
            vm.assertTrue(!success, "refused");
            vm.assertEq(answer, abi.encodeWithSelector(Refused.selector, Code.Malformed), "the code");
        }
    }

    function test_initialise_refusesMalformed_truncatedOrPaddedGenesis() public {
        bytes memory genesis = packGenesis(1, addresses(sortedKeys("member", 4)), false);
        _verifier.initialise(genesis);
        for (uint256 length = 0; length < genesis.length; ++length) {
            bytes memory cut = new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                cut[i] = genesis[i];
            }
            _assertGenesisRefused(Code.Malformed, cut);
        }
        _assertGenesisRefused(Code.Malformed, bytes.concat(genesis, hex"00"));
        genesis[8] = 0x02;
        _assertGenesisRefused(Code.Malformed, genesis);
        genesis[8] = 0x00;
        genesis[9] = bytes1(uint8(65));
        _assertGenesisRefused(Code.Oversize, genesis);
    }

    /// Nothing follows the last epoch: the committee is looked at first, as everywhere.
    function test_verify_refusesCommitteeInvalidThenBadHandover_lastEpochHandsOver() public {
        (TrustState memory state,) = _honest();
        uint256[] memory keys = sortedKeys("member", 4);
        FinalityStatement memory said = _statement(type(uint64).max);
        said.nextCommittee = keccak256("next");
        state.epoch = said.epoch;
        state.authority = Committees.hash(said.epoch, addresses(keys));
        Evidence memory proof = evidence(bytes32("source"), keys, 3, said);
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.CommitteeInvalid));
        _verifier.verify(bytes32("source"), state, pack(proof), Limits(2000, 30));
        proof.nextMembers = addresses(keys);
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.BadHandover));
        _verifier.verify(bytes32("source"), state, pack(proof), Limits(2000, 30));
        // The epoch does not begin again at 0, whoever is named for that.
        said.nextCommittee = Committees.hash(0, addresses(keys));
        proof = evidence(bytes32("source"), keys, 3, said);
        proof.nextMembers = addresses(keys);
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.BadHandover));
        _verifier.verify(bytes32("source"), state, pack(proof), Limits(2000, 30));
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

    function testFuzz_verify_acceptsMoreThanTwoThirds_anySize(uint8 size, uint8 signers) public {
        uint256 n = uint256(size) % 20 + 4;
        uint256 k = uint256(signers) % (n + 1);
        uint256[] memory keys = sortedKeys("member", n);
        (TrustState memory state,) = _honest();
        state.authority = Committees.hash(1, addresses(keys));
        bytes memory proof = pack(evidence(bytes32("source"), keys, k, _statement(1)));
        if (3 * k <= 2 * n) vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.QuorumNotReached));
        _verifier.verify(bytes32("source"), state, proof, Limits(2000, 30));
    }

    function _statement(uint64 epoch) private pure returns (FinalityStatement memory) {
        return FinalityStatement({
            epoch: epoch,
            height: 20,
            blockHash: keccak256("block"),
            stateRoot: keccak256("state"),
            outboxSize: 0,
            outboxRoot: keccak256(""),
            timestamp: 2000,
            nextCommittee: 0
        });
    }

    function _honest() private pure returns (TrustState memory state, bytes memory proof) {
        uint256[] memory keys = sortedKeys("member", 4);
        state = TrustState({
            epoch: 1,
            height: 10,
            timestamp: 1990,
            outboxSize: 0,
            outboxRoot: keccak256(""),
            authority: Committees.hash(1, addresses(keys)),
            smallCommittee: false
        });
        proof = pack(evidence(bytes32("source"), keys, 3, _statement(1)));
    }

    function _assertGenesisRefused(Code code, bytes memory genesis) private {
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, code));
        _verifier.initialise(genesis);
    }

    function _assertRefused(bytes memory data) private view {
        (bool success, bytes memory answer) = address(_verifier).staticcall(data);
        // forge-lint: disable-next-line(unsafe-typecast)
        vm.assertTrue(!success && answer.length == 36 && bytes4(answer) == Refused.selector, "a typed refusal");
    }

    function _compareProof(string memory json, uint256 index, string memory input) private {
        bytes32 domain = word(json, input, ".domain");
        Evidence memory proof = _evidence(json, input);
        Limits memory limits = Limits(number(json, input, ".now"), number(json, input, ".maxDrift"));
        TrustState memory state = stateAt(json, string.concat(input, ".state"));
        bytes memory answer = assertVerdict(
            json, index, address(_verifier), abi.encodeCall(_verifier.verify, (domain, state, pack(proof), limits))
        );
        string memory expected = string.concat(caseAt(index), ".expect");
        if (!has(json, expected, ".newState")) return;
        (TrustState memory next, Finalised memory finalised) = abi.decode(answer, (TrustState, Finalised));
        TrustState memory wanted = stateAt(json, string.concat(expected, ".newState"));
        vm.assertEq(abi.encode(next), abi.encode(wanted), "new state");
        vm.assertEq(finalised.blockHash, proof.statement.blockHash, "block hash");
        vm.assertEq(Committees.digest(proof.statement, domain), word(json, expected, ".digest"), "digest");
    }

    function _compareGenesis(string memory json, uint256 index, string memory genesis) private {
        bytes memory encoded = packGenesis(
            number64(json, genesis, ".epoch"),
            vm.parseJsonAddressArray(json, string.concat(genesis, ".members")),
            vm.parseJsonBool(json, string.concat(genesis, ".smallCommittee"))
        );
        vm.assertEq(encoded, vm.parseJsonBytes(json, string.concat(caseAt(index), ".input.encoded")), "encoded");
        bytes memory answer =
            assertVerdict(json, index, address(_verifier), abi.encodeCall(_verifier.initialise, (encoded)));
        string memory expected = string.concat(caseAt(index), ".expect");
        if (!has(json, expected, ".newState")) return;
        vm.assertEq(answer, abi.encode(stateAt(json, string.concat(expected, ".newState"))), "first state");
    }

    function _compareMisbehaviour(string memory json, uint256 index, string memory input) private {
        bytes memory answer = assertVerdict(
            json,
            index,
            address(_verifier),
            abi.encodeCall(
                _verifier.checkMisbehaviour,
                (
                    word(json, input, ".domain"),
                    stateAt(json, string.concat(input, ".state")),
                    pack(_evidence(json, string.concat(input, ".first"))),
                    pack(_evidence(json, string.concat(input, ".second")))
                )
            )
        );
        string memory expected = string.concat(caseAt(index), ".expect.signers");
        if (!vm.keyExistsJson(json, expected)) return;
        vm.assertEq(abi.decode(answer, (address[])), vm.parseJsonAddressArray(json, expected), "double signers");
    }

    function _evidence(string memory json, string memory path) private pure returns (Evidence memory proof) {
        string memory said = string.concat(path, ".statement");
        proof.statement = FinalityStatement({
            epoch: number64(json, said, ".epoch"),
            height: number64(json, said, ".height"),
            blockHash: word(json, said, ".blockHash"),
            stateRoot: word(json, said, ".stateRoot"),
            outboxSize: number64(json, said, ".outboxSize"),
            outboxRoot: word(json, said, ".outboxRoot"),
            timestamp: number64(json, said, ".timestamp"),
            nextCommittee: word(json, said, ".nextCommittee")
        });
        proof.members = vm.parseJsonAddressArray(json, string.concat(path, ".members"));
        proof.bitmap = number64(json, path, ".bitmap");
        proof.signatures = vm.parseJsonBytesArray(json, string.concat(path, ".signatures"));
        proof.nextMembers = vm.parseJsonAddressArray(json, string.concat(path, ".nextMembers"));
        proof.consistency = vm.parseJsonBytes32Array(json, string.concat(path, ".consistency"));
        vm.assertEq(pack(proof), vm.parseJsonBytes(json, string.concat(path, ".encoded")), "encoded");
    }
}
