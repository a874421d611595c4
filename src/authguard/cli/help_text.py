"""Help of commands and groups: paragraphs filled at the terminal's width, then options, then examples.

Rules:
- An option shows the value that it takes, such as `TEXT`; a flag and an argument show none.
- The text is the docstring of the command; its `Examples:` come last, as in other tools.
"""

from __future__ import annotations

import inspect
import shutil
from contextlib import contextmanager
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin

from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from collections.abc import Iterator

#: fewest columns of a terminal for help in boxes
MIN_BOX_COLUMNS: Final = 80
_EXAMPLES: Final = "Examples:"
#: type of a value -> its name in help
_NAMES: Final[dict[object, str]] = {str: "TEXT", Path: "FILE", int: "NUMBER", float: "NUMBER"}


class HelpCommand(TyperCommand):
    """A command whose help has filled paragraphs, names of values, and examples at its end."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - Typer's own types
        """Write the help."""
        _name_values(self, ctx)
        with _plain_if_narrow(self):
            if self.rich_markup_mode is None:
                super().format_help(ctx, formatter)
                return
            whole, ending = self.help, self.epilog
            prose, examples = split_help(whole or "")
            self.help, self.epilog = _escape_markup(prose), examples and _escape_markup(examples)
            try:
                super().format_help(ctx, formatter)
            finally:
                self.help, self.epilog = whole, ending


class HelpGroup(TyperGroup):
    """A group of commands, whose help is that of `HelpCommand`."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - Typer's own types
        """Write the help."""
        _name_values(self, ctx)
        with _plain_if_narrow(self):
            super().format_help(ctx, formatter)


@contextmanager
def _plain_if_narrow(command: Any) -> Iterator[None]:  # noqa: ANN401 - a command or group of Typer
    """Use no boxes on a narrow terminal: their columns would cut long words, such as names of variables."""
    mode = command.rich_markup_mode
    if shutil.get_terminal_size().columns < MIN_BOX_COLUMNS:
        command.rich_markup_mode = None
    try:
        yield
    finally:
        command.rich_markup_mode = mode


def _escape_markup(text: str) -> str:
    """Escape square brackets, which Rich would read as markup and drop."""
    from rich.markup import escape  # noqa: PLC0415 - only help needs it

    return escape(text)


def split_help(text: str) -> tuple[str, str | None]:
    """Return the paragraphs of a help text, one line each, and its examples.

    Args:
        text: docstring of a command.
    """
    paragraphs = inspect.cleandoc(text).split("\n\n")
    at = paragraphs.index(_EXAMPLES) if _EXAMPLES in paragraphs else len(paragraphs)
    prose = "\n\n".join(" ".join(one.split()) for one in paragraphs[:at])
    examples = "\n".join(one.strip() for one in paragraphs[at:])
    return prose, examples or None


def _name_values(command: Any, context: Any) -> None:  # noqa: ANN401 - Typer's own types
    """Name the value of each option; a flag and an argument show no type."""
    for parameter in command.get_params(context):
        if parameter.param_type_name == "argument" or getattr(parameter, "is_flag", False):
            parameter.display_type_rich = _no_type
            if parameter.param_type_name == "argument" and parameter.metavar is None:
                parameter.metavar = parameter.name.upper()
        elif parameter.metavar is None and hasattr(parameter, "type_descriptor"):
            parameter.metavar = _NAMES.get(_plain_type(parameter.type_descriptor.annotation))


def _no_type(ctx: object) -> None:
    del ctx


def _plain_type(annotation: Any) -> object:  # noqa: ANN401 - any annotation
    """Return the type of one value, without `None` and without a list."""
    if get_origin(annotation) in {Union, UnionType}:
        kinds = [one for one in get_args(annotation) if one is not NoneType]
        return _plain_type(kinds[0]) if len(kinds) == 1 else annotation
    return get_args(annotation)[0] if get_origin(annotation) is list else annotation
