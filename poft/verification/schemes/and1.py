"""AND1: several schemes that must agree on what is final; some of them in shadow (docs/protocol.md section 8).

Every scheme of the list is asked for the same step of the source. Those that decide must all accept and say the same;
one in shadow is asked as well, and where it refuses or says something else, its bit is set in `Finalised.dissent` and
nothing else happens. The list, with its flags, is part of the genesis; the authority commits to it and to what is
believed of each scheme, so a carrier cannot leave out, swap or demote one.

    genesis   epoch u64 ‖ n u8 ‖ n × (scheme 4 ‖ shadow u8 ‖ length u16 ‖ genesis)
    proof     epoch u64 ‖ n u8 ‖ n × (scheme 4 ‖ shadow u8 ‖ epoch u64 ‖ authority 32 ‖ small u8 ‖ length u16 ‖ proof)
    authority keccak(abi.encode((bytes4 scheme, bool shadow, uint64 epoch, bytes32 authority, bool small)[]))

Twins: `AgreementVerifier.sol`, `primitives/src/and1.rs`; encoding and order of checks are the same in the three.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import U64_MAX, WORD, keccak, word_bytes32, word_uint
from poft.verification.api import Finalised, FinalityVerifier, Limits, TrustState, verifier
from poft.verification.packing import pack

SCHEME = b"AND1"
MIN_SCHEMES = 2
"""One scheme agrees with itself."""
MAX_SCHEMES = 8
"""More opinions than any source has; keeps an update of all of them within a block."""

_HEAD = struct.Struct(">QB")
_GENESIS = struct.Struct(">4sBH")
_PROOF = struct.Struct(">4sBQ32sBH")


@dataclass(frozen=True, slots=True)
class SchemeGenesis:
    """What a scheme of the list starts from, and whether it runs in shadow."""

    scheme: bytes
    genesis: bytes
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class AgreementGenesis:
    """The list, in its order; the first scheme decides. `epoch` is also the epoch of each scheme's own genesis."""

    epoch: int
    schemes: tuple[SchemeGenesis, ...]

    def encode(self) -> bytes:
        """The bytes that governance passes; `Malformed` where a value does not fit its field."""
        parts = [pack(_HEAD, self.epoch, len(self.schemes))]
        for part in self.schemes:
            parts += (pack(_GENESIS, _name(part.scheme), part.shadow, len(part.genesis)), part.genesis)
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> AgreementGenesis:
        """Strict: every genesis has one encoding.

        Raises:
            Refused: Malformed, Oversize (more than 8 schemes).
        """
        rest = _Reader(data)
        epoch, n = rest.head()
        schemes = []
        for place in range(n):
            name, shadow = rest.scheme(place)
            schemes.append(SchemeGenesis(name, rest.take(rest.integer(2)), shadow))
        rest.finish()
        return cls(epoch, tuple(schemes))


@dataclass(frozen=True, slots=True)
class SchemeTrust:
    """What a client believes of one scheme; what it believes of the source is common to all."""

    scheme: bytes
    shadow: bool
    epoch: int
    authority: bytes
    small_committee: bool

    def within(self, state: TrustState) -> TrustState:
        """The state that this scheme is asked with."""
        return replace(state, epoch=self.epoch, authority=self.authority, small_committee=self.small_committee)

    def words(self) -> bytes:
        """Five words of the authority's preimage."""
        return b"".join(
            (
                _name(self.scheme).ljust(WORD, b"\0"),
                word_uint(self.shadow, 1),
                word_uint(self.epoch, 64),
                word_bytes32(self.authority),
                word_uint(self.small_committee, 1),
            )
        )


@dataclass(frozen=True, slots=True)
class SchemeProof:
    """What is believed of a scheme, and the proof that is for it."""

    trust: SchemeTrust
    proof: bytes


@dataclass(frozen=True, slots=True)
class AgreementProof:
    """A proof for every scheme of the list. One in shadow may have none: empty bytes."""

    epoch: int
    schemes: tuple[SchemeProof, ...]

    def encode(self) -> bytes:
        """The bytes that a relayer carries; `Malformed` where a value does not fit its field."""
        parts = [pack(_HEAD, self.epoch, len(self.schemes))]
        for part in self.schemes:
            said = part.trust
            word_bytes32(said.authority)
            fields = (_name(said.scheme), said.shadow, said.epoch, said.authority, said.small_committee)
            parts += (pack(_PROOF, *fields, len(part.proof)), part.proof)
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> AgreementProof:
        """Strict.

        Raises:
            Refused: Malformed, Oversize (more than 8 schemes).
        """
        rest = _Reader(data)
        epoch, n = rest.head()
        schemes = []
        for place in range(n):
            name, shadow = rest.scheme(place)
            trust = SchemeTrust(name, shadow, rest.integer(8), rest.take(WORD), rest.flag())
            schemes.append(SchemeProof(trust, rest.take(rest.integer(2))))
        rest.finish()
        return cls(epoch, tuple(schemes))


def agreement_hash(trusts: Sequence[SchemeTrust]) -> bytes:
    """`keccak(abi.encode(list))`: the authority of a client that believes this."""
    head = word_uint(WORD, 64) + word_uint(len(trusts), 8)
    return keccak(head + b"".join(trust.words() for trust in trusts))


class AgreementVerifier:
    """The AND1 scheme. `find` knows the schemes that a list may name: the installed ones, unless told otherwise."""

    def __init__(self, find: Callable[[bytes], FinalityVerifier] = verifier) -> None:
        self._find = find

    def scheme(self) -> bytes:
        """`AND1`."""
        return SCHEME

    def initialise(self, genesis: bytes) -> TrustState:
        """Trust in what all schemes of the list say.

        Raises:
            Refused: Malformed, Oversize, ZeroValue (epoch 0), CommitteeInvalid (a scheme twice), UnknownScheme,
                WrongEpoch (a scheme starts in another epoch), SchemesDisagree (about where the source stands), or
                whatever a scheme has against its own genesis.
        """
        return self.start(genesis)[0]

    def start(self, genesis: bytes) -> tuple[TrustState, tuple[SchemeTrust, ...]]:
        """`initialise`, and what is believed of each scheme: a relayer's first proof names it."""
        given = AgreementGenesis.decode(genesis)
        if given.epoch == 0:
            raise Refused(Code.ZeroValue, "epoch", "epochs count from 1")
        if len({part.scheme for part in given.schemes}) != len(given.schemes):
            raise Refused(Code.CommitteeInvalid, "schemes", "one scheme has two places")
        states = []
        for part in given.schemes:
            states.append(self._known(part.scheme).initialise(part.genesis))
            # An epoch that was never used before: after a recovery no scheme counts a signature of the past.
            if states[-1].epoch != given.epoch:
                raise Refused(Code.WrongEpoch, "epoch", f"{states[-1].epoch} within {given.epoch}")
            if _source(states[-1]) != _source(states[0]):
                raise Refused(Code.SchemesDisagree, "genesis", "the schemes start from different blocks")
        trusts = tuple(
            SchemeTrust(part.scheme, part.shadow, state.epoch, state.authority, state.small_committee)
            for part, state in zip(given.schemes, states, strict=True)
        )
        small = any(state.small_committee for state in states)
        return replace(states[0], authority=agreement_hash(trusts), small_committee=small), trusts

    def verify(
        self, source_domain: bytes, state: TrustState, proof: bytes, limits: Limits
    ) -> tuple[TrustState, Finalised]:
        """The state after this proof and what it established. What the first scheme calls a repetition is a no-op."""
        after, finalised, _ = self.advance(source_domain, state, proof, limits)
        return after, finalised

    def advance(
        self, source_domain: bytes, state: TrustState, proof: bytes, limits: Limits
    ) -> tuple[TrustState, Finalised, tuple[SchemeTrust, ...]]:
        """`verify`, and what is believed of each scheme afterwards: the next proof names it."""
        said = _believed(state, proof)
        trusts = [part.trust for part in said.schemes]
        # Those that decide agree.
        answers: list[tuple[TrustState, Finalised]] = []
        for i, part in enumerate(said.schemes):
            if part.trust.shadow:
                continue
            scheme = self._known(part.trust.scheme)
            answers.append(scheme.verify(source_domain, part.trust.within(state), part.proof, limits))
            if not _agree(answers[-1], answers[0]):
                raise Refused(Code.SchemesDisagree, part.trust.scheme.decode("ascii", "replace"))
            moved = _moved(part.trust, answers[-1][0])
            if moved is None:
                raise Refused(Code.BadHandover, "epoch", f"{answers[-1][0].epoch} after {part.trust.epoch}")
            trusts[i] = moved
        after, finalised = answers[0]
        if after.height == state.height:
            return state, finalised, tuple(part.trust for part in said.schemes)
        # Those in shadow are heard.
        dissent = 0
        for i, part in enumerate(said.schemes):
            if part.trust.shadow:
                followed = self._hear(source_domain, state, part, limits, answers[0])
                if followed is None:
                    dissent |= 1 << i
                else:
                    trusts[i] = followed
        # A list that changed is another epoch's.
        epoch, authority = state.epoch, agreement_hash(trusts)
        if authority != state.authority:
            if epoch == U64_MAX:
                raise Refused(Code.BadHandover, "epoch", "no epoch follows the last")
            epoch += 1
        after = replace(after, epoch=epoch, authority=authority, small_committee=state.small_committee)
        return after, replace(finalised, dissent=dissent), tuple(trusts)

    def epoch_of(self, proof: bytes) -> int:
        """The epoch that a proof speaks for: of the list, not of any scheme in it."""
        return AgreementProof.decode(proof).epoch

    def check_misbehaviour(
        self, source_domain: bytes, state: TrustState, first: bytes, second: bytes
    ) -> Sequence[bytes]:
        """The signers of a contradiction within one scheme that decides: the first for which both halves have a proof.

        Raises:
            Refused: NotMisbehaviour, or whatever is wrong with a half.
        """
        a, b = (_believed(state, half) for half in (first, second))
        for one, other in zip(a.schemes, b.schemes, strict=True):
            if one.proof and other.proof and not one.trust.shadow:
                scheme = self._known(one.trust.scheme)
                return scheme.check_misbehaviour(source_domain, one.trust.within(state), one.proof, other.proof)
        raise Refused(Code.NotMisbehaviour, "evidence", "no scheme that decides has both halves")

    def _known(self, name: bytes) -> FinalityVerifier:
        if name == SCHEME:
            raise Refused(Code.UnknownScheme, "scheme", "a list within a list")
        return self._find(name)

    def _hear(
        self,
        source_domain: bytes,
        state: TrustState,
        part: SchemeProof,
        limits: Limits,
        agreed: tuple[TrustState, Finalised],
    ) -> SchemeTrust | None:
        """What is believed of a scheme in shadow afterwards; None when it dissents."""
        if not part.proof:
            return None
        try:
            answer = self._known(part.trust.scheme).verify(source_domain, part.trust.within(state), part.proof, limits)
        except Exception:
            # Whatever a scheme on trial raises, on the EVM its revert is a dissent as well; it stops nobody.
            return None
        moved = _moved(part.trust, answer[0]) if _agree(answer, agreed) else None
        # What refuses nothing cannot ask for an epoch that does not exist either.
        return None if moved != part.trust and state.epoch == U64_MAX else moved


def _believed(state: TrustState, encoded: bytes) -> AgreementProof:
    """A proof whose list is the one that the state commits to."""
    said = AgreementProof.decode(encoded)
    if agreement_hash([part.trust for part in said.schemes]) != state.authority:
        raise Refused(Code.CommitteeMismatch, "schemes")
    if said.epoch != state.epoch:
        raise Refused(Code.WrongEpoch, "epoch", f"{said.epoch} where {state.epoch} is current")
    return said


def _source(state: TrustState) -> tuple[int, int, int, bytes]:
    """What is believed of the source."""
    return state.height, state.timestamp, state.outbox_size, state.outbox_root


def _agree(answer: tuple[TrustState, Finalised], other: tuple[TrustState, Finalised]) -> bool:
    (a, x), (b, y) = answer, other
    return _source(a) == _source(b) and (x.block_hash, x.state_root) == (y.block_hash, y.state_root)


def _moved(trust: SchemeTrust, after: TrustState) -> SchemeTrust | None:
    """What is believed of a scheme after its answer; None when it skips epochs.

    One at a time, so that no scheme is ever in a later epoch than the list: then a recovery, which needs a later epoch
    of the list, leaves everything behind that any scheme's signers have signed.
    """
    if after.epoch - trust.epoch not in (0, 1):
        return None
    return replace(trust, epoch=after.epoch, authority=after.authority)


class _Reader:
    """Packed bytes, read from the front. What is not there is read as less; `finish` finds out."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        self._at += count
        return self._data[self._at - count : self._at]

    def integer(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def flag(self) -> bool:
        """A byte that is 0 or 1."""
        value = self.integer(1)
        if value > 1:
            raise Refused(Code.Malformed, "flag", str(value))
        return value == 1

    def head(self) -> tuple[int, int]:
        """(epoch, number of schemes)."""
        epoch, n = self.integer(8), self.integer(1)
        if n > MAX_SCHEMES:
            raise Refused(Code.Oversize, "schemes", f"{n} of at most {MAX_SCHEMES}")
        if n < MIN_SCHEMES:
            raise Refused(Code.Malformed, "schemes", f"{n} where {MIN_SCHEMES} are the least")
        return epoch, n

    def scheme(self, place: int) -> tuple[bytes, bool]:
        """(name, whether it is in shadow); the first is not."""
        name, shadow = self.take(4), self.flag()
        if shadow and place == 0:
            raise Refused(Code.Malformed, "shadow", "the first scheme decides")
        return name, shadow

    def finish(self) -> None:
        """Returns when what was read is all there is, no more and no less."""
        if self._at != len(self._data):
            raise Refused(Code.Malformed, "encoding", f"{len(self._data)} bytes where {self._at} are due")


def _name(scheme: bytes) -> bytes:
    if len(scheme) != 4:
        raise Refused(Code.Malformed, "scheme", f"{len(scheme)} bytes where 4 are due")
    return scheme


__all__ = [
    "AgreementGenesis",
    "AgreementProof",
    "AgreementVerifier",
    "SchemeGenesis",
    "SchemeProof",
    "SchemeTrust",
    "agreement_hash",
]
