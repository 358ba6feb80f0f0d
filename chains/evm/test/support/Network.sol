// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Authority} from "../../contracts/Authority.sol";
import {CheckpointRegistry} from "../../contracts/CheckpointRegistry.sol";
import {Federation} from "../../contracts/Federation.sol";
import {Inbox} from "../../contracts/Inbox.sol";
import {LightClient} from "../../contracts/LightClient.sol";
import {Outbox} from "../../contracts/Outbox.sol";
import {CommitteeVerifier} from "../../contracts/schemes/cmt1/CommitteeVerifier.sol";
import {Committees, FinalityStatement} from "../../contracts/schemes/cmt1/CommitteeProof.sol";
import {Code, Refused} from "../../contracts/types/Code.sol";
import {Test} from "./Test.sol";

/// A CMT1 proof before it is packed; tests break one field of an honest one.
struct Evidence {
    FinalityStatement statement;
    address[] members;
    uint64 bitmap;
    bytes[] signatures;
    address[] nextMembers;
    bytes32[] consistency;
}

/// Keys, and CMT1 proofs and geneses.
abstract contract Packing is Test {
    /// `count` private keys, ascending by their addresses.
    function sortedKeys(string memory label, uint256 count) internal pure returns (uint256[] memory keys) {
        keys = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 key = uint256(keccak256(abi.encode(label, i)));
            uint256 position = i;
            for (; position != 0 && vm.addr(keys[position - 1]) > vm.addr(key); --position) {
                keys[position] = keys[position - 1];
            }
            keys[position] = key;
        }
    }

    function addresses(uint256[] memory keys) internal pure returns (address[] memory list) {
        list = new address[](keys.length);
        for (uint256 i = 0; i < keys.length; ++i) {
            list[i] = vm.addr(keys[i]);
        }
    }

    function signDigest(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// Signed by the first `count` members.
    function evidence(bytes32 source, uint256[] memory keys, uint256 count, FinalityStatement memory statement)
        internal
        pure
        returns (Evidence memory proof)
    {
        proof.statement = statement;
        proof.members = addresses(keys);
        proof.bitmap = uint64((1 << count) - 1);
        proof.signatures = new bytes[](count);
        bytes32 digest = Committees.digest(statement, source);
        for (uint256 i = 0; i < count; ++i) {
            proof.signatures[i] = signDigest(keys[i], digest);
        }
    }

    function packGenesis(uint64 epoch, address[] memory members, bool small) internal pure returns (bytes memory) {
        return bytes.concat(abi.encodePacked(epoch, small, uint8(members.length)), _packed(members));
    }

    function pack(Evidence memory proof) internal pure returns (bytes memory) {
        FinalityStatement memory said = proof.statement;
        bytes memory signatures;
        for (uint256 i = 0; i < proof.signatures.length; ++i) {
            signatures = bytes.concat(signatures, proof.signatures[i]);
        }
        bytes memory head = abi.encodePacked(
            said.epoch,
            said.height,
            said.blockHash,
            said.stateRoot,
            said.outboxSize,
            said.outboxRoot,
            said.timestamp,
            said.nextCommittee
        );
        bytes memory counts = abi.encodePacked(
            proof.bitmap,
            uint8(proof.members.length),
            uint8(proof.signatures.length),
            uint16(signatures.length),
            uint8(proof.nextMembers.length),
            uint8(proof.consistency.length)
        );
        return bytes.concat(
            head,
            counts,
            _packed(proof.members),
            signatures,
            _packed(proof.nextMembers),
            abi.encodePacked(proof.consistency)
        );
    }

    function _packed(address[] memory list) private pure returns (bytes memory packed) {
        for (uint256 i = 0; i < list.length; ++i) {
            packed = bytes.concat(packed, bytes20(list[i]));
        }
    }
}

/// One chain with everything deployed as the README says, and keys whose order is that of their addresses.
abstract contract Network is Packing {
    bytes32 internal constant GENESIS_HASH = keccak256("genesis of this chain");
    bytes32 internal constant SOURCE = keccak256("domain of a source");
    address internal constant STRANGER = address(0x5712A6E2);

    Authority internal authority;
    Outbox internal outbox;
    CommitteeVerifier internal verifier;
    LightClient internal lightClient;
    Inbox internal inbox;
    CheckpointRegistry internal registry;
    Federation internal federation;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        vm.roll(1000);
        authority = new Authority(address(this));
        outbox = new Outbox(address(authority), GENESIS_HASH);
        verifier = new CommitteeVerifier();
        lightClient = new LightClient(address(authority), outbox);
        inbox = new Inbox(address(authority), lightClient, outbox);
        registry = new CheckpointRegistry(address(authority), outbox, inbox);
        federation = new Federation(address(authority), registry, "north");
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = Outbox.send.selector;
        authority.setTargetFunctionRole(address(outbox), selectors, authority.SENDER());
        authority.grantRole(authority.SENDER(), address(registry), 0);
        authority.grantRole(authority.SENDER(), address(inbox), 0);
        selectors = new bytes4[](2);
        selectors[0] = CheckpointRegistry.declareTask.selector;
        selectors[1] = CheckpointRegistry.exportCheckpoint.selector;
        authority.setTargetFunctionRole(address(registry), selectors, authority.EXPORTER());
        authority.grantRole(authority.EXPORTER(), address(federation), 0);
    }

    function expectRefused(Code code) internal {
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, code));
    }
}
