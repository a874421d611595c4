"""Telling the app's own log pipeline what the audit log was told: transitions, acts, faults and withdrawals.

Decisions are not announced: a structlog line costs more than the whole decision does. Rules: the chain comes first; no
processor of the app's can lose an admission or hide a record, so what it raises is caught and counted.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from authguard.core.entries import ActEntry, FaultEntry, TransitionEntry, WithdrawalEntry

if TYPE_CHECKING:
    from authguard.core.entries import Entry
    from authguard.ports import AuditSink

TRANSITIONED: Final = "authguard.transitioned"
ACTED: Final = "authguard.acted"
FAULTED: Final = "authguard.faulted"
WITHDRAWN: Final = "authguard.withdrawn"
UNNAMED: Final = "authguard.unnamed"

_ANNOUNCED: Final[dict[type, tuple[str, int]]] = {
    TransitionEntry: (TRANSITIONED, logging.INFO),
    ActEntry: (ACTED, logging.INFO),
    FaultEntry: (FAULTED, logging.ERROR),
    WithdrawalEntry: (WITHDRAWN, logging.INFO),
}

#: where the app has not configured structlog, records go to the standard logger, which is silent below a warning
_SILENT_BELOW: Final = logging.getLogger("authguard")
_STANDARD: Final = structlog.wrap_logger(
    _SILENT_BELOW,
    processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
    wrapper_class=structlog.stdlib.BoundLogger,
    context_class=dict,
)


class LoggingSink:
    """Implements `authguard.ports.AuditSink`: writes to another sink, then announces what it wrote.

    Args:
        inner: the sink that keeps the record.

    Attributes:
        failed_events: how many announcements the app's pipeline raised on.
    """

    def __init__(self, inner: AuditSink) -> None:
        self._inner: Final = inner
        self.failed_events = 0
        #: writes a decision that was made before; decisions are not announced, so nothing comes in between
        self.append_cached: Final = inner.append_cached

    def open(self) -> None:
        """Open the sink.

        Raises:
            AuditError: it cannot be opened.
        """
        self._inner.open()

    def close(self) -> None:
        """Close the sink."""
        self._inner.close()

    def append(self, entry: Entry) -> int:
        """Write the record, then announce it where its kind is announced.

        Returns:
            The line's position.

        Raises:
            AuditError: it was not written; then nothing is announced.
        """
        position = self._inner.append(entry)
        announced = _ANNOUNCED.get(type(entry))
        if announced is not None:
            self._announce(*announced, entry)
        return position

    async def flush(self, position: int) -> None:
        """Wait until a line is on the disk.

        Raises:
            AuditError: it could not be made durable.
        """
        await self._inner.flush(position)

    def _announce(self, name: str, level: int, entry: Entry) -> None:
        """Hand a record to the app's pipeline; whatever that raises stays here."""
        try:
            if structlog.is_configured():
                structlog.get_logger("authguard").log(level, name, **_fields(entry))
            elif _SILENT_BELOW.isEnabledFor(level):  # asked first, since a line that nobody reads costs as much
                _STANDARD.log(level, name, **_fields(entry))
        except Exception:  # noqa: BLE001 - the record is kept; a processor of the app's must not undo an admission
            self.failed_events += 1


def warn_unmapped_route(route: str, advice: str) -> None:
    """Warn a developer of a route of the app that no operation names; whatever the app's pipeline raises stays here.

    Args:
        route: method and template, never a raw path.
        advice: what to type.
    """
    with suppress(Exception):
        logger = structlog.get_logger("authguard") if structlog.is_configured() else _STANDARD
        logger.warning(UNNAMED, route=route, advice=advice)


def _fields(entry: Entry) -> dict[str, Any]:
    """Give a record's filled fields; ``event`` is structlog's own key, so a transition's is called ``trigger``."""
    fields = {name: value for name, value in msgspec.structs.asdict(entry).items() if value not in {"", ()}}
    if "event" in fields:
        fields["trigger"] = fields.pop("event")
    return fields
