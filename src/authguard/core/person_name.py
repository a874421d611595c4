"""Comparison of typed person names, and detection of reasons without content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from unicodedata import normalize

if TYPE_CHECKING:
    from collections.abc import Iterable

#: letters by category that are invisible: fillers of Hangul
_BLANK: Final = frozenset("\u115f\u1160\u3164\uffa0")


def normalize_name(name: str) -> str:
    """Return the letters and digits of a name, whatever their case and width (UAX 15, NFKC).

    Args:
        name: as typed.

    Returns:
        Empty if the name has no letter and no digit.
    """
    plain = normalize("NFKC", normalize("NFKC", name).casefold())
    return "".join([one for one in plain if one.isalnum() and one not in _BLANK])


def has_letters(text: str) -> bool:
    """Return whether a reason or a note has at least one letter or digit."""
    return bool(normalize_name(text))


def distinct_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of different people, the first spelling of each, in order."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(normalize_name(name), name)
    return tuple(found.values())
