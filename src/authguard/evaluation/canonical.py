"""Canonical form of a request: the bytes for its digest, and the lines that an approver reads.

Rules of this file:
- JSON that every parser reads alike has one form (RFC 8785); in all other bodies every byte counts (ADR 8).
- The lines are derived from the digested bytes alone, so approvers see exactly what they approve. Equal digests have
  equal lines, and different requests different ones. The decoded fields of a form follow its bytes.
- Printable ASCII stays as it is; everything else is escaped, so that nothing is hidden, reordered or mistaken.
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

from authguard.formats.form import FormDocument, parse_form
from authguard.formats.strict_json import NO_DOCUMENT, UnreadableBodyError, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: characters of a value that is shown whole; a longer one is shown as a prefix, its length and its hash
MAX_VALUE_CHARS: Final = 512
#: characters shown of a longer value
PREFIX_CHARS: Final = 64
#: lines, and characters in all of them, that an approver has to read at the most
MAX_LINES: Final = 256
MAX_TEXT_CHARS: Final = 16_384
#: non-ASCII characters per line that are described by name
MAX_NAMED_CHARS: Final = 4
#: levels of a document that every parser is assumed to accept
MAX_DEPTH: Final = 64

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9a-z-]+"
#: the one form of a media type that means JSON in UTF-8 to every reader: no parameter can pass for another charset
_PLAIN: Final = re.compile(
    rb"(?:application/json|%b/%b\+json)" % (_TOKEN, _TOKEN)
    + rb"(?:[ \t]*;[ \t]*(?:charset=(?:utf-8|\"utf-8\")|(?!charset)%b=(?:%b|\"[^\";\\]*\")))*[ \t]*" % (_TOKEN, _TOKEN)
)

#: types of values that RFC 8785 takes as they are
_SAME: Final = frozenset({str, int, bool, type(None)})
#: names of headers that may hold a credential
_SECRET: Final = re.compile(r"auth|cookie|token|secret|key|session|signature|password|dpop|jwt|assertion|credential")

#: a header's name, and the shown value of each field with that name
Header = tuple[str, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class CanonicalBody:
    """A body in the form in which it is digested and shown.

    Attributes:
        content: RFC 8785 if `is_json`, else as sent.
        is_json: whether every parser reads the body alike, so that `content` is its canonical form.
        document: the value with exact decimals, for the amount and the payee; `NO_DOCUMENT` unless headers and bytes
            mean JSON in UTF-8 and nothing else. A number that JavaScript rounds leaves it readable, though every byte
            counts then.
    """

    content: bytes
    is_json: bool
    document: object = field(default=NO_DOCUMENT, repr=False, compare=False)


def canonicalize(content: bytes, media_type: str, form: bytes = b"") -> CanonicalBody:
    """Return the canonical form of a body.

    Args:
        content: as sent.
        media_type: lower-case, without parameters.
        form: the headers about the body's encoding, as sent; several types, a content coding, or a charset other than
            UTF-8 make every byte count.
    """
    if not is_json(media_type, form):
        return CanonicalBody(content, is_json=False)
    try:
        document = parse_json(content)
    except UnreadableBodyError:
        return CanonicalBody(content, is_json=False)
    try:
        return CanonicalBody(rfc8785.dumps(_exactly(document, MAX_DEPTH)), is_json=True, document=document)
    except (ValueError, RecursionError):
        return CanonicalBody(content, is_json=False, document=document)


def is_json(media_type: str, form: bytes) -> bool:
    """Return whether the headers mean JSON in UTF-8 (RFC 8259 8.1) to every reader, without a coding (RFC 9110 8.4)."""
    if media_type != "application/json" and not media_type.endswith("+json"):
        return False
    sent = form.lower()
    return not sent or (_PLAIN.fullmatch(sent) is not None and sent.count(b"charset") <= 1)


def _exactly(value: object, depth: int) -> Any:  # noqa: ANN401 - the JSON library's type is private
    """Convert a parsed document to the types of RFC 8785; refuse numbers that others may read differently."""
    if depth == 1 and value and isinstance(value, dict | list):
        raise UnreadableBodyError
    match value:
        case dict():
            return {
                name: member if type(member) in _SAME else _exactly(member, depth - 1) for name, member in value.items()
            }
        case list():
            return [member if type(member) in _SAME else _exactly(member, depth - 1) for member in value]
        case Decimal():
            if Decimal(repr(float(value))) != value:
                raise UnreadableBodyError
            return float(value)
        case _:
            return value


def is_secret_header(name: str) -> bool:
    """Return whether a header of this name may hold a credential, so that its value is never shown."""
    return _SECRET.search(name) is not None


def render_request(
    method: str, target: bytes, form: bytes, body: CanonicalBody, headers: Sequence[Header] = ()
) -> tuple[str, ...]:
    """Render a request for its approver: method and target, the body's encoding, then each value.

    Args:
        method: as sent.
        target: path and query, as sent.
        form: the headers about the body's encoding, as sent.
        body: from `canonicalize`.
        headers: bound by the operation, with the shown value of each field.

    Returns:
        Lines of printable ASCII; none if they exceed what a person can be expected to read, so nothing is omitted
            silently.
    """
    lines = [f"{_quoted(method)[1:-1]} {_raw(target)}"]
    if form:
        lines.append(f"read as: {_raw(form)}")
    for name, values in headers:
        lines += [f"header {name}: {_raw(value)}" for value in values] or [f"header {name}: not sent"]
    if not body.is_json:
        named = "the body, byte by byte" if body.content else "no body"
        lines.append(f"{named}: {_raw(body.content)}" if body.content else named)
        lines += _form_lines(form, body.content)
    size = sum(map(len, lines))
    for line in _values(json.loads(body.content)) if body.is_json else ():
        lines.append(line)
        size += len(line)
        if len(lines) > MAX_LINES or size > MAX_TEXT_CHARS:
            return ()
    return () if size > MAX_TEXT_CHARS else tuple(lines)


def _form_lines(form: bytes, content: bytes) -> Iterator[str]:
    """Render each field of a form, decoded, after the line that shows its bytes."""
    parsed = parse_form(form, content, most=MAX_LINES)
    for one in parsed.fields if isinstance(parsed, FormDocument) else ():
        yield f"field {_quoted(one.name)}{_remark(one.name)}: {_text(one.value) if one.is_text else 'a file'}"


def _values(document: object) -> Iterator[str]:
    """Render each value next to its JSON Pointer (RFC 6901), in canonical order."""
    ways = [iter([("", document)])]
    while ways:
        for pointer, value in ways[-1]:
            if value and isinstance(value, dict | list) and len(pointer) <= MAX_TEXT_CHARS:
                ways.append(_members(pointer, value))
                break
            # anything but a string is a number, a literal, empty, or too deep to show
            shown = _text(value) if isinstance(value, str) else json.dumps(value)[:MAX_TEXT_CHARS]
            yield f"{_quoted(pointer)}{_remark(pointer)}: {shown}"
        else:
            ways.pop()


def _members(pointer: str, value: dict[str, object] | list[object]) -> Iterator[tuple[str, object]]:
    if isinstance(value, list):
        return ((f"{pointer}/{place}", member) for place, member in enumerate(value))
    return ((f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", member) for name, member in value.items())


def _text(value: str) -> str:
    """Render a string whole, or as a prefix, its length and its hash."""
    if len(value) <= MAX_VALUE_CHARS:
        return _quoted(value) + _remark(value)
    digest = sha256(value.encode("utf-8")).hexdigest()
    beginning = value[:PREFIX_CHARS]
    return f"{_quoted(beginning)}... {len(value)} characters, SHA-256 {digest}{_remark(beginning)}"


def _raw(value: bytes) -> str:
    """Render bytes as text, with an escape for each byte that is not UTF-8."""
    text = value[: MAX_VALUE_CHARS if len(value) <= MAX_VALUE_CHARS else PREFIX_CHARS].decode(
        "utf-8", "surrogateescape"
    )
    more = f"... {len(value)} bytes, SHA-256 {sha256(value).hexdigest()}" if len(value) > MAX_VALUE_CHARS else ""
    return f"{_quoted(text)}{more}{_remark(text)}"


def _quoted(text: str) -> str:
    """Return a text as a JSON string of printable ASCII."""
    return json.dumps(text).replace("\x7f", "\\u007f")


def _remark(text: str) -> str:
    """Describe non-ASCII characters, since a letter may look like another: a few by name, the rest by number."""
    if text.isascii():
        return ""
    foreign = sorted({character for character in text[:MAX_VALUE_CHARS] if not character.isascii()})
    names = [
        f"U+{ord(character):04X} {unicodedata.name(character, 'no name')}" for character in foreign[:MAX_NAMED_CHARS]
    ]
    more = f" and {len(foreign) - MAX_NAMED_CHARS} more" if len(foreign) > MAX_NAMED_CHARS else ""
    return f"  [not ASCII: {', '.join(names)}{more}]"
