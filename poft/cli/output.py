"""Printing: JSON for programs on standard output, tables for people, errors on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

Json = str | int | float | bool | None | Sequence["Json"] | dict[str, "Json"]


def print_json(value: Json) -> None:
    """One JSON document."""
    print(json.dumps(value, indent=2))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table for people."""
    from rich.console import Console

    Console().print(table_of(title, columns, rows))


def table_of(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table for people."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    return table


def fail(message: str, code: IntEnum | None) -> None:
    """One line on standard error; a JSON object when `--json` was asked for."""
    if "--json" in sys.argv:
        error = {"error": message, "code": code.name if code is not None else None}
        print(json.dumps(error), file=sys.stderr)
    else:
        print(f"poft: {message}", file=sys.stderr)
