// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Why something was refused: names and numbers of `poft/protocol/errors.py`, append-only. `Ok` is never raised.
enum Code {
    Ok,
    // Any object
    Malformed,
    Oversize,
    ZeroValue,
    Unauthorised,
    Halted,
    Frozen,
    Uninitialised,
    AlreadyInitialised,
    WrongDomain,
    // Merkle log
    IndexOutOfRange,
    ProofLength,
    RootMismatch,
    InconsistentLog,
    // Signatures
    BadSignature,
    HighS,
    NotSigner,
    // Finality
    UnknownScheme,
    CommitteeInvalid,
    CommitteeMismatch,
    BitmapMismatch,
    QuorumNotReached,
    WrongEpoch,
    StaleHeight,
    SizeRegression,
    RootChanged,
    TimestampRegression,
    TimestampDrift,
    BadHandover,
    NotMisbehaviour,
    StaleClient,
    UnknownOutbox,
    // Packets
    WrongVersion,
    WrongKind,
    WrongSource,
    WrongDestination,
    WrongReceiver,
    WrongSender,
    NonceReplayed,
    NonceGap,
    Expired,
    PayloadMismatch,
    NothingToRetry,
    // Checkpoints
    UnknownPeer,
    RoundRegression,
    UnknownParent,
    ParentsMismatch,
    // Federation
    NotAdmitted,
    NotRegistered,
    StaleSequence,
    UnknownTask,
    TaskExists,
    TaskComplete,
    WrongPhase,
    WrongRound,
    WrongBase,
    NotAssigned,
    AlreadySubmitted,
    DeadlineNotReached,
    DeadlinePassed,
    TooFewParticipants,
    TooManyParticipants,
    WrongPredecessor,
    TrainingRootMismatch,
    // Models and artifacts (off chain)
    ChunkMismatch,
    ManifestMismatch,
    ModelRootMismatch,
    SizeMismatch,
    NonFinite,
    TiedTensors,
    UnsupportedDtype,
    DuplicateTensor,
    // Evidence of a chain (off chain)
    NotFinal,
    EvidenceDisagrees,
    DevelopmentChain,
    // Aggregation and audit (off chain)
    OutOfRange,
    ReplayMismatch,
    // State proofs and composed schemes
    BadStateProof,
    CommitmentMismatch,
    SchemesDisagree
}

/// A rule of the protocol was broken; `code` says which.
error Refused(Code code);
