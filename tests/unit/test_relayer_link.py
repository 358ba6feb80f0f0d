"""A relayer's link, step by step: delivery, batches, races, restarts, hostile attestors and lying sources.

Statements come over real HTTP from servers of this test; the ledgers are those of `tests/ledgers.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from threading import Lock, Thread

import pytest

from poft.protocol.errors import Code, Rejected, Unreachable
from poft.protocol.finality import Finality, committee_hash, sign_finality
from poft.protocol.hashing import keccak
from relayers.certify import certified, contradiction, covering, opposes
from relayers.link import Step
from relayers.plan import Collect, Idle, Known, LinkView, backoff, decide
from relayers.wire import MAX_PAGE_BYTES, Attestation, write_page
from tests.ledgers import (
    DESTINATION,
    KEYS,
    MEMBERS,
    OTHER_KEYS,
    OTHER_MEMBERS,
    SOURCE,
    Destination,
    Source,
    attest,
)
from tests.links import World, drain, linked_world, refused


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with linked_world(tmp_path) as made:
        yield made


# --- delivery --------------------------------------------------------------------------------------------------------


def test_delivers_update_and_packets_in_one_transaction(world: World) -> None:
    link = world.link()
    assert link.step() is Step.IDLE
    world.emit(b"one", b"two", b"three")
    assert drain(link) == [Step.DELIVERED]
    assert world.destination.received == [(0, b"one"), (1, b"two"), (2, b"three")]
    assert [count for _, count in world.destination.transactions] == [3]


def test_acknowledgements_travel_between_inboxes_like_any_packet(world: World) -> None:
    world.emit(b"one")
    world.source.acknowledge(keccak(b"a packet of the destination"))
    world.emit(b"two")
    assert drain(world.link()) == [Step.DELIVERED]
    assert [nonce for nonce, _ in world.destination.received] == [0, 1, 2]


def test_batches_share_one_finality_update(world: World) -> None:
    world.emit(*(bytes([n]) for n in range(7)))
    assert drain(world.link(max_batch=3)) == [Step.DELIVERED] * 3
    transactions = world.destination.transactions
    assert [count for _, count in transactions] == [3, 3, 1]
    assert [proof is not None for proof, _ in transactions] == [True, False, False]


def test_packets_for_other_destinations_are_leaves_but_not_delivered(world: World) -> None:
    world.source.emit(b"elsewhere", keccak(b"third chain"))
    world.source.emit(b"here")
    world.source.emit(b"elsewhere", keccak(b"third chain"))
    world.emit(b"here too")
    drain(world.link())
    assert world.destination.received == [(0, b"here"), (1, b"here too")]


def test_waits_until_a_quorum_has_spoken(world: World) -> None:
    link = world.link()
    world.source.emit(b"one")
    pages = attest(world.source.statement(1))
    world.board.say([*pages[:2], [], []])
    assert link.step() is Step.WAITING
    world.board.say([pages[0], [], pages[2], pages[3]])
    assert drain(link) == [Step.DELIVERED]


def test_follows_a_committee_through_its_hand_over(world: World) -> None:
    link = world.link()
    world.emit(b"one")
    drain(link)
    world.source.quiet(1)
    authority = committee_hash(2, OTHER_MEMBERS)
    world.board.say(attest(world.source.statement(2, 1, authority), KEYS, OTHER_MEMBERS))
    world.source.emit(b"two")
    assert link.step() is Step.DELIVERED  # the hand-over alone: no statement of epoch 1 covers the packet
    assert world.destination.status.state.authority == authority
    world.board.say(attest(world.source.statement(3, 2), OTHER_KEYS))
    assert drain(link) == [Step.DELIVERED]
    assert world.destination.received[-1] == (1, b"two")


def test_newest_statement_is_taken_and_old_ones_do_no_harm(world: World) -> None:
    for payload in (b"one", b"two", b"three"):
        world.source.emit(payload)
    pages = [attest(world.source.statement(height)) for height in (1, 2, 3)]
    world.board.say([[page[i][0] for page in pages] for i in range(4)])
    drain(world.link())
    assert [count for _, count in world.destination.transactions] == [3]


# --- idle links ---------------------------------------------------------------------------------------------------


def test_idle_link_carries_the_hand_over_without_packets(world: World) -> None:
    """A destination must not go on trusting a retired committee because nobody exports anything."""
    world.emit(b"one")
    drain(world.link())
    world.source.quiet(1)
    authority = committee_hash(2, OTHER_MEMBERS)
    world.board.say(attest(world.source.statement(2, 1, authority), KEYS, OTHER_MEMBERS))
    assert drain(world.link()) == [Step.DELIVERED]
    assert world.destination.status.state.authority == authority
    assert [count for _, count in world.destination.transactions] == [1, 0]
    assert world.link().step() is Step.IDLE


def test_idle_link_looks_for_a_hand_over_now_and_then_only(world: World) -> None:
    link = world.link()
    assert link.step() is Step.IDLE
    world.source.quiet(1)
    world.board.say(attest(world.source.statement(1, 1, committee_hash(2, OTHER_MEMBERS)), KEYS, OTHER_MEMBERS))
    assert link.step() is Step.IDLE
    assert world.link(watch=0.0).step() is Step.DELIVERED


def test_idle_link_updates_a_client_at_half_of_its_staleness(world: World) -> None:
    world.emit(b"one")
    link = world.link(watch=0.0)
    assert drain(link) == [Step.DELIVERED]
    world.source.quiet(5)
    world.board.say(attest(world.source.statement(6)))
    world.idle_seconds = 3600 / 2 - 5
    assert link.step() is Step.IDLE
    world.idle_seconds += 1
    assert link.step() is Step.DELIVERED
    assert world.destination.status.state.height == 6
    assert world.destination.transactions[-1][1] == 0


def test_new_client_that_knows_nothing_gets_no_update_without_packets(world: World) -> None:
    world.source.quiet(5)
    world.board.say(attest(world.source.statement(5)))
    world.idle_seconds = 10_000
    assert world.link(watch=0.0).step() is Step.IDLE
    assert world.destination.transactions == []


# --- committees that lied, and were believed ------------------------------------------------------------------------


def deceive(world: World, height: int, payloads: Sequence[bytes], **changes: object) -> Finality:
    """The destination accepts a forged statement of a quorum, which the attestors still serve afterwards."""
    forged = Source(fork=b"fork")
    for payload in payloads:
        forged.emit(payload)
    said = replace(forged.statement(forged.best), height=height, **changes)  # type: ignore[arg-type]
    world.board.say(attest(said))
    certificate = next(certified(SOURCE, world.destination.status.state, MEMBERS, attest(said)))
    world.destination.deliver(SOURCE, certificate.proof(MEMBERS, ()), said.outbox_size, [])
    return said


def serve_both(world: World, *statements: Finality) -> None:
    """Attestors that answer as the real ones do: newest first, bounded by `after`, `before` and `epoch`."""
    for i, key in enumerate(KEYS):
        world.board.answers[i] = [Attestation(said, sign_finality(key, SOURCE, said)) for said in statements]


@pytest.mark.parametrize("height", [1, 2, 2**62])
def test_forged_statement_that_was_accepted_freezes_the_client_once_the_honest_one_is_seen(
    height: int, world: World
) -> None:
    """Another outbox of one leaf, at the honest statement's height, above it, and far beyond the source."""
    world.source.emit(b"one")
    honest = world.source.statement(1)
    forged = deceive(world, height, [b"forged"])
    serve_both(world, honest, forged)
    refused(Code.Frozen, world.link().step)
    assert world.destination.status.frozen and world.destination.accused >= 2
    assert world.destination.received == []


def test_accepted_outbox_longer_than_the_source_s_freezes_the_client(world: World) -> None:
    """Honest statements shrink against it and can never follow; those for its height contradict it."""
    world.source.emit(b"one")
    forged = deceive(world, 1, [b"a", b"b", b"c"])
    world.source.quiet(4)
    serve_both(world, world.source.statement(1), world.source.statement(5), forged)
    refused(Code.Frozen, world.link().step)
    assert world.destination.status.frozen


def test_what_this_relayer_carried_itself_is_evidence_when_nobody_serves_it_any_more(world: World) -> None:
    world.emit(b"one")
    honest = world.source.statement(1)
    link = world.link(watch=0.0)
    assert drain(link) == [Step.DELIVERED]
    fork = Source(fork=b"fork")
    fork.emit(b"other")
    fork.emit(b"two")
    world.source.emit(b"two")
    serve_both(world, fork.statement(1), fork.statement(2))
    refused(Code.Frozen, link.step)
    assert world.destination.status.frozen and honest != fork.statement(1)


def test_source_node_that_lies_about_its_packets_freezes_nobody(world: World) -> None:
    world.emit(b"one", b"two")
    serve_both(world, world.source.statement(1), world.source.statement(2))
    world.source = Source()
    world.source.emit(b"forged")
    world.source.emit(b"forged too")
    refused(Code.InconsistentLog, world.link().step)
    assert not world.destination.status.frozen


def test_opposes_says_what_cannot_be_true_together() -> None:
    source = Source()
    for n in range(3):
        source.emit(bytes([n]))
    said = source.statement(2)
    state = replace(
        Destination().status.state, height=2, outbox_size=2, outbox_root=said.outbox_root, timestamp=said.timestamp
    )
    assert not any(opposes(state, source.statement(height)) for height in (1, 2, 3))
    assert opposes(state, replace(said, outbox_root=keccak(b"x")))
    assert opposes(state, replace(said, height=9, outbox_size=1))
    assert opposes(state, replace(said, height=1, outbox_size=3))
    assert opposes(state, replace(said, height=2, outbox_size=3))
    assert not opposes(Destination().status.state, said)


# --- hostile attestors -----------------------------------------------------------------------------------------------


def garbage(_world: World) -> bytes:
    return b"\x00\xff" * 100


def endless(_world: World) -> bytes:
    return b"[" * (MAX_PAGE_BYTES + 1)


def slow(world: World) -> bytes:
    time.sleep(1.0)
    return write_page(SOURCE, MEMBERS[0], attest(world.source.statement(1))[0])


def other_chain(world: World) -> bytes:
    return write_page(DESTINATION, MEMBERS[0], attest(world.source.statement(1))[0])


def forged_signature(world: World) -> bytes:
    return write_page(SOURCE, MEMBERS[0], [Attestation(world.source.statement(1), bytes(65))])


def other_signer(world: World) -> bytes:
    said = world.source.statement(1)
    return write_page(SOURCE, MEMBERS[0], [Attestation(said, sign_finality(OTHER_KEYS[0], SOURCE, said))])


def copied_signature(world: World) -> bytes:
    said = world.source.statement(1)
    return write_page(SOURCE, MEMBERS[0], [Attestation(said, sign_finality(KEYS[2], SOURCE, said))] * 5)


def lie(world: World) -> bytes:
    said = replace(world.source.statement(1), outbox_root=keccak(b"lie"))
    return write_page(SOURCE, MEMBERS[0], [Attestation(said, sign_finality(KEYS[0], SOURCE, said))])


def deep(_world: World) -> bytes:
    return b'{"domain":"0x' + SOURCE.hex().encode() + b'","statements":' + b"[" * 60_000


HOSTILE = [garbage, endless, slow, other_chain, forged_signature, other_signer, copied_signature, lie, deep]


@pytest.mark.parametrize("behaviour", HOSTILE)
def test_one_hostile_attestor_neither_stops_nor_misleads(behaviour: Callable[[World], bytes], world: World) -> None:
    world.emit(b"one")
    world.board.pages[0] = lambda: behaviour(world)
    assert drain(world.link(seconds=0.7)) == [Step.DELIVERED]
    assert world.destination.received == [(0, b"one")]


@pytest.mark.parametrize("behaviour", HOSTILE)
def test_two_hostile_attestors_of_four_can_only_delay(behaviour: Callable[[World], bytes], world: World) -> None:
    world.emit(b"one")
    world.board.pages[0] = world.board.pages[1] = lambda: behaviour(world)
    link = world.link(seconds=0.3)
    assert link.step() is Step.WAITING
    assert world.destination.received == []
    world.board.say(attest(world.source.statement(1)))
    deadline = time.monotonic() + 5
    while link.step() is Step.WAITING and time.monotonic() < deadline:
        time.sleep(0.05)
    assert world.destination.received == [(0, b"one")]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (garbage, "Malformed"),
        (endless, "Oversize"),
        (other_chain, "WrongDomain"),
        (deep, "Malformed"),
        (slow, "Unreachable"),
    ],
)
def test_faults_of_attestors_are_told_by_name(behaviour: Callable[[World], bytes], reason: str, world: World) -> None:
    world.source.emit(b"one")
    world.board.pages[2] = lambda: behaviour(world)
    assert world.link(seconds=0.5).step() is Step.WAITING
    assert world.faults == [(world.board.urls[2], reason)]


def test_dead_attestors_are_faults_and_a_quorum_of_the_rest_suffices(world: World) -> None:
    world.emit(b"one")
    world.board.urls[3] = "http://127.0.0.1:9"
    assert drain(world.link()) == [Step.DELIVERED]


def test_contradicting_quorum_freezes_the_client(world: World) -> None:
    world.source.emit(b"one")
    honest = world.source.statement(1)
    fork = replace(honest, block_hash=keccak(b"fork"))
    world.board.say([[*a, *b] for a, b in zip(attest(honest), attest(fork), strict=True)])
    link = world.link()
    refused(Code.Frozen, link.step)
    assert world.destination.status.frozen and world.destination.accused >= 2
    refused(Code.Frozen, link.step)
    assert world.destination.received == []


# --- lying sources, reorganisations ----------------------------------------------------------------------------------


def test_source_that_tells_other_packets_than_were_signed_is_refused(world: World) -> None:
    world.emit(b"one")
    liar = Source()
    liar.emit(b"forged")
    honest, world.source = world.source, liar
    link = world.link()
    refused(Code.InconsistentLog, link.step)
    assert world.destination.received == []
    world.source = honest
    assert drain(world.link()) == [Step.REREAD, Step.DELIVERED]


def test_queue_that_read_a_reorganised_block_reads_again(world: World) -> None:
    link = world.link()
    world.source.emit(b"dropped")
    world.source.emit(b"dropped too")
    assert link.step() is Step.WAITING
    world.source.entries.clear()
    world.source.nonces.clear()
    world.emit(b"kept")
    assert drain(link) == [Step.DELIVERED]
    assert world.destination.received == [(0, b"kept")]


def test_reorganised_block_of_the_same_length_is_read_again(world: World) -> None:
    link = world.link()
    world.source.emit(b"dropped")
    assert link.step() is Step.WAITING
    world.source.entries.clear()
    world.source.nonces.clear()
    world.emit(b"kept")
    assert drain(link) == [Step.REREAD, Step.DELIVERED]
    assert world.destination.received == [(0, b"kept")]


def test_destination_that_loses_a_block_gets_the_packets_again(world: World) -> None:
    link = world.link()
    world.emit(b"one")
    before = world.destination.status
    drain(link)
    world.destination.status, world.destination.received = before, []
    assert drain(link) == [Step.DELIVERED]
    assert world.destination.received == [(0, b"one")]


def test_source_node_behind_the_attestors_is_transient(world: World) -> None:
    link = world.link()
    world.emit(b"one")
    drain(link)
    world.emit(b"two", b"three")
    last = world.source.entries.pop()
    with pytest.raises(Unreachable, match="2 of 3 packets"):
        link.step()
    world.source.entries.append(last)
    assert drain(link) == [Step.DELIVERED]


# --- races, refusals, restarts ---------------------------------------------------------------------------------------


def test_lost_race_is_no_failure(world: World) -> None:
    first, second = world.link("first"), world.link("second")
    world.emit(b"one", b"two")
    honest = world.destination.deliver

    def overtaken(*arguments: object) -> object:
        world.destination.deliver = honest  # type: ignore[method-assign]
        assert drain(first) == [Step.DELIVERED]
        return honest(*arguments)  # type: ignore[arg-type]

    world.destination.deliver = overtaken  # type: ignore[method-assign,assignment]
    assert drain(second) == [Step.RACED]
    assert world.destination.received == [(0, b"one"), (1, b"two")]


def test_many_relayers_at_once_deliver_every_packet_once(world: World) -> None:
    world.emit(*(bytes([n]) for n in range(40)))
    lock = Lock()
    honest = world.destination.deliver

    def one_at_a_time(*arguments: object) -> object:
        with lock:
            return honest(*arguments)  # type: ignore[arg-type]

    world.destination.deliver = one_at_a_time  # type: ignore[method-assign,assignment]

    def relay(name: str) -> None:
        with ExitStack() as stack:
            drain(replace(world, stack=stack).link(name, max_batch=3))

    threads = [Thread(target=relay, args=(f"queue-{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.destination.received == [(n, bytes([n])) for n in range(40)]


def test_refusal_without_a_race_is_raised_with_its_code(world: World) -> None:
    world.emit(b"one")
    world.destination.refusals = [Rejected("no", Code.Halted)]
    link = world.link()
    with pytest.raises(Rejected) as caught:
        link.step()
    assert caught.value.code is Code.Halted
    assert drain(link) == [Step.DELIVERED]


def test_transaction_that_does_not_fit_is_halved(world: World) -> None:
    world.emit(*(bytes([n]) for n in range(8)))
    world.destination.refusals = [Rejected("out of gas"), Rejected("out of gas")]
    link = world.link()
    for _ in range(2):
        with pytest.raises(Rejected):
            link.step()
    drain(link)
    assert world.destination.transactions[0][1] == 2
    assert len(world.destination.received) == 8


@pytest.mark.parametrize("code", [Code.StaleClient, Code.UnknownOutbox])
def test_stale_client_gets_an_update_with_the_packets(code: Code, world: World) -> None:
    world.emit(*(bytes([n]) for n in range(4)))
    link = world.link(max_batch=2)
    assert link.step() is Step.DELIVERED
    world.source.quiet(5)
    world.board.say(attest(world.source.statement(world.source.best)))
    world.destination.refusals = [Rejected("too old", code)]
    assert drain(link) == [Step.RACED, Step.DELIVERED]
    assert [proof is not None for proof, _ in world.destination.transactions] == [True, True]


@pytest.mark.parametrize("seed", range(6))
def test_crash_after_any_step_and_lost_queue_still_deliver_exactly_once(seed: int, world: World) -> None:
    """A transaction may have gone through although the relayer never heard of it; its queue may be gone."""
    random = Random(seed)
    honest = world.destination.deliver

    def flaky(*arguments: object) -> object:
        if random.random() < 0.3:
            raise Unreachable("lost on the way there")
        receipt = honest(*arguments)  # type: ignore[arg-type]
        if random.random() < 0.4:
            raise Unreachable("lost on the way back")
        return receipt

    world.destination.deliver = flaky  # type: ignore[method-assign,assignment]
    sent = 0
    link = world.link(f"queue-{seed}", max_batch=3)
    for turn in range(60):
        if sent < 20 and random.random() < 0.6:
            world.emit(bytes([sent]))
            sent += 1
        if random.random() < 0.3:
            link = world.link(f"queue-{seed}-{turn}" if random.random() < 0.5 else f"queue-{seed}", max_batch=3)
        try:
            link.step()
        except Unreachable:
            continue
    world.destination.deliver = honest  # type: ignore[method-assign]
    drain(link)
    assert world.destination.received == [(n, bytes([n])) for n in range(sent)] and sent > 10


# --- pure parts ------------------------------------------------------------------------------------------------------


def test_decide_says_what_is_missing() -> None:
    source, destination = Source(), Destination()
    for n in range(3):
        source.emit(bytes([n]))
    entries = tuple(source.entries)
    client = destination.status
    assert decide(LinkView(client, 0, (), 8)) == Idle()
    assert decide(LinkView(client, 0, entries, 8)) == Collect(1)
    covered = replace(client, state=replace(client.state, outbox_size=2))
    assert decide(LinkView(covered, 0, entries, 8)) == Known(entries[:2])
    assert decide(LinkView(covered, 0, entries, 1)) == Known(entries[:1])
    assert decide(LinkView(covered, 0, entries, 8, refresh=True)) == Collect(2)
    refused(Code.NonceGap, lambda: decide(LinkView(client, 0, entries[1:], 8)))
    refused(Code.Frozen, lambda: decide(LinkView(replace(client, frozen=True), 0, entries, 8)))


def test_backoff_doubles_up_to_its_bound() -> None:
    assert [backoff(n, 0.25, 30) for n in (0, 1, 2, 3, 8, 10_000)] == [0, 0.25, 0.5, 1.0, 30, 30]


def test_certified_ignores_other_epochs_older_heights_and_shrinking_outboxes() -> None:
    source = Source()
    for n in range(3):
        source.emit(bytes([n]))
    state = replace(Destination().status.state, height=2, outbox_size=2)
    for said in (source.statement(3, epoch=2), source.statement(2), replace(source.statement(3), outbox_size=1)):
        assert list(certified(SOURCE, state, MEMBERS, attest(said))) == []
    found = list(certified(SOURCE, state, MEMBERS, attest(source.statement(3))))
    assert len(found) == 1 and len(found[0].signatures) == 3
    assert covering(found, 4) is None and covering(found, 3) is found[0]
    assert contradiction(found) is None
