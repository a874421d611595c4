"""JSON Pointer (RFC 6901): read and write a value within a document."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


class PointerError(ValueError):
    """The pointer leads to no value."""


def resolve_pointer(document: object, pointer: str) -> object:
    """Return the value at a pointer; the empty pointer is the whole document.

    Raises:
        PointerError: there is no such value.
    """
    found = document
    for name in _names(pointer):
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isascii() and name.isdigit() and str(int(name)) == name:
            if int(name) >= len(found):
                raise PointerError("there is no value at the pointer")
            found = found[int(name)]
        else:
            raise PointerError("there is no value at the pointer")
    return found


def set_pointer(document: dict[str, Any], pointer: str, value: object) -> None:
    """Set the value at a pointer, creating missing objects.

    Raises:
        PointerError: a value on the path is not an object, or the pointer is empty.
    """
    *way, last = _names(pointer) or ("",)
    if not pointer:
        raise PointerError("the empty pointer is the whole document")
    place = document
    for name in way:
        inner = place.setdefault(name, {})
        if not isinstance(inner, dict):
            raise PointerError("a value on the path is not an object")
        place = inner
    place[last] = value


@lru_cache(maxsize=256)  # pointers are of the policy
def _names(pointer: str) -> tuple[str, ...]:
    """Split a pointer; decode ``~1`` to a slash, then ``~0`` to a tilde (RFC 6901 4)."""
    return tuple([raw.replace("~1", "/").replace("~0", "~") for raw in pointer.split("/")[1:]])
