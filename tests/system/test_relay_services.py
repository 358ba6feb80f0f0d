"""Attestors and relayers as processes between two real devnets: delivery, crashes, liars, races."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import httpx
import pytest

from poft.protocol.finality import Finality, sign_finality
from poft.protocol.hashing import keccak, words
from poft.protocol.structs import decode_fields
from relayers.http import Query, Response, serve
from relayers.wire import Attestation, read_page, write_page

from .relaying import Pair, answers, kill, linked_pair, page, start_all, wait_for

pytestmark = [pytest.mark.devnet, pytest.mark.slow]

KINDS = ("evm", "substrate")


@pytest.fixture(scope="module")
def devnets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with linked_pair(tmp_path_factory.mktemp("pair"), KINDS) as made:
        yield made


@pytest.fixture
def pair(devnets: Pair) -> Iterator[Pair]:
    """The devnets of all these tests; services run only within one."""
    yield devnets
    devnets.stop()


def test_checkpoints_travel_both_ways_and_honest_attestors_sign_equal_statements(pair: Pair) -> None:
    start_all(pair.services)
    before = len(pair.left.exported) + len(pair.right.exported)
    pair.left.export(3)
    pair.right.export(2)
    pair.assert_delivered_once(pair.left, pair.right)
    pair.assert_delivered_once(pair.right, pair.left)
    bodies = [{s["height"]: (s["blockHash"], s["outboxRoot"]) for s in page(one)} for one in pair.left.services]
    common = set(bodies[0]).intersection(*bodies[1:])
    assert len(common) >= 3 and all(bodies[0][h] == body[h] for body in bodies for h in common)
    metrics = "".join(httpx.get(f"{relayer.url}/metrics").text for relayer in pair.relayers)
    delivered = sum(
        float(line.split()[-1]) for line in metrics.splitlines() if line.startswith("poft_relayer_delivered_total")
    )
    assert delivered == len(pair.left.exported) + len(pair.right.exported) - before
    health = httpx.get(f"{pair.relayers[0].url}/health").json()
    assert health["status"] == "ok" and health["pending"] == {"left-right": 0, "right-left": 0}


def test_kills_at_random_moments_end_in_every_packet_delivered_once(pair: Pair) -> None:
    """kill −9 of relayers (one of them loses its queue) and attestors while checkpoints are exported."""
    random = Random(11)
    start_all(pair.services)
    done = threading.Event()

    def chaos() -> None:
        while not done.is_set():
            victim = random.choice([*pair.relayers, *pair.left.services])
            kill(victim, pair.left.folder)
            done.wait(random.random() * 0.5)
            if victim is pair.relayers[0]:
                for file in (pair.left.folder / victim.name).glob("queue.sqlite*"):
                    file.unlink()
            victim.stop()
            victim.start()
            done.wait(random.random())

    thread = threading.Thread(target=chaos)
    thread.start()
    try:
        pair.left.export(8)
    finally:
        done.set()
        thread.join()
    pair.assert_delivered_once(pair.left, pair.right)
    for service in pair.left.services:
        _assert_no_contradiction(pair.left.folder / service.name / "journal.sqlite")


def test_lying_attestor_changes_nothing(pair: Pair) -> None:
    """One of four signs another outbox with its real key, for every height, and sends garbage every other time."""
    liar, honest = pair.left.attestors[0], pair.left.services[1]
    asked = 0

    def lie(query: Query) -> Response:
        nonlocal asked
        asked += 1
        if asked % 2:
            return Response(b"\xff" * 1000)
        served = read_page(pair.left.chain.domain, httpx.get(f"{honest.url}/statements", params=dict(query)).content)
        lies = [_lie(x.statement, liar.key, pair.left.chain.domain) for x in served]
        return Response(write_page(pair.left.chain.domain, liar.address, lies))

    listen = liar.url.removeprefix("http://")
    with serve(listen, {"GET /statements": lie}):
        services = [service for service in pair.services if service.name != liar.name]
        start_all(services)
        pair.left.export(3)
        pair.assert_delivered_once(pair.left, pair.right)
    assert asked > 0
    status = pair.right.chain.client(pair.left.chain.domain)
    assert not status.frozen


def _lie(said: Finality, key: bytes, domain: bytes) -> Attestation:
    lie = replace(said, outbox_root=keccak(b"lie"), height=said.height + 1)
    return Attestation(lie, sign_finality(key, domain, lie))


def test_two_of_four_attestors_down_stops_the_link_and_one_more_starts_it(pair: Pair) -> None:
    before = pair.right.imported()
    start_all([*pair.left.services[:2], *pair.relayers])
    pair.left.export()
    time.sleep(2)
    assert pair.right.imported() == before
    pair.left.services[2].start()
    pair.assert_delivered_once(pair.left, pair.right)


def test_services_stop_cleanly_on_both_signals(pair: Pair) -> None:
    services = [pair.left.services[0], pair.relayers[0]]
    for number in (signal.SIGINT, signal.SIGTERM):
        start_all(services)
        for service in services:
            process = service._process
            assert process is not None
            os.kill(process.pid, number)
            assert process.wait(10) == 0
            service._process = None
            assert "stopped" in (pair.left.folder / service.name / "log").read_text().splitlines()[-1]


def _assert_no_contradiction(journal: Path) -> None:
    """Statements of one attestor: heights rise, sizes never shrink, one root for one size."""
    with sqlite3.connect(journal) as db:
        rows = db.execute("SELECT body FROM statements ORDER BY height").fetchall()
    statements = [Finality(*decode_fields(Finality, list(words(body)))) for (body,) in rows]  # type: ignore[arg-type]
    roots: dict[int, bytes] = {}
    size = 0
    for said in statements:
        assert said.outbox_size >= size
        size = said.outbox_size
        assert roots.setdefault(size, said.outbox_root) == said.outbox_root
    assert statements


def test_log_lines_are_json_when_asked(pair: Pair) -> None:
    config = pair.left.folder / pair.left.services[0].name / "attest.toml"
    command = [sys.executable, "-m", "poft.cli.main", "attest", "--config", str(config), "--json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: answers(pair.left.services[0]), "the attestor")
        process.terminate()
        assert process.stderr is not None
        events = [json.loads(line)["event"] for line in process.stderr]
    assert process.returncode == 0 and events[-1] == "stopped" and "started" in events
