// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Inbox} from "../Inbox.sol";
import {Fate} from "../libraries/Acknowledgements.sol";
import {LightClient} from "../LightClient.sol";
import {Outbox} from "../Outbox.sol";
import {Code, Refused} from "../types/Code.sol";

/// An inbox that goes on where another one of the chain ended: every nonce that the predecessor consumed is consumed.
///
/// A source from which the predecessor took packets is halted here until it is halted there, so that no nonce is open in
/// two places. What a peer had acknowledged stays known. What had failed in the predecessor is retried there before it is
/// halted, or not at all.
contract SuccessorInbox is Inbox {
    Inbox public immutable predecessor;

    constructor(address authority, LightClient client, Outbox outbox_, Inbox predecessor_)
        Inbox(authority, client, outbox_)
    {
        require(predecessor_.domain() == domain, Refused(Code.WrongDomain));
        predecessor = predecessor_;
    }

    /// That a packet was applied is the last word about it, whichever of the two was told.
    function acknowledgementOf(bytes32 destination, bytes32 packetId)
        public
        view
        override
        returns (bool known, Fate fate, bytes32 carrier)
    {
        (known, fate, carrier) = super.acknowledgementOf(destination, packetId);
        (bool before, Fate first, bytes32 firstCarrier) = predecessor.acknowledgementOf(destination, packetId);
        if (before && (!known || first == Fate.Applied)) return (true, first, firstCarrier);
    }

    function _link(bytes32 source) internal view override returns (Link memory link) {
        link = super._link(source);
        // After the first packet here it is not zero.
        if (link.nextNonce != 0) return link;
        (uint64 next, bool halted) = predecessor.linkState(source);
        link.nextNonce = next;
        if (next != 0 && !halted) link.halted = true;
    }
}
