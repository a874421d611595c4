"""Events about a log that its writer records: what the log did, what failed or works again, what may be removed."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable


class Part(StrEnum):
    """Parts of a log that can fail while records are still written."""

    SIGNING = "signing"
    RETENTION = "retention"
    ANCHORING = "anchoring"


class LogAct(Struct, frozen=True):
    """An act of the log itself, to be recorded.

    Attributes:
        act: name of the act.
        note: bounded text.
    """

    act: str
    note: str = ""


class PartFailed(Struct, frozen=True):
    """A part failed, or fails for another reason."""

    part: Part
    reason: str

    @property
    def record(self) -> LogAct:
        """Return the act to record."""
        return LogAct(f"{self.part}_failed", self.reason)


class PartWorks(Struct, frozen=True):
    """A part works, or works again."""

    part: Part

    @property
    def record(self) -> LogAct:
        """Return the act to record."""
        return LogAct(f"{self.part}_recovered")


class RemovalRequested(Struct, frozen=True, eq=False):
    """Something may be removed from the files of a log, as soon as a signed record states it.

    Attributes:
        record: the act to record.
        confirm: receives the length of the chain with that record.
    """

    record: LogAct
    confirm: Callable[[int], None]


PartState = PartFailed | PartWorks
LogEvent = PartState | RemovalRequested


class EventBox:
    """Events of other threads for the writer of a chain; each stays until the writer has recorded it.

    Rules: a box is bounded: only the newest state of a part counts, and a requester waits for its confirmation. There
    is no lock, because a forked child would wait for a thread of its parent.
    """

    def __init__(self) -> None:
        self._states: dict[Part, PartState] = {part: PartWorks(part) for part in Part}
        self._recorded = dict(self._states)
        self._requests: list[RemovalRequested] = []

    def put(self, event: LogEvent) -> None:
        """Add an event; any thread may call this."""
        if isinstance(event, RemovalRequested):
            self._requests.append(event)
        else:
            self._states[event.part] = event

    def list_unrecorded(self) -> tuple[LogEvent, ...]:
        """Return the events to record: changed states, then requests."""
        changed = [state for part, state in self._states.items() if state != self._recorded[part]]
        return *changed, *self._requests

    def confirm(self, event: LogEvent, lines: int) -> None:
        """Accept that an event was recorded.

        Args:
            event: one that `list_unrecorded` returned.
            lines: length of the chain with the record.
        """
        if isinstance(event, RemovalRequested):
            self._requests.remove(event)
            event.confirm(lines)
        else:
            self._recorded[event.part] = event

    def has_requests(self) -> bool:
        """Return whether a request waits for its record."""
        return bool(self._requests)

    def find_failure(self, *parts: Part) -> str:
        """Return the reason of the first of some parts that fails; empty if they all work."""
        states = (self._states[part] for part in parts)
        return next((state.reason for state in states if isinstance(state, PartFailed)), "")
