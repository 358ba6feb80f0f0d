// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PacketProof} from "../../contracts/Inbox.sol";
import {TrustState} from "../../contracts/interfaces/IFinalityVerifier.sol";
import {Checkpoint, Checkpoints} from "../../contracts/libraries/Checkpoints.sol";
import {Domains} from "../../contracts/libraries/Domains.sol";
import {Packet, Packets} from "../../contracts/libraries/Packets.sol";
import {Committees, FinalityStatement} from "../../contracts/schemes/cmt1/CommitteeProof.sol";
import {LogTwin} from "./LogTwin.sol";
import {Evidence, Network} from "./Network.sol";

/// A chain that follows a source: four attestors, one registered peer, and the source's outbox as a list of packets.
abstract contract Link is Network {
    bytes32 internal constant PEER_FEDERATION = keccak256("federation of the source");
    bytes32 internal constant PEER_TASK = keccak256("task of the source");
    bytes32 internal constant PEER_GENESIS = keccak256("genesis checkpoint of the source");
    bytes32 internal constant PEER_SENDER = keccak256("poft/pallet/Federation");
    uint32 internal constant MAX_AGE = 3600;
    uint16 internal constant MAX_DRIFT = 30;

    uint256[] internal keys;
    /// Ids of the packets in the source's outbox.
    bytes32[] internal leaves;
    mapping(uint256 index => Packet) internal sentPackets;
    mapping(uint256 index => bytes) internal sentPayloads;
    uint64 internal sentHere;
    uint64 internal exportedRound;
    bytes32 internal lastExported;

    function setUp() public virtual override {
        super.setUp();
        keys = sortedKeys("attestor", 4);
        lightClient.create(SOURCE, verifier, packGenesis(1, addresses(keys), false), MAX_AGE, MAX_DRIFT);
        registry.setPeer(SOURCE, PEER_FEDERATION, PEER_TASK, PEER_GENESIS, PEER_SENDER);
        lastExported = PEER_GENESIS;
    }

    // What happens on the source.

    /// The source exports the next round's checkpoint to this chain; returns its index in the outbox.
    function sourceExports() internal returns (uint256 index) {
        (Checkpoint memory checkpoint, bytes32[] memory parents) = sourceCheckpoint(++exportedRound);
        index = sourceSends(Checkpoints.encodePayload(checkpoint, parents, lastExported));
        lastExported = Checkpoints.id(checkpoint);
    }

    function sourceCheckpoint(uint64 round)
        internal
        pure
        returns (Checkpoint memory checkpoint, bytes32[] memory parents)
    {
        parents = new bytes32[](2);
        parents[0] = keccak256(abi.encode("predecessor", round));
        parents[1] = keccak256(abi.encode("import", round));
        checkpoint = Checkpoint({
            federation: PEER_FEDERATION,
            task: PEER_TASK,
            round: round,
            modelRoot: keccak256(abi.encode("model", round)),
            modelBytes: 123_456,
            manifestHash: keccak256("manifest"),
            parentsHash: Checkpoints.hashParents(parents),
            samples: 1797,
            metricsHash: keccak256(abi.encode("metrics", round)),
            trainingRoot: keccak256(abi.encode("training", round)),
            datasetRoot: keccak256("data"),
            locatorHash: keccak256(abi.encode("locator", round))
        });
    }

    function sourceSends(bytes memory payload) internal returns (uint256 index) {
        return sourceSends(payload, Domains.endpoint(address(registry)), 0);
    }

    function sourceSends(bytes memory payload, bytes32 receiver, uint64 expiresAt) internal returns (uint256 index) {
        Packet memory packet = Packet({
            version: 1,
            kind: 1,
            sourceDomain: SOURCE,
            destDomain: outbox.domain(),
            nonce: sentHere++,
            sender: PEER_SENDER,
            receiver: receiver,
            expiresAt: expiresAt,
            payloadHash: keccak256(payload)
        });
        return sourceSends(packet, payload);
    }

    function sourceSends(Packet memory packet, bytes memory payload) internal returns (uint256 index) {
        index = leaves.length;
        sentPackets[index] = packet;
        sentPayloads[index] = payload;
        leaves.push(Packets.id(packet));
    }

    /// Packets for other destinations.
    function sourceSendsElsewhere(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            leaves.push(keccak256(abi.encode("elsewhere", leaves.length)));
        }
    }

    // What relayers carry.

    /// The source's present state at this height.
    function statementAt(uint64 height) internal view returns (FinalityStatement memory) {
        return FinalityStatement({
            epoch: 1,
            height: height,
            blockHash: keccak256(abi.encode("block", height)),
            stateRoot: keccak256(abi.encode("state", height)),
            outboxSize: uint64(leaves.length),
            outboxRoot: LogTwin.root(leaves),
            timestamp: uint64(block.timestamp),
            nextCommittee: 0
        });
    }

    /// An honest update from what the client knows, signed by three of four.
    function honest(uint64 height) internal view returns (Evidence memory proof) {
        (TrustState memory known,,) = lightClient.clientState(SOURCE);
        proof = evidence(SOURCE, keys, 3, statementAt(height));
        proof.consistency = LogTwin.consistency(leaves, known.outboxSize);
    }

    /// Makes the client know the source's present outbox.
    function finalise(uint64 height) internal {
        lightClient.update(SOURCE, pack(honest(height)));
    }

    function proven(uint256 index) internal view returns (PacketProof memory delivery) {
        delivery.packet = sentPackets[index];
        delivery.payload = sentPayloads[index];
        delivery.leafIndex = uint64(index);
        delivery.proof = LogTwin.inclusion(leaves, index);
    }

    function batch(PacketProof memory only) internal pure returns (PacketProof[] memory list) {
        list = new PacketProof[](1);
        list[0] = only;
    }

    function deliver(PacketProof memory only) internal {
        inbox.deliver(SOURCE, "", uint64(leaves.length), batch(only));
    }

    function nextNonce() internal view returns (uint64 nonce) {
        (nonce,) = inbox.linkState(SOURCE);
    }

    /// What the client believes, as one hash: unchanged belief is unchanged state.
    function belief() internal view returns (bytes32) {
        (TrustState memory state, uint16 generation, bool frozen) = lightClient.clientState(SOURCE);
        return keccak256(abi.encode(state, generation, frozen));
    }

    function committeeHash(uint64 epoch, uint256[] memory members) internal pure returns (bytes32) {
        return Committees.hash(epoch, addresses(members));
    }
}
