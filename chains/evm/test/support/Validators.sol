// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Commitment} from "../../contracts/schemes/bef1/BeefyProof.sol";
import {Committees} from "../../contracts/schemes/cmt1/CommitteeProof.sol";
import {Packing} from "./Network.sol";

/// BEF1 geneses and proofs, signed by keys of the test.
abstract contract Validators is Packing {
    function packBeefyGenesis(uint64 epoch, address[] memory members, bytes32 nextCommittee, bool small)
        internal
        pure
        returns (bytes memory)
    {
        return bytes.concat(packGenesis(epoch, members, small), nextCommittee);
    }

    /// The 193 bytes that validators sign.
    function packCommitment(Commitment memory said) internal pure returns (bytes memory) {
        bytes memory payload = abi.encodePacked(
            said.blockHash,
            said.stateRoot,
            said.outboxSize,
            said.outboxRoot,
            said.domain,
            said.timestamp,
            said.nextCommittee
        );
        return
            bytes.concat(hex"04", "pf", hex"c102", payload, littleEndian(said.height, 4), littleEndian(said.setId, 8));
    }

    function littleEndian(uint256 value, uint256 size) internal pure returns (bytes memory data) {
        data = new bytes(size);
        for (uint256 i = 0; i < size; ++i) {
            data[i] = bytes1(uint8(value >> (8 * i)));
        }
    }

    /// Signed by the first `count` of `keys`, for a client that trusts `current` and then `next`.
    function packBeefyProof(
        Commitment memory said,
        bytes32 current,
        bytes32 next,
        uint256[] memory keys,
        uint256 count,
        bytes32[] memory nodes
    ) internal pure returns (bytes memory) {
        bytes memory commitment = packCommitment(said);
        bytes32 digest = keccak256(commitment);
        bytes memory signatures;
        bytes memory members;
        for (uint256 i = 0; i < keys.length; ++i) {
            if (i < count) signatures = bytes.concat(signatures, signDigest(keys[i], digest));
            members = bytes.concat(members, bytes20(vm.addr(keys[i])));
        }
        bytes memory counts = abi.encodePacked(
            uint64((uint256(1) << count) - 1),
            uint8(keys.length),
            uint8(count),
            uint16(signatures.length),
            uint8(nodes.length)
        );
        return bytes.concat(commitment, current, next, counts, members, signatures, abi.encodePacked(nodes));
    }

    /// The committee hash of keys in an epoch.
    function committeeOf(uint64 epoch, uint256[] memory keys) internal pure returns (bytes32) {
        return Committees.hash(epoch, addresses(keys));
    }
}
