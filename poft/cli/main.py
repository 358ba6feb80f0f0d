"""The console script. Commands are entry points of the group `poft.commands`, so that packages above add theirs.

Exit codes: 0 done · 1 something was refused or a check failed · 2 wrong configuration or usage · 3 a chain or a store
cannot be reached · 130 interrupted.
"""

from __future__ import annotations

import errno
import signal
import sys
from importlib.metadata import entry_points
from types import FrameType

import typer

from poft.cli.output import fail
from poft.protocol.errors import ArtifactError, ConfigError, PoftError, Unreachable

EXIT_REFUSED, EXIT_CONFIG, EXIT_UNREACHABLE, EXIT_INTERRUPTED = 1, 2, 3, 130
STOPPING = (signal.SIGINT, signal.SIGTERM)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def build() -> typer.Typer:
    """The application with every installed command."""
    app = typer.Typer(
        name="poft",
        help="Cross-chain verifiable training: federations on different chains train on, and each verifies the other.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for point in sorted(entry_points(group="poft.commands"), key=lambda point: point.name):
        command = point.load()
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=point.name)
        else:
            app.command(name=point.name)(command)
    return app


def main() -> None:
    """Runs the command line; every error of this project becomes one line and an exit code."""
    for number in STOPPING:
        signal.signal(number, _interrupt)
    status = 0
    try:
        # Typer draws a box around wrong usage: for people.
        status = build()(standalone_mode="--json" not in sys.argv) or 0
    except SystemExit as done:
        status = done.code if isinstance(done.code, int) else EXIT_REFUSED
    except typer.TyperException as error:
        fail(error.format_message(), None)
        status = EXIT_CONFIG
    except PoftError as error:
        fail(str(error), getattr(error, "code", None))
        status = exit_code(error)
    except OSError as error:
        # What no layer below has words for: a disk that is full or went away, standard output that was closed.
        remedy = ". Free space, then start again" if error.errno in FULL else ""
        fail(f"{error.filename or type(error).__name__}: {error.strerror or error}{remedy}", None)
        status = EXIT_UNREACHABLE
    if status == EXIT_INTERRUPTED:
        fail("interrupted", None)
    sys.exit(status)


def exit_code(error: PoftError) -> int:
    """The exit code that tells scripts what kind of error it was."""
    if isinstance(error, ConfigError):
        return EXIT_CONFIG
    return EXIT_UNREACHABLE if isinstance(error, Unreachable | ArtifactError) else EXIT_REFUSED


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """The first SIGINT or SIGTERM ends the command; later ones do not cut short what it stops and puts away then."""
    for number in STOPPING:
        # Not SIG_IGN, which programs that are started from here would inherit.
        signal.signal(number, _already)
    raise KeyboardInterrupt


def _already(_number: int, _frame: FrameType | None) -> None:
    return


if __name__ == "__main__":
    main()
