"""`poft status`: where the networks, links and services of a run stand.

On a chain of several validators a newest final block that is old means that finality has stopped; chains that make
blocks on demand are not judged by that.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poft.cli.output import Json, print_json, print_table
from poft.protocol.errors import ChainError, Code, Refused, Unreachable

if TYPE_CHECKING:
    from poft.chain import Chain, ChainSpec

STANDS_SECONDS = 30
"""A newest final block older than this: finality has stopped."""
_ANSWER_SECONDS = 2.0


def status(
    run: Annotated[Path, typer.Argument(help="Folder of a run, e.g. runs/demo.")] = Path("runs/demo"),
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show height, finality, round, outbox and light clients of every network of a run, and its services."""
    from poft.config import digest
    from poft.protocol.domain import task_id
    from poft.run_folder import open_run

    folder = open_run(run)
    chains: dict[str, Chain] = {}
    networks: list[Json] = []
    for name in folder.networks:
        found = _connected(folder.spec(name))
        if found is None:
            networks.append({"network": name, "state": "down"})
            continue
        chain, (answering, of) = found
        chains[name] = chain
        record: dict[str, Json] = {
            "network": name,
            "state": "up",
            "nodes": f"{answering}/{of}",
            "height": chain.height(),
            "final": chain.final_height(),
            "outbox": chain.outbox_size(),
        }
        record |= _finality(chain)
        try:
            task = chain.task(task_id(chain.federation(), digest(folder.settings)))
            record |= {"round": task.round, "rounds": task.task.rounds, "phase": task.phase.name.lower()}
            record["checkpoint"] = "0x" + task.last_checkpoint.hex()
        except Refused as refused:
            if refused.code is not Code.UnknownTask:
                raise
        networks.append(record)
    links: list[Json] = []
    for a, source in chains.items():
        for b, destination in chains.items():
            try:
                client = destination.client(source.domain)
            except Refused:
                continue
            links.append(
                {
                    "link": f"{a} → {b}",
                    "trusted height": client.state.height,
                    "trusted outbox": client.state.outbox_size,
                    "next nonce": destination.next_nonce(source.domain),
                    "state": "frozen" if client.frozen else "live",
                }
            )
    for chain in chains.values():
        chain.close()
    services = _services(run)
    if json:
        print_json({"networks": networks, "links": links, "services": services})
        return
    for title, records in (("networks", networks), ("links", links), ("services", services)):
        rows = [record for record in records if isinstance(record, dict)]
        columns = list(dict.fromkeys(key for record in rows for key in record))
        print_table(title, columns, [[record.get(column, "") for column in columns] for record in rows])


def _connected(spec: ChainSpec) -> tuple[Chain, tuple[int, int]] | None:
    """A connection through the first endpoint that answers, and how many of them do."""
    from dataclasses import replace

    from poft.chain import connect

    chains = []
    for url in spec.rpc:
        try:
            chains.append(connect(replace(spec, rpc=(url,))))
        except Unreachable:
            continue
    for spare in chains[1:]:
        spare.close()
    return (chains[0], (len(chains), len(spec.rpc))) if chains else None


def _finality(chain: Chain) -> dict[str, Json]:
    """How old the newest final block is by its own evidence; nothing of development chains."""
    import time

    if chain.spec.development:
        return {}
    try:
        age = int(time.time()) - chain.finality_evidence(chain.final_height()).timestamp
    except (Refused, ChainError) as error:
        return {"state": f"no evidence of finality: {error}"}
    state = f"finality stopped {age} s ago" if age > STANDS_SECONDS else "up"
    return {"state": state, "final age": f"{age} s"}


def _services(run: Path) -> list[Json]:
    """What the attestors and relayers of a run say of themselves."""
    import json
    import tomllib
    from urllib.error import HTTPError
    from urllib.request import ProxyHandler, build_opener

    opener = build_opener(ProxyHandler({}))  # services listen on this machine, whatever proxy the environment names
    said: list[Json] = []
    for path in sorted(run.glob("services/*/*.toml")):
        try:
            url = f"http://{tomllib.loads(path.read_text())['listen']}/health"
            with opener.open(url, timeout=_ANSWER_SECONDS) as page:
                record = json.loads(page.read())
        except HTTPError as trouble:  # 503: it answers, and is in trouble
            record = json.loads(trouble.read())
        except OSError:
            record = {"status": "down"}
        state, detail = str(record.get("status")), str(record.get("detail", ""))
        said.append({"service": path.parent.name, "state": state, "detail": detail})
    return said
