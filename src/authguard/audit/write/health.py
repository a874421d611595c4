"""Failures and recoveries of the log that its next records report.

Rule: a report counts as written only after its record was written; until then it is repeated.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.audit.write.checkpoint_signer import CheckpointSigner
    from authguard.errors import AuditError

#: attribute of the signer with an error -> the acts that record the error and its end
_FAILURES: Final = (
    ("signing_error", "signing_failed", "signing_recovered"),
    ("retention_error", "retention_failed", "retention_recovered"),
    ("anchor_error", "anchoring_failed", "anchoring_recovered"),
)


def describe_tampering(found: int, size: int) -> str:
    """Return how another program changed a file of `size` bytes that now has `found`; -1 if it is gone."""
    if found < 0:
        return "deleted or replaced"
    return "truncated" if found < size else "written to by another program"


class LogHealth:
    """Collects what the log must record about itself."""

    def __init__(self) -> None:
        #: records that were not written since the last success, with the time and the reason of the first
        self._failed = 0
        self._since = 0.0
        self._why = ""
        self._tampering = ""
        self._recorded: dict[str, str] = {}

    def reset(self) -> None:
        """Forget the reports of the last signer; unwritten records are still counted."""
        self._tampering = ""
        self._recorded = {}

    def add_failure(self, at: float, error: AuditError) -> None:
        """Count a record that the disk did not accept."""
        if isinstance(error.__cause__, OSError):
            if not self._failed:
                self._since, self._why = at, error.__cause__.strerror or type(error.__cause__).__name__
            self._failed += 1

    def set_tampering(self, words: str) -> None:
        """Store how the file was tampered with."""
        self._tampering = words

    def list_records(self, signer: CheckpointSigner | None, space: str) -> Iterator[tuple[str, str]]:
        """Yield the acts and notes to record; requesting the next one confirms that the last one was written.

        Args:
            signer: signer of the chain, if it is signed.
            space: warning about the free space; empty if there is enough.
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
