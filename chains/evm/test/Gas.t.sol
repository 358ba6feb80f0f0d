// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PacketProof} from "../contracts/Inbox.sol";
import {Acknowledgements, Fate, PacketFate} from "../contracts/libraries/Acknowledgements.sol";
import {Domains} from "../contracts/libraries/Domains.sol";
import {Packet} from "../contracts/libraries/Packets.sol";
import {FinalityStatement} from "../contracts/schemes/cmt1/CommitteeProof.sol";
import {Link} from "./support/Link.sol";
import {LogTwin} from "./support/LogTwin.sol";
import {Evidence} from "./support/Network.sol";

/// What whole transactions cost: every call is a transaction of its own (`isolate`), so slots are cold and the
/// intrinsic gas is in. Written to snapshots/gas.json; the goals are those of docs/protocol.md section 12.
contract GasTest is Link {
    bytes32 private constant PEER_INBOX = keccak256("poft/pallet/Bridge");

    function setUp() public override {
        super.setUp();
        sourceExports();
        sourceSendsElsewhere(100);
        finalise(10);
        deliver(proven(0));
        // The next packet stands at 101; a log of 213 gives it 8 nodes.
        sourceExports();
    }

    function test_update_staysBelow80000_threeOfFourNineNodes() public {
        sourceSendsElsewhere(200 - leaves.length);
        Evidence memory proof = honest(20);
        vm.assertEq(proof.consistency.length, 9, "nodes");
        bytes memory packed = pack(proof);
        lightClient.update(SOURCE, packed);
        _record("update_3_of_4_consistency_9_nodes", 80_000, abi.encodeCall(lightClient.update, (SOURCE, packed)));
    }

    function test_delivery_staysBelow110000_eightNodes() public {
        sourceSendsElsewhere(213 - leaves.length);
        finalise(20);
        PacketProof[] memory packets = batch(proven(101));
        vm.assertEq(packets[0].proof.length, 8, "nodes");
        inbox.deliver(SOURCE, "", 213, packets);
        _record("delivery_1_inclusion_8_nodes", 110_000, abi.encodeCall(inbox.deliver, (SOURCE, "", 213, packets)));
    }

    function test_updateAndDelivery_stayBelow170000_oneTransaction() public {
        sourceSendsElsewhere(213 - leaves.length);
        PacketProof[] memory packets = batch(proven(101));
        bytes memory packed = pack(honest(20));
        inbox.deliver(SOURCE, packed, 213, packets);
        _record("update_and_delivery_1", 170_000, abi.encodeCall(inbox.deliver, (SOURCE, packed, 213, packets)));
    }

    /// The same delivery on a link whose packets are acknowledged, in a log that has a few packets already.
    function test_acknowledgedDelivery_staysBelow170000_eightNodes() public {
        _acknowledge();
        sourceSendsElsewhere(213 - leaves.length);
        finalise(20);
        PacketProof[] memory packets = batch(proven(101));
        inbox.deliver(SOURCE, "", 213, packets);
        _record(
            "acknowledged_delivery_1_inclusion_8_nodes",
            170_000,
            abi.encodeCall(inbox.deliver, (SOURCE, "", 213, packets))
        );
    }

    /// What the source's carrier pays to bring an acknowledgement of one packet home.
    function test_acknowledgement_staysBelow125000_eightNodes() public {
        _acknowledge();
        sentHere = nextNonce();
        PacketFate[] memory fates = new PacketFate[](1);
        fates[0] = PacketFate(keccak256("sent"), Fate.Applied);
        bytes memory payload = Acknowledgements.encode(PEER_INBOX, fates);
        Packet memory packet = sentPackets[101];
        packet.kind = 2;
        packet.sender = PEER_INBOX;
        packet.receiver = Domains.endpoint(address(inbox));
        packet.payloadHash = keccak256(payload);
        uint256 index = sourceSends(packet, payload);
        sourceSendsElsewhere(213 - leaves.length);
        finalise(20);
        PacketProof[] memory packets = batch(proven(index));
        vm.assertEq(packets[0].proof.length, 8, "nodes");
        inbox.deliver(SOURCE, "", 213, packets);
        _record(
            "acknowledgement_of_1_inclusion_8_nodes", 125_000, abi.encodeCall(inbox.deliver, (SOURCE, "", 213, packets))
        );
        vm.assertEq(nextNonce(), 2, "taken");
    }

    function test_update_staysBelow181000_twentyOneOfThirtyOne() public {
        _updateOf("update_21_of_31_consistency_9_nodes", 31, 21, 181_000);
    }

    function test_update_staysBelow305000_fortyThreeOfSixtyFour() public {
        _updateOf("update_43_of_64_consistency_9_nodes", 64, 43, 305_000);
    }

    function test_updateAndEightDeliveries_stayBelow90000Each_oneTransaction() public {
        for (uint256 i = 0; i < 7; ++i) {
            sourceExports();
        }
        sourceSendsElsewhere(213 - leaves.length);
        PacketProof[] memory packets = new PacketProof[](8);
        for (uint256 i = 0; i < 8; ++i) {
            packets[i] = proven(101 + i);
        }
        bytes memory packed = pack(honest(20));
        inbox.deliver(SOURCE, packed, 213, packets);
        _record("update_and_delivery_8", 8 * 90_000, abi.encodeCall(inbox.deliver, (SOURCE, packed, 213, packets)));
    }

    function test_createClient_staysBelow6200000_wholeRing() public {
        bytes memory genesis = packGenesis(1, addresses(keys), false);
        bytes32 source = keccak256("another source");
        lightClient.create(source, verifier, genesis, MAX_AGE, MAX_DRIFT);
        _record(
            "create_client",
            6_200_000,
            abi.encodeCall(lightClient.create, (source, verifier, genesis, MAX_AGE, MAX_DRIFT))
        );
    }

    function _acknowledge() private {
        authority.grantRole(authority.SENDER(), address(this), 0);
        inbox.setAcknowledgements(SOURCE, PEER_INBOX);
        for (uint256 i = 0; i < 4; ++i) {
            outbox.send(1, SOURCE, PEER_SENDER, 0, "an earlier packet");
        }
    }

    function _updateOf(string memory key, uint256 members, uint256 signers, uint256 goal) private {
        uint256[] memory committee = sortedKeys("large", members);
        bytes32 source = keccak256("a source with a large committee");
        bytes memory genesis = packGenesis(1, addresses(committee), false);
        lightClient.create(source, verifier, genesis, MAX_AGE, MAX_DRIFT);
        uint256 known = leaves.length - 1;
        FinalityStatement memory said = statementAt(10);
        said.outboxSize = uint64(known);
        said.outboxRoot = LogTwin.root(LogTwin.prefix(leaves, known));
        lightClient.update(source, pack(evidence(source, committee, signers, said)));
        sourceSendsElsewhere(200 - leaves.length);
        Evidence memory proof = evidence(source, committee, signers, statementAt(20));
        proof.consistency = LogTwin.consistency(leaves, known);
        vm.assertEq(proof.consistency.length, 9, "nodes");
        bytes memory packed = pack(proof);
        lightClient.update(source, packed);
        _record(key, goal, abi.encodeCall(lightClient.update, (source, packed)));
    }

    /// Also above the floor that EIP-7623 sets by calldata alone, so that floor never decides.
    function _record(string memory key, uint256 goal, bytes memory data) private {
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint(key, gas);
        emit log_named_uint("calldata bytes", data.length);
        uint256 tokens = 0;
        for (uint256 i = 0; i < data.length; ++i) {
            tokens += data[i] == 0 ? 1 : 4;
        }
        emit log_named_uint("calldata floor", 21_000 + 10 * tokens);
        emit log_named_uint("calldata gas", 4 * tokens);
        vm.assertLe(21_000 + 10 * tokens, gas, "calldata floor");
        vm.snapshotValue("gas", key, gas);
        vm.assertLe(gas, goal, key);
    }
}
