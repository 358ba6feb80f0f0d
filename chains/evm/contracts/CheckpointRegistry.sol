// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Inbox} from "./Inbox.sol";
import {IPacketReceiver} from "./interfaces/IPacketReceiver.sol";
import {Checkpoint, Checkpoints} from "./libraries/Checkpoints.sol";
import {Packet, Packets} from "./libraries/Packets.sol";
import {Outbox} from "./Outbox.sol";
import {Code, Refused} from "./types/Code.sol";

/// Where checkpoints of a task go.
struct Route {
    bytes32 destDomain;
    bytes32 receiver;
}

/// The application behind the inbox: takes the checkpoints of peers in, and sends those of this chain out
/// (docs/federation.md). It is sender and receiver of checkpoint packets.
///
/// - `setPeer`, `setRoutes`: governance.
/// - `declareTask`, `exportCheckpoint`: the federation (role).
/// - `onPacket`: the inbox.
contract CheckpointRegistry is AccessManaged, IPacketReceiver {
    uint256 public constant MAX_ROUTES = 32;

    struct Peer {
        /// Counts from 1; zero = no such peer.
        uint64 number;
        uint64 lastRound;
        bytes32 genesisCheckpoint;
    }

    struct Import {
        uint64 acceptedAt;
        uint64 peer;
    }

    Outbox public immutable outbox;
    Inbox public immutable inbox;

    /// Peers that were ever named.
    uint64 public peerCount;
    mapping(bytes32 peerKey => Peer) private _peers;
    mapping(bytes32 checkpointId => Import) private _imports;
    mapping(bytes32 task => bytes32 checkpointId) private _genesis;
    mapping(bytes32 task => Route[]) private _routes;
    mapping(bytes32 task => mapping(bytes32 destDomain => bytes32 checkpointId)) private _lastExports;

    event PeerSet(
        bytes32 indexed source, bytes32 indexed federation, bytes32 indexed task, bytes32 genesis, bytes32 endpoint
    );
    event RoutesSet(bytes32 indexed task, Route[] routes);
    event CheckpointImported(
        bytes32 indexed checkpointId,
        bytes32 indexed source,
        bytes32 indexed task,
        Checkpoint checkpoint,
        bytes32[] parents,
        bytes32 previous
    );
    event CheckpointExported(
        bytes32 indexed checkpointId, bytes32 indexed destDomain, bytes32 packetId, bytes32 previous
    );

    constructor(address authority, Outbox outbox_, Inbox inbox_) AccessManaged(authority) {
        require(
            authority != address(0) && address(outbox_) != address(0) && address(inbox_) != address(0),
            Refused(Code.ZeroValue)
        );
        require(outbox_.domain() == inbox_.domain(), Refused(Code.WrongDomain));
        outbox = outbox_;
        inbox = inbox_;
    }

    /// Registers the task of a federation on another chain. `endpoint` is the one sender on that chain whose
    /// checkpoints are taken. Setting a peer again replaces the source's endpoint; its rounds go on, unless the genesis is
    /// another.
    function setPeer(
        bytes32 sourceDomain,
        bytes32 federation,
        bytes32 task,
        bytes32 genesisCheckpoint,
        bytes32 endpoint
    ) external restricted {
        require(
            sourceDomain != 0 && federation != 0 && task != 0 && genesisCheckpoint != 0 && endpoint != 0,
            Refused(Code.ZeroValue)
        );
        require(sourceDomain != outbox.domain(), Refused(Code.WrongDomain));
        Peer storage peer = _peers[_peerKey(sourceDomain, federation, task)];
        if (peer.number == 0) _enrol(peer, sourceDomain, federation, task);
        // Another genesis is a new beginning: no honest round follows a forged one of the highest number.
        if (peer.genesisCheckpoint != genesisCheckpoint) peer.lastRound = 0;
        peer.genesisCheckpoint = genesisCheckpoint;
        emit PeerSet(sourceDomain, federation, task, genesisCheckpoint, endpoint);
        inbox.acceptFrom(sourceDomain, endpoint);
    }

    /// Replaces the destinations of a task's exports.
    function setRoutes(bytes32 task, Route[] calldata routes) external restricted {
        require(task != 0, Refused(Code.ZeroValue));
        require(routes.length <= MAX_ROUTES, Refused(Code.Oversize));
        bytes32 own = outbox.domain();
        delete _routes[task];
        for (uint256 i = 0; i < routes.length; ++i) {
            require(routes[i].destDomain != 0 && routes[i].receiver != 0, Refused(Code.ZeroValue));
            require(routes[i].destDomain != own, Refused(Code.WrongDestination));
            _routes[task].push(routes[i]);
        }
        emit RoutesSet(task, routes);
    }

    /// Makes a task's genesis known: it is `previous` of the first export to every destination.
    function declareTask(bytes32 task, bytes32 genesisCheckpoint) external restricted {
        require(task != 0 && genesisCheckpoint != 0, Refused(Code.ZeroValue));
        require(genesisOf(task) == 0, Refused(Code.TaskExists));
        _genesis[task] = genesisCheckpoint;
    }

    /// Sends a final checkpoint of a declared task to every destination of the task.
    function exportCheckpoint(Checkpoint calldata checkpoint, bytes32[] calldata parents) external restricted {
        require(genesisOf(checkpoint.task) != 0, Refused(Code.UnknownTask));
        bytes32 checkpointId = Checkpoints.id(checkpoint);
        Route[] storage routes = _routes[checkpoint.task];
        for (uint256 i = 0; i < routes.length; ++i) {
            bytes32 previous = lastExport(checkpoint.task, routes[i].destDomain);
            _lastExports[checkpoint.task][routes[i].destDomain] = checkpointId;
            bytes32 packetId = _send(routes[i], Checkpoints.encodePayload(checkpoint, parents, previous));
            emit CheckpointExported(checkpointId, routes[i].destDomain, packetId, previous);
        }
    }

    function onPacket(bytes32, Packet calldata packet, bytes calldata payload) external {
        require(msg.sender == address(inbox), Refused(Code.Unauthorised));
        (Checkpoint calldata checkpoint,, bytes32 previous) = Checkpoints.decodePayload(payload);
        Peer storage peer = _peers[_peerKey(packet.sourceDomain, checkpoint.federation, checkpoint.task)];
        uint64 number = peer.number;
        require(number != 0, Refused(Code.UnknownPeer));
        require(
            checkpoint.modelRoot != 0 && checkpoint.modelBytes != 0 && checkpoint.manifestHash != 0,
            Refused(Code.ZeroValue)
        );
        (bytes32 checkpointId, bytes32 parentsHash, bytes memory copy) = Checkpoints.fingerprint(payload);
        require(parentsHash == checkpoint.parentsHash, Refused(Code.ParentsMismatch));
        // An import is accepted once: a running round may count it among its parents.
        require(checkpoint.round > peer.lastRound && acceptedAt(checkpointId) == 0, Refused(Code.RoundRegression));
        require(peerOf(previous) == number || previous == peer.genesisCheckpoint, Refused(Code.UnknownParent));
        peer.lastRound = checkpoint.round;
        _imports[checkpointId] = Import({acceptedAt: uint64(block.number), peer: number});
        _emitImported(checkpointId, packet.sourceDomain, checkpoint.task, copy);
    }

    /// Block at which an import was accepted, zero = no such import.
    function acceptedAt(bytes32 checkpointId) public view virtual returns (uint64) {
        return _imports[checkpointId].acceptedAt;
    }

    /// Number of the peer that an import came from, zero = no such import.
    function peerOf(bytes32 checkpointId) public view virtual returns (uint64) {
        return _imports[checkpointId].peer;
    }

    /// A declared task's genesis, zero = not declared.
    function genesisOf(bytes32 task) public view virtual returns (bytes32) {
        return _genesis[task];
    }

    /// Number of the peer (zero = none), its last accepted round and its declared genesis.
    function peerState(bytes32 sourceDomain, bytes32 federation, bytes32 task) external view returns (Peer memory) {
        return _peers[_peerKey(sourceDomain, federation, task)];
    }

    function routesOf(bytes32 task) external view returns (Route[] memory) {
        return _routes[task];
    }

    /// What the next export of the task to this destination will name as `previous`; zero = task not declared.
    function lastExport(bytes32 task, bytes32 destDomain) public view virtual returns (bytes32) {
        bytes32 last = _lastExports[task][destDomain];
        return last == 0 ? genesisOf(task) : last;
    }

    /// Gives a peer that was not named before its number.
    function _enrol(Peer storage peer, bytes32, bytes32, bytes32) internal virtual {
        peer.number = ++peerCount;
    }

    /// `emit CheckpointImported(...)`: the payload is the encoding of the event's unindexed fields.
    function _emitImported(bytes32 checkpointId, bytes32 source, bytes32 task, bytes memory payload) private {
        bytes32 topic = CheckpointImported.selector;
        assembly ("memory-safe") {
            log4(add(payload, 0x20), mload(payload), topic, checkpointId, source, task)
        }
    }

    function _send(Route storage route, bytes memory payload) private returns (bytes32 packetId) {
        return outbox.send(Packets.KIND_CHECKPOINT, route.destDomain, route.receiver, 0, payload);
    }

    function _peerKey(bytes32 sourceDomain, bytes32 federation, bytes32 task) private pure returns (bytes32) {
        return keccak256(abi.encode(sourceDomain, federation, task));
    }
}
