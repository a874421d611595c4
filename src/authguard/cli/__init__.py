"""The command line: one module per command group.

A module is imported only if its group is called, so that `--help` stays fast. To add a group, add one line to `GROUPS`:
its name, the module with its Typer `app`, and its help text.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from authguard.cli.output import FAILED, exit_code, print_error
from authguard.environment import refuse_renamed_variables
from authguard.errors import AuthguardError
from authguard.file_access import Access, explain_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

#: group -> (module with its ``app``, help text)
GROUPS: Final[dict[str, tuple[str, str]]] = {
    "accounts": ("authguard.cli.accounts", "Inspect and override account state."),
    "audit": ("authguard.cli.audit_group", "Query and verify the audit log."),
    "handoff": ("authguard.cli.handoff", "List, take and close hand-off tickets."),
    "issuer": ("authguard.cli.issuer", "Check the metadata and keys of an issuer."),
    "policy": ("authguard.cli.policy", "Create, check, test, compare and explain policies."),
    "rollback": ("authguard.cli.rollback", "Roll back to human service, and release the agent."),
    "sessions": ("authguard.cli.sessions", "Inspect, reset and end sessions."),
    "token": ("authguard.cli.token", "Check a token against a policy; mint tokens for local trials."),
    "transactions": ("authguard.cli.transactions", "List and decide pending transactions."),
}


def _version(wanted: bool) -> None:
    if wanted:
        from authguard import __version__  # noqa: PLC0415 - only this option needs it

        typer.echo(f"authguard {__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Operate an app that authguard protects: policies, audit log, transactions, sessions and accounts."""
    del version


def build(wanted: str, command: str = "") -> typer.Typer:
    """Build the command tree with the commands of one group; every other group has only its help text.

    Args:
        wanted: name of the called group; any other text loads no group.
        command: word after the group, for a group that imports each command separately.
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
    """Run the console script; print an `AuthguardError` as one message without a traceback.

    Args:
        arguments: command-line words without the program name; default: those of the process.

    Raises:
        SystemExit: always, with an exit code of `authguard.cli.output`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    wanted, command, *_ = (*(word for word in given if not word.startswith("-")), "", "")
    try:
        refuse_renamed_variables(os.environ)
        build(wanted, command)(args=given, prog_name="authguard")
    except AuthguardError as error:
        print_error(str(error))
        raise SystemExit(exit_code(error)) from None
    except OSError as error:
        if not isinstance(error.filename, str):
            raise
        why = explain_failure(Path(error.filename), Access.READ, error)
        print_error(f"`{error.filename}` cannot be used: {why}; change that, or name another path")
        raise SystemExit(FAILED) from None
