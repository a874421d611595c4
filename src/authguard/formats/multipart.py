"""Multipart bodies without their boundary string, of which a client generates a new one for each request.

Rule: nothing is parsed. Only the boundary string is replaced, in the header and in delimiter lines (RFC 2046 5.1.1),
and only if that is reversible: two bodies become equal only if they differ in the boundary string alone.
"""

from __future__ import annotations

import re
from typing import Final

#: replaces every boundary; no prefix of it is also a suffix, so occurrences never overlap
MARK: Final = b"authguard-boundary"
#: delimiter lines per body; in a body with more, every byte counts
MAX_DELIMITERS: Final = 4_096

#: what may follow the boundary string in a delimiter line
_END: Final = re.compile(rb"(?:--)?[ \t]{0,64}(?:\r\n|\Z)")
#: RFC 2046 5.1.1, without the space, which few senders generate and few receivers accept
_BOUNDARY: Final = rb"[0-9A-Za-z'()+_,./:=?-]{1,70}"
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE: Final = re.compile(
    rb"multipart/" + _TOKEN + rb"(?:[ \t]*;[ \t]*" + _TOKEN + rb"=(?:" + _TOKEN + rb'|"[^"\\]*"))*[ \t]*',
    re.IGNORECASE,
)
_PARAMETER: Final = re.compile(rb"[ \t]*;[ \t]*(" + _TOKEN + rb")=(" + _TOKEN + rb'|"[^"\\]*")')


def without_boundary(form: bytes, content: bytes) -> tuple[bytes, bytes]:
    """Replace the boundary string of a multipart body by `MARK`.

    Args:
        form: the headers about the body's encoding, as sent.
        content: the body, as sent.

    Returns:
        Header and body with `MARK` for the boundary. Both are unchanged, so that every byte counts, if the header does
            not name exactly one boundary unambiguously, if the boundary also occurs outside delimiter lines, or if the
            body contains `MARK`.
    """
    place = _find_boundary(form)
    if place is None:
        return form, content
    boundary = form[place[0] : place[1]]
    if boundary == MARK:
        return form, content
    pieces = content.split(boundary, MAX_DELIMITERS)
    if len(pieces) in {1, MAX_DELIMITERS + 1} or MARK in content:
        return form, content
    if pieces[0] != b"--" and not pieces[0].endswith(b"\r\n--"):
        return form, content
    for number, piece in enumerate(pieces[1:], 2):
        if not _END.match(piece) or (number < len(pieces) and not piece.endswith(b"\r\n--")):
            return form, content
    return form[: place[0]] + MARK + form[place[1] :], MARK.join(pieces)


def _find_boundary(form: bytes) -> tuple[int, int] | None:
    """Return the position of the boundary in an unambiguous header."""
    if not _TYPE.fullmatch(form):
        return None
    named = [found for found in _PARAMETER.finditer(form) if found[1].lower().startswith(b"boundary")]
    if len(named) != 1 or named[0][1].lower() != b"boundary":
        return None
    start, end = named[0].span(2)
    if form[start:end].startswith(b'"'):
        start, end = start + 1, end - 1
    return (start, end) if re.fullmatch(_BOUNDARY, form[start:end]) else None
