// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Finalised, IFinalityVerifier, Limits, TrustState} from "../../interfaces/IFinalityVerifier.sol";
import {Code, Refused} from "../../types/Code.sol";
import {StateProof} from "./StateProof.sol";

/// ESP1: another scheme finalises a header, the chain's own state says what its outbox is (docs/protocol.md section 8).
///
/// The inner scheme (CMT1) is believed about the header only. Under the header's state root the outbox's account and its
/// commitment slot are proven (EIP-1186), and the commitment must be that of the outbox which the inner scheme announced.
/// A quorum that signs an outbox which its chain does not have is refused; it would have to invent a state root as well,
/// and with it a header that no node of that chain has.
///
/// A genesis is `outbox 20 ‖ the inner genesis`. A proof is
///
/// | bytes | field |
/// |---|---|
/// | 20, 32 | outbox, the inner scheme's authority |
/// | 2, n | length of the inner proof, the inner proof |
/// | 1, (2, l)* | number of nodes from the state root to the account, each node behind its length |
/// | 1, (2, l)* | the same from the account's storage root to the commitment |
///
/// The client's authority is keccak256(abi.encode(inner authority, outbox)): the outbox is trusted from the genesis on,
/// and no proof changes it. Stateless; anyone may call it, and nothing it returns has an effect but through a host.
/// Twins: `poft/verification/schemes/esp1.py`, `primitives/src/esp1.rs`.
contract StateProofVerifier is IFinalityVerifier {
    /// Slot of an outbox's commitment (`Outbox.sol`), ERC-7201.
    bytes32 public constant COMMITMENT_SLOT =
        keccak256(abi.encode(uint256(keccak256("poft.storage.OutboxCommitment")) - 1)) & ~bytes32(uint256(0xff));

    uint256 private constant ADDRESS = 20;
    uint256 private constant HEAD = 54;

    /// Who finalises headers.
    IFinalityVerifier public immutable inner;

    constructor(IFinalityVerifier inner_) {
        require(address(inner_).code.length != 0, Refused(Code.UnknownScheme));
        inner = inner_;
    }

    function scheme() external pure returns (bytes4) {
        return "ESP1";
    }

    function initialise(bytes calldata genesis) external view returns (TrustState memory state) {
        require(genesis.length >= ADDRESS, Refused(Code.Malformed));
        address outbox = address(bytes20(genesis));
        require(outbox != address(0), Refused(Code.ZeroValue));
        state = inner.initialise(genesis[ADDRESS:]);
        state.authority = _authority(state.authority, outbox);
    }

    function verify(bytes32 sourceDomain, TrustState memory state, bytes calldata encoded, Limits calldata limits)
        external
        view
        returns (TrustState memory next, Finalised memory finalised)
    {
        (address outbox, bytes calldata innerProof, bytes calldata stateProof) = _open(encoded);
        _enter(state, encoded);
        (next, finalised) = inner.verify(sourceDomain, state, innerProof, limits);
        // The chain's own state says the same.
        bytes32 word = StateProof.provenSlot(finalised.stateRoot, outbox, COMMITMENT_SLOT, stateProof);
        bytes32 commitment = keccak256(abi.encode(next.outboxSize, next.outboxRoot));
        require(word == commitment, Refused(Code.CommitmentMismatch));
        next.authority = _authority(next.authority, outbox);
    }

    function epochOf(bytes calldata encoded) external view returns (uint64) {
        (, bytes calldata innerProof,) = _open(encoded);
        return inner.epochOf(innerProof);
    }

    /// State proofs are not looked at: a header that was made up has none.
    function checkMisbehaviour(
        bytes32 sourceDomain,
        TrustState memory state,
        bytes calldata first,
        bytes calldata second
    ) external view returns (address[] memory signers) {
        bytes32 authority = state.authority;
        (, bytes calldata a,) = _open(first);
        _enter(state, first);
        (, bytes calldata b,) = _open(second);
        state.authority = authority;
        _enter(state, second);
        return inner.checkMisbehaviour(sourceDomain, state, a, b);
    }

    /// Sizes are checked here, and every byte belongs to a field; nothing is hashed.
    function _open(bytes calldata encoded)
        private
        pure
        returns (address outbox, bytes calldata innerProof, bytes calldata stateProof)
    {
        require(encoded.length >= HEAD, Refused(Code.Malformed));
        outbox = address(bytes20(encoded));
        uint256 end = HEAD + uint16(bytes2(encoded[HEAD - 2:]));
        require(encoded.length >= end, Refused(Code.Malformed));
        innerProof = encoded[HEAD:end];
        stateProof = encoded[end:];
        StateProof.requireSizes(stateProof);
    }

    /// Turns the client's state into the one that the inner scheme knows.
    function _enter(TrustState memory state, bytes calldata encoded) private pure {
        bytes32 innerAuthority = bytes32(encoded[ADDRESS:]);
        bytes32 authority = _authority(innerAuthority, address(bytes20(encoded)));
        require(authority == state.authority, Refused(Code.CommitteeMismatch));
        state.authority = innerAuthority;
    }

    /// Who may convince, and about which outbox.
    function _authority(bytes32 innerAuthority, address outbox) private pure returns (bytes32) {
        return keccak256(abi.encode(innerAuthority, outbox));
    }
}
