"""What a log has to say of itself before its next record: outages, changes under its writer, what its thread failed at.

Rule: a remark counts as made only when its record was written; one that could not be written comes again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.audit.write.checkpoint_signer import LogSigner
    from authguard.errors import AuditError

#: of a writer's thread: what it says where something fails -> the acts that tell of it and of its end
_TROUBLES: Final = (
    ("trouble", "unsealed", "resealed"),
    ("untidy", "untidied", "tidied"),
    ("unanchored", "unanchored", "reanchored"),
)


class Remarks:
    """Keeps what has to be recorded."""

    def __init__(self) -> None:
        #: records that the disk did not take since it last took one, the first one's time, and why
        self._refused = 0
        self._since = 0.0
        self._why = ""
        self._disturbance = ""
        self._said: dict[str, str] = {}

    def forget(self) -> None:
        """Know nothing of the last writer's thread: another begins. Refused records are still told of."""
        self._disturbance = ""
        self._said = {}

    def refuse(self, at: float, error: AuditError) -> None:
        """Count a record that the disk did not take, to say so when it takes one again."""
        if isinstance(error.__cause__, OSError):
            if not self._refused:
                self._since, self._why = at, error.__cause__.strerror or type(error.__cause__).__name__
            self._refused += 1

    def disturb(self, words: str) -> None:
        """Keep what somebody did to the file."""
        self._disturbance = words

    def due(self, signer: LogSigner | None, space: str) -> Iterator[tuple[str, str]]:
        """Yield acts and notes to be recorded now; going on says that the last one was.

        Args:
            signer: of the chain, where it is signed.
            space: what there is to say about the free space; empty while there is enough.
        """
        if space != self._said.get("space", ""):
            yield "space_low" if space else "space_recovered", space
            self._said["space"] = space
        if self._disturbance:
            yield "disturbed", self._disturbance
            self._disturbance = ""
        if self._refused:
            since = datetime.fromtimestamp(self._since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            yield "resumed", f"not written from {since} on: {self._refused}, {self._why}"
            self._refused = 0
        if signer is None:
            return
        for name, begins, ends in _TROUBLES:
            words: str = getattr(signer, name)
            if words != self._said.get(name, ""):
                yield begins if words else ends, words
                self._said[name] = words
