// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TrustState} from "../contracts/interfaces/IFinalityVerifier.sol";
import {Fate, PacketFate, PacketProof} from "../contracts/Inbox.sol";
import {Acknowledgements} from "../contracts/libraries/Acknowledgements.sol";
import {Domains} from "../contracts/libraries/Domains.sol";
import {Packet} from "../contracts/libraries/Packets.sol";
import {Outbox} from "../contracts/Outbox.sol";
import {FinalityStatement} from "../contracts/schemes/cmt1/CommitteeProof.sol";
import {Code, Refused} from "../contracts/types/Code.sol";
import {LogTwin} from "./support/LogTwin.sol";
import {Link} from "./support/Link.sol";
import {Evidence} from "./support/Network.sol";
import {ListingReceiver} from "./support/Receivers.sol";
import {Vm} from "./support/Test.sol";

/// Everything that a source, honest relayers, forgers and governance do, in any order, on a link whose packets are
/// acknowledged.
contract Actors is Link {
    bytes32 private constant PEER_INBOX = keccak256("poft/pallet/Bridge");

    ListingReceiver public receiver;
    uint64 public height = 10;
    uint64 public epoch = 1;
    uint64 public known;
    bool public frozen;
    uint256 public accepted;
    /// Checkpoints that this chain has told the source of.
    uint256 public told;
    uint256 public expired;
    /// Packets that the source said it has taken, each of a name of its own.
    uint256 public toldHere;
    bytes32[] private _sentHere;
    bytes32[] private _sentToReceiver;

    constructor() {
        Link.setUp();
        receiver = new ListingReceiver(inbox, SOURCE, PEER_SENDER);
        authority.grantRole(authority.SENDER(), address(this), 0);
        inbox.setAcknowledgements(SOURCE, PEER_INBOX);
    }

    function setUp() public override {}

    function sourceSendsOne(uint8 elsewhere) external {
        sourceSendsElsewhere(elsewhere % 3);
        // Every fourth comes too late.
        uint64 expiresAt = elsewhere % 4 == 3 ? uint64(block.number) - 1 : 0;
        uint256 index = sourceSends("payload", Domains.endpoint(address(receiver)), expiresAt);
        if (expiresAt == 0) _sentToReceiver.push(leaves[index]);
    }

    function sourceTells() external {
        PacketFate[] memory fates = new PacketFate[](1);
        fates[0] = PacketFate(keccak256(abi.encode("told", leaves.length)), Fate.Applied);
        bytes memory payload = Acknowledgements.encode("somebody", fates);
        sourceSends(
            Packet({
                version: 1,
                kind: 2,
                sourceDomain: SOURCE,
                destDomain: outbox.domain(),
                nonce: sentHere++,
                sender: PEER_INBOX,
                receiver: Domains.endpoint(address(inbox)),
                expiresAt: 0,
                payloadHash: keccak256(payload)
            }),
            payload
        );
    }

    /// Taken unless the client is frozen.
    function relayerUpdates() external {
        (TrustState memory state,,) = lightClient.clientState(SOURCE);
        FinalityStatement memory said = statementAt(++height);
        said.epoch = epoch;
        Evidence memory proof = evidence(SOURCE, keys, 3, said);
        proof.consistency = LogTwin.consistency(leaves, state.outboxSize);
        (bool success, bytes memory reason) =
            address(lightClient).call(abi.encodeCall(lightClient.update, (SOURCE, pack(proof))));
        if (frozen) vm.assertEq(reason, abi.encodeWithSelector(Refused.selector, Code.Frozen), "frozen");
        else vm.assertTrue(success, "an honest update was refused");
        if (success) known = uint64(leaves.length);
    }

    function governanceFreezes(uint8 chance) external {
        if (frozen || chance % 8 != 0) return;
        lightClient.freeze(SOURCE);
        frozen = true;
    }

    /// The same committee in a later epoch: nothing is known, nonces go on.
    function governanceRecovers() external {
        if (!frozen) return;
        lightClient.recover(SOURCE, verifier, packGenesis(++epoch, addresses(keys), false));
        (frozen, known) = (false, 0);
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

    /// Packets for the receiver that do not come too late, in the order of their nonces.
    function packetsForReceiver() external view returns (bytes32[] memory) {
        return _sentToReceiver;
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
        vm.recordLogs();
        bool success = _delivers(delivery);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        if (!success) return;
        ++accepted;
        vm.assertTrue(!frozen, "delivered to a frozen client");
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != Outbox.PacketSent.selector) continue;
            _sentHere.push(logs[i].topics[2]);
            (, bytes memory payload,,) = abi.decode(logs[i].data, (Packet, bytes, uint64, bytes32));
            (, PacketFate[] memory fates) = abi.decode(payload, (bytes32, PacketFate[]));
            told += fates.length;
            if (fates[0].fate == Fate.Expired) ++expired;
        }
        if (delivery.packet.kind == 2) {
            bytes32 packetId = keccak256(abi.encode("told", uint256(delivery.leafIndex)));
            (bool heard,,) = inbox.acknowledgementOf(SOURCE, packetId);
            vm.assertTrue(heard, "an acknowledgement went unheard");
            ++toldHere;
        }
    }

    function _delivers(PacketProof memory delivery) private returns (bool success) {
        bytes memory reason;
        (success, reason) = address(inbox).call(abi.encodeCall(inbox.deliver, (SOURCE, "", known, batch(delivery))));
        // forge-lint: disable-next-line(unsafe-typecast)
        vm.assertTrue(success || bytes4(reason) == Refused.selector, "a typed refusal");
    }
}

/// 1. A nonce is consumed exactly once: as many packets took effect as nonces were consumed, never more than were sent.
/// 2. Nothing is accepted that the source's outbox lacks: what the application got are the packets sent to it, in their
///    order, each once.
/// 3. A frozen client accepts nothing (asserted by the actors at every step), and recovery delivers nothing again.
/// 4. This chain's log only grows, and its root is that of every packet that was sent, acknowledgements among them.
/// 5. What was consumed was acknowledged, once, and acknowledgements were not.
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
        bytes4[] memory selectors = new bytes4[](10);
        selectors[0] = Actors.sourceSendsOne.selector;
        selectors[1] = Actors.sourceTells.selector;
        selectors[2] = Actors.relayerUpdates.selector;
        selectors[3] = Actors.relayerDelivers.selector;
        selectors[4] = Actors.relayerDeliversNext.selector;
        selectors[5] = Actors.relayerDeliversNext.selector;
        selectors[6] = Actors.forgerDelivers.selector;
        selectors[7] = Actors.thisChainSends.selector;
        selectors[8] = Actors.governanceFreezes.selector;
        selectors[9] = Actors.governanceRecovers.selector;
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
        _actors.sourceSendsOne(3);
        _actors.sourceTells();
        _actors.relayerUpdates();
        _actors.relayerDeliversNext();
        _actors.governanceFreezes(0);
        _actors.relayerDeliversNext();
        _actors.relayerUpdates();
        require(_actors.accepted() == 1 && _actors.consumed() == 1, "a frozen client took something");
        _actors.governanceRecovers();
        _actors.relayerUpdates();
        _actors.relayerDeliversNext();
        _actors.relayerDeliversNext();
        require(_actors.accepted() == 3 && _actors.consumed() == 3, "three deliveries");
        require(_actors.told() == 2 && _actors.expired() == 1 && _actors.toldHere() == 1, "two of them told");
    }

    function invariant_nonce_isConsumedOnce() public view {
        uint64 consumed = _actors.consumed();
        require(_actors.accepted() == consumed, "a delivery without its nonce");
        uint256 taken = _actors.receiver().taken().length + _actors.expired() + _actors.toldHere();
        require(taken == consumed, "a packet took effect twice or never");
        require(consumed <= _actors.sentToUs(), "more packets than were sent");
    }

    function invariant_application_getsWhatWasSent() public view {
        bytes32[] memory taken = _actors.receiver().taken();
        bytes32[] memory sent = _actors.packetsForReceiver();
        require(taken.length <= sent.length, "more than was sent");
        for (uint256 i = 0; i < taken.length; ++i) {
            require(taken[i] == sent[i], "not what the outbox has at this place");
        }
    }

    function invariant_acknowledgement_followsEveryCheckpoint() public view {
        require(_actors.told() == _actors.consumed() - _actors.toldHere(), "a fate was told twice or never");
    }

    function invariant_log_onlyGrows() public view {
        bytes32[] memory sent = _actors.packetsSentHere();
        (uint64 size, bytes32 root, bytes32 commitment) = _actors.announced();
        require(size == sent.length, "size");
        require(root == LogTwin.root(sent), "root");
        require(commitment == keccak256(abi.encode(size, root)), "commitment");
    }
}
