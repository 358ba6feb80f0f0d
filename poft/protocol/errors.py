"""Refusals: one enumeration for Python, Solidity (`Code.sol`) and Rust (`primitives/src/code.rs`).

Names and numbers are equal in the three languages (`tests/unit/test_codes.py` proves it), and a bad vector names
the code it expects. Numbers are dense and append-only: Solidity enums have no gaps, and a number that was once on a
ledger keeps its meaning.

The tree::

    PoftError                 everything this project raises on purpose; has `.code` where a code applies
    ├── Refused               evidence or a statement broke a rule; `.code` says which rule
    │   └── Reorganised       a chain took back a block that was released as final
    ├── ConfigError           a file, a flag or an environment that cannot work; the message names the remedy
    ├── ArtifactError         bytes are missing, or storage failed
    └── ChainError            a chain or a peer could not be asked, or did not do what was asked
        ├── Unreachable       transient: try again later
        └── Rejected          permanent: the chain refused a transaction; `.code` if the ledger named one
"""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Why something was refused. `Ok` is never raised: zero must not mean a reason."""

    Ok = 0
    # Any object
    Malformed = 1
    Oversize = 2
    ZeroValue = 3
    Unauthorised = 4
    Halted = 5
    Frozen = 6
    Uninitialised = 7
    AlreadyInitialised = 8
    WrongDomain = 9
    # Merkle log
    IndexOutOfRange = 10
    ProofLength = 11
    RootMismatch = 12
    InconsistentLog = 13
    # Signatures
    BadSignature = 14
    HighS = 15
    NotSigner = 16
    # Finality
    UnknownScheme = 17
    CommitteeInvalid = 18
    CommitteeMismatch = 19
    BitmapMismatch = 20
    QuorumNotReached = 21
    WrongEpoch = 22
    StaleHeight = 23
    SizeRegression = 24
    RootChanged = 25
    TimestampRegression = 26
    TimestampDrift = 27
    BadHandover = 28
    NotMisbehaviour = 29
    StaleClient = 30
    UnknownOutbox = 31
    # Packets
    WrongVersion = 32
    WrongKind = 33
    WrongSource = 34
    WrongDestination = 35
    WrongReceiver = 36
    WrongSender = 37
    NonceReplayed = 38
    NonceGap = 39
    Expired = 40
    PayloadMismatch = 41
    NothingToRetry = 42
    # Checkpoints
    UnknownPeer = 43
    RoundRegression = 44
    UnknownParent = 45
    ParentsMismatch = 46
    # Federation
    NotAdmitted = 47
    NotRegistered = 48
    StaleSequence = 49
    UnknownTask = 50
    TaskExists = 51
    TaskComplete = 52
    WrongPhase = 53
    WrongRound = 54
    WrongBase = 55
    NotAssigned = 56
    AlreadySubmitted = 57
    DeadlineNotReached = 58
    DeadlinePassed = 59
    TooFewParticipants = 60
    TooManyParticipants = 61
    WrongPredecessor = 62
    TrainingRootMismatch = 63
    # Models and artifacts (off chain)
    ChunkMismatch = 64
    ManifestMismatch = 65
    ModelRootMismatch = 66
    SizeMismatch = 67
    NonFinite = 68
    TiedTensors = 69
    UnsupportedDtype = 70
    DuplicateTensor = 71
    # Evidence of a chain (off chain)
    NotFinal = 72
    EvidenceDisagrees = 73
    DevelopmentChain = 74
    # Aggregation and audit (off chain)
    OutOfRange = 75
    ReplayMismatch = 76
    # State proofs and composed schemes
    BadStateProof = 77
    CommitmentMismatch = 78
    SchemesDisagree = 79


class PoftError(Exception):
    """Root of everything that this project raises on purpose."""


class Refused(PoftError):
    """A rule of the protocol was broken.

    `code` is the rule, `subject` the thing that broke it (a field, a tensor, a packet), `detail` a sentence.
    """

    def __init__(self, code: Code, subject: str = "", detail: str = "") -> None:
        self.code = code
        self.subject = subject
        self.detail = detail
        super().__init__(code, subject, detail)

    def __str__(self) -> str:
        head = f"{self.code.name} ({self.code.value})"
        return ": ".join(part for part in (head, self.subject, self.detail) if part)


class Reorganised(Refused):
    """A chain has another block where one was called final, and something was released for it: somebody has to look.

    Either the chain's finality setting promises more than the chain holds, or its validators broke their word.
    """

    def __init__(self, chain: str, height: int, released: bytes, found: bytes) -> None:
        self.chain, self.height = chain, height
        super().__init__(
            Code.EvidenceDisagrees,
            f"{chain} was reorganised below its finality",
            f"block {height} was 0x{released.hex()} when it was final, and is 0x{found.hex()}",
        )


class ConfigError(PoftError):
    """Something that the user set, or the machine lacks; `remedy` says what to do about it."""

    def __init__(self, message: str, remedy: str = "") -> None:
        self.remedy = remedy
        super().__init__(f"{message}. {remedy}" if remedy else message)


class ArtifactError(PoftError):
    """Bytes named by a digest are missing, or the store that should hold them failed."""


class ChainError(PoftError):
    """A chain or a peer could not be asked, or did not do what was asked."""


class Unreachable(ChainError):
    """Transient: the other side did not answer; asking again later may work."""


class Rejected(ChainError):
    """Permanent: the chain refused a transaction. `code` is the ledger's reason where it named one."""

    def __init__(self, message: str, code: Code | None = None) -> None:
        self.code = code
        super().__init__(f"{code.name} ({code.value}): {message}" if code is not None else message)
