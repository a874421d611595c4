"""HTTP client for the keys of an issuer: discovery, then the JWK Set (RFC 8414 3, OpenID Connect Discovery 4).

Rules:
- Requests use TLS, or stay on this machine. No redirect is followed.
- At most 256 KiB of an uncompressed response are read. A response that deviates from the specification is an error.
- An unchanged document is not sent again (``ETag``). Its freshness lifetime is reported; the caller bounds it.
- The caller sets the timeout for all requests of a fetch.
"""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

import httpx2

from authguard.core.strict_json import parse_object
from authguard.credentials.jwk import DocumentVersion
from authguard.outbound.http_client import create_async_client, load_trusted_certificates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from ssl import SSLContext

    from authguard.policy.deployment import Issuer

#: maximum size of a response
MAX_RESPONSE_BYTES: Final = 262_144
#: maximum number of objects and arrays in a response: a hundred keys with certificates, or a provider's metadata
MAX_RESPONSE_NODES: Final = 4_096
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


@dataclass(frozen=True, slots=True)
class JwksResponse:
    """The response of an issuer.

    Attributes:
        document: the parsed JWK Set, its keys unchecked; ``None`` if the known version is unchanged.
        lifetime: freshness lifetime in seconds; negative if the response gives none.
        version: for the next request.
    """

    document: dict[str, object] | None
    lifetime: float
    version: DocumentVersion


class JwksFetcher:
    """Fetches JWK Sets.

    Args:
        client: used instead of a new client for each fetch, and closed by its owner; may have a proxy or a private
            certificate authority.
    """

    __slots__ = ("_client", "_tls")

    def __init__(self, client: httpx2.AsyncClient | None = None) -> None:
        self._client = client
        self._tls: SSLContext | None = None

    def prepare(self) -> None:
        """Load the trusted certificates, which takes too long for a request and depends on the environment."""
        if self._client is None and self._tls is None:
            self._tls = load_trusted_certificates()

    async def fetch_jwks(self, issuer: Issuer, known: DocumentVersion) -> JwksResponse:
        """Fetch the JWK Set of an issuer.

        Args:
            issuer: of the policy.
            known: the version of the known document, which is not sent again if it is unchanged.

        Raises:
            ValueError: a response is not usable.
            httpx2.HTTPError: the issuer cannot be reached.
        """
        async with AsyncExitStack() as stack:
            client = self._client
            if client is None:
                # a client for each fetch, which is rare: no connection stays open, none belongs to an event loop;
                # proxies of the environment do not apply to an issuer on this machine; the caller sets a deadline
                client = create_async_client(verify=True if self._tls is None else self._tls, timeout=None)
                await stack.enter_async_context(client)
            address = issuer.jwks_uri or await _discover(client, issuer.issuer)
            return await _read(client, address, known)


async def _discover(client: httpx2.AsyncClient, issuer: str) -> str:
    """Return the ``jwks_uri`` of the issuer's metadata, from the first well-known URL that has it."""
    for address in _metadata_addresses(issuer):
        try:
            metadata = (await _read(client, address, DocumentVersion())).document or {}
        except ValueError:
            continue
        found = metadata.get("jwks_uri")
        # metadata that names another issuer must not be used (RFC 8414 3.3)
        if metadata.get("issuer") == issuer and isinstance(found, str):
            if urlsplit(issuer).scheme == "https" and urlsplit(found).scheme != "https":
                raise ValueError("the metadata of an https issuer names a jwks_uri without TLS")
            return found
    raise ValueError("the issuer publishes no metadata")


def _metadata_addresses(issuer: str) -> Iterator[str]:
    """Return the URLs of the metadata (OpenID Connect Discovery 4, RFC 8414 3.1, and 5 for an issuer with a path)."""
    yield issuer.rstrip("/") + "/.well-known/openid-configuration"
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    for name in ("oauth-authorization-server", "openid-configuration") if path else ("oauth-authorization-server",):
        yield urlunsplit((parts.scheme, parts.netloc, f"/.well-known/{name}{path}", "", ""))


async def _read(client: httpx2.AsyncClient, address: str, known: DocumentVersion) -> JwksResponse:
    if not is_secure_url(address):
        raise ValueError("keys are fetched over TLS or from this machine only")
    is_known = bool(known.tag) and known.address == address
    headers = _HEADERS | ({"If-None-Match": known.tag} if is_known else {})
    async with client.stream("GET", address, headers=headers, follow_redirects=False) as response:
        lifetime = _lifetime(response.headers)
        if is_known and response.status_code == httpx2.codes.NOT_MODIFIED:
            return JwksResponse(None, lifetime, known)
        if response.status_code != httpx2.codes.OK or "content-encoding" in response.headers:
            raise ValueError("the response is not usable")
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_RESPONSE_BYTES:
                raise ValueError("the response is too large")
    tag = response.headers.get("etag", "")
    version = DocumentVersion(address, tag if _ETAG.fullmatch(tag) else "")
    return JwksResponse(parse_object(bytes(body), nodes=MAX_RESPONSE_NODES), lifetime, version)


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
