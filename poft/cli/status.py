"""`poft status`: where the networks and links of a run stand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poft.cli.output import Json, print_json, print_table
from poft.protocol.errors import Code, Refused, Unreachable


def status(
    run: Annotated[Path, typer.Argument(help="Folder of a run, e.g. runs/demo.")] = Path("runs/demo"),
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show height, round, outbox and light clients of every network of a run."""
    from poft.chain import Chain, connect
    from poft.config import digest
    from poft.protocol.domain import task_id
    from poft.run_folder import open_run

    folder = open_run(run)
    chains: dict[str, Chain] = {}
    networks: list[Json] = []
    for name in folder.networks:
        try:
            chain = connect(folder.spec(name))
        except Unreachable:
            networks.append({"network": name, "state": "down"})
            continue
        chains[name] = chain
        record: dict[str, Json] = {
            "network": name,
            "state": "up",
            "height": chain.height(),
            "final": chain.final_height(),
            "outbox": chain.outbox_size(),
        }
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
    if json:
        print_json({"networks": networks, "links": links})
        return
    for title, records in (("networks", networks), ("links", links)):
        rows = [record for record in records if isinstance(record, dict)]
        columns = list(dict.fromkeys(key for record in rows for key in record))
        print_table(title, columns, [[record.get(column, "") for column in columns] for record in rows])
