"""What the audit log says of a request of the demo: the lines are read as anybody can, as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: the order in which a decision's cell begins with the states of the five machines
MACHINES: Final = ("service", "account", "session", "verification", "transaction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the log holds of one request.

    Attributes:
        id: of the record; the reply's ``instance`` names it.
        rule: the rule that decided, by what it does; empty where the request had no cell.
        outcome: one of the eleven; ``refused`` where the request had no cell.
        fallback: what was done; another than the rule's where attempts had run out.
        reason: closed code.
        states: of the five machines, after everything that this request set off.
        subject: the customer's pseudonym; empty where nobody was proven.
    """

    id: str
    rule: str = ""
    outcome: str = "refused"
    fallback: str = ""
    reason: str = ""
    states: tuple[str, ...] = ()
    subject: str = ""


class Log:
    """One log, with the chains that the operator's commands write beside it."""

    def __init__(self, path: Path) -> None:
        """Keep where it is.

        Args:
            path: of its first chain.
        """
        self.path = path

    def text(self) -> str:
        """Give the whole of it: a demo's log is small."""
        return "".join(file.read_text("utf-8") for file in sorted(self.path.parent.glob(f"{self.path.stem}*.jsonl")))

    def find(self, trace: str, instance: str = "") -> Recorded:
        """Find the decision on a request.

        Args:
            trace: the trace id that it bore.
            instance: the record that its reply names; needed for what is so malformed that its headers are not read.
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
