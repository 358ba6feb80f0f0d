// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Outbox} from "../contracts/Outbox.sol";
import {Domains} from "../contracts/libraries/Domains.sol";
import {Packet, Packets} from "../contracts/libraries/Packets.sol";
import {Code} from "../contracts/types/Code.sol";
import {LogTwin} from "./support/LogTwin.sol";
import {Network} from "./support/Network.sol";
import {Vm} from "./support/Test.sol";

/// What this chain announces, and where a state proof finds it.
contract OutboxTest is Network {
    bytes32 private constant DESTINATION = keccak256("a destination");
    bytes32 private constant RECEIVER = keccak256("poft/pallet/Federation");

    function setUp() public override {
        super.setUp();
        authority.grantRole(authority.SENDER(), address(this), 0);
    }

    function test_constructor_commitsToEmptyLog_fromTheStart() public view {
        (uint64 size, bytes32 root, bytes32 commitment) = outbox.state();
        vm.assertEq(size, 0, "size");
        vm.assertEq(root, keccak256(""), "root");
        vm.assertEq(commitment, keccak256(abi.encode(uint64(0), root)), "commitment");
    }

    /// The slot is ERC-7201's for this name, and holds the commitment as an `eth_getProof` sees it.
    function test_commitment_liesInErc7201Slot_afterEverySend() public {
        bytes32 slot =
            keccak256(abi.encode(uint256(keccak256("poft.storage.OutboxCommitment")) - 1)) & ~bytes32(uint256(0xff));
        vm.assertEq(outbox.COMMITMENT_SLOT(), slot, "slot");
        bytes32[] memory leaves;
        for (uint256 i = 0; i < 9; ++i) {
            leaves = LogTwin.append(leaves, outbox.send(1, DESTINATION, RECEIVER, 0, abi.encode(i)));
            bytes32 wanted = keccak256(abi.encode(uint64(i + 1), LogTwin.root(leaves)));
            vm.assertEq(vm.load(address(outbox), slot), wanted, "commitment");
        }
    }

    function test_send_announcesPacket_denseNoncePerDestination() public {
        vm.recordLogs();
        bytes32 first = outbox.send(1, DESTINATION, RECEIVER, 77, "first");
        outbox.send(1, keccak256("another"), RECEIVER, 0, "other");
        outbox.send(1, DESTINATION, RECEIVER, 0, "second");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (Packet memory packet, bytes memory payload,,) = abi.decode(logs[0].data, (Packet, bytes, uint64, bytes32));
        vm.assertEq(logs[0].topics[2], first, "id in the event");
        vm.assertEq(Packets.id(packet), first, "id");
        vm.assertEq(payload, bytes("first"), "payload");
        vm.assertEq(packet.sender, Domains.endpoint(address(this)), "sender");
        vm.assertEq(packet.sourceDomain, Domains.evm(GENESIS_HASH, block.chainid), "source");
        vm.assertEq(packet.expiresAt, 77, "expires at");
        (packet,,,) = abi.decode(logs[1].data, (Packet, bytes, uint64, bytes32));
        vm.assertEq(packet.nonce, 0, "nonces count per destination");
        (packet,,,) = abi.decode(logs[2].data, (Packet, bytes, uint64, bytes32));
        vm.assertEq(packet.nonce, 1, "and are dense");
        vm.assertEq(outbox.nextNonce(DESTINATION), 2, "next");
    }

    function test_send_refused_badArguments() public {
        bytes32 own = outbox.domain();
        // Governance (3) has a number, and no inbox takes it.
        uint8[3] memory kinds = [0, 3, 4];
        for (uint256 i = 0; i < kinds.length; ++i) {
            expectRefused(Code.WrongKind);
            outbox.send(kinds[i], DESTINATION, RECEIVER, 0, "");
        }
        expectRefused(Code.ZeroValue);
        outbox.send(1, 0, RECEIVER, 0, "");
        expectRefused(Code.ZeroValue);
        outbox.send(1, DESTINATION, 0, 0, "");
        expectRefused(Code.WrongDestination);
        outbox.send(1, own, RECEIVER, 0, "");
        expectRefused(Code.Oversize);
        outbox.send(1, DESTINATION, RECEIVER, 0, new bytes(4097));
        (uint64 size,,) = outbox.state();
        vm.assertEq(size, 0, "nothing sent");
    }

    function test_domain_differs_otherChainId() public {
        bytes32 here = outbox.domain();
        vm.chainId(block.chainid + 1);
        Outbox elsewhere = new Outbox(address(authority), GENESIS_HASH);
        vm.assertTrue(elsewhere.domain() != here, "domain");
    }
}
