// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Packet} from "../../contracts/libraries/Packets.sol";
import {TrustState} from "../../contracts/interfaces/IFinalityVerifier.sol";
import {Code, Refused} from "../../contracts/types/Code.sol";
import {Test} from "./Test.sol";

/// Reads the shared vectors (docs/protocol.md section 13) and compares verdicts: success where a case has `expect`,
/// the very code where it has `error`.
abstract contract Vectors is Test {
    /// Names of the codes, as in the vectors; `tests/unit/test_codes.py` holds the enumerations to each other.
    string private constant CODES = "Ok Malformed Oversize ZeroValue Unauthorised Halted Frozen Uninitialised AlreadyInitialised "
        "WrongDomain IndexOutOfRange ProofLength RootMismatch InconsistentLog BadSignature HighS NotSigner "
        "UnknownScheme CommitteeInvalid CommitteeMismatch BitmapMismatch QuorumNotReached WrongEpoch "
        "StaleHeight SizeRegression RootChanged TimestampRegression TimestampDrift BadHandover "
        "NotMisbehaviour StaleClient UnknownOutbox WrongVersion WrongKind WrongSource WrongDestination "
        "WrongReceiver WrongSender NonceReplayed NonceGap Expired PayloadMismatch NothingToRetry UnknownPeer "
        "RoundRegression UnknownParent ParentsMismatch NotAdmitted NotRegistered StaleSequence UnknownTask "
        "TaskExists TaskComplete WrongPhase WrongRound WrongBase NotAssigned AlreadySubmitted "
        "DeadlineNotReached DeadlinePassed TooFewParticipants TooManyParticipants WrongPredecessor "
        "TrainingRootMismatch ChunkMismatch ManifestMismatch ModelRootMismatch SizeMismatch NonFinite "
        "TiedTensors UnsupportedDtype DuplicateTensor NotFinal EvidenceDisagrees DevelopmentChain OutOfRange "
        "ReplayMismatch BadStateProof CommitmentMismatch SchemesDisagree ";

    function load(string memory name) internal view returns (string memory) {
        return vm.readFile(string.concat("../../tests/vectors/", name, ".json"));
    }

    /// By halving: every look at a key parses the whole file.
    function countCases(string memory json) internal view returns (uint256 low) {
        uint256 high = 1;
        while (vm.keyExistsJson(json, caseAt(high - 1))) high *= 2;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (vm.keyExistsJson(json, caseAt(middle))) low = middle + 1;
            else high = middle;
        }
    }

    function caseAt(uint256 index) internal pure returns (string memory) {
        return string.concat(".cases[", vm.toString(index), "]");
    }

    /// The input of a case that a test takes as its honest object.
    function inputOf(string memory json, uint256 index, string memory name) internal pure returns (string memory) {
        string memory found = vm.parseJsonString(json, string.concat(caseAt(index), ".name"));
        vm.assertTrue(keccak256(bytes(found)) == keccak256(bytes(name)), found);
        return string.concat(caseAt(index), ".input");
    }

    function has(string memory json, string memory path, string memory key) internal view returns (bool) {
        return vm.keyExistsJson(json, string.concat(path, key));
    }

    function word(string memory json, string memory path, string memory key) internal pure returns (bytes32) {
        return vm.parseJsonBytes32(json, string.concat(path, key));
    }

    function number(string memory json, string memory path, string memory key) internal pure returns (uint256) {
        return vm.parseJsonUint(json, string.concat(path, key));
    }

    /// A number that the case states within 64 bits.
    function number64(string memory json, string memory path, string memory key) internal pure returns (uint64) {
        uint256 value = number(json, path, key);
        vm.assertLe(value, type(uint64).max, key);
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64(value);
    }

    /// Calls, and compares success or refusal with what the case says; returns what a success returned.
    function assertVerdict(string memory json, uint256 index, address target, bytes memory data)
        internal
        returns (bytes memory answer)
    {
        string memory name = vm.parseJsonString(json, string.concat(caseAt(index), ".name"));
        bool success;
        (success, answer) = target.call(data);
        if (has(json, caseAt(index), ".error")) {
            vm.assertTrue(!success, string.concat(name, " was accepted"));
            string memory code = vm.parseJsonString(json, string.concat(caseAt(index), ".error"));
            vm.assertEq(answer, abi.encodeWithSelector(Refused.selector, codeOf(code)), name);
        } else {
            vm.assertTrue(success, string.concat(name, " was refused"));
        }
    }

    function codeOf(string memory name) internal pure returns (Code) {
        bytes memory names = bytes(CODES);
        bytes32 wanted = keccak256(bytes(name));
        uint256 start = 0;
        uint256 ordinal = 0;
        for (uint256 i = 0; i < names.length; ++i) {
            if (names[i] != " ") continue;
            bytes memory candidate = new bytes(i - start);
            for (uint256 j = start; j < i; ++j) {
                candidate[j - start] = names[j];
            }
            if (keccak256(candidate) == wanted) return Code(ordinal);
            start = i + 1;
            ++ordinal;
        }
        revert(string.concat("no such code: ", name));
    }

    function report(string memory name, uint256 count) internal {
        vm.assertTrue(count != 0, string.concat("no cases: ", name));
        emit log_named_uint(string.concat("vectors: ", name), count);
    }

    function packetAt(string memory json, string memory path) internal pure returns (Packet memory) {
        return Packet({
            version: uint8(number(json, path, ".version")),
            kind: uint8(number(json, path, ".kind")),
            sourceDomain: word(json, path, ".sourceDomain"),
            destDomain: word(json, path, ".destDomain"),
            nonce: number64(json, path, ".nonce"),
            sender: word(json, path, ".sender"),
            receiver: word(json, path, ".receiver"),
            expiresAt: number64(json, path, ".expiresAt"),
            payloadHash: word(json, path, ".payloadHash")
        });
    }

    function stateAt(string memory json, string memory path) internal pure returns (TrustState memory) {
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
