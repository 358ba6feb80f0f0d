// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Fate, Inbox, PacketProof} from "../contracts/Inbox.sol";
import {LightClient} from "../contracts/LightClient.sol";
import {Outbox} from "../contracts/Outbox.sol";
import {Vectors} from "./support/Vectors.sol";
import {Vm} from "./support/Test.sol";

/// The world of an inbox vector: a finalised outbox of any size and root, on a chain with any domain.
contract StatedOutbox {
    bytes32 public domain;
    uint64 private _size;
    bytes32 private _root;

    constructor(bytes32 domain_, uint64 size, bytes32 root) {
        domain = domain_;
        _size = size;
        _root = root;
    }

    function finalisedRoot(bytes32, uint64 size) external view returns (bytes32) {
        require(size == _size);
        return _root;
    }

    function requireActive(bytes32) external pure {}

    function generationOf(bytes32) external pure returns (uint16) {
        return 0;
    }
}

/// `Inbox.deliver` against the shared vectors. What a vector expects of the destination's state (next nonce, sender,
/// receivers that need not be addresses) is written into the storage of a real inbox.
contract InboxVectorsTest is Vectors {
    uint256 private constant LINKS_SLOT = 1;
    uint256 private constant SENDERS_SLOT = 2;

    function test_vectors_agree_inbox() public {
        string memory json = load("inbox");
        uint256 count = countCases(json);
        for (uint256 i = 0; i < count; ++i) {
            _compare(json, i);
        }
        report("inbox", count);
    }

    /// Deliveries; payloads on their own are compared in Encodings.t.sol.
    function test_vectors_agree_acknowledgementDeliveries() public {
        string memory json = load("acknowledgement");
        uint256 count = countCases(json);
        uint256 compared = 0;
        for (uint256 i = 0; i < count; ++i) {
            if (!has(json, caseAt(i), ".input.expectation")) continue;
            _compare(json, i);
            ++compared;
        }
        report("acknowledgement deliveries", compared);
    }

    function _compare(string memory json, uint256 index) private {
        string memory world = string.concat(caseAt(index), ".input.expectation");
        Inbox inbox = _inbox(json, world);
        vm.roll(number(json, world, ".height"));
        vm.recordLogs();
        assertVerdict(json, index, address(inbox), _delivery(json, string.concat(caseAt(index), ".input")));
        (uint64 nonce,) = inbox.linkState(word(json, world, ".sourceDomain"));
        uint256 next = number(json, world, ".nextNonce");
        string memory expected = string.concat(caseAt(index), ".expect.dispatched");
        if (!vm.keyExistsJson(json, expected)) {
            vm.assertEq(nonce, next, "a refusal changed the nonce");
            return;
        }
        vm.assertEq(nonce, next + 1, "the nonce is consumed");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (, Fate outcome,) = abi.decode(logs[logs.length - 1].data, (uint64, Fate, bytes));
        vm.assertTrue((outcome != Fate.Expired) == vm.parseJsonBool(json, expected), "dispatched");
    }

    function _delivery(string memory json, string memory input) private pure returns (bytes memory) {
        PacketProof[] memory packets = new PacketProof[](1);
        packets[0] = PacketProof({
            packet: packetAt(json, string.concat(input, ".packet")),
            payload: vm.parseJsonBytes(json, string.concat(input, ".payload")),
            leafIndex: number64(json, input, ".leafIndex"),
            proof: vm.parseJsonBytes32Array(json, string.concat(input, ".proof"))
        });
        uint64 size = number64(json, input, ".expectation.outboxSize");
        return abi.encodeCall(Inbox.deliver, (word(json, input, ".expectation.sourceDomain"), "", size, packets));
    }

    function _inbox(string memory json, string memory world) private returns (Inbox inbox) {
        StatedOutbox stated = new StatedOutbox(
            word(json, world, ".ownDomain"), number64(json, world, ".outboxSize"), word(json, world, ".outboxRoot")
        );
        inbox = new Inbox(address(this), LightClient(address(stated)), Outbox(address(stated)));
        bytes32 source = word(json, world, ".sourceDomain");
        bytes32 endpoint = word(json, world, ".inbox");
        if (endpoint != 0) {
            // The inbox of the case, at its address.
            address placed = address(uint160(uint256(endpoint)));
            vm.etch(placed, address(inbox).code);
            inbox = Inbox(placed);
            _accept(inbox, source, endpoint, word(json, world, ".inboxPeer"));
        }
        bytes32 link = keccak256(abi.encode(source, LINKS_SLOT));
        vm.store(address(inbox), link, bytes32(number(json, world, ".nextNonce")));
        bytes32[] memory receivers = vm.parseJsonBytes32Array(json, string.concat(world, ".receivers"));
        for (uint256 i = 0; i < receivers.length; ++i) {
            _accept(inbox, source, receivers[i], word(json, world, ".sender"));
        }
        (uint64 nonce,) = inbox.linkState(source);
        vm.assertEq(nonce, number(json, world, ".nextNonce"), "storage layout");
    }

    function _accept(Inbox inbox, bytes32 source, bytes32 receiver, bytes32 sender) private {
        bytes32 senders = keccak256(abi.encode(source, SENDERS_SLOT));
        vm.store(address(inbox), keccak256(abi.encode(receiver, senders)), sender);
    }
}
