"""BEF1 for the conformance kit: validators with keys, and what only their commitments can be forged in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from poft.conformance.plugin import Contract, Crate, Plugin
from poft.conformance.source import Block, Claim, Forgery
from poft.protocol.domain import substrate_domain
from poft.protocol.errors import Code
from poft.protocol.finality import MIN_COMMITTEE, committee_hash, quorum
from poft.protocol.hashing import U64_MAX, ZERO32, keccak
from poft.protocol.signatures import CURVE_ORDER, key_address, unsafe_sign_digest
from poft.verification.api import TrustState
from poft.verification.beefy import Commitment
from poft.verification.schemes.bef1 import BeefyGenesis, BeefyProof

_HIGHEST = 2**32 - 1
"""Block numbers are u32: a claim beyond says this one."""


class BeefySource:
    """A chain whose validators sign what they are told. A hand-over is the next set's own commitment."""

    def __init__(self, members: int, seed: bytes) -> None:
        self.domain = substrate_domain(keccak(b"poft/conformance/genesis" + seed), "poft-conformance")
        self.epoch = 1
        self._count, self._seed = members, seed

    def _keys(self, ahead: int = 0) -> list[bytes]:
        """The keys of this set or a later one, in the order of their addresses. They are public."""
        label = b"poft/conformance/validator" + self._seed + (self.epoch + ahead).to_bytes(8, "big")
        return sorted((keccak(label + bytes([n])) for n in range(self._count)), key=key_address)

    def _committee(self, epoch: int, ahead: int = 0) -> bytes:
        """The hash of this set or a later one, in an epoch that may be anybody's."""
        return committee_hash(min(epoch, U64_MAX), [key_address(key) for key in self._keys(ahead)])

    def signers(self, count: int) -> tuple[bytes, ...]:
        return tuple(key_address(key) for key in self._keys()[:count])

    def genesis(self, epoch: int | None = None) -> bytes:
        in_epoch = self.epoch if epoch is None else epoch
        small = self._count < MIN_COMMITTEE
        return BeefyGenesis(in_epoch, self.signers(self._count), self._committee(in_epoch + 1, 1), small).encode()

    def block(self, claim: Claim) -> Block:
        said = f"{claim.height}/{claim.timestamp}/{claim.outbox_size}/{claim.fork}".encode() + claim.outbox_root
        return Block(keccak(b"block" + self._seed + said), keccak(b"state" + self._seed + said))

    def hand_over(self) -> None:
        self.epoch += 1

    def prove(self, claim: Claim, signers: int | None = None, domain: bytes | None = None) -> bytes:
        return self._proof(claim, quorum(self._count) if signers is None else signers, domain).encode()

    def _said(self, claim: Claim, domain: bytes | None = None) -> Commitment:
        made, ahead = self.block(claim), int(claim.hand_over)
        return Commitment(
            made.block_hash,
            made.state_root,
            claim.outbox_size,
            claim.outbox_root,
            domain or self.domain,
            claim.timestamp,
            self._committee(claim.epoch + 1 + ahead, 1 + ahead),
            min(claim.height, _HIGHEST),
            # Epoch 0 is that of no set: the largest number stands for the one before the first.
            (claim.epoch - 1 + ahead) % (U64_MAX + 1),
        )

    def _proof(self, claim: Claim, signers: int, domain: bytes | None = None) -> BeefyProof:
        return self._signed(claim, self._said(claim, domain), self._keys(int(claim.hand_over)), signers)

    def _signed(self, claim: Claim, said: Commitment, keys: Sequence[bytes], signers: int) -> BeefyProof:
        digest = said.digest()
        return BeefyProof(
            said.encode(),
            self._committee(claim.epoch),
            self._committee(claim.epoch + 1, 1),
            tuple(map(key_address, keys)),
            (1 << signers) - 1,
            tuple(unsafe_sign_digest(key, digest) for key in keys[:signers]),
            claim.consistency,
        )

    def forgeries(self, state: TrustState, claim: Claim) -> Sequence[Forgery]:
        """Commitments, members, bits and signatures that do not belong together; `state` has no part in it."""
        del state
        n, k, keys = self._count, quorum(self._count), self._keys()
        said, proof = self._said(claim), self._proof(claim, k)
        first = proof.signatures[0]
        r, s, v = first[:32], int.from_bytes(first[32:64], "big"), first[64]
        strangers = sorted((keccak(b"stranger" + key) for key in keys), key=key_address)
        whole, plain = proof.encode(), said.encode()

        def made(name: str, forged: BeefyProof, *codes: Code) -> Forgery:
            return Forgery(name, forged.encode(), frozenset(codes))

        def signed(name: str, signature: bytes, *codes: Code) -> Forgery:
            return made(name, replace(proof, signatures=(signature, *proof.signatures[1:])), *codes)

        def saying(name: str, other: Commitment, *codes: Code) -> Forgery:
            return made(name, self._signed(claim, other, keys, k), *codes)

        def instead(name: str, commitment: bytes, *codes: Code) -> Forgery:
            """The bytes changed under real signatures."""
            digest = keccak(commitment)
            signatures = b"".join(unsafe_sign_digest(key, digest) for key in keys[:k])
            at = len(plain) + 77 + 20 * n
            return Forgery(
                name, commitment + whole[len(plain) : at] + signatures + whole[at + 65 * k :], frozenset(codes)
            )

        own = tuple(map(key_address, strangers))
        taking = self._said(replace(claim, hand_over=True))
        handing = self._proof(replace(claim, hand_over=True), k)
        forged = [
            made("outsiders' signatures", replace(proof, signatures=self._by(said, strangers, k)), Code.NotSigner),
            made("the prover's own validators", self._signed(claim, said, strangers, k), Code.CommitteeMismatch),
            made(
                "the prover's own validators and committee",
                replace(self._signed(claim, said, strangers, k), current_committee=committee_hash(claim.epoch, own)),
                Code.CommitteeMismatch,
            ),
            made(
                "another next committee in the preimage",
                replace(proof, next_committee=keccak(b"own")),
                Code.CommitteeMismatch,
            ),
            made("the committees swapped", _swapped(proof), Code.CommitteeMismatch),
            made("a member left out", replace(proof, members=proof.members[:-1]), Code.CommitteeMismatch),
            made("another root under the signatures", _rooted(proof, said), Code.NotSigner),
            saying(
                "another next committee than was announced",
                replace(said, next_committee=keccak(b"own")),
                Code.BadHandover,
            ),
            saying("no next committee", replace(said, next_committee=ZERO32), Code.BadHandover),
            saying("the next set's commitment by the present one", taking, Code.CommitteeMismatch),
            made(
                "the present set's commitment by the next one",
                replace(handing, commitment=plain),
                Code.CommitteeMismatch,
            ),
            made(
                "a take-over after which nobody comes",
                self._signed(claim, replace(taking, next_committee=ZERO32), self._keys(1), k),
                Code.BadHandover,
            ),
            instead("two payload entries", b"\x08" + plain[1:], Code.Malformed),
            instead("no payload entry", b"\x00" + plain[1:], Code.Malformed),
            instead("another payload's id", plain[:1] + b"mh" + plain[3:], Code.Malformed),
            instead("a compact length in four bytes", plain[:3] + b"\xc2\x02" + plain[5:], Code.Malformed),
            instead("a payload of 175 bytes, as it says", plain[:3] + b"\xbd\x02" + plain[5:], Code.Malformed),
            Forgery("a commitment a byte short", whole[:192] + whole[193:], frozenset({Code.Malformed})),
            Forgery(
                "a commitment a byte long",
                whole[:193] + b"\0" + whole[193:],
                frozenset({Code.Malformed, Code.Oversize}),
            ),
            made("signed as a wallet signs a message", self._personal(proof, plain, keys, k), Code.NotSigner),
            made("a bit beyond the members", replace(proof, bitmap=proof.bitmap | 1 << n), Code.BitmapMismatch)
            if n < 64
            else made("no bits", replace(proof, bitmap=0), Code.BitmapMismatch),
            made("a signature without its bit", replace(proof, bitmap=proof.bitmap & ~1), Code.BitmapMismatch),
            signed("high s", r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([55 - v]), Code.HighS),
            signed("v as the node has it", first[:64] + bytes([v - 27]), Code.BadSignature),
            signed("v = 29", first[:64] + b"\x1d", Code.BadSignature),
            signed("r = 0", bytes(32) + first[32:], Code.BadSignature),
            signed("s = 0", first[:32] + bytes(32) + first[64:], Code.BadSignature),
            signed("r = the order", CURVE_ORDER.to_bytes(32, "big") + first[32:], Code.BadSignature),
            signed("compact, 64 bytes", first[:64], Code.BadSignature),
        ]
        if k > 1:
            twice = (first, *proof.signatures[:-1])
            forged.append(made("one signature under two bits", replace(proof, signatures=twice), Code.NotSigner))
            backwards = replace(proof, signatures=proof.signatures[::-1])
            forged.append(made("signatures in another order", backwards, Code.NotSigner))
        return forged

    def _by(self, said: Commitment, keys: Sequence[bytes], count: int) -> tuple[bytes, ...]:
        return tuple(unsafe_sign_digest(key, said.digest()) for key in keys[:count])

    def _personal(self, proof: BeefyProof, plain: bytes, keys: Sequence[bytes], count: int) -> BeefyProof:
        """Signed with the prefix that wallets put before a message."""
        digest = keccak(b"\x19Ethereum Signed Message:\n32" + keccak(plain))
        return replace(proof, signatures=tuple(unsafe_sign_digest(key, digest) for key in keys[:count]))


def _rooted(proof: BeefyProof, said: Commitment) -> BeefyProof:
    return replace(proof, commitment=replace(said, outbox_root=keccak(b"instead")).encode())


def _swapped(proof: BeefyProof) -> BeefyProof:
    return replace(proof, current_committee=proof.next_committee, next_committee=proof.current_committee)


PLUGIN = Plugin(
    source=BeefySource,
    contract=Contract("BeefyVerifier"),
    crate=Crate(Path(__file__).parents[2] / "chains" / "substrate" / "primitives" / "Cargo.toml", "bef1"),
    exempt={
        "height 2^64-1": "block numbers of Substrate are u32",
        "evidence: two successors": "every commitment names the next set, and a hand-over is signed by another set: the"
        " vectors have two successors of one set",
    },
)
"""Entry point `BEF1` of the group `poft.conformance`."""
