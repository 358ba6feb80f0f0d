"""What a Substrate chain's validators sign in BEEFY, and how its node hands it out (docs/protocol.md section 8, BEF1).

A commitment is SCALE, and ours has one length: one payload entry of the id `pf` and 176 bytes, block and validator set.

    0x04 ‖ "pf" ‖ 0xc1 0x02   one entry, its id, the compact length 176
    32 32 8 32 32 8 32        blockHash, stateRoot, outboxSize, outboxRoot, domain, timestamp, nextCommittee; big-endian
    4 8                       block number, validator set id; little-endian, as SCALE has them

The signature is secp256k1 over keccak of those 193 bytes. The node's justification is `VersionedFinalityProof::V1`
(sp-consensus-beefy, `commitment.rs`): version 1, the commitment, a bit for each validator, their number, signatures. It
says nothing about who the validators are, and is hostile until their signatures were recovered.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import MAX_COMMITTEE
from poft.protocol.hashing import keccak
from poft.protocol.signatures import SIGNATURE_BYTES, recover

COMMITMENT_BYTES = 193
_HEAD = b"\x04pf\xc1\x02"
_PAYLOAD = struct.Struct(">32s32sQ32s32sQ32s")
_TAIL = struct.Struct("<IQ")
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Commitment:
    """What validator set `set_id` says of its chain's block `height`. `next_committee` is that of the set after it."""

    block_hash: bytes
    state_root: bytes
    outbox_size: int
    outbox_root: bytes
    domain: bytes
    timestamp: int
    next_committee: bytes
    height: int
    set_id: int

    def encode(self) -> bytes:
        """The 193 bytes; `Malformed` where a value does not fit its field."""
        for value in (self.block_hash, self.state_root, self.outbox_root, self.domain, self.next_committee):
            if len(value) != 32:
                raise Refused(Code.Malformed, "commitment", f"{len(value)} bytes where 32 are due")
        try:
            payload = _PAYLOAD.pack(
                self.block_hash,
                self.state_root,
                self.outbox_size,
                self.outbox_root,
                self.domain,
                self.timestamp,
                self.next_committee,
            )
            return _HEAD + payload + _TAIL.pack(self.height, self.set_id)
        except struct.error as error:
            raise Refused(Code.Malformed, "commitment", str(error)) from error

    @classmethod
    def decode(cls, data: bytes) -> Commitment:
        """Strict: these bytes and no others; `Malformed`."""
        if len(data) != COMMITMENT_BYTES or data[: len(_HEAD)] != _HEAD:
            raise Refused(Code.Malformed, "commitment", "not one payload entry 'pf' of 176 bytes")
        tail = COMMITMENT_BYTES - _TAIL.size
        return cls(*_PAYLOAD.unpack_from(data, len(_HEAD)), *_TAIL.unpack_from(data, tail))

    def digest(self) -> bytes:
        """What a validator signs."""
        return keccak(self.encode())

    @property
    def epoch(self) -> int:
        """Epochs count from 1, validator sets from 0."""
        return self.set_id + 1


@dataclass(frozen=True, slots=True)
class Justification:
    """A commitment and the signatures under it, r ‖ s ‖ v with v in {27, 28}, in the order of the validators.

    `validators` is how many there are: as the node says, so it proves nothing.
    """

    commitment: Commitment
    validators: int
    signatures: tuple[bytes, ...]

    @classmethod
    def decode(cls, data: bytes) -> Justification:
        """Strict SCALE: shortest compact lengths, a bit for each signature, nothing behind the end.

        Raises:
            Refused: Malformed, Oversize (more than 64 validators), BadSignature (a recovery id that is not 0 or 1).
        """
        rest = _Scale(data)
        if rest.take(1)[0] != _VERSION:
            raise Refused(Code.Malformed, "justification", "not version 1")
        commitment = Commitment.decode(rest.take(COMMITMENT_BYTES))
        bits = rest.take(rest.compact())
        validators = int.from_bytes(rest.take(4), "little")
        count = rest.compact()
        if max(validators, count) > MAX_COMMITTEE:
            raise Refused(Code.Oversize, "validators", f"{max(validators, count)} of at most {MAX_COMMITTEE}")
        # The encoder pads to the next multiple of eight, by a whole byte where that is reached already; the first
        # validator is the highest bit of the first byte.
        signed = int.from_bytes(bits, "big")
        unused = 8 * len(bits) - validators
        if len(bits) != validators // 8 + 1 or signed & ((1 << unused) - 1) or signed.bit_count() != count:
            raise Refused(Code.Malformed, "justification", "its bits are not those of its signatures")
        signatures = tuple(_signature(rest.take(SIGNATURE_BYTES)) for _ in range(count))
        rest.finish()
        return cls(commitment, validators, signatures)

    def signers(self) -> dict[bytes, bytes]:
        """The signature of each address that signed; what recovers to nobody is left out."""
        digest, found = self.commitment.digest(), dict[bytes, bytes]()
        for signature in self.signatures:
            try:
                found.setdefault(recover(digest, signature), signature)
            except Refused:
                continue  # a hostile node's signature counts for nobody
        return found


def _signature(raw: bytes) -> bytes:
    """The recovery id of a Substrate signature is 0 or 1."""
    if raw[64] > 1:
        raise Refused(Code.BadSignature, "signature", f"recovery id {raw[64]}")
    return raw[:64] + bytes([27 + raw[64]])


class _Scale:
    """SCALE bytes, read from the front."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count > len(self._data) - self._at:
            raise Refused(Code.Malformed, "justification", f"{len(self._data)} bytes end too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def compact(self) -> int:
        """A length in its shortest form. Four bytes are enough for whatever may stand here."""
        first = self.take(1)[0]
        mode = first & 3
        if mode == 3:
            raise Refused(Code.Oversize, "length", "2^30 or more")
        value = int.from_bytes(bytes([first]) + self.take((1 << mode) - 1), "little") >> 2
        if mode and value >> (6, 14)[mode - 1] == 0:
            raise Refused(Code.Malformed, "length", f"{value} in {1 << mode} bytes")
        return value

    def finish(self) -> None:
        """Returns when everything was read."""
        if self._at != len(self._data):
            raise Refused(Code.Malformed, "justification", f"{len(self._data) - self._at} bytes behind its end")


__all__ = ["COMMITMENT_BYTES", "Commitment", "Justification"]
