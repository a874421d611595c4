"""Forwarding to the app's structlog pipeline: of audit records, of the state of issuers and of unnamed routes.

Rules:
- Decisions are not forwarded, since a structlog line costs more than the whole decision. The exception is a refused
  credential, at debug level: a developer sees on the console why a token was refused.
- Without a structlog configuration, the standard logger's message has the fields, because its formatters print no
  others. It names no person: names, notes and addresses are in the log.
- The record is written first. No processor of the app can prevent an admission or hide a record, so its exceptions are
  caught and counted.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from authguard.core.decision_table import DIMENSIONS
from authguard.errors import AuthguardError
from authguard.records.entries import ActEntry, DecisionEntry, FaultEntry, TransitionEntry, WithdrawalEntry

if TYPE_CHECKING:
    from types import ModuleType

    from authguard.ports import AuditSink, IntrospectionProblem, IssuerStatus
    from authguard.records.entries import Entry

TRANSITIONED: Final = "authguard.transitioned"
ACTED: Final = "authguard.acted"
FAULTED: Final = "authguard.faulted"
WITHDRAWN: Final = "authguard.withdrawn"
UNNAMED: Final = "authguard.unnamed"
CLOSED: Final = "authguard.closed"
CREDENTIAL_REFUSED: Final = "authguard.credential_refused"

_CREDENTIAL: Final = DIMENSIONS.index("credential")
_REFUSED: Final = frozenset({"expired", "rejected", "unproven"})
KEYS: Final = "authguard.keys"
INTROSPECTION: Final = "authguard.introspection"
#: maximum number of ignored keys in one event
MAX_LISTED_KEYS: Final = 20

#: state of an issuer's keys -> level
_KEYS_LEVELS: Final = {
    "ok": logging.INFO,
    "unfetched": logging.INFO,
    "unreachable": logging.WARNING,
    "unusable": logging.ERROR,
}
_KEYS_WORDS: Final = {
    "ok": "available",
    "unfetched": "not fetched yet",
    "unreachable": "unreachable",
    "unusable": "unusable",
}
INSECURE_ADVICE: Final = (
    "keys are fetched without TLS (`insecure_http`), so anyone in that network can replace them and sign tokens"
)

_FORWARDED: Final[dict[type, tuple[str, int]]] = {
    TransitionEntry: (TRANSITIONED, logging.INFO),
    ActEntry: (ACTED, logging.INFO),
    FaultEntry: (FAULTED, logging.ERROR),
    WithdrawalEntry: (WITHDRAWN, logging.INFO),
}

#: without a structlog configuration, events go to the standard logger, which drops levels below a warning
_STANDARD_LOGGER: Final = logging.getLogger("authguard")
#: fields that a message leaves out: who acted and what people wrote, and what every record has
_UNPRINTED: Final = frozenset({"by", "note", "subject", "actor", "session", "peer", "over", "at", "policy"})
#: attributes of a log record, which `extra` must not have
_RESERVED: Final = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime"})
#: events whose record a person may want explained
_PLAIN: Final = re.compile(r"[\w.,:/@+-]+", re.ASCII).fullmatch
_EXPLAINED: Final = frozenset({FAULTED, CREDENTIAL_REFUSED})


class LoggingSink:
    """Implements `authguard.ports.AuditSink`: writes to another sink, then logs the record through structlog.

    Args:
        inner: the sink that stores the record.

    Attributes:
        failed_events: number of events on which the app's pipeline raised.
    """

    def __init__(self, inner: AuditSink) -> None:
        self._inner: Final = inner
        self.failed_events = 0
        #: writes a cached decision; decisions are not forwarded, so the inner method serves
        self.append_cached: Final = inner.append_cached
        self.flush: Final = inner.flush

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
        """Write the record, then log it if its kind is forwarded.

        Returns:
            Position of the line.

        Raises:
            AuditError: the record was not written; then nothing is logged.
        """
        position = self._inner.append(entry)
        event = _FORWARDED.get(type(entry))
        if event is None and isinstance(entry, DecisionEntry) and entry.cell[_CREDENTIAL] in _REFUSED:
            event = CREDENTIAL_REFUSED, logging.DEBUG
        if event is not None:
            try:
                # checked first, because a dropped line costs as much as one that is printed
                if "structlog" in sys.modules or _STANDARD_LOGGER.isEnabledFor(event[1]):
                    _log_record(*event, entry)
            except Exception:  # noqa: BLE001 - the record is written; a processor of the app must not undo an admission
                self.failed_events += 1
        return position


def _log_record(name: str, level: int, entry: Entry) -> None:
    structlog = _find_configured_structlog()
    if structlog is not None:
        structlog.get_logger("authguard").log(level, name, **_fields(entry))
    elif _STANDARD_LOGGER.isEnabledFor(level):
        fields = _fields(entry)
        _log_standard(level, name, _format_fields(name, fields), fields)


def warn_unmapped_route(route: str, advice: str) -> None:
    """Warn a developer of a route of the app that no operation names; exceptions of the app's pipeline are suppressed.

    Args:
        route: method and template, never a raw path.
        advice: text to add to the policy.
    """
    _log_event(logging.WARNING, UNNAMED, f"`{route}`: {advice}", {"route": route, "advice": advice})


def log_issuer_status(status: IssuerStatus) -> None:
    """Log that the keys of an issuer became available or unavailable; exceptions of the app's pipeline are suppressed.

    A misconfiguration is an error. An outage, a suspicious key and a fetch without TLS are warnings.
    """
    level = _KEYS_LEVELS[status.keys]
    if status.insecure_http or not all(key.is_ordinary for key in status.ignored):
        level = max(level, logging.WARNING)
    ignored = [key.text for key in status.ignored[:MAX_LISTED_KEYS]]
    advice = INSECURE_ADVICE if status.insecure_http else ""
    words = "; ".join(filter(None, (status.message, advice, f"ignored: {', '.join(ignored)}" if ignored else "")))
    fields: dict[str, Any] = {
        "issuer": status.issuer,
        "keys": status.keys,
        "problem": status.problem,
        "detail": status.message,
        "ignored": ignored,
        "advice": advice,
    }
    text = f"keys of issuer `{status.issuer}` are {_KEYS_WORDS[status.keys]}{f': {words}' if words else ''}"
    _log_event(level, KEYS, text, {name: value for name, value in fields.items() if value})


def log_introspection_problem(problem: IntrospectionProblem) -> None:
    """Log why an introspection endpoint cannot be used: a misconfiguration is an error, an outage a warning."""
    level = logging.WARNING if problem.is_outage else logging.ERROR
    text = f"introspection of issuer `{problem.issuer}`: {problem.message}"
    _log_event(level, INTROSPECTION, text, {"issuer": problem.issuer, "detail": problem.message})


class ClosedGuardLog:
    """Logs why the guard cannot open and refuses every request; the same reason only once."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, error: Exception) -> None:
        """Log the reason, if it is another one than before."""
        reason = "; ".join(str(error).splitlines()) if isinstance(error, AuthguardError) else type(error).__name__
        if reason != self._last:
            self._last = reason
            _log_event(logging.ERROR, CLOSED, f"every request is refused: {reason}", {"reason": reason})


def _log_event(level: int, name: str, text: str, fields: dict[str, Any]) -> None:
    """Log an event: its fields through structlog, or its text through the standard logger, which prints no fields."""
    with suppress(Exception):
        structlog = _find_configured_structlog()
        if structlog is not None:
            structlog.get_logger("authguard").log(level, name, **fields)
        else:
            _log_standard(level, name, text, fields)


def _find_configured_structlog() -> ModuleType | None:
    """Return structlog if the app configured it; an app that did has imported it, and the import is slow."""
    module = sys.modules.get("structlog")
    is_configured = getattr(module, "is_configured", None)  # missing while the app imports it
    return module if is_configured is not None and is_configured() else None


def _log_standard(level: int, name: str, text: str, fields: dict[str, Any]) -> None:
    """Log a message, with the fields as attributes for formatters that print them."""
    extra = {key: value for key, value in fields.items() if key not in _RESERVED}
    _STANDARD_LOGGER.log(level, "%s: %s", name, text, extra=extra)


def _format_fields(name: str, fields: dict[str, Any]) -> str:
    """Return the printed fields as ``key=value``, and the command that explains the record."""
    words = [f"{key}={_format_value(value)}" for key, value in fields.items() if key not in _UNPRINTED]
    advice = f"; see `authguard audit explain {fields['id']}`" if name in _EXPLAINED else ""
    return f"{' '.join(words)}{advice}"


def _format_value(value: object) -> str:
    """Return a value on one line; quoted if it has a blank or a character that could forge a field."""
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if _PLAIN(text) else json.dumps(text)


def _fields(entry: Entry) -> dict[str, Any]:
    """Return the non-empty fields, of a decision only the cause; ``event`` becomes ``trigger``, as structlog needs."""
    if isinstance(entry, DecisionEntry):
        shown = {"reason": entry.reason, "claim": entry.claim, "operation": entry.operation, "id": entry.id}
        return {name: value for name, value in shown.items() if value}
    fields = {name: value for name, value in msgspec.structs.asdict(entry).items() if value not in {"", ()}}
    if "event" in fields:
        fields["trigger"] = fields.pop("event")
    return fields
