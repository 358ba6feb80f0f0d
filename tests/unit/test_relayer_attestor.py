"""The attestor signs what it must, abstains when evidence fails, and never contradicts itself, even after a crash."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poft.chain import Chain
from poft.protocol.errors import ArtifactError, Code, ConfigError, Refused, Reorganised, Unreachable
from poft.protocol.finality import Finality, committee_hash
from poft.protocol.hashing import keccak
from poft.protocol.merkle import log_root
from poft.protocol.signatures import key_address, verify_signer
from relayers.attestor import Attestor, due_heights, first_height, terms_at
from relayers.config import AttestorSettings, ChainSettings, HandOver
from relayers.journal import Journal, read_page
from tests.ledgers import KEYS, MEMBERS, OTHER_MEMBERS, SOURCE, Source


def refused(code: Code, action: Callable[[], object]) -> None:
    with pytest.raises(Refused) as caught:
        action()
    assert caught.value.code is code, caught.value


def settings_for(**changes: object) -> AttestorSettings:
    chain = ChainSettings(name="source", kind="memory", rpc=("x",), domain="0x" + SOURCE.hex(), development=True)
    return AttestorSettings(chain=chain, key_file="key", **changes)  # type: ignore[arg-type]


def attestor(path: Path, key: bytes = KEYS[0], **changes: object) -> Attestor:
    return Attestor(settings_for(**changes), Journal(path, SOURCE, key))


def heights(made: Attestor, chain: Source) -> list[int]:
    return [signed.statement.height for signed in made.step(cast(Chain, chain))]


# --- what is signed, and when ----------------------------------------------------------------------------------------


@given(st.sets(st.integers(1, 200)), st.integers(1, 30), st.lists(st.integers(1, 200), max_size=6))
def test_due_heights_do_not_depend_on_when_one_looks(changed: set[int], every: int, looks: list[int]) -> None:
    whole = due_heights(changed, 1, 200, every, None)
    stops = [0, *sorted(set(looks)), 200]
    pieces = [h for a, b in itertools.pairwise(stops) for h in due_heights(changed, a + 1, b, every, None)]
    assert pieces == whole
    assert set(whole) == changed | set(range(every, 201, every))


def test_first_height_skips_what_nodes_have_pruned() -> None:
    assert first_height(final=10, signed=0, catch_up=256) == 1
    assert first_height(final=1000, signed=990, catch_up=256) == 991
    assert first_height(final=1000, signed=100, catch_up=256) == 745


def test_signs_every_outbox_change_and_every_nth_block_and_says_the_same_as_its_peers(tmp_path: Path) -> None:
    chain = Source()
    first, second = attestor(tmp_path / "a", KEYS[0], every=5), attestor(tmp_path / "b", KEYS[1], every=5)
    chain.emit(b"one")
    chain.quiet(6)
    assert heights(first, chain) == [1, 5]
    chain.emit(b"two")
    assert heights(first, chain) == [8]
    assert heights(second, chain) == [1, 5, 8]
    a, b = (read_page(tmp_path / name, 0, None, None) for name in "ab")
    assert [x.statement for x in a] == [x.statement for x in b]
    for x in a:
        verify_signer(x.statement.digest(SOURCE), x.signature, MEMBERS[0])


def test_signs_nothing_from_before_the_outbox(tmp_path: Path) -> None:
    chain = Source(first_height=7)
    chain.quiet(12)
    assert heights(attestor(tmp_path / "a", every=5), chain) == [10]


def test_hand_over_is_signed_at_its_height_and_the_next_epoch_follows(tmp_path: Path) -> None:
    hand_over = HandOver(height=3, members=tuple("0x" + m.hex() for m in OTHER_MEMBERS))
    chain = Source()
    chain.quiet(4)
    made = attestor(tmp_path / "a", every=2, hand_over=hand_over)
    signed = list(made.step(cast(Chain, chain)))
    assert [(s.statement.height, s.statement.epoch) for s in signed] == [(2, 1), (3, 1), (4, 2)]
    assert signed[1].statement.next_committee == committee_hash(2, OTHER_MEMBERS)
    assert signed[1].next_members == OTHER_MEMBERS
    assert read_page(tmp_path / "a", 0, 1, None)[-1].next_members == OTHER_MEMBERS
    assert terms_at(9, 1, None).epoch == 1


def test_hand_over_that_was_missed_for_long_is_signed_first(tmp_path: Path) -> None:
    """Down for more blocks than it catches up: it skips the others, but not the hand-over, also after a restart."""
    hand_over = HandOver(height=3, members=tuple("0x" + m.hex() for m in OTHER_MEMBERS))
    chain = Source()
    chain.emit(b"one")
    changes = {"every": 2, "catch_up": 4, "hand_over": hand_over}
    assert heights(attestor(tmp_path / "a", **changes), chain) == [1]
    chain.emit(b"two")
    chain.quiet(98)
    made = attestor(tmp_path / "a", **changes)
    chain.fault = Refused(Code.NotFinal, "the node dropped this state")
    refused(Code.NotFinal, lambda: heights(made, chain))
    chain.fault = None
    signed = list(made.step(cast(Chain, chain)))
    assert [(s.statement.height, s.statement.epoch) for s in signed] == [(3, 1), (98, 2), (100, 2)]
    assert signed[0].next_members == OTHER_MEMBERS


# --- abstaining ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [Code.EvidenceDisagrees, Code.NotFinal, Code.DevelopmentChain])
def test_abstains_while_evidence_fails_and_signs_when_it_holds_again(code: Code, tmp_path: Path) -> None:
    chain = Source()
    made = attestor(tmp_path / "a")
    chain.emit(b"one")
    chain.fault = Refused(code, "height 1")
    refused(code, lambda: heights(made, chain))
    assert read_page(tmp_path / "a", 0, None, None) == []
    chain.fault = None
    assert heights(made, chain) == [1]


def test_signs_nothing_while_the_chain_is_unreachable(tmp_path: Path) -> None:
    chain = Source(fault=Unreachable("down"))
    with pytest.raises(Unreachable):
        heights(attestor(tmp_path / "a"), chain)


# --- never two stories -----------------------------------------------------------------------------------------------


def test_refuses_a_second_statement_for_a_height_after_a_restart(tmp_path: Path) -> None:
    chain = Source()
    chain.emit(b"one")
    assert heights(attestor(tmp_path / "a"), chain) == [1]
    journal = Journal(tmp_path / "a", SOURCE, KEYS[0])
    honest = chain.statement(1)
    ids = [entry.packet.id for entry in chain.entries]
    assert journal.sign(honest, ids) == read_page(tmp_path / "a", 0, None, None)[0]
    for lie in (
        replace(honest, block_hash=keccak(b"fork")),
        replace(honest, outbox_root=keccak(b"other")),
        replace(honest, timestamp=honest.timestamp + 1),
        replace(honest, epoch=2),
        replace(honest, next_committee=keccak(b"x")),
    ):
        refused(Code.EvidenceDisagrees, lambda lie=lie: journal.sign(lie, ids))  # type: ignore[misc]
    assert len(read_page(tmp_path / "a", 0, None, None)) == 1


def test_refuses_what_cannot_follow_what_it_signed(tmp_path: Path) -> None:
    chain = Source()
    for payload in (b"one", b"two", b"three"):
        chain.emit(payload)
    chain.quiet(4)
    made = attestor(tmp_path / "a")
    assert heights(made, chain) == [1, 2, 3]
    journal = Journal(tmp_path / "a", SOURCE, KEYS[0])
    later = chain.statement(7)
    refused(Code.WrongEpoch, lambda: journal.sign(replace(later, epoch=2), []))
    refused(Code.SizeRegression, lambda: journal.sign(replace(later, outbox_size=2), []))
    refused(Code.RootChanged, lambda: journal.sign(replace(later, outbox_root=keccak(b"x")), []))
    refused(Code.TimestampRegression, lambda: journal.sign(replace(later, timestamp=1), []))
    refused(Code.StaleHeight, lambda: journal.sign(replace(chain.statement(2), height=0), []))
    refused(Code.InconsistentLog, lambda: journal.sign(replace(later, outbox_size=4), [keccak(b"invented")]))
    assert journal.sign(later, []).statement == later


def test_refuses_an_outbox_that_was_rewritten_below_what_it_signed(tmp_path: Path) -> None:
    chain = Source()
    chain.emit(b"one")
    made = attestor(tmp_path / "a")
    assert heights(made, chain) == [1]
    forked = Source()  # the blocks' hashes are a lie as well
    for payload in (b"other", b"two", b"three"):
        forked.emit(payload)
    refused(Code.InconsistentLog, lambda: heights(made, forked))
    chain.emit(b"two")
    assert heights(made, chain) == [2]


def test_names_a_reorganisation_below_what_it_signed_and_signs_nothing_beside_it(tmp_path: Path) -> None:
    chain = Source()
    chain.emit(b"one")
    made = attestor(tmp_path / "a", every=2)
    assert heights(made, chain) == [1]
    chain.fork = b"fork"
    chain.quiet(4)
    with pytest.raises(Reorganised, match="source was reorganised below its finality: block 1 was 0x"):
        heights(made, chain)
    again = Attestor(settings_for(every=2), Journal(tmp_path / "a", SOURCE, KEYS[0]))
    with pytest.raises(Reorganised):
        heights(again, chain)
    assert len(read_page(tmp_path / "a", 0, None, None)) == 1
    chain.fork = b""  # the branch that was signed won after all
    assert heights(made, chain) == [2, 4]


def test_node_that_is_behind_what_was_signed_is_no_reorganisation(tmp_path: Path) -> None:
    chain = Source()
    chain.emit(b"one")
    chain.emit(b"two")
    made = attestor(tmp_path / "a")
    assert heights(made, chain) == [1, 2]
    behind = Source(fork=b"not looked at")
    behind.emit(b"one")
    assert heights(attestor(tmp_path / "a"), behind) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 4), st.booleans(), st.integers(1, 2)), max_size=20))
def test_no_sequence_of_requests_makes_it_contradict_itself(
    tmp_path_factory: pytest.TempPathFactory, requests: list[tuple[int, int, bool, int]]
) -> None:
    """Whatever is asked for: one statement a height, sizes that never shrink, one root for one size."""
    journal = Journal(tmp_path_factory.mktemp("journal") / "a", SOURCE, KEYS[0])
    chains = [Source(), Source(fork=b"fork")]
    for chain, tag in zip(chains, (b"a", b"b"), strict=True):
        for n in range(4):
            chain.emit(tag + bytes([n]))
    signed: list[Finality] = []
    for height, size, forked, epoch in requests:
        chain = chains[forked]
        ids = [entry.packet.id for entry in chain.entries]
        last = journal.last()
        known = 0 if last is None else last.outbox_size
        said = replace(
            chain.statement(4), height=height, outbox_size=size, outbox_root=log_root(ids[:size]), epoch=epoch
        )
        try:
            signed.append(journal.sign(said, ids[known:size]).statement)
        except Refused:
            continue
    journal.close()
    by_height: dict[int, Finality] = {}
    for said in signed:
        assert by_height.setdefault(said.height, said) == said
    ordered = [by_height[h] for h in sorted(by_height)]
    roots: dict[int, bytes] = {}
    for a, b in itertools.pairwise(ordered):
        assert a.outbox_size <= b.outbox_size and a.epoch == b.epoch
    for said in ordered:
        assert roots.setdefault(said.outbox_size, said.outbox_root) == said.outbox_root


_SIGNER = """
import sys
from pathlib import Path
from tests.ledgers import KEYS, SOURCE, Source
from relayers.journal import Journal
chain = Source(fork=sys.argv[2].encode())
journal = Journal(Path(sys.argv[1]), SOURCE, KEYS[0])
chain.quiet(10_000)
for height in range(1, 10_000):
    try:
        made = journal.sign(chain.statement(height), [])
    except Exception as error:
        if type(error).__name__ != "Refused":
            raise
        continue
    print(height, made.signature.hex(), flush=True)
"""


@pytest.mark.slow
def test_kill_at_any_moment_leaves_no_signature_that_is_not_in_the_journal(tmp_path: Path) -> None:
    """Signers on two forks are killed again and again; whatever got out is in the journal, one for each height."""
    seen: dict[int, str] = {}
    for attempt in range(8):
        fork = "ab"[attempt % 2]
        process = subprocess.Popen(
            [sys.executable, "-c", _SIGNER, str(tmp_path / "a"), fork], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(0.05 * attempt)
        os.kill(process.pid, signal.SIGKILL)
        for line in [first, *process.stdout.read().splitlines(keepends=True)]:
            if line.endswith("\n"):
                height, signature = line.split()
                assert seen.setdefault(int(height), signature) == signature
        process.stdout.close()
        process.wait()
    with sqlite3.connect(tmp_path / "a") as db:
        stored = {
            height: signature.hex() for height, signature in db.execute("SELECT height, signature FROM statements")
        }
    assert seen and seen.items() <= stored.items()


# --- the journal file ------------------------------------------------------------------------------------------------


def test_journal_of_another_key_or_chain_is_a_config_error(tmp_path: Path) -> None:
    Journal(tmp_path / "a", SOURCE, KEYS[0]).close()
    for domain, key in ((SOURCE, KEYS[1]), (keccak(b"other"), KEYS[0])):
        with pytest.raises(ConfigError, match="a journal of its own"):
            Journal(tmp_path / "a", domain, key)


def test_journal_that_is_no_database_is_an_artifact_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"not a database, but long enough to be read as one" * 20)
    with pytest.raises(ArtifactError, match="not a database"):
        Journal(tmp_path / "a", SOURCE, KEYS[0])
    with pytest.raises(ArtifactError, match="unable to open"):
        Journal(tmp_path / "missing" / "a", SOURCE, KEYS[0])


def test_page_holds_the_newest_statements_in_order(tmp_path: Path) -> None:
    chain = Source()
    chain.quiet(200)
    made = attestor(tmp_path / "a", every=1)
    assert heights(made, chain) == list(range(1, 201))
    page = read_page(tmp_path / "a", 0, None, None)
    assert [x.statement.height for x in page] == list(range(137, 201))
    assert [x.statement.height for x in read_page(tmp_path / "a", 198, 1, None)] == [199, 200]
    assert [x.statement.height for x in read_page(tmp_path / "a", 0, 1, 3)] == [1, 2]
    assert read_page(tmp_path / "a", 0, 2, None) == [] == read_page(tmp_path / "a", 2**64, None, None)
    assert key_address(KEYS[0]) == MEMBERS[0]
