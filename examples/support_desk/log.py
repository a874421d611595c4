"""Read the audit log of the demo as JSON, as any program can."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: the machines in the order of a decision's cell
MACHINES: Final = ("service", "account", "session", "verification", "transaction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The decision on one request in the log.

    Attributes:
        id: of the record; the reply's ``instance`` names it.
        rule: name of the rule without its number; empty if the request had no cell.
        outcome: one of the eleven; ``refused`` if the request had no cell.
        fallback: the applied fallback; differs from the rule's after the attempts have run out.
        reason: closed code.
        states: states of the five machines after all events of the request.
        subject: the customer's pseudonym; empty without a proven subject.
    """

    id: str
    rule: str = ""
    outcome: str = "refused"
    fallback: str = ""
    reason: str = ""
    states: tuple[str, ...] = ()
    subject: str = ""


class Log:
    """One log, including the chains of the operator's commands."""

    def __init__(self, path: Path) -> None:
        """Store the path.

        Args:
            path: path of the first chain.
        """
        self.path = path

    def text(self) -> str:
        """Return the whole text, which is small in the demo."""
        return "".join(file.read_text("utf-8") for file in sorted(self.path.parent.glob(f"{self.path.stem}*.jsonl")))

    def find(self, trace: str, instance: str = "") -> Recorded:
        """Find the decision on a request.

        Args:
            trace: the trace id of the request.
            instance: the record id in the reply; needed if the headers of a malformed request are not read.
        """
        records = list(self._records())
        void = {withdrawn for record in records for withdrawn in record.get("records", ())}
        for record in reversed(records):
            if record["id"] not in void and (record.get("trace_id") == trace or record["id"] == instance):
                return _recorded(record, records)
        return Recorded(id="", outcome="not recorded")

    def moves(self, subject: str) -> int:
        """Count the transitions of a customer."""
        return sum(record["kind"] == "transition" and record.get("subject") == subject for record in self._records())

    def _records(self) -> Iterator[dict[str, Any]]:
        for line in self.text().splitlines():
            yield json.loads(line)


def _recorded(record: Mapping[str, Any], records: list[dict[str, Any]]) -> Recorded:
    if record["kind"] != "decision":
        return Recorded(id=record["id"], reason=record["reason"])
    states = dict(zip(MACHINES, record["cell"], strict=False))
    for other in records:
        if other["kind"] == "transition" and other.get("decision") == record["id"]:
            states[other["machine"]] = other["dest"]
    return Recorded(
        id=record["id"],
        rule=record["rule"].partition(":")[2],
        outcome=record["outcome"],
        fallback=record["fallback"],
        reason=record.get("reason", "decided"),
        states=tuple(states.values()),
        subject=record.get("subject", ""),
    )
