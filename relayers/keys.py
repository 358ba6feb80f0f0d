"""Secrets in files: an Ethereum keystore, or a raw key that nobody else can read.

A raw key file has one line, the secret. Devnet keys carry a second line, `devnet`, and are refused for anything but a
devnet, so that a key that everybody knows cannot end up in front of a real chain.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path

from poft.protocol.errors import ConfigError
from poft.protocol.signatures import CURVE_ORDER

DEVNET_MARK = "devnet"
_KEY = re.compile(r"0x[0-9a-fA-F]{64}")


def read_private(path: Path) -> str:
    """The text of a file that only its owner can read.

    Raises:
        ConfigError: missing, unreadable, empty or readable by others; names the remedy.
    """
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(f"{path} can be read by others (mode {stat.S_IMODE(mode):04o})", f"chmod 600 {path}")
        text = path.read_text()
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist", "Create the key file, with mode 0600") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not text.strip():
        raise ConfigError(f"{path} is empty", "It has to hold a key")
    return text


def read_secret(path: Path, development: bool) -> str:
    """The secret in a raw key file; a devnet's is given to a devnet only."""
    lines = read_private(path).split()
    if lines[1:] not in ([], [DEVNET_MARK]):
        raise ConfigError(f"{path} is no raw key file", f"One line with the key, then `{DEVNET_MARK}` for a devnet's")
    if lines[1:] and not development:
        raise ConfigError(f"{path} holds a devnet key", "Everybody knows such keys: make one for this chain")
    return lines[0]


def read_signing_key(path: Path, password_file: Path | None, development: bool) -> bytes:
    """The 32-byte secp256k1 key in a keystore or raw key file."""
    if read_private(path).lstrip().startswith("{"):
        return _decrypt(path, password_file)
    secret = read_secret(path, development)
    if not _KEY.fullmatch(secret) or not 0 < int(secret, 16) < CURVE_ORDER:
        raise ConfigError(f"{path} holds no secp256k1 key", "0x and 64 hexadecimal digits, or a keystore")
    return bytes.fromhex(secret[2:])


def write_devnet_key(path: Path, secret: str) -> None:
    """Writes a raw key file that only devnets take."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(f"{secret}\n{DEVNET_MARK}\n")


def _decrypt(path: Path, password_file: Path | None) -> bytes:
    from eth_account import Account  # slow to import, and only keystores need it

    if password_file is None:
        raise ConfigError(f"{path} is a keystore", "Set password_file")
    password = read_private(password_file).rstrip("\r\n")
    try:
        return bytes(Account.decrypt(path.read_text(), password))
    except (ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise ConfigError(f"{path} cannot be decrypted: {error}", "Check the password") from error
