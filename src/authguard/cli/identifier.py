"""Ids on the command line: taken by unambiguous prefix or as they stand in a reply, and shown short in lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

import typer

from authguard.cli.output import FAILED, USAGE, print_error
from authguard.cli.table import format_table, window_width
from authguard.cli.terminal import escape
from authguard.policy.problem import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: least characters of an id in a list
MIN_SHOWN: Final = 8
#: most candidates that are listed for an ambiguous prefix
MAX_CANDIDATES: Final = 12
_HEX: Final = frozenset("0123456789abcdef")


def strip_urn(typed: str) -> str:
    """Return an id as it was typed, or the last part of a URN as in a reply (`urn:authguard:record:ID`)."""
    text = typed.strip()
    return text.rpartition(":")[2] if text[:4].lower() == "urn:" else text


def is_hex(text: str) -> bool:
    """Return whether a text can be the start of a key in lower-case hexadecimal."""
    return bool(text) and set(text) <= _HEX


def hex_range(prefix: str) -> tuple[bytes, bytes]:
    """Return the range of keys whose hexadecimal form starts with a prefix: the first, and the one after the last.

    The end is empty if no key follows.
    """
    digits = len(prefix) + len(prefix) % 2
    following = int(prefix, 16) + 1
    end = "" if following == 16 ** len(prefix) else f"{following:0{len(prefix)}x}".ljust(digits, "0")
    return bytes.fromhex(prefix.ljust(digits, "0")), bytes.fromhex(end)


def text_range(prefix: str) -> tuple[bytes, bytes]:
    """Return the range of the names in UTF-8 that start with a prefix, as `hex_range` does."""
    first = prefix.encode("utf-8", "surrogatepass")
    return first, first[:-1] + bytes([first[-1] + 1])


def shorten(ids: Sequence[str], known: Iterable[str]) -> dict[str, str]:
    """Return each id with its short form: at least `MIN_SHOWN` characters, and the start of no other known id.

    Args:
        ids: to be shown.
        known: all ids that a person could mean.
    """
    ordered = sorted({*ids, *known})
    wanted, found = set(ids), {}
    for place, one in enumerate(ordered):
        if one in wanted:
            near = (*ordered[max(place - 1, 0) : place], *ordered[place + 1 : place + 2])
            least = max([MIN_SHOWN, *(_common(one, other) + 1 for other in near)])
            found[one] = one[:least]
    return found


def _common(one: str, other: str) -> int:
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def refuse_ambiguous(
    typed: str, what: str, heads: Sequence[str], candidates: Sequence[Sequence[str]], *, is_complete: bool = True
) -> typer.Exit:
    """Print the candidates of an ambiguous prefix, with what tells them apart.

    Args:
        typed: the prefix.
        what: kind of the candidates, in the plural.
        heads: titles of their values, the id first.
        candidates: values of each.
        is_complete: whether there are no more candidates.

    Returns:
        The exit to raise, with `USAGE`.
    """
    count = f"{len(candidates)}" if is_complete else f"more than {len(candidates)}"
    print_error(f"`{escape(typed)}` is the start of {count} {what}: type more of the id")
    for line in format_table(heads, candidates, window_width()):
        print_error(line)
    return typer.Exit(USAGE)


def refuse_unknown(message: str, command: str) -> typer.Exit:
    """Print that there is no such thing, and the command that lists what there is.

    Returns:
        The exit to raise, with `FAILED`.
    """
    print_error(message)
    print_error(f"next: {command}")
    return typer.Exit(FAILED)


def refuse_filter(option: str, typed: str, known: Iterable[str]) -> NoReturn:
    """Refuse a filter that nothing can match.

    Raises:
        typer.BadParameter: always, with the nearest known value.
    """
    raise typer.BadParameter(f"`{escape(typed)}` is unknown; {escape(did_you_mean(typed, known))}", param_hint=option)
