"""Strict parsers: JSON of tokens, of responses and of request bodies, and base64url of tokens.

In a token each value has one spelling, and everything is bounded. Stricter than the libraries: duplicate names,
``NaN``, ``Infinity``, numbers beyond a double, lone surrogates, deep nesting, and padding or non-zero trailing bits in
base64url are refused (RFC 8725 2.4 and 3.14, RFC 7515 2, RFC 7519 4).
"""

from __future__ import annotations

import json
import math
import re
from binascii import a2b_base64
from decimal import Decimal
from enum import Enum
from typing import Final

import msgspec

#: maximum depth of nesting
MAX_DEPTH: Final = 16
#: maximum number of objects and arrays in total; it also bounds the recursion of the parser
MAX_NODES: Final = 512

_TO_BASE64: Final = bytes.maketrans(b"-_", b"+/")
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#: allowed last characters of a canonical segment by its length modulo 4: the trailing bits are zero
_LAST_CHARACTERS: Final = (
    frozenset(_ALPHABET),
    frozenset[int](),
    frozenset(_ALPHABET[::16]),
    frozenset(_ALPHABET[::4]),
)

#: escaped half of a surrogate pair
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
#: JSON string, up to its end or to the end of a body that leaves it open
_TEXT: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)


class NoDocument(Enum):
    """Type of `NO_DOCUMENT`: the body is not unambiguous JSON, or was not read."""

    NO_DOCUMENT = 0


NO_DOCUMENT: Final = NoDocument.NO_DOCUMENT


class TooComplexError(ValueError):
    """A JSON document has more objects and arrays, or is nested deeper, than is read."""


class UnreadableBodyError(ValueError):
    """The body is not JSON that every parser reads alike, or has no amount at the policy's pointer."""


def decode_base64url(segment: bytes) -> bytes:
    """Decode canonical base64url without padding (RFC 7515 2).

    Args:
        segment: not empty, of the alphabet ``A-Z a-z 0-9 - _``; the caller has validated both.

    Raises:
        ValueError: the segment is not the canonical encoding of its bytes, or has an impossible length.
    """
    if segment[-1] not in _LAST_CHARACTERS[len(segment) % 4]:
        raise ValueError("not canonical base64url")
    return a2b_base64(segment.translate(_TO_BASE64) + b"=" * (-len(segment) % 4))


def parse_object(raw: bytes, *, nodes: int = MAX_NODES) -> dict[str, object]:
    """Parse one JSON object, as `parse_value` does.

    Args:
        raw: the bytes, of a length that the caller has bounded.
        nodes: maximum number of objects and arrays.

    Raises:
        TooComplexError: there are more objects and arrays, or more levels, than are read.
        ValueError: the bytes are not a JSON object, or not a strict one; the message contains no part of them.
    """
    value = parse_value(raw, nodes=nodes)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - it is the document that is malformed
    return value


def parse_value(raw: bytes, *, nodes: int = MAX_NODES, depth: int = MAX_DEPTH) -> object:
    """Parse one JSON value that every parser reads alike; refuse all other input.

    UTF-8 only, no byte order mark, no duplicate names, no ``NaN`` or ``Infinity``, no number beyond a double, no half
    of a surrogate pair.

    Args:
        raw: the bytes, of a length that the caller has bounded.
        nodes: maximum number of objects and arrays.
        depth: maximum depth of nesting.

    Raises:
        TooComplexError: there are more objects and arrays, or more levels, than are read.
        ValueError: the bytes are not such JSON; the message contains no part of them.
    """
    opened = raw.count(b"{") + raw.count(b"[")
    if opened > nodes:
        outside = _TEXT.sub(b"", raw)  # brackets inside strings open nothing
        opened = outside.count(b"{") + outside.count(b"[")
        if opened > nodes:
            raise TooComplexError("too many objects and arrays")
    value = _parse_canonical(raw)
    if value is None:
        value = _decode(raw, _DECODER)
    if opened > depth and _depth(value, depth) > depth:
        raise TooComplexError("nested too deeply")
    return value


def _parse_canonical(raw: bytes) -> object:
    """Return the value of JSON that is encoded as msgspec encodes it, which most tokens are; ``None`` for other input.

    Only strict JSON is its own encoding: a duplicate name would be lost, and all else that is refused is not decoded.
    """
    try:
        value = msgspec.json.decode(raw)
        return value if msgspec.json.encode(value) == raw else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def exceeds_node_limit(body: bytes, most: int) -> bool:
    """Return whether a JSON body may hold more values than `most`, without parsing it.

    A value follows a comma or an opening bracket, so those outside of strings bound the number of values.
    """

    def bound(content: bytes) -> int:
        return 1 + content.count(b",") + content.count(b"[") + content.count(b"{")

    return bound(body) > most and bound(_TEXT.sub(b"", body)) > most


def parse_json(body: bytes) -> object:
    """Parse JSON of a request body, as strictly as `parse_value` and with exact decimals.

    Args:
        body: the bytes, bounded by the caller with `exceeds_node_limit`.

    Raises:
        UnreadableBodyError: the body is not such JSON.
    """
    try:
        return _decode(body, _DECIMAL_DECODER)
    except ValueError as error:
        raise UnreadableBodyError from error


def _decode(raw: bytes, decoder: json.JSONDecoder) -> object:
    """Decode strict JSON; a decoder refuses names and numbers."""
    try:
        value: object = decoder.decode(raw.decode())
        if _SURROGATE.search(raw):
            _refuse_halves(value)
    except (ValueError, RecursionError, ArithmeticError):
        raise ValueError("not strict JSON") from None
    return value


def _refuse_halves(document: object) -> None:
    """Refuse unpaired surrogates: parsers disagree on them (RFC 8259 8.2)."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            value.encode()
        elif isinstance(value, dict):
            waiting += (*value, *value.values())
        elif isinstance(value, list):
            waiting += value


def _depth(value: object, most: int) -> int:
    """Return the depth of nesting; stop one level beyond the limit."""
    level, depth = [value], 0
    while level and depth <= most:
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        depth += any(isinstance(item, dict | list) for item in level)
        level = inner
    return depth


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate name")
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def _refuse(_: str) -> object:
    raise ValueError("not a JSON number")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse)
_DECIMAL_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_float=Decimal, parse_constant=_refuse)
