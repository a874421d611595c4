"""The command line: builds the command that is called, and prints errors of all commands in one way.

The module of a command is imported only if the command is called, so that every other command and all help is fast.
`authguard.cli.command_table` declares the commands.
"""

from __future__ import annotations

import atexit
import gc
import os
import re
import sys
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from authguard.cli.command_table import COMMANDS, GROUPS
from authguard.cli.help_text import HelpCommand, HelpGroup
from authguard.cli.output import (
    FAILED,
    INTERRUPTED,
    OUTPUT_ERRORS,
    USAGE,
    describe_error,
    discard_output,
    exit_code,
    flush_output,
    print_error,
)
from authguard.cli.parameter import convert_simply
from authguard.cli.standard_stream import decode_argument, drop_invalid_sizes, prepare_streams
from authguard.environment import refuse_renamed_variables
from authguard.errors import AuthguardError
from authguard.file_access import Access, explain_failure
from authguard.garbage_collection import paused_collection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from authguard.cli.command_table import Command

#: objects that a command creates between two collections of garbage, at most some 20 MB
GARBAGE_OBJECTS: Final = 100_000
#: variable with the words to complete, in bash and in the other shells
_COMPLETED_WORDS: Final = ("_TYPER_COMPLETE_ARGS", "COMP_WORDS")


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


def build(wanted: str = "") -> typer.Typer:
    """Build the command tree; only the wanted command is imported, every other one has only its help text.

    Args:
        wanted: words of a command or of a group, whose commands are all imported; any other text imports none.
    """
    app = typer.Typer(cls=HelpGroup, no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(_root)
    groups = {"": app}
    for words, summary in GROUPS.items():
        parent, _, name = words.rpartition(" ")
        groups[words] = typer.Typer(cls=HelpGroup)
        groups[parent].add_typer(groups[words], name=name, help=summary, no_args_is_help=True)
    for command in COMMANDS:
        called = f"{command.words} ".startswith(f"{wanted} ") if wanted else False
        function = load_function(command) if called else _not_loaded
        help_text = None if called else command.summary
        group = groups[command.group]
        group.command(command.name, cls=HelpCommand, help=help_text, short_help=command.summary)(function)
    return app


def load_function(command: Command) -> Any:  # noqa: ANN401 - the signature differs per command
    """Import the function of a command."""
    module, _, name = command.target.partition(":")
    return getattr(import_module(f"authguard.cli.{module}"), name)


def _not_loaded() -> None:
    """Stand for a command that is not called."""


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """Run a command with rare garbage collection: a policy is loaded in three quarters of the time."""
    thresholds = gc.get_threshold()
    gc.freeze()  # what was imported is no garbage
    gc.set_threshold(GARBAGE_OBJECTS, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        atexit.register(_skip_last_collection)


def _skip_last_collection() -> None:
    """Let the process end without a last collection of garbage, which takes a tenth of the time."""
    gc.freeze()
    gc.disable()


def find_command(words: Sequence[str]) -> str:
    """Return the words of the command that is called; empty for none.

    Args:
        words: command-line words without the name of the program.
    """
    typed = [word for word in words if not word.startswith("-")]
    known = {command.words for command in COMMANDS}
    return next((called for size in (3, 2) if (called := " ".join(typed[:size])) in known), "")


def _completed_words(variables: Mapping[str, str]) -> list[str]:
    """Return the words that a shell asks to complete, without the name of the program."""
    typed = next((variables[name] for name in _COMPLETED_WORDS if variables.get(name)), "")
    return typed.split()[1:]


def _require_completed_words(variables: Mapping[str, str]) -> None:
    """Exit if bash asks for a completion without saying of what, as Typer would end in a traceback."""
    asks = variables.get("_AUTHGUARD_COMPLETE") == "complete_bash"
    if asks and not ("COMP_WORDS" in variables and re.fullmatch(r"[0-9]{1,6}", variables.get("COMP_CWORD", ""))):
        print_error("the shell does not say what to complete: run `authguard --install-completion` again")
        raise SystemExit(USAGE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the console script; print an `AuthguardError` as one message without a traceback.

    Args:
        arguments: command-line words without the program name; default: those of the process.

    Raises:
        SystemExit: always, with an exit code of `authguard.cli.output`.
    """
    prepare_streams()
    drop_invalid_sizes()
    _require_completed_words(os.environ)
    given = [decode_argument(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    completes = "_AUTHGUARD_COMPLETE" in os.environ
    try:
        refuse_renamed_variables(os.environ)
        wanted = find_command(_completed_words(os.environ) if completes else given)
        with paused_collection():
            command = convert_simply(typer.main.get_command(build(wanted)))
        try:
            with _rare_garbage_collection():
                command(args=given, prog_name="authguard")
        except SystemExit:
            flush_output()
            raise
    except AuthguardError as error:
        print_error(describe_error(error))
        raise SystemExit(exit_code(error)) from None
    except KeyboardInterrupt:  # while a module is imported; later, Typer handles it
        raise SystemExit(INTERRUPTED) from None
    except UnicodeEncodeError:
        print_error("an argument is not UTF-8 text: type it again")
        raise SystemExit(USAGE) from None
    except OSError as error:
        if not isinstance(error.filename, str):
            if error.errno in OUTPUT_ERRORS:
                discard_output(error)
            if isinstance(error, FileNotFoundError):
                print_error("the current folder no longer exists: change to one that does")
                raise SystemExit(FAILED) from None
            raise
        why = explain_failure(Path(error.filename), Access.READ, error)
        print_error(f"`{error.filename}` cannot be used: {why}; change that, or name another path")
        raise SystemExit(FAILED) from None
