// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Commitment} from "../contracts/schemes/bef1/BeefyProof.sol";
import {BeefyVerifier} from "../contracts/schemes/bef1/BeefyVerifier.sol";
import {Link} from "./support/Link.sol";
import {LogTwin} from "./support/LogTwin.sol";
import {Validators} from "./support/Validators.sol";

/// What an update by validators' votes costs as a transaction of its own (`isolate`), as `Gas.t.sol` measures CMT1's: a
/// client that has accepted a block before, nine consistency nodes. Written to snapshots/beefy.json.
contract Bef1GasTest is Link, Validators {
    BeefyVerifier private _beefy;

    function setUp() public override {
        super.setUp();
        _beefy = new BeefyVerifier();
        sourceExports();
        sourceSendsElsewhere(100);
        sourceExports();
    }

    function test_update_staysBelow82000_threeOfFourNineNodes() public {
        _updateOf(4, 3, 82_000);
    }

    function test_update_staysBelow95000_fiveOfSeven() public {
        _updateOf(7, 5, 95_000);
    }

    function test_update_staysBelow148000_fifteenOfTwentyOne() public {
        _updateOf(21, 15, 148_000);
    }

    function test_update_staysBelow181000_twentyOneOfThirtyOne() public {
        _updateOf(31, 21, 181_000);
    }

    function test_update_staysBelow305000_fortyThreeOfSixtyFour() public {
        _updateOf(64, 43, 305_000);
    }

    /// The same where the block has the packets that the client knows: no nodes.
    function test_update_staysBelow75000_threeOfFourWithoutNewPackets() public {
        (bytes32 source, uint256[] memory keys) = _client(4);
        Commitment memory said = _commitment(source, 1, 4);
        (said.height, said.timestamp) = (20, uint64(block.timestamp));
        said.outboxSize = uint64(leaves.length - 1);
        said.outboxRoot = LogTwin.root(LogTwin.prefix(leaves, leaves.length - 1));
        bytes32[2] memory trusted = [committeeOf(1, keys), said.nextCommittee];
        _record(
            "update_3_of_4", 75_000, source, packBeefyProof(said, trusted[0], trusted[1], keys, 3, new bytes32[](0))
        );
    }

    /// The next set takes over: a fresh storage slot for the new authority, and its members are looked at.
    function test_handOver_staysBelow106000_threeOfFourNineNodes() public {
        (bytes32 source, uint256[] memory keys) = _client(4);
        uint256 known = leaves.length - 1;
        sourceSendsElsewhere(200 - leaves.length);
        Commitment memory said = _commitment(source, 2, 4);
        uint256[] memory following = sortedKeys("validator 1", 4);
        bytes32[2] memory trusted = [committeeOf(1, keys), committeeOf(2, following)];
        bytes32[] memory nodes = LogTwin.consistency(leaves, known);
        bytes memory proof = packBeefyProof(said, trusted[0], trusted[1], following, 3, nodes);
        _record("hand_over_3_of_4_consistency_9_nodes", 106_000, source, proof);
    }

    function _updateOf(uint256 members, uint256 signers, uint256 goal) private {
        (bytes32 source, uint256[] memory keys) = _client(members);
        uint256 known = leaves.length - 1;
        sourceSendsElsewhere(200 - leaves.length);
        Commitment memory said = _commitment(source, 1, members);
        bytes32[] memory nodes = LogTwin.consistency(leaves, known);
        vm.assertEq(nodes.length, 9, "nodes");
        bytes memory proof = packBeefyProof(said, committeeOf(1, keys), said.nextCommittee, keys, signers, nodes);
        string memory key =
            string.concat("update_", vm.toString(signers), "_of_", vm.toString(members), "_consistency_9_nodes");
        _record(key, goal, source, proof);
    }

    /// A client that has accepted a block of its first set, all but the last packet of the log in it.
    function _client(uint256 members) private returns (bytes32 source, uint256[] memory keys) {
        source = keccak256("a source with validators");
        keys = sortedKeys("validator 0", members);
        bytes32 following = committeeOf(2, sortedKeys("validator 1", members));
        lightClient.create(source, _beefy, packBeefyGenesis(1, addresses(keys), following, false), MAX_AGE, MAX_DRIFT);
        Commitment memory said = _commitment(source, 1, members);
        uint256 known = leaves.length - 1;
        (said.height, said.outboxSize) = (10, uint64(known));
        said.outboxRoot = LogTwin.root(LogTwin.prefix(leaves, known));
        uint256 signers = 2 * members / 3 + 1;
        lightClient.update(
            source, packBeefyProof(said, committeeOf(1, keys), following, keys, signers, new bytes32[](0))
        );
    }

    /// Of the set of this epoch, about the whole log.
    function _commitment(bytes32 source, uint64 epoch, uint256 members) private view returns (Commitment memory) {
        uint256[] memory following = sortedKeys(epoch == 1 ? "validator 1" : "validator 2", members);
        return Commitment({
            blockHash: keccak256("block"),
            stateRoot: keccak256("state"),
            outboxSize: uint64(leaves.length),
            outboxRoot: LogTwin.root(leaves),
            domain: source,
            timestamp: uint64(block.timestamp),
            nextCommittee: committeeOf(epoch + 1, following),
            height: 20,
            setId: epoch - 1
        });
    }

    /// Also above the floor that EIP-7623 sets by calldata alone, so that floor never decides.
    function _record(string memory key, uint256 goal, bytes32 source, bytes memory proof) private {
        lightClient.update(source, proof);
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        bytes memory data = abi.encodeCall(lightClient.update, (source, proof));
        uint256 tokens = 0;
        for (uint256 i = 0; i < data.length; ++i) {
            tokens += data[i] == 0 ? 1 : 4;
        }
        emit log_named_uint(key, gas);
        emit log_named_uint("calldata bytes", data.length);
        emit log_named_uint("calldata gas", 4 * tokens);
        emit log_named_uint("calldata floor", 21_000 + 10 * tokens);
        vm.assertLe(21_000 + 10 * tokens, gas, "calldata floor");
        vm.snapshotValue("beefy", key, gas);
        vm.assertLe(gas, goal, key);
    }
}
