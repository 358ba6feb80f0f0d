"""Two ledgers in memory for tests of what carries between them: a source that replays blocks, and a destination that
judges with the reference's own verifier and receive path. What they accept is what the vectors say; they hold no rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from poft.chain import ChainSpec, ClientStatus, OutboxEntry, Receipt
from poft.protocol.acknowledgement import Acknowledgement, Fate
from poft.protocol.domain import evm_domain
from poft.protocol.errors import Code, Refused, Rejected, Unreachable
from poft.protocol.finality import Finality, sign_finality
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.merkle import log_root
from poft.protocol.packet import Packet
from poft.protocol.signatures import key_address
from poft.verification.api import Finalised, FinalityVerifier, Limits
from poft.verification.receive import Expectation, PacketProof, check_packet
from poft.verification.schemes.and1 import AgreementVerifier
from poft.verification.schemes.bef1 import BeefyVerifier
from poft.verification.schemes.clq1 import CliqueVerifier
from poft.verification.schemes.cmt1 import CommitteeGenesis, CommitteeVerifier
from poft.verification.schemes.esp1 import StateProofVerifier
from relayers.wire import Attestation

SOURCE = evm_domain(keccak(b"source"), 1)
DESTINATION = evm_domain(keccak(b"destination"), 2)
SENDER, RECEIVER = keccak(b"sender"), keccak(b"receiver")
SOURCE_INBOX, INBOX = keccak(b"source's inbox"), keccak(b"destination's inbox")
KEYS = sorted((keccak(f"attestor {i}".encode()) for i in range(4)), key=key_address)
MEMBERS = tuple(key_address(key) for key in KEYS)
OTHER_KEYS = sorted((keccak(f"next attestor {i}".encode()) for i in range(4)), key=key_address)
SCHEMES: dict[bytes, FinalityVerifier] = {
    b"AND1": AgreementVerifier(),
    b"BEF1": BeefyVerifier(),
    b"CLQ1": CliqueVerifier(),
    b"CMT1": CommitteeVerifier(),
    b"ESP1": StateProofVerifier(),
}
OTHER_MEMBERS = tuple(key_address(key) for key in OTHER_KEYS)


def spec(name: str, domain: bytes) -> ChainSpec:
    return ChainSpec(name, "memory", ("memory",), domain, development=True)


def packet(nonce: int, payload: bytes, destination: bytes = DESTINATION) -> Packet:
    return Packet(1, 1, SOURCE, destination, nonce, SENDER, RECEIVER, 0, keccak(payload))


@dataclass
class Source:
    """A chain that makes a block for every packet, and others in between."""

    spec: ChainSpec = field(default_factory=lambda: spec("source", SOURCE))
    domain: bytes = SOURCE
    endpoint: bytes = SENDER
    inbox_endpoint: bytes = SOURCE_INBOX
    entries: list[OutboxEntry] = field(default_factory=list)
    best: int = 0
    fork: bytes = b""
    fault: Exception | None = None
    first_height: int = 1
    nonces: dict[bytes, int] = field(default_factory=dict)

    def emit(self, payload: bytes, destination: bytes = DESTINATION) -> None:
        nonce = self.nonces.get(destination, 0)
        self.nonces[destination] = nonce + 1
        self.best += 1
        self.entries.append(OutboxEntry(len(self.entries), packet(nonce, payload, destination), payload, self.best))

    def acknowledge(self, packet_id: bytes) -> None:
        payload = Acknowledgement(keccak(b"carrier"), ((packet_id, Fate.APPLIED),)).encode()
        nonce = self.nonces.get(DESTINATION, 0)
        self.nonces[DESTINATION] = nonce + 1
        self.best += 1
        sent = Packet(1, 2, SOURCE, DESTINATION, nonce, SOURCE_INBOX, INBOX, 0, keccak(payload))
        self.entries.append(OutboxEntry(len(self.entries), sent, payload, self.best))

    def quiet(self, blocks: int) -> None:
        self.best += blocks

    def close(self) -> None:
        """Nothing to end."""

    def final_height(self) -> int:
        if isinstance(self.fault, Unreachable):
            raise self.fault
        return self.best

    def outbox_heights(self, first: int, last: int) -> list[int]:
        return sorted({entry.height for entry in self.entries if first <= entry.height <= last})

    def block_hash(self, height: int) -> bytes:
        return keccak(b"block" + str(height).encode() + self.fork)

    def finality_evidence(self, height: int) -> Finalised:
        if self.fault is not None:
            raise self.fault
        ids = [entry.packet.id for entry in self.entries if entry.height <= height]
        tag = str(height).encode() + self.fork
        return Finalised(height, keccak(b"block" + tag), keccak(b"state" + tag), len(ids), log_root(ids), 1000 + height)

    def outbox_size(self) -> int:
        return len(self.entries)

    def outbox_entries(self, start: int, stop: int) -> list[OutboxEntry]:
        return self.entries[start:stop]

    def statement(self, height: int, epoch: int = 1, next_committee: bytes = ZERO32) -> Finality:
        f = self.finality_evidence(height)
        return Finality(
            epoch, height, f.block_hash, f.state_root, f.outbox_size, f.outbox_root, f.timestamp, next_committee
        )


def attest(
    said: Finality, keys: Sequence[bytes] = KEYS, next_members: tuple[bytes, ...] = ()
) -> list[list[Attestation]]:
    """One page for every attestor."""
    return [[Attestation(said, sign_finality(key, SOURCE, said), next_members)] for key in keys]


@dataclass
class Destination:
    """A chain that accepts what the reference accepts."""

    spec: ChainSpec = field(default_factory=lambda: spec("destination", DESTINATION))
    domain: bytes = DESTINATION
    endpoint: bytes = RECEIVER
    inbox_endpoint: bytes = INBOX
    status: ClientStatus = field(
        default_factory=lambda: ClientStatus(
            b"CMT1", CommitteeVerifier().initialise(CommitteeGenesis(1, MEMBERS).encode()), 0, False, 600, 3600
        )
    )
    received: list[tuple[int, bytes]] = field(default_factory=list)
    transactions: list[tuple[bytes | None, int]] = field(default_factory=list)
    refusals: list[Exception] = field(default_factory=list)
    accused: int = 0
    lag: int = 0
    """Blocks until one is final."""

    def close(self) -> None:
        """Nothing to end."""

    def height(self) -> int:
        return len(self.transactions)

    def final_height(self) -> int:
        return max(len(self.transactions) - self.lag, 0)

    def client(self, source_domain: bytes) -> ClientStatus:
        if source_domain != SOURCE:
            raise Refused(Code.Uninitialised, "client")
        return self.status

    def next_nonce(self, source_domain: bytes) -> int:
        assert source_domain == SOURCE
        return len(self.received)

    @property
    def verifier(self) -> FinalityVerifier:
        return SCHEMES[self.status.scheme]

    def update_client(self, source_domain: bytes, proof: bytes) -> Receipt:
        return self._receive(source_domain, proof, None, [])

    def deliver(
        self, source_domain: bytes, proof: bytes | None, outbox_size: int, packets: Sequence[PacketProof]
    ) -> Receipt:
        return self._receive(source_domain, proof, outbox_size, packets)

    def _receive(
        self, source_domain: bytes, proof: bytes | None, outbox_size: int | None, packets: Sequence[PacketProof]
    ) -> Receipt:
        if self.refusals:
            raise self.refusals.pop(0)
        state, received = self.status.state, list(self.received)
        try:
            if self.status.frozen:
                raise Refused(Code.Frozen, "client")
            if proof is not None:
                state, _ = self.verifier.verify(source_domain, state, proof, Limits(2**40, 0))
            if outbox_size not in (None, state.outbox_size):
                raise Refused(Code.UnknownOutbox, "outboxSize")
            for delivered in packets:
                check_packet(
                    Expectation(
                        self.domain,
                        source_domain,
                        SENDER,
                        (RECEIVER,),
                        len(received),
                        1,
                        state.outbox_size,
                        state.outbox_root,
                        INBOX,
                        SOURCE_INBOX,
                    ),
                    delivered,
                )
                received.append((delivered.packet.nonce, delivered.payload))
        except Refused as refused:
            raise Rejected(str(refused), refused.code) from refused
        self.status, self.received = replace(self.status, state=state), received
        self.transactions.append((proof, len(packets)))
        return Receipt(f"0x{len(self.transactions):064x}", len(self.transactions), 21000, 500)

    def submit_misbehaviour(self, source_domain: bytes, first: bytes, second: bytes) -> Receipt:
        signers = self.verifier.check_misbehaviour(source_domain, self.status.state, first, second)
        self.accused = len(signers)
        self.status = replace(self.status, frozen=True)
        return Receipt("0x0", 0, 0, 0)
