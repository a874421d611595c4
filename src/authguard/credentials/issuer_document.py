"""HTTP client for one document of an issuer: its metadata, or its JWK Set.

Rules:
- Requests use TLS, or stay on this machine, unless the policy declares an exception. No redirect is followed.
- At most 256 KiB of an uncompressed response are read. A response that deviates from the specification is unusable.
- An unchanged document is not sent again (``ETag``). Its freshness lifetime is reported; the caller bounds it.
- The caller sets the timeout.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from authguard.core.strict_json import parse_object
from authguard.credentials.issuer_error import KeysProblem, KeysUnreachableError, KeysUnusableError
from authguard.credentials.jwk import DocumentVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

#: maximum size of a response
MAX_RESPONSE_BYTES: Final = 262_144
#: maximum number of objects and arrays in a response: a hundred keys with certificates, or a provider's metadata
MAX_RESPONSE_NODES: Final = 4_096
#: maximum length of text from a response in a message
MAX_SHOWN_CHARS: Final = 200
UNKNOWN: Final = DocumentVersion()
#: a compressed body could grow beyond the limit in one step, so none is requested and none is accepted
_HEADERS: Final = {
    "Accept": "application/json, application/jwk-set+json",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
#: RFC 9110 8.8.3, weak or strong, bounded in length
_ETAG: Final = re.compile(r'(W/)?"[\x21\x23-\x7e]{0,200}"')
#: RFC 9111 1.2.2
_SECONDS: Final = re.compile(r"[0-9]{1,10}")
#: statuses besides 5xx that end by themselves (RFC 9110 15.5.9, RFC 6585 4, RFC 8470 5.2)
_TEMPORARY_STATUSES: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class IssuerDocument:
    """The response of an issuer.

    Attributes:
        document: the parsed document, its content unchecked; ``None`` if the known version is unchanged.
        lifetime: freshness lifetime in seconds; negative if the response gives none.
        version: for the next request.
    """

    document: dict[str, object] | None
    lifetime: float
    version: DocumentVersion


async def read_document(
    client: httpx2.AsyncClient, address: str, known: DocumentVersion = UNKNOWN, *, insecure_http: bool = False
) -> IssuerDocument:
    """Read one document.

    Args:
        client: the HTTP client.
        address: its URL.
        known: the version of the known document, which is not sent again if it is unchanged.
        insecure_http: whether the policy allows a URL without TLS.

    Raises:
        KeysUnreachableError: there is no response, or one of an outage.
        KeysUnusableError: the response is not such a document, or the URL may not be used.
    """
    import httpx2  # noqa: PLC0415 - the caller's client has loaded it; policies with key files do not

    if not (is_secure_url(address) or (insecure_http and is_plain_url(address))):
        raise KeysUnusableError(KeysProblem.INSECURE, f"`{shown(address)}` is not an https URL without a user name")
    is_known = bool(known.tag) and known.address == address
    headers = _HEADERS | ({"If-None-Match": known.tag} if is_known else {})
    try:
        async with client.stream("GET", address, headers=headers, follow_redirects=False) as response:
            lifetime = _lifetime(response.headers)
            if is_known and response.status_code == HTTPStatus.NOT_MODIFIED:
                return IssuerDocument(None, lifetime, known)
            _check_status(address, response)
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_RESPONSE_BYTES:
                    message = f"the response of `{address}` is longer than {MAX_RESPONSE_BYTES} bytes"
                    raise KeysUnusableError(KeysProblem.MALFORMED, message)
            tag = response.headers.get("etag", "")
    except httpx2.HTTPError as error:
        raise KeysUnreachableError(f"no response of `{address}`: {_describe(error)}") from None
    except httpx2.InvalidURL:
        raise KeysUnusableError(KeysProblem.MALFORMED, f"`{shown(address)}` is not a URL") from None
    try:
        document = parse_object(bytes(body), nodes=MAX_RESPONSE_NODES)
    except ValueError as error:
        raise KeysUnusableError(KeysProblem.MALFORMED, f"the response of `{address}` is no document: {error}") from None
    return IssuerDocument(document, lifetime, DocumentVersion(address, tag if _ETAG.fullmatch(tag) else ""))


def _check_status(address: str, response: httpx2.Response) -> None:
    """Raise an error unless the response has a body that may be read."""
    status = response.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _TEMPORARY_STATUSES:
        raise KeysUnreachableError(f"`{address}` responds with status {status}", has_response=True)
    if response.has_redirect_location:
        to = shown(response.headers.get("location", "").partition("?")[0])
        message = f"`{address}` redirects to `{to}`, and redirects are not followed: write the address of the document"
        raise KeysUnusableError(KeysProblem.REDIRECTED, message)
    if status != HTTPStatus.OK:
        raise KeysUnusableError(KeysProblem.MISSING, f"`{address}` responds with status {status}")
    if "content-encoding" in response.headers:
        message = f"`{address}` responds with a compressed document, which was not requested"
        raise KeysUnusableError(KeysProblem.MALFORMED, message)


def _describe(error: httpx2.HTTPError) -> str:
    """Return the kind of an error, and that of the operating system or of TLS behind it, without addresses."""
    cause: BaseException = error
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
    verify = getattr(cause, "verify_message", "")
    detail = verify or getattr(cause, "strerror", "") or ""
    return f"{type(error).__name__}{f' ({shown(str(detail))})' if detail else ''}"


def shown(text: str) -> str:
    """Return text of a response for a message: bounded, on one line."""
    return "".join(each if each.isprintable() and each != "`" else "?" for each in text[:MAX_SHOWN_CHARS])


def _lifetime(headers: Mapping[str, str]) -> float:
    """Return the remaining freshness lifetime in seconds (RFC 9111 4.2.1); negative if the response gives none."""
    parts = [part.strip().lower().partition("=") for part in headers.get("cache-control", "").split(",")]
    directives = {name: value.strip('"') for name, _, value in parts if name}
    if "no-store" in directives or "no-cache" in directives:
        return 0.0
    if "max-age" in directives:
        age = headers.get("age", "").strip()
        seconds = float(directives["max-age"]) if _SECONDS.fullmatch(directives["max-age"]) else 0.0
        return max(0.0, seconds - (float(age) if _SECONDS.fullmatch(age) else 0.0))
    if "expires" in headers:
        try:  # both times are of the issuer's clock, so our clock does not matter
            ends, began = (parsedate_to_datetime(headers.get(name, "")) for name in ("expires", "date"))
            return max(0.0, (ends - began).total_seconds())
        except (ValueError, TypeError):
            return 0.0  # RFC 9111 5.3: an invalid date is in the past
    return -1.0


def is_plain_url(address: str) -> bool:
    """Return whether a URL has the scheme ``http``, a host, and no user name."""
    try:
        parts = urlsplit(address)
        return parts.scheme == "http" and bool(parts.hostname) and parts.username is None
    except ValueError:
        return False


def is_secure_url(address: str) -> bool:
    """Return whether a URL uses TLS or names this machine, and contains no user name."""
    try:
        parts = urlsplit(address)
        if not parts.hostname or parts.username is not None:
            return False
        if parts.scheme == "https":
            return True
        return parts.scheme == "http" and (parts.hostname == "localhost" or ip_address(parts.hostname).is_loopback)
    except ValueError:
        return False
