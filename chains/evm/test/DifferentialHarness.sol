// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Inbox, PacketProof} from "../contracts/Inbox.sol";
import {Finalised, IFinalityVerifier, Limits, TrustState} from "../contracts/interfaces/IFinalityVerifier.sol";
import {IPacketReceiver} from "../contracts/interfaces/IPacketReceiver.sol";
import {Checkpoint, Checkpoints} from "../contracts/libraries/Checkpoints.sol";
import {MerkleLog} from "../contracts/libraries/MerkleLog.sol";
import {Packet} from "../contracts/libraries/Packets.sol";
import {Signatures} from "../contracts/libraries/Signatures.sol";
import {Membership, Statements, Update, Verdict, Vote} from "../contracts/libraries/Statements.sol";
import {LightClient} from "../contracts/LightClient.sol";
import {Outbox} from "../contracts/Outbox.sol";
import {AgreementVerifier} from "../contracts/schemes/and1/AgreementVerifier.sol";
import {BeefyVerifier} from "../contracts/schemes/bef1/BeefyVerifier.sol";
import {CommitteeVerifier} from "../contracts/schemes/cmt1/CommitteeVerifier.sol";
import {StateProof} from "../contracts/schemes/esp1/StateProof.sol";
import {StateProofVerifier} from "../contracts/schemes/esp1/StateProofVerifier.sol";
import {Code, Refused} from "../contracts/types/Code.sol";
import {Renamed} from "./support/Composed.sol";

/// The light client of a case: whatever outbox the case says is final.
contract StatedClient {
    bytes32 public immutable domain;
    uint64 private _size;
    bytes32 private _root;

    constructor(bytes32 domain_) {
        domain = domain_;
    }

    function state(uint64 size, bytes32 root) external {
        (_size, _root) = (size, root);
    }

    function finalisedRoot(bytes32, uint64 size) external view returns (bytes32) {
        require(size == _size, Refused(Code.UnknownOutbox));
        return _root;
    }

    function requireActive(bytes32) external pure {}

    function generationOf(bytes32) external pure returns (uint16) {
        return 0;
    }
}

/// An inbox in the middle of its life.
contract StatedInbox is Inbox {
    uint256 private constant LINKS_SLOT = 1;

    constructor(StatedClient client) Inbox(address(this), LightClient(address(client)), Outbox(address(client))) {}

    function state(bytes32 source, uint64 nextNonce) external {
        bytes32 slot = keccak256(abi.encode(source, LINKS_SLOT));
        assembly ("memory-safe") {
            sstore(slot, nextNonce)
        }
        (uint64 stated,) = this.linkState(source);
        require(stated == nextNonce, "storage layout");
    }
}

/// The verification libraries behind external functions, for `tests/differential`. `run` answers many cases in one
/// eth_call, each in a call of its own, so that a refusal ends its case only.
contract DifferentialHarness is CommitteeVerifier, IPacketReceiver {
    /// More than any case needs.
    uint256 private constant CASE_GAS = 30_000_000;

    bytes32 public constant DOMAIN = keccak256("poft/differential/destination");

    StatedClient private immutable _client;
    StatedInbox private immutable _inbox;
    StateProofVerifier private immutable _stateProofs;
    AgreementVerifier private immutable _agreement;
    BeefyVerifier private immutable _beefy;
    bool private _dispatched;

    constructor() {
        _client = new StatedClient(DOMAIN);
        _inbox = new StatedInbox(_client);
        _stateProofs = new StateProofVerifier(new CommitteeVerifier());
        IFinalityVerifier[] memory schemes = new IFinalityVerifier[](4);
        schemes[0] = new CommitteeVerifier();
        bytes4[3] memory names = [bytes4("CMT2"), "CMT3", "CMT4"];
        for (uint256 i = 0; i < names.length; ++i) {
            schemes[i + 1] = IFinalityVerifier(address(new Renamed(names[i], schemes[0])));
        }
        _agreement = new AgreementVerifier(schemes);
        _beefy = new BeefyVerifier();
    }

    /// For each call 1 and what it returned, or 0 and what it reverted with.
    function run(bytes[] calldata calls) external returns (bytes[] memory answers) {
        answers = new bytes[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool success, bytes memory answer) = address(this).call{gas: CASE_GAS}(calls[i]);
            answers[i] = bytes.concat(success ? bytes1(0x01) : bytes1(0x00), answer);
        }
    }

    function height() external view returns (uint256) {
        return block.number;
    }

    function inclusion(bytes32 leaf, uint64 index, uint64 size, bytes32 root, bytes32[] calldata proof) external pure {
        MerkleLog.verifyInclusion(leaf, index, size, proof, root);
    }

    function consistency(uint64 fromSize, bytes32 fromRoot, uint64 toSize, bytes32 toRoot, bytes32[] calldata proof)
        external
        pure
    {
        MerkleLog.verifyConsistency(fromSize, fromRoot, toSize, toRoot, proof);
    }

    /// Decoded and hashed as the registry does it; the plain encoder is the twin of the registry's hashes in place.
    function payload(bytes calldata data) external pure returns (bytes32 id, bytes32 previous) {
        Checkpoint memory checkpoint;
        bytes32[] memory parents;
        (checkpoint, parents, previous) = Checkpoints.decodePayload(data);
        (bytes32 checkpointId, bytes32 parentsHash, bytes memory copy) = Checkpoints.fingerprint(data);
        id = Checkpoints.id(checkpoint);
        require(id == checkpointId && Checkpoints.hashParents(parents) == parentsHash, "fingerprint");
        require(keccak256(copy) == keccak256(data), "copy");
        require(parentsHash == checkpoint.parentsHash, Refused(Code.ParentsMismatch));
    }

    function membership(bytes32 domain, Membership calldata said, bytes calldata signature)
        external
        pure
        returns (bytes32 digest)
    {
        digest = Statements.digest(said, Statements.separator(domain));
        Signatures.requireSigner(digest, signature, said.participant);
    }

    function update(bytes32 domain, Update calldata said, bytes calldata signature)
        external
        pure
        returns (bytes32 digest)
    {
        digest = Statements.digest(said, Statements.separator(domain));
        Signatures.requireSigner(digest, signature, said.trainer);
    }

    function verdict(bytes32 domain, Verdict calldata said, bytes calldata signature)
        external
        pure
        returns (bytes32 digest)
    {
        digest = Statements.digest(said, Statements.separator(domain));
        Signatures.requireSigner(digest, signature, said.verifier);
    }

    function vote(bytes32 domain, Vote calldata said, bytes calldata signature) external pure returns (bytes32 digest) {
        digest = Statements.digest(said, Statements.separator(domain));
        Signatures.requireSigner(digest, signature, said.participant);
    }

    function slot(bytes32 stateRoot, address account, bytes32 position, bytes calldata proof)
        external
        pure
        returns (bytes32)
    {
        StateProof.requireSizes(proof);
        return StateProof.provenSlot(stateRoot, account, position, proof);
    }

    /// ESP1 over CMT1.
    function outbox(bytes32 source, TrustState calldata state, bytes calldata proof, Limits calldata limits)
        external
        view
        returns (TrustState memory next, Finalised memory finalised)
    {
        return _stateProofs.verify(source, state, proof, limits);
    }

    /// AND1 over CMT1 under four names.
    function agreement(bytes32 source, TrustState calldata state, bytes calldata proof, Limits calldata limits)
        external
        view
        returns (TrustState memory next, Finalised memory finalised)
    {
        return _agreement.verify(source, state, proof, limits);
    }

    function accusation(bytes32 source, TrustState calldata state, bytes calldata first, bytes calldata second)
        external
        view
        returns (address[] memory signers)
    {
        return _agreement.checkMisbehaviour(source, state, first, second);
    }

    /// BEF1.
    function commitment(bytes32 source, TrustState calldata state, bytes calldata proof, Limits calldata limits)
        external
        view
        returns (TrustState memory next, Finalised memory finalised)
    {
        return _beefy.verify(source, state, proof, limits);
    }

    function contradiction(bytes32 source, TrustState calldata state, bytes calldata first, bytes calldata second)
        external
        view
        returns (address[] memory signers)
    {
        return _beefy.checkMisbehaviour(source, state, first, second);
    }

    /// One delivery to this contract; whether it arrived, and the nonce that is due afterwards.
    function deliver(
        bytes32 source,
        bytes32 sender,
        uint64 nextNonce,
        uint64 outboxSize,
        bytes32 outboxRoot,
        PacketProof[] calldata packets
    ) external returns (bool dispatched, uint64 nonceAfter) {
        _client.state(outboxSize, outboxRoot);
        _inbox.state(source, nextNonce);
        _inbox.acceptFrom(source, sender);
        _dispatched = false;
        _inbox.deliver(source, "", outboxSize, packets);
        (nonceAfter,) = _inbox.linkState(source);
        dispatched = _dispatched;
    }

    function onPacket(bytes32, Packet calldata, bytes calldata) external {
        require(msg.sender == address(_inbox), Refused(Code.Unauthorised));
        _dispatched = true;
    }
}
