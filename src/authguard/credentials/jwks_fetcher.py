"""Fetches the keys of an issuer: discovery, then the JWK Set (RFC 8414 3, OpenID Connect Discovery 4)."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, to_thread

from authguard.credentials.issuer_document import read_document
from authguard.credentials.issuer_error import KeysUnreachableError
from authguard.credentials.issuer_metadata import find_metadata
from authguard.outbound.http_client import create_async_client, load_trusted_certificates

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpx2

    from authguard.credentials.issuer_document import IssuerDocument
    from authguard.credentials.jwk import DocumentVersion
    from authguard.policy.deployment import Issuer


class JwksFetcher:
    """Fetches JWK Sets; never follows a redirect.

    Args:
        client: HTTP client to use instead of the fetcher's own, closed by its owner; may have a proxy or a private
            certificate authority.
    """

    __slots__ = ("_client", "_tls")

    def __init__(self, client: httpx2.AsyncClient | None = None) -> None:
        self._client = client
        self._tls: SSLContext | None = None

    async def fetch_jwks(self, issuer: Issuer, known: DocumentVersion) -> IssuerDocument:
        """Fetch the JWK Set of an issuer; the caller sets the timeout.

        Args:
            issuer: of the policy.
            known: the version of the known document, which is not sent again if it is unchanged.

        Raises:
            KeysUnreachableError: the issuer cannot be reached.
            KeysUnusableError: its metadata or its keys cannot be read.
        """
        async with AsyncExitStack() as stack:
            client = self._client
            if client is None:
                # a client for each fetch, which is rare: no connection stays open, none belongs to an event loop;
                # proxies of the environment do not apply to an issuer on this machine; the caller sets a deadline
                client = create_async_client(verify=await self._load_certificates(), timeout=None)
                await stack.enter_async_context(client)
            address = issuer.jwks_uri or (await find_metadata(client, issuer)).jwks_uri
            return await read_document(client, address, known, insecure_http=issuer.insecure_http)

    async def _load_certificates(self) -> SSLContext:
        """Load the trusted certificates once, and with them the HTTP client: too slow for the event loop."""
        if self._tls is None:
            try:
                self._tls = await to_thread.run_sync(
                    load_trusted_certificates, abandon_on_cancel=True, limiter=CapacityLimiter(1)
                )
            except OSError as error:
                message = f"the trusted certificates cannot be read: {type(error).__name__}"
                raise KeysUnreachableError(message) from None
        return self._tls
