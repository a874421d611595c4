"""What every command group shares: exit codes, and how something is said on standard error (DESIGN 8)."""

from __future__ import annotations

from typing import Final

import typer

from authguard.errors import AuthguardError, AuthorityError, PolicyError

YES: Final = 0
BROKE: Final = 1
USAGE: Final = 2
INVALID: Final = 3
UNVERIFIED: Final = 4
UNAUTHORISED: Final = 5


def exit_code(error: AuthguardError) -> int:
    """Choose the exit code for something that authguard raised on purpose."""
    match error:
        case PolicyError():
            return INVALID
        case AuthorityError():
            return UNAUTHORISED
        case _:
            return BROKE


def complain(message: str) -> None:
    """Say what went wrong on standard error."""
    typer.echo(message, err=True)
