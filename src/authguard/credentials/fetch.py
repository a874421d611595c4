"""Fetches an issuer's published keys over HTTP: discovery, then the JWK Set (RFC 8414 3, OpenID Connect Discovery 4).

Rules: TLS, or this very machine; no redirect is followed; no more than a quarter megabyte is read of any answer, as it
was sent; an answer that is not exactly what it should be is no answer. The caller sets the time that all may take.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

import httpx2

from authguard.credentials.strict import json_object

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ssl import SSLContext

    from authguard.policy.compiled import Issuer

#: bytes of an answer at the most
ANSWER_BOUND: Final = 262_144
#: objects and arrays in an answer at the most: a hundred keys with certificates, or a provider's metadata
ANSWER_NODES: Final = 4_096
#: an encoded body could grow beyond the bound in one step, so none is asked for and none is taken
_HEADERS: Final = {"Accept": "application/json, application/jwk-set+json", "Accept-Encoding": "identity"}


class Fetcher:
    """Reads key sets from their issuers.

    Args:
        client: to use instead of a new one for each fetch; its owner closes it. The place for a proxy or a private
            certificate authority.
    """

    __slots__ = ("_client", "_tls")

    def __init__(self, client: httpx2.AsyncClient | None = None) -> None:
        self._client = client
        self._tls: SSLContext | None = None

    def open(self) -> None:
        """Read the trusted certificates, which takes too long for a request."""
        if self._client is None and self._tls is None:
            self._tls = httpx2.create_ssl_context()

    async def key_set(self, issuer: Issuer) -> dict[str, object]:
        """Fetch the JWK Set of an issuer.

        Raises:
            ValueError: an answer is not what it should be.
            httpx2.HTTPError: there is no answer.
        """
        async with AsyncExitStack() as stack:
            client = self._client
            if client is None:
                # one client for each fetch, which is rare: nothing stays open, nothing is bound to one event loop;
                # no proxy of the environment has a say about an issuer on this machine
                client = httpx2.AsyncClient(verify=True if self._tls is None else self._tls, trust_env=False)
                await stack.enter_async_context(client)
            address = issuer.jwks_uri or await _discover(client, issuer.issuer)
            return await _read(client, address)


async def _discover(client: httpx2.AsyncClient, issuer: str) -> str:
    """Find the address of the key set in the issuer's metadata, under either of the two usual addresses."""
    for address in _metadata_addresses(issuer):
        try:
            metadata = await _read(client, address)
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
    yield issuer.rstrip("/") + "/.well-known/openid-configuration"
    parts = urlsplit(issuer)
    path = "/.well-known/oauth-authorization-server" + parts.path.rstrip("/")
    yield urlunsplit((parts.scheme, parts.netloc, path, "", ""))


async def _read(client: httpx2.AsyncClient, address: str) -> dict[str, object]:
    if not is_safe(address):
        raise ValueError("keys come over TLS or from this machine")
    async with client.stream("GET", address, headers=_HEADERS, follow_redirects=False) as answer:
        if answer.status_code != httpx2.codes.OK or "content-encoding" in answer.headers:
            raise ValueError("not an answer that can be used")
        body = bytearray()
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > ANSWER_BOUND:
                raise ValueError("the answer is too large")
    return json_object(bytes(body), nodes=ANSWER_NODES)


def is_safe(address: str) -> bool:
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
