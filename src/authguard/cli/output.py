"""What every command group shares: exit codes, and how something is said on standard error (DESIGN 8)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import typer

from authguard.errors import AuthguardError, AuthorityError, PolicyError

if TYPE_CHECKING:
    from pathlib import Path

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


def deliver(text: str, output: Path | None, *, private: bool = False) -> None:
    """Print text that ends its own lines, or write it to a file.

    Args:
        text: which ends its own lines.
        output: the file; printed where there is none.
        private: whether its owner alone may read the file.

    Raises:
        typer.Exit: the file cannot be written.
    """
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o666)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        complain(f"`{output}` cannot be written: {error.strerror or type(error).__name__}")
        raise typer.Exit(BROKE) from None
