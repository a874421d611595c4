"""The command line: one file per command group, loaded only when its group is called, so that `--help` stays quick.

Adding a group is one line in `GROUPS`: its name, the module that holds its Typer `app`, and what `--help` says of it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

import typer

from authguard.cli.output import exit_code, print_error
from authguard.errors import AuthguardError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: group -> (module with its ``app``, one line of help)
GROUPS: Final[dict[str, tuple[str, str]]] = {
    "accounts": ("authguard.cli.accounts", "See where an account stands, lift its state, sign it out."),
    "audit": ("authguard.cli.audit_group", "Ask the audit log, and verify that nothing in it was changed."),
    "handoff": ("authguard.cli.handoff", "See who waits for a person, take them over, and close."),
    "policy": ("authguard.cli.policy", "Check what a policy proves, and run its scenarios."),
    "rollback": ("authguard.cli.rollback", "Pull the agent back to human service, and let it act again."),
    "sessions": ("authguard.cli.sessions", "See where a session stands, reset its verification, end it."),
    "transactions": ("authguard.cli.transactions", "See what waits for people, and decide it."),
}


def _version(wanted: bool) -> None:
    if wanted:
        from authguard import __version__  # noqa: PLC0415 - only this option needs it

        typer.echo(f"authguard {__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Put an explicit, total, checked state machine between the world and an AI agent's endpoints."""
    del version


def build(wanted: str, command: str = "") -> typer.Typer:
    """Build the command tree with the commands of one group; the others show their help line only.

    Args:
        wanted: the group that is called; empty, or anything else, for none.
        command: the word after it, for a group that loads each of its commands by itself.
    """
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(_root)
    for name, (module, words) in GROUPS.items():
        group = _group(module, command) if name == wanted else typer.Typer()
        app.add_typer(group, name=name, help=words, no_args_is_help=True)
    return app


def _group(module: str, command: str) -> typer.Typer:
    loaded = import_module(module)
    group: typer.Typer = loaded.build(command) if hasattr(loaded, "build") else loaded.app
    return group


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the console script; what authguard raises on purpose is told in words, without a traceback.

    Args:
        arguments: without the program's name; the process's own by default.

    Raises:
        SystemExit: always, with one of the codes of `authguard.cli.output`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    wanted, command, *_ = (*(word for word in given if not word.startswith("-")), "", "")
    try:
        build(wanted, command)(args=given, prog_name="authguard")
    except AuthguardError as error:
        print_error(str(error))
        raise SystemExit(exit_code(error)) from None
