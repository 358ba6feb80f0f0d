"""The console script. Commands are entry points of the group `poft.commands`, so that packages above add theirs.

Exit codes: 0 done · 1 something was refused or a check failed · 2 wrong configuration or usage · 3 a chain or a store
cannot be reached · 130 interrupted.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import typer

from poft.cli.output import fail
from poft.protocol.errors import ArtifactError, ConfigError, PoftError, Unreachable

EXIT_REFUSED, EXIT_CONFIG, EXIT_UNREACHABLE, EXIT_INTERRUPTED = 1, 2, 3, 130


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
    try:
        build()(standalone_mode=True)
    except KeyboardInterrupt:
        fail("interrupted", None)
        sys.exit(EXIT_INTERRUPTED)
    except PoftError as error:
        code = getattr(error, "code", None)
        fail(str(error), code)
        if isinstance(error, ConfigError):
            sys.exit(EXIT_CONFIG)
        sys.exit(EXIT_UNREACHABLE if isinstance(error, Unreachable | ArtifactError) else EXIT_REFUSED)


if __name__ == "__main__":
    main()
