"""Standard streams and arguments of a command, under any locale and with any of the streams closed."""

from __future__ import annotations

import os
import re
import sys
from io import TextIOWrapper
from typing import Final

#: variables with the size of a terminal, which libraries convert without a check
_SIZES: Final = ("COLUMNS", "LINES", "TERMINAL_WIDTH")
_SIZE: Final = re.compile(r"[0-9]{1,6}")
_STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def prepare_streams() -> None:
    """Open missing streams, and print characters that the locale does not have as escapes.

    The descriptor of a closed stream would be given to the next file that is opened, which could be the store.
    """
    for name, mode in _STREAMS:
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - open until the end
    for stream in (sys.stdout, sys.stderr):
        if stream in {sys.__stdout__, sys.__stderr__} and isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def drop_invalid_sizes() -> None:
    """Remove the variables of the terminal's size that are no number, as if they were not set."""
    for name in _SIZES:
        if not _SIZE.fullmatch(os.environ.get(name, "0")):
            del os.environ[name]


def decode_argument(word: str) -> str:
    """Return an argument as UTF-8 where the locale has another encoding; a path that is not UTF-8 stays as it is."""
    try:
        return word if word.isascii() else os.fsencode(word).decode("utf-8")
    except ValueError:
        return word
