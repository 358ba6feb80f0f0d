"""`ChainSpec` as a JSON file: how a run folder and a devnet's folder remember a chain."""

from __future__ import annotations

import json
from pathlib import Path

from poft.chain import ChainSpec
from poft.protocol.errors import ConfigError
from poft.whole_file import write_private


def write_spec(path: Path, spec: ChainSpec) -> None:
    """Writes a spec, readable by its owner alone: it holds the payer's secret."""
    record = {
        "name": spec.name,
        "kind": spec.kind,
        "rpc": list(spec.rpc),
        "domain": "0x" + spec.domain.hex(),
        "deployment": spec.deployment,
        "key": spec.key,
        "finality": spec.finality,
        "development": spec.development,
    }
    write_private(path, json.dumps(record, indent=2))


def read_spec(path: Path) -> ChainSpec:
    """Reads a spec; a missing or damaged file is a `ConfigError`."""
    try:
        record = json.loads(path.read_text())
        return ChainSpec(
            name=record["name"],
            kind=record["kind"],
            rpc=tuple(record["rpc"]),
            domain=bytes.fromhex(record["domain"].removeprefix("0x")),
            deployment=record["deployment"],
            key=record["key"],
            finality=record["finality"],
            development=record["development"],
        )
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist", "Was the run or devnet started?") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is not a chain's description: {error!r}", "Start the run afresh") from error
