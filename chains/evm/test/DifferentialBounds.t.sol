// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PacketProof} from "../contracts/Inbox.sol";
import {Domains} from "../contracts/libraries/Domains.sol";
import {MerkleLog} from "../contracts/libraries/MerkleLog.sol";
import {Packet} from "../contracts/libraries/Packets.sol";
import {Code, Refused} from "../contracts/types/Code.sol";
import {Link} from "./support/Link.sol";
import {CountingReceiver} from "./support/Receivers.sol";

contract LogFace {
    MerkleLog.Frontier private _log;

    function append(bytes32 data) external returns (uint64 size) {
        (size,) = MerkleLog.append(_log, data);
    }
}

/// Bounds that no vector reaches, because a ledger's state would have to be there first.
contract DifferentialBoundsTest is Link {
    uint256 private constant LINKS_SLOT = 1;

    /// The last nonce would leave none to expect.
    function test_deliver_refusesOversize_lastNonce() public {
        uint64 last = type(uint64).max;
        vm.store(address(inbox), keccak256(abi.encode(SOURCE, LINKS_SLOT)), bytes32(uint256(last - 1)));
        vm.assertEq(nextNonce(), last - 1, "storage layout");
        CountingReceiver receiver = new CountingReceiver(inbox, SOURCE, PEER_SENDER);
        sentHere = last - 1;
        sourceSends("the last but one", Domains.endpoint(address(receiver)), 0);
        Packet memory packet = sentPackets[0];
        packet.nonce = last;
        sourceSends(packet, "the last but one");
        finalise(10);
        deliver(proven(0));
        PacketProof memory delivery = proven(1);
        expectRefused(Code.Oversize);
        inbox.deliver(SOURCE, "", 2, batch(delivery));
        expectRefused(Code.Oversize);
        inbox.skip(SOURCE, last);
        vm.assertEq(nextNonce(), last, "nonce");
        vm.assertEq(receiver.count(), 1, "taken");
    }

    function test_append_refusesOversize_fullLog() public {
        LogFace face = new LogFace();
        vm.store(address(face), 0, bytes32(uint256(type(uint64).max - 1)));
        vm.assertEq(face.append("last"), type(uint64).max, "the last leaf");
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.Oversize));
        face.append("one more");
    }
}
