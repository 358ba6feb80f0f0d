// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Acknowledgements, Fate, PacketFate} from "../contracts/libraries/Acknowledgements.sol";
import {Checkpoint, Checkpoints} from "../contracts/libraries/Checkpoints.sol";
import {Domains} from "../contracts/libraries/Domains.sol";
import {Packet, Packets} from "../contracts/libraries/Packets.sol";
import {Signatures} from "../contracts/libraries/Signatures.sol";
import {Membership, Statements, Update, Verdict, Vote} from "../contracts/libraries/Statements.sol";
import {Code, Refused} from "../contracts/types/Code.sol";
import {Vectors} from "./support/Vectors.sol";

/// The libraries behind an external face, so that refusals can be caught.
contract EncodingFace {
    function decode(bytes calldata payload)
        external
        pure
        returns (Checkpoint memory checkpoint, bytes32[] memory parents, bytes32 previous)
    {
        (checkpoint, parents, previous) = Checkpoints.decodePayload(payload);
        // The registry's next rule about a payload on its own.
        require(Checkpoints.hashParents(parents) == checkpoint.parentsHash, Refused(Code.ParentsMismatch));
    }

    /// The encoder's id, which is that of the words as they stand.
    function packetId(Packet calldata packet) external pure returns (bytes32 id) {
        id = Packets.id(packet);
        require(id == Packets.idOf(packet), "two ids of one packet");
    }

    function acknowledgement(bytes calldata payload)
        external
        pure
        returns (bytes32 carrier, PacketFate[] memory fates)
    {
        return Acknowledgements.decode(payload);
    }

    function evmDomain(bytes32 genesisHash, uint256 chainId) external pure returns (bytes32) {
        return Domains.evm(genesisHash, chainId);
    }

    function requireSigner(bytes32 digest, bytes calldata signature, address signer) external pure {
        Signatures.requireSigner(digest, signature, signer);
    }

    function requireSignerAt(bytes32 digest, bytes calldata signatures, uint256 index, address signer) external view {
        Signatures.requireSignerAt(digest, signatures, index, signer);
    }
}

/// Ids, payloads and statements against the shared vectors.
contract EncodingsTest is Vectors {
    EncodingFace private _face = new EncodingFace();

    function test_vectors_agree_packet() public {
        string memory json = load("packet");
        uint256 count = countCases(json);
        uint256 compared = 0;
        for (uint256 i = 0; i < count; ++i) {
            string memory input = string.concat(caseAt(i), ".input");
            string memory expected = string.concat(caseAt(i), ".expect");
            if (has(json, input, ".genesisHash")) {
                // Domains of other kinds of chains are hashed on those chains.
                if (number(json, input, ".kind") != 1) continue;
                bytes memory answer = assertVerdict(
                    json,
                    i,
                    address(_face),
                    abi.encodeCall(
                        _face.evmDomain, (word(json, input, ".genesisHash"), uint256(word(json, input, ".networkId")))
                    )
                );
                if (has(json, expected, ".domain")) {
                    vm.assertEq(answer, abi.encode(word(json, expected, ".domain")), "domain");
                }
            } else if (has(json, expected, ".id")) {
                Packet memory packet = packetAt(json, input);
                vm.assertEq(_face.packetId(packet), word(json, expected, ".id"), "id");
                vm.assertEq(abi.encode(packet), vm.parseJsonBytes(json, string.concat(expected, ".encoded")), "bytes");
            } else {
                // Values outside of their type do not exist here: see test_packetId_reverts_dirtyWords.
                continue;
            }
            ++compared;
        }
        report("packet", compared);
    }

    function _packetFates(string memory json, string memory path) private pure returns (PacketFate[] memory fates) {
        bytes32[] memory ids = vm.parseJsonBytes32Array(json, string.concat(path, ".packetIds"));
        uint256[] memory numbers = vm.parseJsonUintArray(json, string.concat(path, ".fates"));
        fates = new PacketFate[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            fates[i] = PacketFate(ids[i], Fate(numbers[i]));
        }
    }

    /// The ABI decoder refuses what its types cannot hold, before any contract sees it.
    function test_packetId_reverts_dirtyWords() public {
        uint256[9] memory words = [uint256(1), 1, 2, 3, 4, 5, 6, 7, 8];
        uint256[4] memory narrow = [uint256(0), 1, 4, 7];
        for (uint256 i = 0; i < narrow.length; ++i) {
            uint256[9] memory dirty = words;
            dirty[narrow[i]] = uint256(1) << 64;
            (bool success,) = address(_face).call(abi.encodePacked(_face.packetId.selector, dirty));
            vm.assertTrue(!success, "a dirty word was accepted");
            dirty[narrow[i]] = narrow[i] + 1;
        }
        (bool honest,) = address(_face).call(abi.encodePacked(_face.packetId.selector, words));
        vm.assertTrue(honest, "an honest packet was refused");
    }

    function test_vectors_agree_acknowledgementPayloads() public {
        string memory json = load("acknowledgement");
        uint256 count = countCases(json);
        uint256 compared = 0;
        for (uint256 i = 0; i < count; ++i) {
            string memory input = string.concat(caseAt(i), ".input");
            string memory expected = string.concat(caseAt(i), ".expect");
            if (has(json, input, ".fates")) {
                bytes memory encoded = Acknowledgements.encode(word(json, input, ".carrier"), _packetFates(json, input));
                vm.assertEq(encoded, vm.parseJsonBytes(json, string.concat(expected, ".encoded")), "encoded");
            } else if (has(json, input, ".payload") && !has(json, input, ".expectation")) {
                bytes memory payload = vm.parseJsonBytes(json, string.concat(input, ".payload"));
                bytes memory answer =
                    assertVerdict(json, i, address(_face), abi.encodeCall(_face.acknowledgement, (payload)));
                if (has(json, expected, ".fates")) {
                    vm.assertEq(
                        answer,
                        Acknowledgements.encode(word(json, expected, ".carrier"), _packetFates(json, expected)),
                        "decoded"
                    );
                }
            } else {
                continue;
            }
            ++compared;
        }
        report("acknowledgement payloads", compared);
    }

    /// Total: any bytes are refused with a code, or are the encoding of what they decode to.
    function testFuzz_acknowledgement_refusesOrRoundTrips_anyBytes(bytes calldata payload) public view {
        try _face.acknowledgement(payload) returns (bytes32 carrier, PacketFate[] memory fates) {
            vm.assertEq(Acknowledgements.encode(carrier, fates), payload, "round trip");
        } catch (bytes memory reason) {
            // forge-lint: disable-next-line(unsafe-typecast)
            vm.assertTrue(reason.length == 36 && bytes4(reason) == Refused.selector, "a typed refusal");
        }
    }

    function test_vectors_agree_checkpoint() public {
        string memory json = load("checkpoint");
        uint256 count = countCases(json);
        uint256 compared = 0;
        for (uint256 i = 0; i < count; ++i) {
            string memory input = string.concat(caseAt(i), ".input");
            string memory expected = string.concat(caseAt(i), ".expect");
            if (has(json, input, ".payload")) {
                bytes memory payload = vm.parseJsonBytes(json, string.concat(input, ".payload"));
                bytes memory answer = assertVerdict(json, i, address(_face), abi.encodeCall(_face.decode, (payload)));
                if (has(json, expected, ".id")) {
                    (Checkpoint memory decoded, bytes32[] memory parents, bytes32 previous) =
                        abi.decode(answer, (Checkpoint, bytes32[], bytes32));
                    vm.assertEq(Checkpoints.id(decoded), word(json, expected, ".id"), "id");
                    vm.assertEq(Checkpoints.encodePayload(decoded, parents, previous), payload, "round trip");
                }
            } else {
                Checkpoint memory checkpoint = checkpointAt(json, string.concat(input, ".checkpoint"));
                bytes memory payload = Checkpoints.encodePayload(
                    checkpoint,
                    vm.parseJsonBytes32Array(json, string.concat(input, ".parents")),
                    word(json, input, ".previous")
                );
                if (has(json, expected, ".id")) {
                    vm.assertEq(Checkpoints.id(checkpoint), word(json, expected, ".id"), "id");
                    vm.assertEq(payload, vm.parseJsonBytes(json, string.concat(expected, ".encoded")), "bytes");
                } else {
                    assertVerdict(json, i, address(_face), abi.encodeCall(_face.decode, (payload)));
                }
            }
            ++compared;
        }
        report("checkpoint", compared);
    }

    function test_vectors_agree_federation() public {
        string memory json = load("federation");
        uint256 count = countCases(json);
        for (uint256 i = 0; i < count; ++i) {
            string memory input = string.concat(caseAt(i), ".input");
            string memory expected = string.concat(caseAt(i), ".expect");
            if (has(json, input, ".name")) {
                string memory name = vm.parseJsonString(json, string.concat(input, ".name"));
                vm.assertEq(
                    Domains.federation(word(json, input, ".domain"), name), word(json, expected, ".id"), "federation"
                );
            } else if (has(json, input, ".configDigest")) {
                vm.assertEq(
                    Domains.task(word(json, input, ".federation"), word(json, input, ".configDigest")),
                    word(json, expected, ".id"),
                    "task"
                );
            } else {
                bytes32 separator = Statements.separator(word(json, input, ".domain"));
                (bytes32 digest, address signer) = _digest(json, input, separator);
                bytes memory signature = vm.parseJsonBytes(json, string.concat(input, ".signature"));
                assertVerdict(json, i, address(_face), abi.encodeCall(_face.requireSigner, (digest, signature, signer)));
                if (has(json, expected, ".digest")) {
                    vm.assertEq(digest, word(json, expected, ".digest"), "digest");
                }
            }
        }
        report("federation", count);
    }

    function testFuzz_decodePayload_roundTrips_anyCheckpoint(
        Checkpoint memory checkpoint,
        bytes32[8] memory some,
        uint8 count,
        bytes32 previous
    ) public view {
        bytes32[] memory parents = new bytes32[](count % 9);
        for (uint256 i = 0; i < parents.length; ++i) {
            parents[i] = some[i];
        }
        checkpoint.parentsHash = Checkpoints.hashParents(parents);
        bytes memory payload = Checkpoints.encodePayload(checkpoint, parents, previous);
        (Checkpoint memory decoded, bytes32[] memory back, bytes32 last) = _face.decode(payload);
        vm.assertEq(Checkpoints.encodePayload(decoded, back, last), payload, "round trip");
    }

    function testFuzz_decodePayload_refusesWithCode_anyBytes(bytes calldata payload) public view {
        (bool success, bytes memory answer) = address(_face).staticcall(abi.encodeCall(_face.decode, (payload)));
        // forge-lint: disable-next-line(unsafe-typecast)
        vm.assertTrue(!success && answer.length == 36 && bytes4(answer) == Refused.selector, "a typed refusal");
    }

    /// Total: whatever the signature, the answer is a typed refusal, unless it is the signer's.
    function testFuzz_requireSigner_refusesWithCode_anyChangedByte(uint8 position, uint8 change, bytes32 digest)
        public
        view
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(7, digest);
        bytes memory signature = abi.encodePacked(r, s, v);
        _face.requireSigner(digest, signature, vm.addr(7));
        uint256 index = position % 65;
        signature[index] = bytes1(uint8(signature[index]) ^ (change == 0 ? 1 : change));
        (bool success, bytes memory answer) =
            address(_face).staticcall(abi.encodeCall(_face.requireSigner, (digest, signature, vm.addr(7))));
        // forge-lint: disable-next-line(unsafe-typecast)
        vm.assertTrue(!success && answer.length == 36 && bytes4(answer) == Refused.selector, "a typed refusal");
    }

    function checkpointAt(string memory json, string memory path) internal pure returns (Checkpoint memory) {
        return Checkpoint({
            federation: word(json, path, ".federation"),
            task: word(json, path, ".task"),
            round: number64(json, path, ".round"),
            modelRoot: word(json, path, ".modelRoot"),
            modelBytes: number64(json, path, ".modelBytes"),
            manifestHash: word(json, path, ".manifestHash"),
            parentsHash: word(json, path, ".parentsHash"),
            samples: number64(json, path, ".samples"),
            metricsHash: word(json, path, ".metricsHash"),
            trainingRoot: word(json, path, ".trainingRoot"),
            datasetRoot: word(json, path, ".datasetRoot"),
            locatorHash: word(json, path, ".locatorHash")
        });
    }

    /// The committee's way through assembly answers as Solidity's own `ecrecover` does, for good and bad signatures.
    function testFuzz_requireSignerAt_equalsPlainTwin_anySignature(
        bytes32 digest,
        bytes32 r,
        bytes32 s,
        uint8 v,
        address signer,
        bool honest
    ) public view {
        if (honest) (v, r, s) = vm.sign(7, digest);
        if (honest) signer = vm.addr(7);
        else v = 27 + v % 2;
        bytes memory signature = abi.encodePacked(r, s, v);
        (bool plain, bytes memory why) =
            address(_face).staticcall(abi.encodeCall(_face.requireSigner, (digest, signature, signer)));
        bytes memory placed = bytes.concat(new bytes(65), signature, hex"ff");
        (bool fast, bytes memory reason) =
            address(_face).staticcall(abi.encodeCall(_face.requireSignerAt, (digest, placed, 65, signer)));
        vm.assertTrue(plain == fast && (fast || !honest), "verdict");
        vm.assertEq(reason, why, "code");
    }

    function _digest(string memory json, string memory input, bytes32 separator)
        private
        pure
        returns (bytes32 digest, address signer)
    {
        bytes32 kind = keccak256(bytes(vm.parseJsonString(json, string.concat(input, ".type"))));
        string memory said = string.concat(input, ".statement");
        if (kind == keccak256("Membership")) {
            Membership memory membership = Membership({
                federation: word(json, said, ".federation"),
                participant: vm.parseJsonAddress(json, string.concat(said, ".participant")),
                encryptionKey: word(json, said, ".encryptionKey"),
                capacity: uint32(number(json, said, ".capacity")),
                sequence: number64(json, said, ".sequence")
            });
            return (Statements.digest(membership, separator), membership.participant);
        }
        if (kind == keccak256("Update")) {
            Update memory update = _update(json, said);
            return (Statements.digest(update, separator), update.trainer);
        }
        if (kind == keccak256("Verdict")) {
            Verdict memory verdict = Verdict({
                federation: word(json, said, ".federation"),
                task: word(json, said, ".task"),
                round: number64(json, said, ".round"),
                verifier: vm.parseJsonAddress(json, string.concat(said, ".verifier")),
                accepted: number64(json, said, ".accepted"),
                scoresRoot: word(json, said, ".scoresRoot")
            });
            return (Statements.digest(verdict, separator), verdict.verifier);
        }
        Vote memory vote = Vote({
            federation: word(json, said, ".federation"),
            task: word(json, said, ".task"),
            round: number64(json, said, ".round"),
            participant: vm.parseJsonAddress(json, string.concat(said, ".participant")),
            checkpoint: word(json, said, ".checkpoint")
        });
        return (Statements.digest(vote, separator), vote.participant);
    }

    function _update(string memory json, string memory said) private pure returns (Update memory) {
        return Update({
            federation: word(json, said, ".federation"),
            task: word(json, said, ".task"),
            round: number64(json, said, ".round"),
            trainer: vm.parseJsonAddress(json, string.concat(said, ".trainer")),
            base: word(json, said, ".base"),
            updateRoot: word(json, said, ".updateRoot"),
            updateBytes: number64(json, said, ".updateBytes"),
            samples: number64(json, said, ".samples"),
            computeMillis: number64(json, said, ".computeMillis"),
            steps: uint32(number(json, said, ".steps")),
            trainingRoot: word(json, said, ".trainingRoot"),
            datasetRoot: word(json, said, ".datasetRoot"),
            accessRoot: word(json, said, ".accessRoot"),
            cipherHash: word(json, said, ".cipherHash")
        });
    }
}
