"""A folder on any file system that fsspec reaches, with faults turned into `ArtifactError`.

Writing is atomic: a temporary name, then a rename. There is no fsync: every artifact is verified by its digest when it
is read, so a file that a power failure tore is noticed, refused and fetched again.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Protocol, cast

from fsspec.core import url_to_fs  # type: ignore[import-untyped]

from poft.protocol.errors import ArtifactError, ConfigError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


class _FileSystem(Protocol):
    """What is used of fsspec, which has no types of its own."""

    def open(self, path: str, mode: str) -> BinaryIO: ...
    def makedirs(self, path: str, exist_ok: bool) -> None: ...
    def mv(self, path1: str, path2: str) -> None: ...
    def rm_file(self, path: str) -> None: ...
    def isfile(self, path: str) -> bool: ...


class Location:
    """A folder named by a URL: a path, `file://`, `memory://`, `https://`, `s3://`, ..."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            fs, root = url_to_fs(url)
        except (ValueError, ImportError) as error:  # fsspec: unknown protocol, or its package is not installed
            raise ConfigError(f"{url} is no artifact store: {error}", "use a path, https:// or s3://") from error
        self._fs = cast(_FileSystem, fs)
        self._root = str(root).rstrip("/")
        self._faults = _transport_faults(url)

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        with self.typed(name):
            return bool(self._fs.isfile(self._path(name)))

    def open(self, name: str) -> BinaryIO:
        """The file, open for reading; read it under `typed`."""
        with self.typed(name):
            return self._fs.open(self._path(name), "rb")

    def read(self, name: str, bound: int) -> bytes:
        """The whole file, or its first `bound` + 1 bytes when it is longer."""
        with self.typed(name), self.open(name) as file:
            return file.read(bound + 1)

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Writes a file so that it is there completely or not at all, also when `parts` raises."""
        path = self._path(name)
        temporary = f"{path}.{secrets.token_hex(6)}.tmp"
        with self.typed(name):
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            done = False
            try:
                with self._fs.open(temporary, "wb") as file:
                    for part in parts:
                        file.write(part)
                self._fs.mv(temporary, path)
                done = True
            finally:
                if not done:
                    with suppress(*self._faults):
                        self._fs.rm_file(temporary)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def typed(self, name: str) -> Iterator[None]:
        """Turns a fault of storage or network into an `ArtifactError` that names the file and the remedy."""
        try:
            yield
        except self._faults as error:
            raise ArtifactError(f"{self.url}/{name}: {_sentence(error)}") from error


def _transport_faults(url: str) -> tuple[type[Exception], ...]:
    """What this file system raises when storage or network fails; fsspec has no common root for it."""
    if url.startswith(("http://", "https://")):
        from aiohttp import ClientError

        return (OSError, ClientError, ValueError)  # ValueError: the server does not serve ranges
    return (OSError,)


def _sentence(error: Exception) -> str:
    """What happened and what to do about it."""
    if isinstance(error, FileNotFoundError):
        return "missing. Add a mirror that has it, or restore it"
    number = error.errno if isinstance(error, OSError) else None
    if number in _FULL:
        return f"{errno.errorcode[number or 0]}: no room. Free space, or point the store at another place"
    if number in _DENIED:
        return f"{errno.errorcode[number or 0]}: not permitted. Check the owner and the mode of the folder"
    return f"{type(error).__name__}: {error}. Check that the place is reachable"
