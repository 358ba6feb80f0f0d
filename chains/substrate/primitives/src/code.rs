//! Refusals: one enumeration for the three languages; twins: `poft/protocol/errors.py`, `Code.sol`.
//!
//! Numbers are dense and append-only: a number that was once on a ledger keeps its meaning. The SCALE index of a
//! variant is its number.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Why something was refused. `Ok` is never raised: zero must not mean a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[repr(u8)]
#[allow(missing_docs)] // The names are the documentation; the rules that raise them stand in docs/.
pub enum Code {
    Ok = 0,
    // Any object
    Malformed = 1,
    Oversize = 2,
    ZeroValue = 3,
    Unauthorised = 4,
    Halted = 5,
    Frozen = 6,
    Uninitialised = 7,
    AlreadyInitialised = 8,
    WrongDomain = 9,
    // Merkle log
    IndexOutOfRange = 10,
    ProofLength = 11,
    RootMismatch = 12,
    InconsistentLog = 13,
    // Signatures
    BadSignature = 14,
    HighS = 15,
    NotSigner = 16,
    // Finality
    UnknownScheme = 17,
    CommitteeInvalid = 18,
    CommitteeMismatch = 19,
    BitmapMismatch = 20,
    QuorumNotReached = 21,
    WrongEpoch = 22,
    StaleHeight = 23,
    SizeRegression = 24,
    RootChanged = 25,
    TimestampRegression = 26,
    TimestampDrift = 27,
    BadHandover = 28,
    NotMisbehaviour = 29,
    StaleClient = 30,
    UnknownOutbox = 31,
    // Packets
    WrongVersion = 32,
    WrongKind = 33,
    WrongSource = 34,
    WrongDestination = 35,
    WrongReceiver = 36,
    WrongSender = 37,
    NonceReplayed = 38,
    NonceGap = 39,
    Expired = 40,
    PayloadMismatch = 41,
    NothingToRetry = 42,
    // Checkpoints
    UnknownPeer = 43,
    RoundRegression = 44,
    UnknownParent = 45,
    ParentsMismatch = 46,
    // Federation
    NotAdmitted = 47,
    NotRegistered = 48,
    StaleSequence = 49,
    UnknownTask = 50,
    TaskExists = 51,
    TaskComplete = 52,
    WrongPhase = 53,
    WrongRound = 54,
    WrongBase = 55,
    NotAssigned = 56,
    AlreadySubmitted = 57,
    DeadlineNotReached = 58,
    DeadlinePassed = 59,
    TooFewParticipants = 60,
    TooManyParticipants = 61,
    WrongPredecessor = 62,
    TrainingRootMismatch = 63,
    // Models and artifacts (off chain)
    ChunkMismatch = 64,
    ManifestMismatch = 65,
    ModelRootMismatch = 66,
    SizeMismatch = 67,
    NonFinite = 68,
    TiedTensors = 69,
    UnsupportedDtype = 70,
    DuplicateTensor = 71,
    // Evidence of a chain (off chain)
    NotFinal = 72,
    EvidenceDisagrees = 73,
    DevelopmentChain = 74,
    // Aggregation and audit (off chain)
    OutOfRange = 75,
    ReplayMismatch = 76,
    // State proofs and composed schemes
    BadStateProof = 77,
    CommitmentMismatch = 78,
    SchemesDisagree = 79,
}
