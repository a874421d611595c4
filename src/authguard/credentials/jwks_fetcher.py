"""Fetches the keys of an issuer: discovery, then the JWK Set (RFC 8414 3, OpenID Connect Discovery 4)."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from authguard.credentials.issuer_document import read_document
from authguard.credentials.issuer_error import KeysUnreachableError
from authguard.credentials.issuer_metadata import find_metadata
from authguard.outbound.error import ServiceError
from authguard.outbound.http_client import HttpClient
from authguard.outbound.retry import call_with_retries

if TYPE_CHECKING:
    import httpx2

    from authguard.core.deployment import Issuer
    from authguard.credentials.issuer_document import IssuerDocument
    from authguard.credentials.jwk import DocumentVersion


class JwksFetcher:
    """Fetches JWK Sets; never follows a redirect.

    Args:
        client: HTTP client to use instead of the fetcher's own, closed by its owner; may have a proxy or a private
            certificate authority.
    """

    __slots__ = ("_client",)

    def __init__(self, client: httpx2.AsyncClient | None = None) -> None:
        self._client = HttpClient(client)

    async def close(self) -> None:
        """Close the own client."""
        await self._client.close()

    async def fetch_jwks(self, issuer: Issuer, known: DocumentVersion) -> IssuerDocument:
        """Fetch the JWK Set of an issuer, in at most two attempts; the caller sets the deadline of both.

        Args:
            issuer: of the policy.
            known: the version of the known document, which is not sent again if it is unchanged.

        Raises:
            KeysUnreachableError: the issuer cannot be reached.
            KeysUnusableError: its metadata or its keys cannot be read; it is not called again.
        """

        async def fetch() -> IssuerDocument:
            address = issuer.jwks_uri or (await find_metadata(self._client, issuer)).jwks_uri
            return await read_document(self._client, address, known, insecure_http=issuer.insecure_http)

        try:
            await self._client.prepare()
        except ServiceError as error:
            raise KeysUnreachableError(error.detail) from None
        return await call_with_retries(fetch, timeout=inf)
