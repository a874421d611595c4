"""Account states over HTTP: a JSON request and a JSON response, parsed by the policy's JSON Pointers (RFC 6901).

The limits of such a call are in `authguard.outbound`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.directories.resilience import RawAccountStatus, find_or_none, read_labels
from authguard.formats.json_pointer import PointerError, resolve_pointer
from authguard.outbound.error import ServiceError
from authguard.outbound.json_service import JsonService, ServiceAuth

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from authguard.core.deployment import AccountSource
    from authguard.core.request import Principal


class HttpLookup:
    """Posts ``{"issuer": ..., "subject": ...}`` to one URL."""

    def __init__(
        self, source: AccountSource, *, environ: Mapping[str, str], client: httpx2.AsyncClient | None = None
    ) -> None:
        """Prepare the values that all requests share.

        Args:
            source: with the URL, the pointers into the response, and credentials.
            environ: has the bearer token.
            client: used instead of a new one; its owner closes it.

        Raises:
            SettingsError: as `authguard.outbound.json_service.JsonService`.
        """
        self._source = source
        self._service = JsonService(
            source.url,
            who=f"the account source `{source.name}`",
            max_concurrency=source.max_concurrency,
            auth=ServiceAuth(
                bearer_env=source.bearer_env,
                certificate=source.certificate,
                key=source.key,
                authority=source.authority,
            ),
            environ=environ,
            client=client,
        )

    async def open(self) -> None:
        """Open the client; the service need not be available."""
        await self._service.open()

    async def close(self) -> None:
        """Close the connections."""
        await self._service.close()

    async def fetch(self, principal: Principal) -> RawAccountStatus:
        """Send one request.

        Raises:
            NoAnswerError: with its cause.
        """
        document = await self._service.ask({"issuer": principal.issuer, "subject": principal.subject})
        try:
            status = resolve_pointer(document, self._source.status_at)
            at = resolve_pointer(document, self._source.true_at) if self._source.true_at else None
        except PointerError as error:
            raise ServiceError("nonsense") from error
        if self._source.true_at and at is None:
            raise ServiceError("nonsense")
        labels = read_labels(document, self._source.pointers)
        return RawAccountStatus(status, at, find_or_none(document, self._source.delegations_at), labels)
