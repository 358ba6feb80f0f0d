"""ESP1 between real chains: anvil's own `eth_getProof` convinces another EVM chain and a Substrate chain.

An attacker here owns the whole committee. Under CMT1 it could announce an outbox that its chain does not have; under
ESP1 it cannot, because the header that it signs names a state, and the state says what the outbox is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from chains.evm import EvmChain, EvmDevnet
from chains.evm.records import address
from chains.substrate import SubstrateChain, SubstrateDevnet
from poft.chain import Chain, ChainSpec, Devnet, Peer, free_port
from poft.protocol.errors import Code
from poft.protocol.finality import Finality, committee_hash, sign_finality
from poft.protocol.hashing import ZERO32
from poft.protocol.merkle import consistency_proof, inclusion_proof, log_root
from poft.protocol.signatures import key_address
from poft.verification.api import Finalised, Limits
from poft.verification.receive import PacketProof
from poft.verification.schemes.cmt1 import CommitteeGenesis, CommitteeProof
from poft.verification.schemes.esp1 import OutboxGenesis, OutboxProof, StateProofVerifier
from poft.verification.state_proof import StateProof

from .chain_kit import committee, create_task, label, memberships, people, play_round, refuses

pytestmark = pytest.mark.devnet

ESP1 = StateProofVerifier()
KINDS: dict[str, tuple[Callable[[], Devnet], Callable[[ChainSpec], Chain]]] = {
    "evm": (EvmDevnet, EvmChain),
    "substrate": (SubstrateDevnet, SubstrateChain),
}


@dataclass(frozen=True, slots=True)
class World:
    """An anvil that sends, a chain that follows it by ESP1, and the committee between them."""

    source: EvmChain
    destination: Chain
    attestors: tuple[bytes, ...]
    task: bytes

    @property
    def outbox(self) -> bytes:
        return address(self.source.spec.deployment["Outbox"])

    @property
    def members(self) -> tuple[bytes, ...]:
        return tuple(key_address(key) for key in self.attestors)

    def leaves(self, size: int) -> list[bytes]:
        return [entry.packet.id for entry in self.source.outbox_entries(0, size)]

    def evidence(self) -> Finalised:
        """What the source says of the newest block that changed its outbox."""
        return self.source.finality_evidence(self.source.outbox_heights(0, self.source.final_height())[-1])

    def sign(self, said: Finality, leaves: Sequence[bytes] = ()) -> bytes:
        """A CMT1 proof of a statement by the whole committee, over these leaves or the source's own."""
        known = self.destination.client(self.source.domain).state.outbox_size
        path = consistency_proof(leaves or self.leaves(said.outbox_size), known)
        return CommitteeProof(
            statement=said,
            members=self.members,
            bitmap=(1 << len(self.members)) - 1,
            signatures=tuple(sign_finality(key, self.source.domain, said) for key in self.attestors),
            consistency=tuple(path),
        ).encode()

    def proof(self, inner: bytes, state: StateProof) -> bytes:
        return OutboxProof(self.outbox, committee_hash(1, self.members), inner, state).encode()

    def packets(self, size: int) -> list[PacketProof]:
        first = self.destination.next_nonce(self.source.domain)
        leaves = self.leaves(size)
        return [
            PacketProof(entry.packet, entry.payload, entry.index, tuple(inclusion_proof(leaves, entry.index)))
            for entry in self.source.outbox_entries(0, size)
            if entry.packet.nonce >= first
        ]


def statement(found: Finalised) -> Finality:
    return Finality(
        1,
        found.height,
        found.block_hash,
        found.state_root,
        found.outbox_size,
        found.outbox_root,
        found.timestamp,
        ZERO32,
    )


@pytest.fixture(scope="module", params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    make_devnet, make_chain = KINDS[request.param]
    folders = tmp_path_factory.mktemp("esp1")
    sender, receiver = EvmDevnet(), make_devnet()
    source = EvmChain(sender.start(folders / "source", "source", free_port()))
    destination = make_chain(receiver.start(folders / "destination", "destination", free_port()))
    attestors = tuple(committee("source"))
    people_here = people(4)
    source.admit([person.address for person in people_here])
    source.set_members(memberships(source, people_here))
    task, genesis = create_task(source, "source", export_every=1)
    source.set_routes(task, [(destination.domain, destination.endpoint)])
    made = World(source, destination, attestors, task)
    trusted = OutboxGenesis(made.outbox, CommitteeGenesis(1, made.members).encode()).encode()
    destination.create_client(source.domain, b"ESP1", trusted, 60, 3600)
    destination.set_peer(Peer(source.domain, source.federation(), task, genesis.id, source.endpoint))
    yield made
    source.close()
    destination.close()
    sender.stop(folders / "source")
    receiver.stop(folders / "destination")


def test_packets_cross_under_a_state_proof(world: World) -> None:
    source, destination = world.source, world.destination
    assert destination.client(source.domain).scheme == b"ESP1"
    for _ in range(2):
        sent = play_round(source, world.task, people(4))
        found = world.evidence()
        # The chain goes on; the proof is of the statement's height.
        source.set_routes(label("another task"), [])
        proof = world.proof(world.sign(statement(found)), source.state_proof(found.height))
        before = destination.client(source.domain).state
        after, _ = ESP1.verify(source.domain, before, proof, Limits(found.timestamp, 0))
        destination.deliver(source.domain, proof, found.outbox_size, world.packets(found.outbox_size))
        assert destination.client(source.domain).state == after
        assert destination.imports()[-1].checkpoint == sent


def test_a_quorum_cannot_sign_an_outbox_that_its_chain_does_not_have(world: World) -> None:
    source, destination = world.source, world.destination
    play_round(source, world.task, people(4))
    found = world.evidence()
    honest = statement(found)
    state = source.state_proof(found.height)
    before = destination.client(source.domain)
    # The log before is the honest one, so that no consistency proof gives the lie away.
    leaves = [*world.leaves(found.outbox_size)[:-1], label("forged packet")]
    lie = replace(honest, outbox_root=log_root(leaves))
    with refuses(Code.CommitmentMismatch):
        destination.update_client(source.domain, world.proof(world.sign(lie, leaves), state))
    earlier = source.state_proof(found.height - 1)
    for proof, code in (
        (world.proof(world.sign(honest), earlier), Code.BadStateProof),
        (world.proof(world.sign(honest), StateProof((), ())), Code.BadStateProof),
        (world.proof(world.sign(honest), replace(state, storage=state.storage[:-1])), Code.BadStateProof),
        (world.proof(world.sign(replace(honest, state_root=label("made up"))), state), Code.BadStateProof),
        (world.sign(honest), Code.Malformed),
        (world.proof(world.sign(honest), state) + b"\0", Code.Malformed),
        (about_another_account(world, state, honest), Code.CommitteeMismatch),
    ):
        with refuses(code):
            destination.update_client(source.domain, proof)
    assert destination.client(source.domain) == before


def about_another_account(world: World, state: StateProof, said: Finality) -> bytes:
    """An honest proof about another account than the one that the client trusts."""
    decoded = OutboxProof.decode(world.proof(world.sign(said), state))
    return replace(decoded, outbox=address(world.source.spec.deployment["Inbox"])).encode()


def test_contradiction_freezes_without_state_proofs(world: World) -> None:
    source, destination = world.source, world.destination
    honest = statement(world.evidence())
    lie = replace(honest, outbox_root=label("another outbox"))
    first, second = (world.proof(world.sign(said), StateProof((), ())) for said in (honest, lie))
    with refuses(Code.NotMisbehaviour):
        destination.submit_misbehaviour(source.domain, first, first)
    destination.submit_misbehaviour(source.domain, first, second)
    assert destination.client(source.domain).frozen
    with refuses(Code.Frozen):
        destination.update_client(source.domain, first)
