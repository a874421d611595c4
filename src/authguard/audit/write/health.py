"""What a log has to say of itself before its next record: outages, changes under its writer, what its thread failed at.

Rule: a remark counts as made only when its record was written; one that could not be written comes again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.audit.write.checkpoint_signer import CheckpointSigner
    from authguard.errors import AuditError

#: of a writer's thread: what it says where something fails -> the acts that tell of it and of its end
_FAILURES: Final = (
    ("signing_error", "signing_failed", "signing_recovered"),
    ("retention_error", "retention_failed", "retention_recovered"),
    ("anchor_error", "anchoring_failed", "anchoring_recovered"),
)


class LogHealth:
    """Keeps what has to be recorded."""

    def __init__(self) -> None:
        #: records that the disk did not take since it last took one, the first one's time, and why
        self._failed = 0
        self._since = 0.0
        self._why = ""
        self._tampering = ""
        self._recorded: dict[str, str] = {}

    def reset(self) -> None:
        """Know nothing of the last writer's thread: another begins. Refused records are still told of."""
        self._tampering = ""
        self._recorded = {}

    def add_failure(self, at: float, error: AuditError) -> None:
        """Count a record that the disk did not take, to say so when it takes one again."""
        if isinstance(error.__cause__, OSError):
            if not self._failed:
                self._since, self._why = at, error.__cause__.strerror or type(error.__cause__).__name__
            self._failed += 1

    def set_tampering(self, words: str) -> None:
        """Keep what somebody did to the file."""
        self._tampering = words

    def list_records(self, signer: CheckpointSigner | None, space: str) -> Iterator[tuple[str, str]]:
        """Yield acts and notes to be recorded now; going on says that the last one was.

        Args:
            signer: of the chain, where it is signed.
            space: what there is to say about the free space; empty while there is enough.
        """
        if space != self._recorded.get("space", ""):
            yield "space_low" if space else "space_recovered", space
            self._recorded["space"] = space
        if self._tampering:
            yield "tampering_detected", self._tampering
            self._tampering = ""
        if self._failed:
            since = datetime.fromtimestamp(self._since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            yield "writing_recovered", f"{self._failed} records were not written since {since}: {self._why}"
            self._failed = 0
        if signer is None:
            return
        for name, begins, ends in _FAILURES:
            words: str = getattr(signer, name)
            if words != self._recorded.get(name, ""):
                yield begins if words else ends, words
                self._recorded[name] = words
