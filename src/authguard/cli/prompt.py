"""Questions on the terminal: each answer is validated as it is given, and asked again until it is valid.

Rules of this file:
- Questions are printed on standard error, so that standard output has only the result.
- Without a terminal nothing is asked, because a command in a pipeline would wait for ever.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import typer

from authguard.cli.line_wrap import wrap_for
from authguard.cli.output import FAILED, USAGE, print_error
from authguard.cli.terminal import escape

if TYPE_CHECKING:
    from collections.abc import Callable

#: longest answer; a terminal passes on lines of at most 4,096 bytes
MAX_ANSWER_BYTES: Final = 4_096


def has_terminal() -> bool:
    """Return whether a person can read a question and type an answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str, default: str, find_fault: Callable[[str], str], *, otherwise: str) -> str:
    """Return a valid answer.

    Args:
        question: the question, without its default.
        default: the answer to an empty line; has to be valid.
        find_fault: returns what is wrong with an answer and what to type; empty if the answer is valid.
        otherwise: how to give the value without a question, such as "give it with `--name`".

    Raises:
        typer.Exit: the input ended; the code is `USAGE`.
        KeyboardInterrupt: the person interrupted the command.
    """
    while True:
        typer.echo(f"{wrap_for(sys.stderr, f'{question} [{escape(default)}]', spare=2)}: ", nl=False, err=True)
        line = _read_line()
        if not line:
            typer.echo(err=True)
            print_error(f"the input ended before an answer, and nothing was changed; {otherwise}")
            raise typer.Exit(USAGE)
        fault, answer = _decode(line)
        answer = answer.strip() or default
        fault = fault or find_fault(answer)
        if not fault:
            return answer
        print_error(wrap_for(sys.stderr, escape(fault)))


def ask_yes_or_no(question: str, *, default: bool, otherwise: str) -> bool:
    """Return the answer to a question with two answers; parameters and exceptions as of `ask`."""
    answer = ask(question, "y" if default else "n", _find_fault_of_yes_or_no, otherwise=otherwise)
    return answer.lower() in {"y", "yes"}


def require_terminal_unless(*, yes: bool) -> None:
    """Check, before any work is done, that a confirmation can be asked or has been given.

    Raises:
        typer.Exit: there is neither `--yes` nor a terminal; the code is `USAGE`.
    """
    if not yes and not has_terminal():
        print_error("there is no terminal to ask on, and nothing was changed; give --yes to confirm")
        raise typer.Exit(USAGE)


def require_confirmation(question: str, *, yes: bool) -> None:
    """Ask whether to go on; `yes` answers without a question.

    Raises:
        typer.Exit: the input ended or there is no terminal (`USAGE`), or the answer is no (`FAILED`).
    """
    require_terminal_unless(yes=yes)
    if not yes and not ask_yes_or_no(question, default=False, otherwise="give --yes to confirm"):
        print_error("nothing was changed")
        raise typer.Exit(FAILED)


def _find_fault_of_yes_or_no(answer: str) -> str:
    return "" if answer.lower() in {"y", "yes", "n", "no"} else "type `y` for yes, or `n` for no"


def _read_line() -> bytes:
    """Return one line of standard input with its line break, at most `MAX_ANSWER_BYTES` + 1 bytes; empty at the end."""
    line = sys.stdin.buffer.readline(MAX_ANSWER_BYTES + 1)
    rest = line
    while len(rest) > MAX_ANSWER_BYTES and not rest.endswith(b"\n"):
        rest = sys.stdin.buffer.readline(MAX_ANSWER_BYTES + 1)
    return line


def _decode(line: bytes) -> tuple[str, str]:
    """Return what is wrong with a line, and its text."""
    if len(line) > MAX_ANSWER_BYTES:
        return f"the answer is longer than {MAX_ANSWER_BYTES:,} bytes; type a shorter one", ""
    try:
        return "", line.decode()
    except UnicodeDecodeError:
        return "the answer is not UTF-8; type it again", ""
