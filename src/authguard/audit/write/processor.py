"""structlog processor that writes an app's log events to a chain, hashed and signed like the guard's records.

Rules: an event never breaks the app; events that cannot be written are counted, a record states their number, and the
standard logger states the reason once.
Everything has a bound. Field names of the chain and credentials are left out. The event is passed on unchanged.
Events of the guard are already in its log, and are not written again.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from authguard.active_span import active_trace_id
from authguard.errors import AuthguardError
from authguard.records.entries import ActEntry, AppLogEntry
from authguard.records.record_types import FIELD, FIELDS, MAX_NAME_CHARS, MAX_TEXT_CHARS

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from authguard.ports import AuditSink, Clock, Ids
    from authguard.records.record_types import Value

_LOGGER: Final = logging.getLogger("authguard")
#: field names of the chain, which an event cannot use
RESERVED: Final = frozenset({"kind", "id", "at", "policy", "v", "seq", "prev", "hash", "fields", "refused"})
#: names of fields that are left out (OWASP Logging Cheat Sheet, "data to exclude")
_SECRET: Final = re.compile(
    r"authori[sz]ation|cookie|passw|passphrase|secret|token|api_?key|private_?key|credential", re.IGNORECASE
)
#: values that are credentials under any name: JWTs, and what follows an authentication scheme
_CREDENTIAL: Final = re.compile(
    r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*|\b(?:bearer|basic|dpop)\s+[\w.~+/=-]{8,}", re.IGNORECASE
)
_TRACE: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")
_NAME: Final = re.compile(FIELD)
#: keys of structlog that the record has in other fields
_MAPPED_KEYS: Final = frozenset(
    {"event", "level", "trace_id", "exc_info", "stack_info", "stack", "timestamp", "logger"}
)
#: events of the guard, which are in its log (`authguard.app_log`)
GUARD_EVENTS: Final = frozenset(
    {"authguard.transitioned", "authguard.acted", "authguard.faulted", "authguard.withdrawn"}
)
#: largest integer that every JSON reader preserves (RFC 8259, section 6)
_MAX_SAFE_INTEGER: Final = 2**53 - 1
#: seconds that an event waits for another thread
_LOCK_TIMEOUT_S: Final = 5.0


class ChainProcessor:
    """structlog processor that writes every event to a chain and passes it on unchanged.

    Place it after processors that add values (``merge_contextvars``, ``add_log_level``) and before the renderer. It
    is safe for threads. It opens its chain with the first event; `close` signs the chain.

    Args:
        sink: sink of these events only.
        clock: clock of the records.
        ids: ids of the records.

    Attributes:
        dropped: events that were not written since the last success.
    """

    def __init__(self, sink: AuditSink, *, clock: Clock, ids: Ids) -> None:
        self._sink: Final = sink
        self._clock: Final = clock
        self._ids: Final = ids
        self._lock: Final = threading.Lock()
        self._opened = False
        #: why the last event was not written; logged once
        self._why = ""
        self.dropped = 0

    def __call__(
        self, logger: object, method_name: str, event_dict: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Write an event; never raises because of its content."""
        del logger
        if event_dict.get("event") not in GUARD_EVENTS:
            self._append(method_name, event_dict)
        return event_dict

    def close(self) -> None:
        """Sign and release the chain; the next event opens it again."""
        with self._lock:
            if self._opened:
                self._sink.close()
            self._opened = False

    def _append(self, level: str, event: Mapping[str, Any]) -> None:
        if not self._lock.acquire(timeout=_LOCK_TIMEOUT_S):
            self.dropped += 1
            return
        try:
            if not self._opened:
                self._sink.open()
                self._opened = True
            now = self._clock.now()
            if self.dropped:
                self._sink.append(
                    ActEntry(
                        id=self._ids.record(now),
                        at=now,
                        policy="",
                        act="records_dropped",
                        by="audit",
                        note=f"{self.dropped} lines",
                    )
                )
                self.dropped = 0
            self._sink.append(make_entry(level, event, self._ids.record(now), now))
        except (AuthguardError, OSError) as error:
            self.dropped += 1
            why = str(error) if isinstance(error, AuthguardError) else error.strerror or type(error).__name__
        else:
            self._why = why = ""
        finally:
            self._lock.release()
        if why and why != self._why:
            self._why = why  # before the message: the app may pass the standard logger's lines to this processor
            _LOGGER.error("authguard: the app's log events are not written to the audit log: %s", why)


def make_entry(level: str, event: Mapping[str, Any], record: str, now: float) -> AppLogEntry:
    """Build the bounded record of an event.

    Args:
        level: the called method.
        event: the event dictionary of structlog.
        record: id of the record.
        now: epoch seconds UTC.
    """
    fields: dict[str, Value] = {}
    refused: list[str] = []
    for key, value in event.items():
        if key in _MAPPED_KEYS:
            continue
        name = str(key)
        bounded = None if name in RESERVED or _SECRET.search(name) or not _NAME.fullmatch(name) else _value(value)
        if bounded is None or len(fields) == FIELDS:
            refused.append(name)
        else:
            fields[name] = bounded
    raised = _exception_name(event.get("exc_info"))
    if raised and len(fields) < FIELDS:
        fields.setdefault("exception", raised)
    trace = event.get("trace_id") or active_trace_id()
    return AppLogEntry(
        id=record,
        at=now,
        policy="",
        level=_level(event.get("level", level)),
        message=_text(event.get("event", "")) or "-",
        trace_id=trace if isinstance(trace, str) and _TRACE.fullmatch(trace) else "",
        fields=fields,
        refused=tuple(dict.fromkeys(_text(name)[:MAX_NAME_CHARS] or "-" for name in refused[:FIELDS])),
    )


def _level(given: object) -> str:
    level = str(given).lower()
    return level if re.fullmatch(r"[a-z][a-z_]{0,31}", level) else "info"


def _value(value: object) -> Value | None:
    """Bound a value; return ``None`` for a type that has no text form without calling the object's code."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _MAX_SAFE_INTEGER else _text(str(value))
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, str):
        return _text(value)
    # the text of any other object may contain anything
    return None if value is not None else ""


def _text(value: object) -> str:
    """Bound a text; replace credentials and characters that could forge a line or change its direction."""
    text = _CREDENTIAL.sub("[credential]", str(value)[: 4 * MAX_TEXT_CHARS])
    return "".join(char if char.isprintable() else " " for char in text[:MAX_TEXT_CHARS])


def _exception_name(info: object) -> str:
    """Return the class name of an exception, never its message."""
    if isinstance(info, tuple) and info:
        info = info[1] if len(info) > 1 else None
    if info is True:  # in structlog, true stands for the exception that is handled now
        info = sys.exception()
    return type(info).__name__[:MAX_NAME_CHARS] if isinstance(info, BaseException) else ""
