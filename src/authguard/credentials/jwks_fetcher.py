"""Fetches an issuer's published keys over HTTP: discovery, then the JWK Set (RFC 8414 3, OpenID Connect Discovery 4).

Rules: TLS, or this very machine; no redirect is followed, to nobody; no more than a quarter megabyte is read of any
answer, as it was sent; an answer that is not exactly what it should be is no answer. What has not changed is not sent
again (``ETag``), and how long it is fresh is told, not believed. The caller sets the time that all may take.
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

#: bytes of an answer at the most
MAX_RESPONSE_BYTES: Final = 262_144
#: objects and arrays in an answer at the most: a hundred keys with certificates, or a provider's metadata
MAX_RESPONSE_NODES: Final = 4_096
#: an encoded body could grow beyond the bound in one step, so none is asked for and none is taken
_HEADERS: Final = {
    "Accept": "application/json, application/jwk-set+json",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
#: RFC 9110 8.8.3, weak or strong, and not without end
_ETAG: Final = re.compile(r'(W/)?"[\x21\x23-\x7e]{0,200}"')
#: RFC 9111 1.2.2
_SECONDS: Final = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class JwksResponse:
    """What an issuer answered.

    Attributes:
        document: the JWK Set, read and not screened; ``None`` where it is still the version that was named.
        lifetime: seconds for which the answer says that it is fresh; negative where it says nothing.
        version: to name next time.
    """

    document: dict[str, object] | None
    lifetime: float
    version: DocumentVersion


class JwksFetcher:
    """Reads key sets from their issuers.

    Args:
        client: to use instead of a new one for each fetch; its owner closes it. The place for a proxy or a private
            certificate authority.
    """

    __slots__ = ("_client", "_tls")

    def __init__(self, client: httpx2.AsyncClient | None = None) -> None:
        self._client = client
        self._tls: SSLContext | None = None

    def prepare(self) -> None:
        """Read the trusted certificates, which takes too long for a request and heeds the environment."""
        if self._client is None and self._tls is None:
            self._tls = load_trusted_certificates()

    async def fetch_jwks(self, issuer: Issuer, known: DocumentVersion) -> JwksResponse:
        """Fetch the JWK Set of an issuer.

        Args:
            issuer: whose.
            known: the version at hand, of which nothing is sent again.

        Raises:
            ValueError: an answer is not what it should be.
            httpx2.HTTPError: there is no answer.
        """
        async with AsyncExitStack() as stack:
            client = self._client
            if client is None:
                # one client for each fetch, which is rare: nothing stays open, nothing is bound to one event loop;
                # no proxy of the environment has a say about an issuer on this machine; the caller has a deadline
                client = create_async_client(verify=True if self._tls is None else self._tls, timeout=None)
                await stack.enter_async_context(client)
            address = issuer.jwks_uri or await _discover(client, issuer.issuer)
            return await _read(client, address, known)


async def _discover(client: httpx2.AsyncClient, issuer: str) -> str:
    """Find the address of the key set in the issuer's metadata, under the first of the usual addresses that has it."""
    for address in _metadata_addresses(issuer):
        try:
            metadata = (await _read(client, address, DocumentVersion())).document or {}
        except ValueError:
            continue
        found = metadata.get("jwks_uri")
        # a document that names another issuer is another issuer's (RFC 8414 3.3)
        if metadata.get("issuer") == issuer and isinstance(found, str):
            if urlsplit(issuer).scheme == "https" and urlsplit(found).scheme != "https":
                raise ValueError("the metadata leads from TLS to an address without")
            return found
    raise ValueError("the issuer publishes no metadata")


def _metadata_addresses(issuer: str) -> Iterator[str]:
    """Name the places of the metadata: OpenID Connect Discovery 4, RFC 8414 3.1, and RFC 8414 5 for a path."""
    yield issuer.rstrip("/") + "/.well-known/openid-configuration"
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    for name in ("oauth-authorization-server", "openid-configuration") if path else ("oauth-authorization-server",):
        yield urlunsplit((parts.scheme, parts.netloc, f"/.well-known/{name}{path}", "", ""))


async def _read(client: httpx2.AsyncClient, address: str, known: DocumentVersion) -> JwksResponse:
    if not is_secure_url(address):
        raise ValueError("keys come over TLS or from this machine")
    is_known = bool(known.tag) and known.address == address
    headers = _HEADERS | ({"If-None-Match": known.tag} if is_known else {})
    async with client.stream("GET", address, headers=headers, follow_redirects=False) as answer:
        lifetime = _lifetime(answer.headers)
        if is_known and answer.status_code == httpx2.codes.NOT_MODIFIED:
            return JwksResponse(None, lifetime, known)
        if answer.status_code != httpx2.codes.OK or "content-encoding" in answer.headers:
            raise ValueError("not an answer that can be used")
        body = bytearray()
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > MAX_RESPONSE_BYTES:
                raise ValueError("the answer is too large")
    tag = answer.headers.get("etag", "")
    version = DocumentVersion(address, tag if _ETAG.fullmatch(tag) else "")
    return JwksResponse(parse_object(bytes(body), nodes=MAX_RESPONSE_NODES), lifetime, version)


def _lifetime(headers: Mapping[str, str]) -> float:
    """Tell for how many seconds more an answer says to be fresh (RFC 9111 4.2.1); negative where it says nothing."""
    told = [part.strip().lower().partition("=") for part in headers.get("cache-control", "").split(",")]
    directives = {name: value.strip('"') for name, _, value in told if name}
    if "no-store" in directives or "no-cache" in directives:
        return 0.0
    if "max-age" in directives:
        age = headers.get("age", "").strip()
        seconds = float(directives["max-age"]) if _SECONDS.fullmatch(directives["max-age"]) else 0.0
        return max(0.0, seconds - (float(age) if _SECONDS.fullmatch(age) else 0.0))
    if "expires" in headers:
        try:  # both by the issuer's clock, so that ours does not matter
            ends, began = (parsedate_to_datetime(headers.get(name, "")) for name in ("expires", "date"))
            return max(0.0, (ends - began).total_seconds())
        except (ValueError, TypeError):
            return 0.0  # RFC 9111 5.3: what is no date is in the past
    return -1.0


def is_secure_url(address: str) -> bool:
    """Whether an address is read over TLS, or on this very machine, and names no user."""
    try:
        parts = urlsplit(address)
        if not parts.hostname or parts.username is not None:
            return False
        if parts.scheme == "https":
            return True
        return parts.scheme == "http" and (parts.hostname == "localhost" or ip_address(parts.hostname).is_loopback)
    except ValueError:
        return False
