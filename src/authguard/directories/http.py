"""Account states over HTTP: one JSON question, one JSON answer, read by JSON Pointers (RFC 6901) of the policy.

What bounds such a call stands in `authguard.calls`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.json_pointer import PointerError, resolve_pointer
from authguard.directories.resilience import RawAccountStatus, find_or_none
from authguard.outbound.error import ServiceError
from authguard.outbound.json_service import JsonService, ServiceAuth

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from authguard.core.request import Principal
    from authguard.policy.deployment import AccountSource


class HttpLookup:
    """Asks one address ``{"issuer": ..., "subject": ...}``."""

    def __init__(
        self, source: AccountSource, *, environ: Mapping[str, str], client: httpx2.AsyncClient | None = None
    ) -> None:
        """Prepare what every question carries.

        Args:
            source: with the address, where the answer says what, and credentials.
            environ: where the bearer token is.
            client: to use instead of one of its own; its owner closes it.

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
        """Make ready; the service need not be up."""
        await self._service.open()

    async def close(self) -> None:
        """Let go of connections."""
        await self._service.close()

    async def look_up(self, principal: Principal) -> RawAccountStatus:
        """Ask once.

        Raises:
            ServiceError: with its cause.
        """
        document = await self._service.ask({"issuer": principal.issuer, "subject": principal.subject})
        try:
            status = resolve_pointer(document, self._source.status_at)
            at = resolve_pointer(document, self._source.true_at) if self._source.true_at else None
        except PointerError as error:
            raise ServiceError("nonsense") from error
        if self._source.true_at and at is None:
            raise ServiceError("nonsense")
        return RawAccountStatus(status, at, find_or_none(document, self._source.delegations_at))
