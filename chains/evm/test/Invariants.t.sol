// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PacketProof} from "../contracts/Inbox.sol";
import {Refused} from "../contracts/types/Code.sol";
import {LogTwin} from "./support/LogTwin.sol";
import {Link} from "./support/Link.sol";
import {CountingReceiver} from "./support/Receivers.sol";
import {Domains} from "../contracts/libraries/Domains.sol";

/// Everything that a source, honest relayers and forgers do, in any order.
contract Actors is Link {
    CountingReceiver public receiver;
    uint64 public height = 10;
    uint64 public known;
    uint256 public accepted;
    bytes32[] private _sentHere;

    constructor() {
        Link.setUp();
        receiver = new CountingReceiver(inbox, SOURCE, PEER_SENDER);
        authority.grantRole(authority.SENDER(), address(this), 0);
    }

    function setUp() public override {}

    function sourceSendsOne(uint8 elsewhere) external {
        sourceSendsElsewhere(elsewhere % 3);
        sourceSends("payload", Domains.endpoint(address(receiver)), 0);
    }

    function relayerUpdates() external {
        lightClient.update(SOURCE, pack(honest(++height)));
        known = uint64(leaves.length);
    }

    /// Any packet of the source, at any time, with its honest proof.
    function relayerDelivers(uint256 seed) external {
        if (known == 0) return;
        uint256 index = seed % known;
        if (sentPackets[index].version == 0) return;
        _tryToDeliver(_provenAt(index, known));
    }

    /// The next packet in line, which is what keeps the link going.
    function relayerDeliversNext() external {
        for (uint256 i = 0; i < known; ++i) {
            if (sentPackets[i].version == 1 && sentPackets[i].nonce == nextNonce()) {
                _tryToDeliver(_provenAt(i, known));
                return;
            }
        }
    }

    function forgerDelivers(uint256 seed, uint8 what, bytes32 noise) external {
        if (known == 0) return;
        uint256 index = seed % known;
        if (sentPackets[index].version == 0 || noise == 0) return;
        PacketProof memory forged = _provenAt(index, known);
        forged.packet.nonce = nextNonce();
        if (what % 3 == 0) forged.packet.payloadHash ^= noise;
        else if (what % 3 == 1) forged.leafIndex = uint64(uint256(noise));
        else if (forged.proof.length != 0) forged.proof[uint256(noise) % forged.proof.length] ^= noise;
        bool genuine = keccak256(abi.encode(forged)) == keccak256(abi.encode(_provenAt(index, known)));
        if (!genuine) vm.assertTrue(!_delivers(forged), "a forgery was accepted");
    }

    function thisChainSends(uint8 payload) external {
        _sentHere.push(outbox.send(1, SOURCE, PEER_SENDER, 0, abi.encode(payload)));
    }

    function packetsSentHere() external view returns (bytes32[] memory) {
        return _sentHere;
    }

    function consumed() external view returns (uint64) {
        return nextNonce();
    }

    function announced() external view returns (uint64, bytes32, bytes32) {
        return outbox.state();
    }

    function sentToUs() external view returns (uint64) {
        return sentHere;
    }

    function _provenAt(uint256 index, uint256 size) private view returns (PacketProof memory delivery) {
        delivery.packet = sentPackets[index];
        delivery.payload = sentPayloads[index];
        delivery.leafIndex = uint64(index);
        delivery.proof = LogTwin.inclusion(LogTwin.prefix(leaves, size), index);
    }

    function _tryToDeliver(PacketProof memory delivery) private {
        if (_delivers(delivery)) ++accepted;
    }

    function _delivers(PacketProof memory delivery) private returns (bool success) {
        bytes memory reason;
        (success, reason) = address(inbox).call(abi.encodeCall(inbox.deliver, (SOURCE, "", known, batch(delivery))));
        // forge-lint: disable-next-line(unsafe-typecast)
        vm.assertTrue(success || bytes4(reason) == Refused.selector, "a typed refusal");
    }
}

/// 1. A nonce is consumed exactly once: as many packets took effect as nonces were consumed, never more than were sent.
/// 2. This chain's log only grows, and its root is that of every packet that was sent.
contract InvariantsTest {
    Actors private _actors;

    function setUp() public {
        _actors = new Actors();
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    /// forge calls these and nothing else; the deliveries in line stand twice, so that links get long.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](7);
        selectors[0] = Actors.sourceSendsOne.selector;
        selectors[1] = Actors.relayerUpdates.selector;
        selectors[2] = Actors.relayerDelivers.selector;
        selectors[3] = Actors.relayerDeliversNext.selector;
        selectors[4] = Actors.relayerDeliversNext.selector;
        selectors[5] = Actors.forgerDelivers.selector;
        selectors[6] = Actors.thisChainSends.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_actors), selectors);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_actors);
    }

    /// The world in which the invariants hold is not empty.
    function test_actors_deliver_inTheirTurn() public {
        _actors.sourceSendsOne(2);
        _actors.sourceSendsOne(0);
        _actors.relayerUpdates();
        _actors.relayerDeliversNext();
        _actors.relayerDeliversNext();
        require(_actors.accepted() == 2 && _actors.consumed() == 2, "two deliveries");
    }

    function invariant_nonce_isConsumedOnce() public view {
        uint64 consumed = _actors.consumed();
        require(_actors.accepted() == consumed, "a delivery without its nonce");
        require(_actors.receiver().count() == consumed, "a packet took effect twice or never");
        require(consumed <= _actors.sentToUs(), "more packets than were sent");
    }

    function invariant_log_onlyGrows() public view {
        bytes32[] memory sent = _actors.packetsSentHere();
        (uint64 size, bytes32 root, bytes32 commitment) = _actors.announced();
        require(size == sent.length, "size");
        require(root == LogTwin.root(sent), "root");
        require(commitment == keccak256(abi.encode(size, root)), "commitment");
    }
}
