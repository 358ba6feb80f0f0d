// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PacketProof} from "../contracts/Inbox.sol";
import {Link} from "./support/Link.sol";
import {Evidence} from "./support/Network.sol";

/// What whole transactions cost: every call is a transaction of its own (`isolate`), so slots are cold and the
/// intrinsic gas is in. Written to snapshots/gas.json; the goals are those of docs/protocol.md section 12.
contract GasTest is Link {
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
