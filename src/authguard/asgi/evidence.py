"""Reader for the headers of a request: bounded, no duplicates, and unverified."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from authguard.core.outcomes import Reason
from authguard.core.request import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

#: maximum length of a header value that is read, other than the credential
MAX_VALUE_BYTES: Final = 512
#: maximum number and length of header names that are known to have no meaning for the guard
MAX_ORDINARY_NAMES: Final = 512
MAX_ORDINARY_NAME_BYTES: Final = 64
AUTHORIZATION: Final = b"authorization"
#: the header that names a transaction, and the prefix of the headers that are reserved for the guard
TRANSACTION: Final = b"authguard-transaction"
PREFIX: Final = b"authguard-"

IDEMPOTENCY: Final = b"idempotency-key"

#: headers with which some middleware replaces the method of a request
METHOD_OVERRIDE_HEADERS: Final = frozenset({b"x-http-method-override", b"x-http-method", b"x-method-override"})

#: headers that the app must not get in another spelling
_BODY_HEADERS: Final = frozenset({b"content-type", b"content-encoding", b"content-length", b"transfer-encoding"})
#: headers that determine how a body is parsed
_REPRESENTATION_HEADERS: Final = frozenset({b"content-type", b"content-encoding", b"transfer-encoding"})
_UNIQUE_HEADERS: Final = frozenset({TRANSACTION, IDEMPOTENCY})
#: headers that the guard reads under every policy
GUARD_HEADERS: Final = _UNIQUE_HEADERS | METHOD_OVERRIDE_HEADERS | {AUTHORIZATION, b"accept-language", b"traceparent"}
_PREFIX_LENGTH: Final = len(PREFIX)
_PRINTABLE: Final = re.compile(rb"[\x21-\x7e]{1,255}")
#: W3C Trace Context 3.2: all-zero ids and version ff are invalid; a later version may have more fields after a dash
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[\x20-\x7e]{0,512})?"
)


class EvidenceReader:
    """Reader for the headers of the requests of one deployment.

    Args:
        wanted: lower-case names of further headers that the policy reads.
        more: lower-case names of headers that other readers of the guard read.

    Attributes:
        known: lower-case names of all headers that the guard reads.
    """

    __slots__ = ("_ordinary", "_wanted", "known")

    def __init__(self, wanted: frozenset[bytes] = frozenset(), more: frozenset[bytes] = frozenset()) -> None:
        self._wanted = wanted
        self.known: Final = GUARD_HEADERS | wanted | more
        #: names without a meaning for the guard, so that one lookup skips most headers; bounded, and never wrong
        self._ordinary: set[bytes] = set()

    def read(self, scope: dict[str, Any]) -> Evidence | Reason:
        """Read the evidence of a request or a handshake.

        Args:
            scope: of type ``http`` or ``websocket``.

        Returns:
            The evidence; or why the request is malformed: a duplicate ``Authorization`` header (RFC 6750 3.1), a
            duplicate of another header that must be unique, or a transaction name that no guard has issued.
        """
        authorization: bytes | None = None
        has_reserved_headers = False
        further: list[tuple[bytes, bytes]] = []
        ordinary = self._ordinary
        for name, value in scope["headers"]:
            if name in ordinary:
                continue
            if name == AUTHORIZATION:
                if authorization is not None:
                    return Reason.CREDENTIAL_AMBIGUOUS
                authorization = value
            elif name in self.known:
                further.append((name, value))
            elif name[:_PREFIX_LENGTH] == PREFIX or b"_" in name:
                has_reserved_headers = True
            elif len(ordinary) < MAX_ORDINARY_NAMES and len(name) <= MAX_ORDINARY_NAME_BYTES:
                ordinary.add(name)
        if further:
            return _read_further(further, self._wanted, authorization or b"", has_reserved_headers=has_reserved_headers)
        return Evidence(authorization=authorization or b"", has_reserved_headers=has_reserved_headers)


def _read_further(
    sent: Sequence[tuple[bytes, bytes]], wanted: frozenset[bytes], authorization: bytes, *, has_reserved_headers: bool
) -> Evidence | Reason:
    once: dict[bytes, str] = {}
    headers: dict[str, str] = {}
    languages = trace = ""
    traces = 0
    for name, value in sent:
        if name in METHOD_OVERRIDE_HEADERS or name.startswith(PREFIX):
            has_reserved_headers = True
        if name in _UNIQUE_HEADERS:
            if name in once or not _PRINTABLE.fullmatch(value):
                return Reason.REQUEST_MALFORMED
            once[name] = value.decode("ascii")
        elif name == b"accept-language":
            languages = value[:MAX_VALUE_BYTES].decode("latin-1")
        elif name == b"traceparent":
            # duplicates are ignored, since it is not known which one is right
            traces, trace = traces + 1, "" if traces else _trace_id(value)
        if name in wanted:
            key = name.decode("latin-1")
            # duplicate channels are no channel: an empty value marks the ambiguity
            headers[key] = "" if key in headers else value[:MAX_VALUE_BYTES].decode("latin-1")
    return Evidence(
        authorization=authorization,
        headers=headers,
        transaction=once.get(TRANSACTION, ""),
        idempotency=once.get(IDEMPOTENCY, ""),
        languages=languages,
        trace=trace,
        has_reserved_headers=has_reserved_headers,
    )


def read_trace(scope: dict[str, Any]) -> str:
    """Read only the trace id (W3C Trace Context 3.2.2.3), if the evidence of a request was not read; empty for none."""
    values = [value for name, value in scope["headers"] if name == b"traceparent"]
    return _trace_id(values[0]) if len(values) == 1 else ""


def _trace_id(value: bytes) -> str:
    """Parse a trace id strictly (W3C Trace Context 3.2 and 4.3); return an empty text if it is invalid."""
    found = _TRACEPARENT.fullmatch(value)
    # version 00 has a fixed length
    return found[2].decode("ascii") if found and (found[1] != b"00" or found[3] is None) else ""


def strip_guard_headers(
    headers: Sequence[tuple[bytes, bytes]],
    known: frozenset[bytes] = GUARD_HEADERS,
    secret: frozenset[bytes] = frozenset(),
) -> list[tuple[bytes, bytes]]:
    """Remove the headers that are reserved for the guard, and those that could change the request after the decision.

    In WSGI a header with hyphens and the same with underscores have one name (PEP 3333, RFC 3875 4.1.18). If the guard
    reads the one, the app does not get the other.

    Args:
        headers: of a request or a handshake.
        known: lower-case names of the headers that the guard reads.
        secret: names among them that the app must not see.
    """
    return [(name, value) for name, value in headers if name not in secret and not _is_reserved(name, known)]


def _is_reserved(name: bytes, known: frozenset[bytes]) -> bool:
    if b"_" in name:
        name = name.replace(b"_", b"-")
        return name in known or name in _BODY_HEADERS or name.startswith(PREFIX)
    return name.startswith(PREFIX) or name in METHOD_OVERRIDE_HEADERS


def content_type(scope: dict[str, Any]) -> str:
    """Return the media type of the body, lower-case and without parameters; empty for none or several."""
    values = [value for name, value in scope["headers"] if name == b"content-type"]
    return values[0].partition(b";")[0].strip().lower().decode("latin-1") if len(values) == 1 else ""


def representation_headers(scope: dict[str, Any]) -> bytes:
    """Return the headers that determine how the body is parsed: a lone content type as sent, else one header a line.

    No value contains a line feed, so that requests with different headers never have an equal result.
    """
    sent = [
        (name, value)
        for name, value in scope["headers"]
        if name in _REPRESENTATION_HEADERS
        and not (name == b"transfer-encoding" and value.strip().lower() == b"chunked")
    ]
    if not sent or (len(sent) == 1 and sent[0][0] == b"content-type"):
        return sent[0][1] if sent else b""
    return b"".join(b"\n%b: %b" % one for one in sent)


def bound_headers(
    scope: dict[str, Any], names: Sequence[str]
) -> tuple[tuple[str, tuple[tuple[bytes, bytes], ...]], ...]:
    """Return the headers that an operation binds to a transaction.

    A gateway to another server interface reads an underscore as a hyphen, so both spellings count (RFC 3875 4.1.18).
    """
    if not names:
        return ()
    return tuple(
        (name, tuple(one for one in scope["headers"] if one[0].lower().replace(b"_", b"-") == name.encode()))
        for name in names
    )


def request_target(scope: dict[str, Any]) -> bytes:
    """Return the request target as sent: raw path and query."""
    path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")
    query: bytes = scope.get("query_string", b"")
    return path + b"?" + query


def parse_languages(accepted: str) -> tuple[str, ...]:
    """Return the languages of ``Accept-Language`` by their weight (RFC 9110 12.5.4); ignore invalid parts."""
    if not accepted:
        return ()
    weighed: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted.split(",")[:16]):
        tag, _, parameter = part.strip().lower().partition(";")
        weight = 1.0
        if parameter.strip().startswith("q="):
            quality = parameter.strip()[2:]
            weight = float(quality) if re.fullmatch(r"0(\.\d{0,3})?|1(\.0{0,3})?", quality) else 0.0
        if weight and re.fullmatch(r"[a-z]{2,8}(-[a-z0-9]{1,8})*", tag.strip()):
            weighed.append((-weight, place, tag.strip()))
    return tuple(tag for _, _, tag in sorted(weighed))
