// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Inbox, PacketProof} from "../contracts/Inbox.sol";
import {Domains} from "../contracts/libraries/Domains.sol";
import {Packet} from "../contracts/libraries/Packets.sol";
import {LightClient} from "../contracts/LightClient.sol";
import {Outbox} from "../contracts/Outbox.sol";
import {Code} from "../contracts/types/Code.sol";
import {Link} from "./support/Link.sol";
import {CountingReceiver} from "./support/Receivers.sol";

/// Three domains: one outbox serves two destinations, which believe one finality statement and share nothing else.
contract DestinationsTest is Link {
    Outbox private _outboxThere;
    LightClient private _clientThere;
    Inbox private _there;
    CountingReceiver private _receiverHere;
    CountingReceiver private _receiverThere;
    uint64 private _sentThere;

    function setUp() public override {
        super.setUp();
        _outboxThere = new Outbox(address(authority), keccak256("genesis of another chain"));
        _clientThere = new LightClient(address(authority), _outboxThere);
        _there = new Inbox(address(authority), _clientThere, _outboxThere);
        _clientThere.create(SOURCE, verifier, packGenesis(1, addresses(keys), false), MAX_AGE, MAX_DRIFT);
        _receiverHere = new CountingReceiver(inbox, SOURCE, PEER_SENDER);
        _receiverThere = new CountingReceiver(_there, SOURCE, PEER_SENDER);
        _sourceSendsHere("first here");
        _sourceSendsThere("first there");
        _sourceSendsThere("second there");
        _sourceSendsHere("second here");
    }

    function test_deliver_takesOwnPackets_oneStatementForBothDestinations() public {
        bytes memory statement = pack(honest(10));
        inbox.deliver(SOURCE, statement, 4, _two(0, 3));
        _there.deliver(SOURCE, statement, 4, _two(1, 2));
        vm.assertEq(_receiverHere.count(), 2, "here");
        vm.assertEq(_receiverThere.count(), 2, "there");
        vm.assertEq(nextNonce(), 2, "nonces count per destination");
        (uint64 nonce,) = _there.linkState(SOURCE);
        vm.assertEq(nonce, 2, "and there");
    }

    function test_deliver_refusesWrongDestination_packetOfTheOther() public {
        bytes memory statement = pack(honest(10));
        _clientThere.update(SOURCE, statement);
        finalise(10);
        PacketProof[] memory here = batch(proven(0));
        PacketProof[] memory there = batch(proven(1));
        expectRefused(Code.WrongDestination);
        inbox.deliver(SOURCE, "", 4, there);
        expectRefused(Code.WrongDestination);
        _there.deliver(SOURCE, "", 4, here);
        // Its name changed, it is in no outbox.
        there[0].packet.destDomain = outbox.domain();
        there[0].packet.receiver = Domains.endpoint(address(_receiverHere));
        expectRefused(Code.RootMismatch);
        inbox.deliver(SOURCE, "", 4, there);
        vm.assertEq(_receiverHere.count() + _receiverThere.count(), 0, "nothing arrived");
    }

    function test_freeze_stopsOneDestination_theOtherGoesOn() public {
        bytes memory statement = pack(honest(10));
        lightClient.freeze(SOURCE);
        PacketProof[] memory here = _two(0, 3);
        expectRefused(Code.Frozen);
        inbox.deliver(SOURCE, statement, 4, here);
        _there.deliver(SOURCE, statement, 4, _two(1, 2));
        vm.assertEq(_receiverThere.count(), 2, "there");
    }

    function _sourceSendsHere(bytes memory payload) private {
        sourceSends(payload, Domains.endpoint(address(_receiverHere)), 0);
    }

    function _sourceSendsThere(bytes memory payload) private {
        sourceSends(
            Packet({
                version: 1,
                kind: 1,
                sourceDomain: SOURCE,
                destDomain: _outboxThere.domain(),
                nonce: _sentThere++,
                sender: PEER_SENDER,
                receiver: Domains.endpoint(address(_receiverThere)),
                expiresAt: 0,
                payloadHash: keccak256(payload)
            }),
            payload
        );
    }

    function _two(uint256 first, uint256 second) private view returns (PacketProof[] memory packets) {
        packets = new PacketProof[](2);
        packets[0] = proven(first);
        packets[1] = proven(second);
    }
}
