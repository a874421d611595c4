"""HTTP client for one document of an issuer: its metadata, or its JWK Set.

Rules:
- Requests use TLS, or stay on this machine, unless the policy declares an exception.
- At most 256 KiB of a response are read. A response that deviates from the specification is unusable.
- An unchanged document is not sent again (``ETag``). Its freshness lifetime is reported; the caller bounds it.
- The caller sets the timeout.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from msgspec import Struct

from authguard.credentials.issuer_error import KeysProblem, KeysUnreachableError, KeysUnusableError
from authguard.credentials.jwk import DocumentVersion
from authguard.formats.strict_json import parse_object
from authguard.outbound.error import ServiceError
from authguard.outbound.http_client import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.outbound.http_client import HttpClient, HttpResponse

#: maximum size of a response
MAX_RESPONSE_BYTES: Final = 262_144
#: maximum number of objects and arrays in a response: a hundred keys with certificates, or a provider's metadata
MAX_RESPONSE_NODES: Final = 4_096
UNKNOWN: Final = DocumentVersion()
_HEADERS: Final = {"Accept": "application/json, application/jwk-set+json"}
#: RFC 9110 8.8.3, weak or strong, bounded in length
_ETAG: Final = re.compile(r'(W/)?"[\x21\x23-\x7e]{0,200}"')
#: RFC 9111 1.2.2
_SECONDS: Final = re.compile(r"[0-9]{1,10}")


class IssuerDocument(Struct, frozen=True):
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
    client: HttpClient, address: str, known: DocumentVersion = UNKNOWN, *, insecure_http: bool = False
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
    if not (is_secure_url(address) or (insecure_http and is_plain_url(address))):
        raise KeysUnusableError(KeysProblem.INSECURE, f"`{shown(address)}` is not an https URL without a user name")
    is_known = bool(known.tag) and known.address == address
    headers = _HEADERS | ({"If-None-Match": known.tag} if is_known else {})
    try:
        response = await client.send("GET", address, headers=headers, max_bytes=MAX_RESPONSE_BYTES)
    except ServiceError as error:
        if error.cause in {"nonsense", "too-large"}:
            message = f"the response of `{address}` is {error.detail}"
            raise KeysUnusableError(KeysProblem.MALFORMED, message) from None
        message = f"no response of `{address}`: {error.detail}"
        raise KeysUnreachableError(message, retryable=error.retryable) from None
    lifetime = _lifetime(response.headers)
    if is_known and response.status == HTTPStatus.NOT_MODIFIED:
        return IssuerDocument(None, lifetime, known)
    _check_status(address, response)
    tag = response.headers.get("etag", "")
    try:
        document = parse_object(response.body, nodes=MAX_RESPONSE_NODES)
    except ValueError as error:
        raise KeysUnusableError(KeysProblem.MALFORMED, f"the response of `{address}` is no document: {error}") from None
    return IssuerDocument(document, lifetime, DocumentVersion(address, tag if _ETAG.fullmatch(tag) else ""))


def _check_status(address: str, response: HttpResponse) -> None:
    """Raise an error unless the response has a body that may be read."""
    status = response.status
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or response.is_retryable:
        raise KeysUnreachableError(
            f"`{address}` responds with status {status}",
            has_response=True,
            retryable=response.is_retryable,
            retry_after=response.retry_after,
        )
    if response.is_redirect:
        to = shown(response.headers.get("location", "").partition("?")[0])
        message = f"`{address}` redirects to `{to}`, and redirects are not followed: write the address of the document"
        raise KeysUnusableError(KeysProblem.REDIRECTED, message)
    if status != HTTPStatus.OK:
        raise KeysUnusableError(KeysProblem.MISSING, f"`{address}` responds with status {status}")


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
        except (ValueError, TypeError, OverflowError):
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
