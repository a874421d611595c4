"""What every command group shares: exit codes, and how something is said on standard error (DESIGN 8)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TextIO

import typer

from authguard.errors import AuthguardError, AuthorityError, PolicyError

if TYPE_CHECKING:
    from pathlib import Path

OK: Final = 0
FAILED: Final = 1
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
            return FAILED


def print_error(message: str) -> None:
    """Say what went wrong on standard error."""
    typer.echo(message, err=True)


def open_private(path: Path, flag: int) -> TextIO:
    """Open a file to be written, which is its owner's alone where it is made, whatever the umask.

    Args:
        path: of the file.
        flag: `os.O_EXCL` where it must not be there, `os.O_TRUNC` where it is replaced.

    Raises:
        OSError: it cannot be opened.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", newline="")


def write_output(text: str, output: Path | None) -> None:
    """Print text that ends its own lines, or write it to a file, which is its owner's alone where it is made.

    Args:
        text: which ends its own lines.
        output: the file; printed where there is none.

    Raises:
        typer.Exit: the file cannot be written.
    """
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        with open_private(output, os.O_TRUNC) as file:
            file.write(text)
    except OSError as error:
        print_error(f"`{output}` cannot be written: {error.strerror or type(error).__name__}")
        raise typer.Exit(FAILED) from None
