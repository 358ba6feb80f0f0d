"""`poft plugin new`: a scheme that works, written from the files in `templates/`.

`@NAME@` is the scheme, `@lower@` and `@Name@` its name in identifiers, `@poft@` the checkout whose contracts and crates
it builds on. `gitignore` gets its dot, and `package` its own name, when they are written.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from poft.conformance.plugin import installed
from poft.protocol.errors import ConfigError

TEMPLATES = Path(__file__).parent / "templates"
_SUFFIX = ".template"
_NAME = re.compile("[A-Z][A-Z0-9]{3}")
_CHECKOUT = Path(__file__).resolve().parents[2]
_PRIMITIVES = Path("chains", "substrate", "primitives", "Cargo.toml")
_LOCK = Path("chains", "substrate", "Cargo.lock")


def write(name: str, folder: Path) -> Path:
    """Writes the skeleton of a scheme and returns its folder.

    Raises:
        ConfigError: the name is none, or is taken; the folder holds something; poft was installed without its sources.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no name for a scheme", "Four capital letters or digits, a letter first: ABC1")
    if name in installed():
        raise ConfigError(f"a scheme {name} is installed", "Choose another name, or uninstall that one")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} holds something", "Name a folder that is empty or does not exist")
    if not (_CHECKOUT / _PRIMITIVES).is_file():
        raise ConfigError("poft was installed without its sources", "Install it from a checkout: pip install -e")
    words = {"@NAME@": name, "@lower@": name.lower(), "@Name@": name.capitalize(), "@poft@": str(_CHECKOUT)}
    for template, target in planned(words):
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(filled(template.read_text(encoding="utf-8"), words), encoding="utf-8")
    # The versions that poft itself was tested with; cargo drops what the crate does not need.
    shutil.copy(_CHECKOUT / _LOCK, folder / "substrate" / "Cargo.lock")
    return folder


def planned(words: dict[str, str]) -> Iterator[tuple[Path, Path]]:
    """(template, path in the new folder) of every file."""
    for template in sorted(TEMPLATES.rglob(f"*{_SUFFIX}")):
        parts = template.relative_to(TEMPLATES).parts
        renamed = [filled(part, words) for part in parts]
        if renamed[0] == "package":
            renamed[0] = f"poft_{words['@lower@']}"
        renamed[-1] = renamed[-1].removesuffix(_SUFFIX)
        if renamed == ["gitignore"]:
            renamed = [".gitignore"]
        yield template, Path(*renamed)


def filled(text: str, words: dict[str, str]) -> str:
    """The text with the words in their places."""
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text


__all__ = ["TEMPLATES", "write"]
