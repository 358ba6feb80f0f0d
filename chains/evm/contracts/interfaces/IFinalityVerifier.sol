// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What a destination believes about a source; owned by the host. `authority` commits to whoever may convince it in
/// `epoch` (CMT1: the committee's hash). `smallCommittee` was set when the client was created; no proof can set it.
struct TrustState {
    uint64 epoch;
    uint64 height;
    uint64 timestamp;
    uint64 outboxSize;
    bytes32 outboxRoot;
    bytes32 authority;
    bool smallCommittee;
}

/// What a proof established about the source beyond the new state, which has its height, outbox and timestamp: for
/// schemes that prove something under a finalised block. Bit i of `dissent`: scheme i of a composed one, which runs in
/// shadow, did not agree; zero for every scheme that is not composed.
struct Finalised {
    bytes32 blockHash;
    bytes32 stateRoot;
    uint32 dissent;
}

/// The host's side of a check: its own time in seconds and how far ahead of it a source may be.
struct Limits {
    uint256 time;
    uint256 maxDrift;
}

/// The plug-in point: how a destination is convinced that something is final on a source (docs/protocol.md section 8).
///
/// A verifier is stateless. Its host owns the `TrustState` and does replay, freshness, freeze and dispatch, so that a
/// scheme cannot forget them. Success is by returning; every failure is `Refused`. Genesis and proof are bytes, at most
/// 65,536 of them, the same on every chain; the scheme documents their encoding, and no host looks inside.
interface IFinalityVerifier {
    /// Four bytes that name the scheme on every chain.
    function scheme() external pure returns (bytes4);

    /// The first state of a client; refuses an empty, zero or malformed genesis.
    function initialise(bytes calldata genesis) external view returns (TrustState memory state);

    /// The state after a proof and what it established. The statement that was accepted last returns `state` itself.
    function verify(bytes32 sourceDomain, TrustState calldata state, bytes calldata proof, Limits calldata limits)
        external
        view
        returns (TrustState memory next, Finalised memory finalised);

    /// The epoch that a proof speaks for.
    function epochOf(bytes calldata proof) external view returns (uint64);

    /// The signers who stand behind both halves of a contradiction in `state.epoch`; `NotMisbehaviour` when there is
    /// none. Both halves must verify on their own.
    function checkMisbehaviour(
        bytes32 sourceDomain,
        TrustState calldata state,
        bytes calldata first,
        bytes calldata second
    ) external view returns (address[] memory signers);
}
