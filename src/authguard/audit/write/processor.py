"""The chain as a structlog processor: an app's own log lines, hash-chained and signed like the guard's.

Rules: a line of the app's never breaks the app: what cannot be kept is counted, and the chain says how many; nothing is
larger than its bound; no name of the chain's own and no credential gets in; the event goes on unchanged to whatever
comes next. What the guard announces is in the log already, and is not written twice.
"""

from __future__ import annotations

import re
import sys
import threading
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from authguard.core.entries import ActEntry, AppLogEntry
from authguard.core.record_types import FIELD, FIELDS, NAME_BOUND, TEXT_BOUND
from authguard.errors import AuditError

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from authguard.core.record_types import Value
    from authguard.ports import AuditSink, Clock, Ids

#: names that a field of the app's cannot have: the chain's own
RESERVED: Final = frozenset({"kind", "id", "at", "policy", "v", "seq", "prev", "hash", "fields", "refused"})
#: names whose values are not for a log (OWASP Logging Cheat Sheet, "data to exclude")
_SECRET: Final = re.compile(
    r"authori[sz]ation|cookie|passw|passphrase|secret|token|api_?key|private_?key|credential", re.IGNORECASE
)
#: values that are credentials whatever their name: a JWT, and what follows the name of a scheme
_CREDENTIAL: Final = re.compile(
    r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*|\b(?:bearer|basic|dpop)\s+[\w.~+/=-]{8,}", re.IGNORECASE
)
_TRACE: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")
_NAME: Final = re.compile(FIELD)
#: of structlog's own, which have places of their own in the record
_MAPPED_KEYS: Final = frozenset(
    {"event", "level", "trace_id", "exc_info", "stack_info", "stack", "timestamp", "logger"}
)
#: the guard's announcements, which are in the log (`authguard.app_log`)
GUARD_EVENTS: Final = frozenset(
    {"authguard.transitioned", "authguard.acted", "authguard.faulted", "authguard.withdrawn"}
)
#: largest whole number that any reader of JSON keeps (RFC 8259 6)
_MAX_SAFE_INTEGER: Final = 2**53 - 1
#: seconds that a line waits for another thread's
_LOCK_TIMEOUT_S: Final = 5.0


class ChainProcessor:
    """A structlog processor that keeps every line in a chain, and passes it on unchanged.

    Put it after what adds values (``merge_contextvars``, ``add_log_level``) and before the renderer. Threads may share
    it. It opens its chain with the first line; `close` signs what was written.

    Args:
        sink: that the lines go to, and no others.
        clock: for their times.
        ids: for their ids.

    Attributes:
        dropped: lines that could not be kept since one last was.
    """

    def __init__(self, sink: AuditSink, *, clock: Clock, ids: Ids) -> None:
        self._sink: Final = sink
        self._clock: Final = clock
        self._ids: Final = ids
        self._lock: Final = threading.Lock()
        self._opened = False
        self.dropped = 0

    def __call__(
        self, logger: object, method_name: str, event_dict: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Keep one line; never raises for anything that is in it."""
        del logger
        if event_dict.get("event") not in GUARD_EVENTS:
            self._append(method_name, event_dict)
        return event_dict

    def close(self) -> None:
        """Sign what was written, and let go of the chain; the next line opens it again."""
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
        except (AuditError, OSError):
            self.dropped += 1
        finally:
            self._lock.release()


def make_entry(level: str, event: Mapping[str, Any], record: str, now: float) -> AppLogEntry:
    """Make a record of a line, within its bounds.

    Args:
        level: the method that was called.
        event: what structlog has of the line.
        record: id.
        now: epoch seconds UTC.
    """
    fields: dict[str, Value] = {}
    refused: list[str] = []
    for key, value in event.items():
        if key in _MAPPED_KEYS:
            continue
        name = str(key)
        kept = None if name in RESERVED or _SECRET.search(name) or not _NAME.fullmatch(name) else _value(value)
        if kept is None or len(fields) == FIELDS:
            refused.append(name)
        else:
            fields[name] = kept
    raised = _exception_name(event.get("exc_info"))
    if raised and len(fields) < FIELDS:
        fields.setdefault("exception", raised)
    trace = event.get("trace_id")
    return AppLogEntry(
        id=record,
        at=now,
        policy="",
        level=_level(event.get("level", level)),
        message=_text(event.get("event", "")) or "-",
        trace_id=trace if isinstance(trace, str) and _TRACE.fullmatch(trace) else "",
        fields=fields,
        refused=tuple(dict.fromkeys(_text(name)[:NAME_BOUND] or "-" for name in refused[:FIELDS])),
    )


def _level(given: object) -> str:
    level = str(given).lower()
    return level if re.fullmatch(r"[a-z][a-z_]{0,31}", level) else "info"


def _value(value: object) -> Value | None:
    """Bound a value; ``None`` for what is no text, number or truth, and cannot be told in one."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _MAX_SAFE_INTEGER else _text(str(value))
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, str):
        return _text(value)
    # of anything else the text could hold whatever the object does
    return None if value is not None else ""


def _text(value: object) -> str:
    """Bound a text, and take out what could forge a line, turn its direction or be a credential."""
    text = _CREDENTIAL.sub("[credential]", str(value)[: 4 * TEXT_BOUND])
    return "".join(char if char.isprintable() else " " for char in text[:TEXT_BOUND])


def _exception_name(info: object) -> str:
    """Name the class of what was raised, never its message."""
    if isinstance(info, tuple) and info:
        info = info[1] if len(info) > 1 else None
    if info is True:  # structlog's own meaning: what is handled just now
        info = sys.exception()
    return type(info).__name__[:NAME_BOUND] if isinstance(info, BaseException) else ""
