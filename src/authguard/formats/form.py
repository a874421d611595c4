"""Strict parser for HTML forms: a form that every parser reads alike, or none.

Rules of this file:
- The media type has no parameter but ``charset=utf-8`` or a boundary, and the body no second reading: no ``;`` as a
  separator, no invalid escapes, no preamble, no nested or encoded parts (WHATWG URL 5.1, RFC 7578).
- A field counts if its name is sent once, in one spelling. A name that some parser could take for it counts as a second
  one: another case, ``amount[]``, ``amount%00``, or a parameter of the query.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote_plus, unquote_to_bytes

from msgspec import Struct

from authguard.formats.multipart import MARK
from authguard.formats.strict_json import NO_DOCUMENT, NoDocument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: maximum fields of a form; Starlette and Django refuse more
MAX_FIELDS: Final = 1_000
#: maximum length of a query that is searched for second spellings
MAX_QUERY_BYTES: Final = 8_192

_URLENCODED: Final = re.compile(
    rb'application/x-www-form-urlencoded(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?[ \t]*', re.IGNORECASE
)
#: the boundary is case-sensitive (RFC 2046 5.1.1), the rest is not
_MULTIPART: Final = re.compile(rb'(?i:multipart/form-data[ \t]*;[ \t]*boundary=)(?:%b|"%b")[ \t]*' % (MARK, MARK))
#: what may stand in a name or a value: neither separators nor anything that a sender has to encode
_PIECE: Final = rb"(?:[A-Za-z0-9*._~!'()$,/:?@+-]|%[0-9A-Fa-f]{2})*+"
_PAIRS: Final = re.compile(rb"%b=%b(?:&%b=%b)*+" % (_PIECE, _PIECE, _PIECE, _PIECE))

_TOKEN: Final = rb"[!#$&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = rb'"[^"\\%\x00-\x1f\x7f]*"'
#: headers of a part, without the ones that change how it is decoded
_DISPOSITION: Final = re.compile(
    rb"content-disposition:[ \t]*form-data;[ \t]*name=(%b|%b)(?:;[ \t]*(filename)=(?:%b|\"[^\"\\\x00-\x1f\x7f]*\"))?"
    % (_QUOTED, _TOKEN, _TOKEN),
    re.IGNORECASE,
)
_TYPE: Final = re.compile(rb"content-type:[ \t]*([!-:<-~]+(?:;[ \t]*[!-~]+)*)", re.IGNORECASE)
_PLAIN: Final = re.compile(rb'text/plain(?:;[ \t]*charset=(?:utf-8|us-ascii|"utf-8"))?', re.IGNORECASE)
#: names that `_fold` leaves as they are
_PLAIN_NAME: Final = re.compile(r"[a-z0-9_]+")
#: characters of a name that some parser replaces by an underscore, and those that some parser drops
_UNDERSCORES: Final = re.compile(r"[. -]")
_IGNORED: Final = re.compile(r"\W")


class FormField(NamedTuple):
    """One field of a form.

    Attributes:
        name: as sent, percent-encoded in a URL-encoded form.
        value: decoded.
        sent: the value as sent.
        is_text: False for a file and for a part with a media type other than plain text; such a value is empty.
    """

    name: str
    value: str
    sent: str
    is_text: bool = True


class FormDocument(Struct, frozen=True):
    """A form that every parser reads alike.

    Attributes:
        fields: in order.
        groups: name without the differences that parsers ignore -> its fields.
        queried: the same names of the query's parameters.
    """

    fields: tuple[FormField, ...]
    groups: Mapping[str, tuple[FormField, ...]]
    queried: frozenset[str]


class FieldError(ValueError):
    """A form has no such field, or not exactly one.

    Attributes:
        is_missing: whether there is none.
    """

    def __init__(self, *, is_missing: bool) -> None:
        """Store the attribute; the message contains no part of the request."""
        super().__init__("no such field" if is_missing else "not exactly one such field")
        self.is_missing = is_missing


def parse_form(form: bytes, content: bytes, query: bytes = b"", *, most: int = MAX_FIELDS) -> FormDocument | NoDocument:
    """Parse a form.

    Args:
        form: the headers about the body's encoding, from `authguard.formats.multipart.without_boundary`.
        content: the body from the same function.
        query: of the request target, as sent.
        most: maximum number of fields.

    Returns:
        The form; `NO_DOCUMENT` if headers and bytes do not mean a form that every parser reads alike.
    """
    try:
        if _URLENCODED.fullmatch(form):
            fields = tuple(_urlencoded_fields(content, most))
        elif _MULTIPART.fullmatch(form):
            fields = tuple(_multipart_fields(content, most))
        else:
            return NO_DOCUMENT
        groups: dict[str, list[FormField]] = {}
        for field in fields:
            groups.setdefault(_fold(_decode(field.name.encode())), []).append(field)
    except ValueError:
        return NO_DOCUMENT
    if len(query) > MAX_QUERY_BYTES:
        return NO_DOCUMENT
    names = (pair.partition(b"=")[0] for pair in re.split(rb"[&;]", query))
    queried = frozenset(_fold(unquote_plus(name.decode("latin-1"))) for name in names if name)
    if "_charset_" in groups:  # browsers and some frameworks name the encoding in this field (WHATWG HTML 4.10.22.5)
        return NO_DOCUMENT
    return FormDocument(fields, {name: tuple(found) for name, found in groups.items()}, queried)


def find_field(document: FormDocument, name: str) -> FormField:
    """Return the only field of a name.

    Args:
        document: from `parse_form`.
        name: of letters, digits, ``_``, ``.`` and ``-``, as in the policy.

    Raises:
        FieldError: there is no such field, or another one, or a parameter of the query, could be taken for it.
    """
    folded = _fold(name)
    found = document.groups.get(folded, ())
    if not found and folded not in document.queried:
        raise FieldError(is_missing=True)
    if len(found) != 1 or found[0].name != name or folded in document.queried:
        raise FieldError(is_missing=False)
    return found[0]


def _urlencoded_fields(content: bytes, most: int) -> Iterable[FormField]:
    if content.count(b"&") >= most or not _PAIRS.fullmatch(content):
        raise ValueError("not a strict form")
    for pair in content.split(b"&"):
        name, _, value = pair.partition(b"=")
        yield FormField(name.decode("ascii"), _decode(value), value.decode("ascii"))


def _decode(piece: bytes) -> str:
    if b"%" in piece or b"+" in piece:
        piece = unquote_to_bytes(piece.replace(b"+", b" "))
    return piece.decode("utf-8")


def _multipart_fields(content: bytes, most: int) -> Iterable[FormField]:
    first, *parts, last = content.split(MARK, most + 2)
    if first != b"--" or last not in {b"--", b"--\r\n"}:
        raise ValueError("not a strict form")
    for part in parts:
        head, separator, value = part.removeprefix(b"\r\n").removesuffix(b"\r\n--").partition(b"\r\n\r\n")
        if not part.startswith(b"\r\n") or not part.endswith(b"\r\n--") or not separator:
            raise ValueError("not a strict form")
        yield _part_field(head.split(b"\r\n"), value)


def _part_field(lines: list[bytes], value: bytes) -> FormField:
    named = [found for line in lines if (found := _DISPOSITION.fullmatch(line))]
    typed = [found[1] for line in lines if (found := _TYPE.fullmatch(line))]
    if len(named) != 1 or len(typed) > 1 or len(lines) != len(named) + len(typed):
        raise ValueError("a part has headers that parsers read differently")
    name = named[0][1].strip(b'"').decode("utf-8")
    if named[0][2] or not all(map(_PLAIN.fullmatch, typed)):
        return FormField(name, "", "", is_text=False)
    text = value.decode("utf-8")
    return FormField(name, text, text)


def _fold(name: str) -> str:
    """Return a name without the differences that some parser ignores: case, width, marks, ``[...]`` and separators."""
    if _PLAIN_NAME.fullmatch(name):
        return name
    beginning = name.partition("[")[0]
    if not beginning.isascii():
        beginning = unicodedata.normalize("NFKC", beginning)
    return _IGNORED.sub("", _UNDERSCORES.sub("_", beginning.strip())).casefold()
