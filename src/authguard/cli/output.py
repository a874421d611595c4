"""Exit codes and output functions of all command groups (DESIGN 8)."""

from __future__ import annotations

import errno
import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn, TextIO

import typer

from authguard.cli.line_wrap import wrap_for
from authguard.cli.terminal import escape
from authguard.errors import AuthguardError, AuthorityError, PolicyError
from authguard.file_access import Access, FileRole, describe_failure

if TYPE_CHECKING:
    from pathlib import Path

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INVALID: Final = 3
UNVERIFIED: Final = 4
UNAUTHORISED: Final = 5
INTERRUPTED: Final = 130

#: exit code -> its meaning, for every command
EXIT_CODES: Final[dict[int, str]] = {
    OK: "Success; an empty list is a success.",
    FAILED: "Failure: an unknown id, a file that cannot be read or written, a refused act.",
    USAGE: "The command line is not valid: an option, an argument, a time or a filter that nothing can match.",
    INVALID: "A policy is not valid, a scenario fails, or `--fail-on` found a difference or what it cannot decide.",
    UNVERIFIED: "A log or a proof does not verify, or there is no public key to verify it with.",
    UNAUTHORISED: (
        "The person lacks access to the store (read access to look, write access to decide), or the policy requires"
        " more persons."
    ),
    INTERRUPTED: "Interrupted with Ctrl-C.",
}

#: errors of a write to standard output; such an error has no file name
OUTPUT_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EPIPE})


#: arguments of `AuthGuard` in a message, next to the option or the variable
_KEYWORDS: Final = re.compile(r" \(`[a-z_]+=`\)|`[a-z_]+=`, (?=`--)|, `[a-z_]+=`(?=\))")


def exit_code(error: AuthguardError) -> int:
    """Return the exit code of an authguard error."""
    match error:
        case PolicyError():
            return INVALID
        case AuthorityError():
            return UNAUTHORISED
        case _:
            return FAILED


def describe_error(error: AuthguardError) -> str:
    """Return the message of an error; for a policy, the verdict, its problems and the next command."""
    if not isinstance(error, PolicyError):
        return str(error)
    from authguard.policy.problem import Problem  # noqa: PLC0415 - only a policy that is not valid needs it

    problems = [problem for problem in error.problems if isinstance(problem, Problem)]
    errors = [problem for problem in problems if problem.severity == "error"]
    if not errors:
        return str(error)
    notes = [problem for problem in problems if problem.severity != "error"]
    return "\n".join(
        (
            f"not valid: {escape(errors[0].place.file)}: {count_problems(len(errors), len(notes))}",
            *(escape(str(one)) for one in (*errors, *notes)),
            f"next: authguard policy check --explain {errors[0].code}",
        )
    )


def count_problems(errors: int, notes: int) -> str:
    """Return the numbers of errors and of notes in words."""
    counts = ((errors, "error", True), (notes, "note", notes > 0))
    return ", ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word, shown in counts if shown)


def name_options(message: str) -> str:
    """Return a message of the library without the arguments of `AuthGuard`: whoever types a command sets options."""
    return _KEYWORDS.sub("", message)


def print_error(message: str) -> None:
    """Print a message on standard error, escaped, and broken at the width of a terminal."""
    stream = sys.stderr
    for line in name_options(message).split("\n"):
        typer.echo(wrap_for(stream, escape(line)), err=True)


def flush_output() -> None:
    """Flush standard output.

    Raises:
        SystemExit: standard output cannot be written, with `FAILED`; the message has been printed.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        discard_output(error)


def discard_output(error: OSError) -> NoReturn:
    """Discard what standard output has not written, so that the interpreter does not try again; end the command.

    Raises:
        SystemExit: always, with `FAILED`; the message has been printed, unless the reader of a pipe has gone.
    """
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not isinstance(error, BrokenPipeError):
        print_error(f"standard output cannot be written: {error.strerror or type(error).__name__}")
    raise SystemExit(FAILED) from None


def open_private(path: Path, flag: int) -> TextIO:
    """Open a text file for writing; a new file has mode 0600 under any umask.

    Args:
        path: path of the file.
        flag: `os.O_EXCL` to fail if the file exists, `os.O_TRUNC` to replace its content.

    Raises:
        OSError: the file cannot be opened.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", newline="")


def write_output(text: str, output: Path | None) -> None:
    """Print text, or write it to a file with mode 0600.

    Args:
        text: complete text with line endings.
        output: path of the file; ``None`` for standard output.

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
        print_error(describe_failure(FileRole.OUTPUT, output, "written", Access.WRITE, error))
        raise typer.Exit(FAILED) from None
