"""JSON Pointers (RFC 6901): following one through a document, and putting a value where one leads."""

from __future__ import annotations

from typing import Any


class PointerError(ValueError):
    """There is nothing where the pointer leads."""


def resolve_pointer(document: object, pointer: str) -> object:
    """Follow a pointer; the empty one is the whole document.

    Raises:
        Nothing: there is nothing there.
    """
    found = document
    for name in _names(pointer):
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isascii() and name.isdigit() and str(int(name)) == name:
            if int(name) >= len(found):
                raise PointerError("there is nothing there")
            found = found[int(name)]
        else:
            raise PointerError("there is nothing there")
    return found


def set_pointer(document: dict[str, Any], pointer: str, value: object) -> None:
    """Put a value where a pointer leads, making objects on the way.

    Raises:
        Nothing: another value stands in the way, or the pointer names the whole document.
    """
    *way, last = _names(pointer) or [""]
    if not pointer:
        raise PointerError("the whole document cannot be put into itself")
    place = document
    for name in way:
        inner = place.setdefault(name, {})
        if not isinstance(inner, dict):
            raise PointerError("another value stands in the way")
        place = inner
    place[last] = value


def _names(pointer: str) -> list[str]:
    """Take a pointer apart; ``~1`` is a slash and ``~0`` a tilde, in this order (RFC 6901 4)."""
    return [raw.replace("~1", "/").replace("~0", "~") for raw in pointer.split("/")[1:]]
