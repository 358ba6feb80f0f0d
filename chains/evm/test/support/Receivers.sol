// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Inbox, PacketProof} from "../../contracts/Inbox.sol";
import {IPacketReceiver} from "../../contracts/interfaces/IPacketReceiver.sol";
import {Packet} from "../../contracts/libraries/Packets.sol";

/// An application that takes what comes, or does what its subclass does.
contract CountingReceiver is IPacketReceiver {
    uint256 public count;

    constructor(Inbox inbox, bytes32 source, bytes32 sender) {
        inbox.acceptFrom(source, sender);
    }

    function onPacket(bytes32, Packet calldata, bytes calldata) external virtual {
        ++count;
    }
}

/// Keeps what it got.
contract ListingReceiver is IPacketReceiver {
    bytes32[] private _taken;

    constructor(Inbox inbox, bytes32 source, bytes32 sender) {
        inbox.acceptFrom(source, sender);
    }

    function onPacket(bytes32 packetId, Packet calldata, bytes calldata) external {
        _taken.push(packetId);
    }

    function taken() external view returns (bytes32[] memory) {
        return _taken;
    }
}

/// Keeps the hash of the call that it got.
contract RecordingReceiver is CountingReceiver {
    bytes32 public seen;

    constructor(Inbox inbox, bytes32 source, bytes32 sender) CountingReceiver(inbox, source, sender) {}

    function onPacket(bytes32, Packet calldata, bytes calldata) external override {
        seen = keccak256(msg.data);
    }
}

/// Fails until it is mended.
contract MendableReceiver is CountingReceiver {
    bool private _mended;

    error Broken(uint256 detail);

    constructor(Inbox inbox, bytes32 source, bytes32 sender) CountingReceiver(inbox, source, sender) {}

    function mend() external {
        _mended = true;
    }

    function onPacket(bytes32, Packet calldata, bytes calldata) external override {
        if (!_mended) revert Broken(7);
        ++count;
    }
}

/// Burns all the gas it gets.
contract BurningReceiver is CountingReceiver {
    constructor(Inbox inbox, bytes32 source, bytes32 sender) CountingReceiver(inbox, source, sender) {}

    function onPacket(bytes32, Packet calldata, bytes calldata) external override {
        while (true) ++count;
    }
}

/// Answers with as much return data as its gas buys.
contract BombingReceiver is CountingReceiver {
    constructor(Inbox inbox, bytes32 source, bytes32 sender) CountingReceiver(inbox, source, sender) {}

    function onPacket(bytes32, Packet calldata, bytes calldata) external pure override {
        assembly {
            revert(0, 200000)
        }
    }
}

/// Delivers the packet that it is being called with once more.
contract ReentrantReceiver is CountingReceiver {
    Inbox private immutable _inbox;
    bytes private _again;

    constructor(Inbox inbox, bytes32 source, bytes32 sender) CountingReceiver(inbox, source, sender) {
        _inbox = inbox;
    }

    function arm(bytes32 source, uint64 outboxSize, PacketProof[] calldata packets) external {
        _again = abi.encodeCall(Inbox.deliver, (source, "", outboxSize, packets));
    }

    function onPacket(bytes32, Packet calldata, bytes calldata) external override {
        ++count;
        (bool success, bytes memory reason) = address(_inbox).call(_again);
        if (!success) {
            assembly {
                revert(add(reason, 0x20), mload(reason))
            }
        }
    }
}
