"""Claims by their source: the name of a claim, or a JSON Pointer into the claims (RFC 6901).

In a pointer ``*`` is any item of a list or a mapping. ``null`` is the same as a missing claim.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from authguard.formats.json_pointer import PointerError, resolve_pointer
from authguard.formats.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: maximum items that a ``*`` of a pointer visits
MAX_ITEMS: Final = 64


@lru_cache(maxsize=16)  # one request reads the claims of one credential several times
def decode_claims(content: bytes) -> dict[str, Any]:
    """Decode claims that `authguard.formats.strict_json` has accepted; the result is shared and must not be changed."""
    try:
        found: dict[str, Any] = msgspec.json.decode(content)
    except msgspec.MsgspecError:
        return parse_object(content)  # a number of more digits than msgspec reads
    return found


def find(claims: Mapping[str, Any], sources: Iterable[str]) -> object:
    """Return the value of the first source that is present; ``None`` if none is."""
    for source in sources:
        value = _resolve(claims, source) if source.startswith("/") else claims.get(source)
        if value is not None:
            return value
    return None


def find_first(claims: Mapping[str, Any], sources: Iterable[str]) -> tuple[str, Any] | None:
    """Return the first source that is present, with its value; ``None`` if none is."""
    for source in sources:
        value = _resolve(claims, source) if source.startswith("/") else claims.get(source)
        if value is not None:
            return source, value
    return None


def present(claims: Mapping[str, Any], sources: Iterable[str]) -> list[tuple[str, Any]]:
    """Return each source that is present, with its value."""
    pairs = [(one, _resolve(claims, one) if one.startswith("/") else claims.get(one)) for one in sources]
    return [pair for pair in pairs if pair[1] is not None]


def label_of(value: str | float) -> str:
    """Return a scalar of a claim, a response or a policy as text: ``true``, ``1`` for ``1.0``, and a text as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _resolve(claims: Mapping[str, Any], pointer: str) -> object:
    """Return the value at a pointer, or a list of the values if it has a ``*``; ``None`` if there is none."""
    before, star, after = pointer.partition("/*")
    if star and after[:1] in {"", "/"}:
        items = _resolve(claims, before) if before else claims
        listed = list(items.values()) if isinstance(items, dict) else items if isinstance(items, list) else []
        found = (item if not after else _resolve_in(item, after) for item in listed[:MAX_ITEMS])
        return [value for value in found if value is not None] or None
    return _resolve_in(claims, pointer)


def _resolve_in(value: object, pointer: str) -> object:
    try:
        return resolve_pointer(value, pointer)
    except PointerError:
        return None
