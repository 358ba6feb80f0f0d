"""Reading TOML: one pydantic model a file; an unknown key is refused with the nearest known name.

The digest of a resolved configuration is what a task on a ledger names, so it has one encoding: JSON with sorted keys
and no white space of the model with every default filled in.
"""

from __future__ import annotations

import json
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from poft.protocol.errors import ConfigError
from poft.protocol.hashing import keccak

MAX_CONFIG_BYTES = 1 << 20


class Settings(BaseModel):
    """Base of every configuration model: frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


M = TypeVar("M", bound=Settings)


def load(path: Path, model: type[M]) -> M:
    """The configuration in a TOML file.

    Raises:
        ConfigError: no such file, not TOML, an unknown key, a value that does not fit; names file, key and remedy.
    """
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError(f"{path} has more than {MAX_CONFIG_BYTES} bytes", "Is this a configuration file?")
        data = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist", "Name a TOML file; examples are in experiments/") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    return parse(data, model, str(path))


def parse(data: dict[str, object], model: type[M], source: str) -> M:
    """The configuration in these values; `source` is named in errors."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = [str(part) for part in first["loc"]]
        key = ".".join(where)
        if first["type"] == "extra_forbidden":
            known = _known_keys(model, first["loc"][:-1])
            near = get_close_matches(where[-1], known, n=1)
            remedy = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(known)}"
            raise ConfigError(f"{source}: unknown key {key!r}", remedy) from error
        # What a model says of several keys together names them itself.
        place = f"{source}: {key}" if key else source
        raise ConfigError(f"{place}: {first['msg'].removeprefix('Value error, ')}") from error


def canonical(settings: BaseModel) -> bytes:
    """The one encoding of a resolved configuration."""
    return json.dumps(settings.model_dump(mode="json"), sort_keys=True, separators=(",", ":")).encode()


def digest(settings: BaseModel) -> bytes:
    """keccak of the canonical encoding: the task's `configDigest`."""
    return keccak(canonical(settings))


def _known_keys(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Field names of the model that `path` leads to."""
    current: object = model
    for part in path:
        if isinstance(part, int):
            continue
        if isinstance(current, type) and issubclass(current, BaseModel) and part in current.model_fields:
            current = _model_in(current.model_fields[part].annotation)
    return sorted(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _model_in(annotation: object) -> object:
    """The pydantic model inside of an annotation such as `list[Model]` or `Model | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner)) is not None), None)
