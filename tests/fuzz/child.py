"""A hold on the guarded app in its child process: raw exchanges with it, and its ledger against the guard's log."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.served_app import PATIENCE, ServedApp, exchange

if TYPE_CHECKING:
    from typing import Self

POLICY = Path(__file__).with_name("policy.yaml")
#: route -> the operation that the policy makes of it; one that nobody named falls to `otherwise`
OPERATIONS = {name: name for name in ("health", "chat", "order", "refund", "files", "item", "live")} | {
    "hidden": "otherwise"
}
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


class Child(ServedApp):
    """The child process; a context manager."""

    def __init__(self, *options: str) -> None:
        super().__init__("tests.fuzz.server", *options)
        shutil.copy(POLICY, self.folder)
        self._decided: dict[str, tuple[str, str]] = {}
        self._used: set[str] = set()
        self.runs = 0

    def __enter__(self) -> Self:
        super().__enter__()
        self.port = self.started["port"]
        return self

    def figures(self) -> dict[str, int]:
        """Ask the child for its memory, tasks, threads, handles and objects."""
        answer: dict[str, int] = self.asked()
        return answer

    def kinds(self) -> dict[str, int]:
        """Ask the child how many objects of which type it has: the difference of two tells what grew."""
        answer: dict[str, int] = self.asked(b"kinds\n")
        return answer

    def exchange(self, sent: bytes, silence: float = PATIENCE) -> bytes:
        """Send bytes as they are, and give what comes back until the other side ends, switches, or falls silent."""
        return exchange(self.port, sent, silence)

    def check(self) -> list[dict[str, Any]]:
        """Look at what ran since the last look: each run was decided, recorded, admitted, and what it was taken for."""
        runs = self.new("runs.jsonl")
        for entry in self.new("audit.jsonl"):
            if entry["kind"] == "decision":
                self._decided[entry["id"]] = (entry["operation"], entry["outcome"])
        for run in runs:
            self.runs += 1
            assert run["record"], f"the app was reached undecided: {run}"
            assert run["record"] not in self._used, f"one decision admitted two runs: {run}"
            self._used.add(run["record"])
            assert run["headers"].count("authorization") <= 1, f"one of two credentials was taken: {run}"
            operation, outcome = self._decided[run["record"]]
            assert outcome in ("allow", "restrict"), f"the app ran although the log says `{outcome}`: {run}"
            assert operation == run["operation"]
            if run["route"]:
                assert operation == OPERATIONS[run["route"]], f"guard and router disagree: {run}"
            else:
                redirected = run["path"].endswith("/")  # to the operation that it was judged as
                assert redirected or operation in ("otherwise", "files"), f"the router took no route: {run}"
        return runs


def statuses(received: bytes) -> list[int]:
    """Find the statuses of everything that came back; no body of this app holds a status line."""
    return [int(status) for status in STATUS.findall(received)]
