"""What a request says, canonical and in words: the bytes that are digested, and the lines that an approver reads.

Rules of this file:
- JSON that every parser reads alike has one form (RFC 8785); of anything else every byte counts (ADR 8).
- The lines are made from the digested bytes and from nothing else: what is seen is what is approved. Equal digests have
  equal lines, and different requests different ones.
- Printable ASCII stands for itself; everything else is an escape, so that nothing is hidden, reordered or mistaken.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from authguard.core.limits import NO_DOCUMENT, AmountError, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: characters of one value that are shown whole; a longer one is shown by its beginning, its length and its hash
MAX_VALUE_CHARS: Final = 512
#: characters of a longer value that are shown
PREFIX_CHARS: Final = 64
#: lines, and characters in all of them, that an approver is asked to read
MAX_LINES: Final = 256
MAX_TEXT_CHARS: Final = 16_384
#: characters beyond ASCII that are called by their names on one line
MAX_NAMED_CHARS: Final = 4
#: levels of a document that every parser is believed to take
MAX_DEPTH: Final = 64

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9a-z-]+"
#: the one form of a media type that says JSON in UTF-8 to every reader: no parameter can be taken for another charset
_PLAIN: Final = re.compile(
    rb"(?:application/json|%b/%b\+json)" % (_TOKEN, _TOKEN)
    + rb"(?:[ \t]*;[ \t]*(?:charset=(?:utf-8|\"utf-8\")|(?!charset)%b=(?:%b|\"[^\";\\]*\")))*[ \t]*" % (_TOKEN, _TOKEN)
)

#: names of headers that may hold a credential
_SECRET: Final = re.compile(r"auth|cookie|token|secret|key|session|signature|password|dpop|jwt|assertion|credential")

#: the name of a header, and what is shown of each that was sent under it
Header = tuple[str, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class CanonicalBody:
    """A body in the one form in which it is digested and shown.

    Attributes:
        content: RFC 8785 where it `is_json`, else as sent.
        is_json: whether every parser reads it alike, so that `content` is its canonical form.
        document: what it says, with exact decimals, where it is JSON in UTF-8 and nothing else by its headers and its
            bytes, so that an amount or a payee can be read; else `NO_DOCUMENT`. A number that JavaScript rounds leaves
            it readable, though every byte counts then.
    """

    content: bytes
    is_json: bool
    document: object = field(default=NO_DOCUMENT, repr=False, compare=False)


def canonicalize(content: bytes, media_type: str, form: bytes = b"") -> CanonicalBody:
    """Give the canonical form of a body.

    Args:
        content: as sent.
        media_type: lower-case, without parameters.
        form: the headers that say how the body is to be read, as sent; several types, a coding, or a character set
            beside UTF-8 make every byte count.
    """
    if not is_json(media_type, form):
        return CanonicalBody(content, is_json=False)
    try:
        document = parse_json(content)
    except AmountError:
        return CanonicalBody(content, is_json=False)
    try:
        return CanonicalBody(rfc8785.dumps(_exactly(document, MAX_DEPTH)), is_json=True, document=document)
    except (ValueError, RecursionError):
        return CanonicalBody(content, is_json=False, document=document)


def is_json(media_type: str, form: bytes) -> bool:
    """Return whether the headers say JSON in UTF-8 (RFC 8259 8.1) to every reader, and no coding (RFC 9110 8.4)."""
    if media_type != "application/json" and not media_type.endswith("+json"):
        return False
    sent = form.lower()
    return not sent or (_PLAIN.fullmatch(sent) is not None and sent.count(b"charset") <= 1)


def _exactly(value: object, depth: int) -> Any:  # noqa: ANN401 - what the JSON library takes is a private type of its own
    """Give a parsed document the types that RFC 8785 knows, refusing what others may read otherwise."""
    if not depth:
        raise AmountError
    match value:
        case dict():
            return {name: _exactly(member, depth - 1) for name, member in value.items()}
        case list():
            return [_exactly(member, depth - 1) for member in value]
        case Decimal():
            if Decimal(repr(float(value))) != value:
                raise AmountError
            return float(value)
        case _:
            return value


def is_secret_header(name: str) -> bool:
    """Whether a header of this name may hold a credential, so that its value is shown to nobody."""
    return _SECRET.search(name) is not None


def render_request(
    method: str, target: bytes, form: bytes, body: CanonicalBody, headers: Sequence[Header] = ()
) -> tuple[str, ...]:
    """Show a request to whoever approves it: method and target, how the body is to be read, then each value.

    Args:
        method: as sent.
        target: path and query, as sent.
        form: the headers that say how the body is to be read, as sent.
        body: from `canonicalize`.
        headers: that the operation binds, with what is to be shown of each value.

    Returns:
        Lines of printable ASCII; none where they would be more than a person can be asked to read, so that nothing is
        left out silently.
    """
    lines = [f"{_quoted(method)[1:-1]} {_raw(target)}"]
    if form:
        lines.append(f"read as: {_raw(form)}")
    for name, values in headers:
        lines += [f"header {name}: {_raw(value)}" for value in values] or [f"header {name}: not sent"]
    if not body.is_json:
        named = "the body, byte by byte" if body.content else "no body"
        lines.append(f"{named}: {_raw(body.content)}" if body.content else named)
    size = sum(map(len, lines))
    for line in _values(json.loads(body.content)) if body.is_json else ():
        lines.append(line)
        size += len(line)
        if len(lines) > MAX_LINES or size > MAX_TEXT_CHARS:
            return ()
    return () if size > MAX_TEXT_CHARS else tuple(lines)


def _values(document: object) -> Iterator[str]:
    """Show each value beside the JSON Pointer (RFC 6901) that leads to it, in the canonical order."""
    ways = [iter([("", document)])]
    while ways:
        for pointer, value in ways[-1]:
            if value and isinstance(value, dict | list) and len(pointer) <= MAX_TEXT_CHARS:
                ways.append(_members(pointer, value))
                break
            # what is not a text is a number, a word, something empty, or lies too deep to be shown
            shown = _text(value) if isinstance(value, str) else json.dumps(value)[:MAX_TEXT_CHARS]
            yield f"{_quoted(pointer)}{_remark(pointer)}: {shown}"
        else:
            ways.pop()


def _members(pointer: str, value: dict[str, object] | list[object]) -> Iterator[tuple[str, object]]:
    if isinstance(value, list):
        return ((f"{pointer}/{place}", member) for place, member in enumerate(value))
    return ((f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", member) for name, member in value.items())


def _text(value: str) -> str:
    """Show a text whole, or by its beginning, its length and its hash."""
    if len(value) <= MAX_VALUE_CHARS:
        return _quoted(value) + _remark(value)
    digest = sha256(value.encode("utf-8")).hexdigest()
    beginning = value[:PREFIX_CHARS]
    return f"{_quoted(beginning)}... {len(value)} characters, SHA-256 {digest}{_remark(beginning)}"


def _raw(value: bytes) -> str:
    """Show bytes: text as it is, and each byte that is none as an escape of its own."""
    text = value[: MAX_VALUE_CHARS if len(value) <= MAX_VALUE_CHARS else PREFIX_CHARS].decode(
        "utf-8", "surrogateescape"
    )
    more = f"... {len(value)} bytes, SHA-256 {sha256(value).hexdigest()}" if len(value) > MAX_VALUE_CHARS else ""
    return f"{_quoted(text)}{more}{_remark(text)}"


def _quoted(text: str) -> str:
    """Write a text as a JSON string of printable ASCII."""
    return json.dumps(text).replace("\x7f", "\\u007f")


def _remark(text: str) -> str:
    """Name what is not ASCII, since a letter may look like another; a few by name, the rest by number."""
    if text.isascii():
        return ""
    foreign = sorted({character for character in text[:MAX_VALUE_CHARS] if not character.isascii()})
    names = [
        f"U+{ord(character):04X} {unicodedata.name(character, 'no name')}" for character in foreign[:MAX_NAMED_CHARS]
    ]
    more = f" and {len(foreign) - MAX_NAMED_CHARS} more" if len(foreign) > MAX_NAMED_CHARS else ""
    return f"  [not ASCII: {', '.join(names)}{more}]"
