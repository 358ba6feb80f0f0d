// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {MerkleLog} from "../libraries/MerkleLog.sol";
import {Outbox} from "../Outbox.sol";
import {Code, Refused} from "../types/Code.sol";

/// An outbox that goes on where another one of the chain ended: the same log, the same nonces, other code.
///
/// It takes the predecessor's log over by the roots of its perfect subtrees, which together have the predecessor's root,
/// so whoever deploys it is not trusted. The predecessor must be closed (`AccessManager.setTargetClosed`), and stay so:
/// a packet that it appended later would be in neither log's continuation of the other. Who had proven a packet of the
/// predecessor proves it here; light clients that read the state itself have to be told of the new address.
contract SuccessorOutbox is Outbox {
    using MerkleLog for MerkleLog.Frontier;

    Outbox public immutable predecessor;

    /// Something could still be appended to the predecessor.
    error PredecessorOpen();

    constructor(address authority, bytes32 genesisHash, Outbox predecessor_, bytes32[] memory peaks)
        Outbox(authority, genesisHash)
    {
        require(predecessor_.domain() == domain, Refused(Code.WrongDomain));
        require(
            predecessor_.authority() == authority && AccessManager(authority).isTargetClosed(address(predecessor_)),
            PredecessorOpen()
        );
        (uint64 size, bytes32 root,) = predecessor_.state();
        require(_log.restore(size, peaks) == root, Refused(Code.RootMismatch));
        predecessor = predecessor_;
        _commit(size, root);
    }

    /// What was sent here, or else what the predecessor has come to: after the first packet a nonce is not zero.
    function nextNonce(bytes32 destDomain) public view override returns (uint64 nonce) {
        nonce = super.nextNonce(destDomain);
        if (nonce == 0) nonce = predecessor.nextNonce(destDomain);
    }
}
