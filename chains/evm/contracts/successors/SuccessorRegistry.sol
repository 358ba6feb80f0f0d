// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CheckpointRegistry} from "../CheckpointRegistry.sol";
import {Inbox} from "../Inbox.sol";
import {Outbox} from "../Outbox.sol";
import {Code, Refused} from "../types/Code.sol";

/// A registry that goes on where another one of the chain ended: what the predecessor accepted is accepted, and its
/// exports are the `previous` of the next.
///
/// Governance names peers and routes again, which says who may speak from now on; a peer that the predecessor knew keeps
/// its number, its last round and its genesis.
contract SuccessorRegistry is CheckpointRegistry {
    CheckpointRegistry public immutable predecessor;

    constructor(address authority, Outbox outbox_, Inbox inbox_, CheckpointRegistry predecessor_)
        CheckpointRegistry(authority, outbox_, inbox_)
    {
        require(predecessor_.outbox().domain() == outbox_.domain(), Refused(Code.WrongDomain));
        predecessor = predecessor_;
        peerCount = predecessor_.peerCount();
    }

    function acceptedAt(bytes32 checkpointId) public view override returns (uint64 accepted) {
        accepted = super.acceptedAt(checkpointId);
        if (accepted == 0) accepted = predecessor.acceptedAt(checkpointId);
    }

    function peerOf(bytes32 checkpointId) public view override returns (uint64 number) {
        number = super.peerOf(checkpointId);
        if (number == 0) number = predecessor.peerOf(checkpointId);
    }

    function genesisOf(bytes32 task) public view override returns (bytes32 genesis) {
        genesis = super.genesisOf(task);
        if (genesis == 0) genesis = predecessor.genesisOf(task);
    }

    function lastExport(bytes32 task, bytes32 destDomain) public view override returns (bytes32 last) {
        last = super.lastExport(task, destDomain);
        // Its own genesis says that it has exported nothing there yet.
        if (last == genesisOf(task)) {
            bytes32 before = predecessor.lastExport(task, destDomain);
            if (before != 0) last = before;
        }
    }

    function _enrol(Peer storage peer, bytes32 sourceDomain, bytes32 federation, bytes32 task) internal override {
        Peer memory old = predecessor.peerState(sourceDomain, federation, task);
        if (old.number == 0) {
            super._enrol(peer, sourceDomain, federation, task);
        } else {
            (peer.number, peer.lastRound, peer.genesisCheckpoint) = (old.number, old.lastRound, old.genesisCheckpoint);
        }
    }
}
