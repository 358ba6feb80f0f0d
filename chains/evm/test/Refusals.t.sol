// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Acknowledgements, PacketFate} from "../contracts/libraries/Acknowledgements.sol";
import {Committees} from "../contracts/schemes/cmt1/CommitteeProof.sol";
import {CommitteeVerifier} from "../contracts/schemes/cmt1/CommitteeVerifier.sol";
import {Code, Refused} from "../contracts/types/Code.sol";
import {Test} from "./support/Test.sol";

/// Checks that only a mutant showed to be unwatched (tests/attacks/mutate.py): what reaches them is refused elsewhere as
/// well, with another code or by a panic.
contract RefusalsTest is Test {
    function decodeAcknowledgement(bytes calldata payload) external pure returns (bytes32 carrier, uint256 count) {
        PacketFate[] calldata fates;
        (carrier, fates) = Acknowledgements.decode(payload);
        count = fates.length;
    }

    function requireCommittee(address[] memory list, bool small) external pure {
        Committees.requireCommittee(list, small);
    }

    function test_decode_refusesMalformed_acknowledgementWithAnotherOffset() public {
        bytes memory payload = abi.encode(bytes32("carrier"), uint256(0x60), uint256(0));
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.Malformed));
        this.decodeAcknowledgement(payload);
    }

    function test_decode_refusesMalformed_acknowledgementWhoseCountOverflows() public {
        bytes memory payload = abi.encode(bytes32("carrier"), uint256(0x40), uint256(1) << 250);
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.Malformed));
        this.decodeAcknowledgement(payload);
    }

    function test_epochOf_refusesOversize_signaturesOfMoreThan64() public {
        CommitteeVerifier verifier = new CommitteeVerifier();
        bytes memory proof = new bytes(174);
        // Behind the statement and the bitmap: n, k, two bytes of length, m, c.
        proof[169] = bytes1(uint8(64));
        vm.assertEq(uint256(verifier.epochOf(proof)), 0, "64 are decoded");
        proof[169] = bytes1(uint8(65));
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.Oversize));
        verifier.epochOf(proof);
    }

    function test_requireCommittee_refusesCommitteeInvalid_moreThan64() public {
        address[] memory list = new address[](65);
        for (uint256 i = 0; i < list.length; ++i) {
            list[i] = address(uint160(i + 1));
        }
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.CommitteeInvalid));
        this.requireCommittee(list, false);
    }
}
