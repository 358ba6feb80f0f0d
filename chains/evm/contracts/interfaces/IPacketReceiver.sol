// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Packet} from "../libraries/Packets.sol";

/// An application behind the inbox.
interface IPacketReceiver {
    /// Called once for a verified packet whose payload matches. A revert leaves the packet consumed, with its failure
    /// stored and open to `Inbox.retry`. Implementations take calls from the inbox only.
    function onPacket(bytes32 packetId, Packet calldata packet, bytes calldata payload) external;
}
