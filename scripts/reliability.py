"""Write docs/reliability.md from a run with fault injection; the tests compare the page with a run.

Rules: the page contains only what the run showed, and no time, count or path, so that every run gives the same bytes on
every machine.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"
RACES = ROOT / "tests" / "faults" / "test_races.py"
HOW = "python scripts/reliability.py"
INTRODUCTION = f"""\
# Reliability

This page is written by `{HOW}` from a run that injects each of these faults; do not edit it. The same
run is part of the tests. [Operations](operations.md) describes what an operator does; this page describes
what the guard does without an operator.

In every row these invariants hold, or the run fails: every caller gets a response, and none a 500; the log has
a decision before each run of the app; and `authguard audit verify` verifies the log, unless lines were removed,
which it reports.
"""
BROKEN = """\
## Broken parts

The third column lists the new log records of the fault; plain admissions are omitted. The policy determines much of
this: a 503 `retry` is the standard policy's `on_fault`, and after a fault its service is `degraded` for five minutes,
in which no new write of high risk runs. A deleted or emptied log is detected at the next record, and a moved log within
50 ms; records until then are in the moved file. A missing store is detected at the next write, and by reads within a
second. No request is admitted until the store is back, since a running guard creates no empty one.
"""
KILLED = """\
## Killed

`kill -9` at every point of a request: each wait, each call that leaves Python for the operating system or
SQLite, and the middle of each line of the log. A program finds these points by observing the process. Then a new
process continues with the remaining files: the log verifies, a torn line is cut off and recorded, every record is
complete, the log contains everything that was saved, the app never ran unrecorded, no refund runs twice, and every
response before the kill still holds. The table shows the result by the progress of the killed request:
"""
CANCELLED = """\
## Cancelled

A server that stops, a time-out around the app or a caller who hangs up cancels a request where it waits. Each of these
is cancelled at every suspension, in four ways: immediately; when the awaited result has just arrived; by a scope, which
cancels every later wait too; and a second time during cleanup. The same process continues: log and store agree, every
valid decision was carried out and every other is withdrawn, the next request is not blocked, and a refund that had
started is in doubt unless the app had responded:
"""
RACED = """\
## Raced

Two processes forked from one, with up to a hundred concurrent requests each, one customer, one store and one log:
"""
#: result of `verify` -> text
VERIFIED = {"sound": [], "misplaced": ["`authguard audit verify` shows the break"]}


def page(faults: Mapping[str, Any], kills: Mapping[str, Any], cancels: Mapping[str, Any]) -> str:
    """Return the whole page.

    Args:
        faults: output of ``python -m tests.faults.fault_program``.
        kills: output of ``python -m tests.faults.kill_program``.
        cancels: output of ``python -m tests.faults.cancel_program``.
    """
    rows = ("| broken | caller | log | healed by | then the caller | then the log |", "|---|---|---|---|---|---|")
    broken = "\n".join((*rows, *(fault_row(seen) for seen in faults.values())))
    killed = "\n".join(("| killed | found |", "|---|---|", *(kill_row(seen) for seen in kills.values())))
    cancelled = "\n".join(f"- {seen['words']}" for seen in cancels.values())
    raced = "\n".join(f"- {sentence}" for sentence in race_sentences())
    return f"{INTRODUCTION}\n{BROKEN}\n{broken}\n\n{KILLED}\n{killed}\n\n{CANCELLED}\n{cancelled}\n\n{RACED}\n{raced}\n"


def fault_row(seen: Mapping[str, Any]) -> str:
    """Format one fault as a row."""
    shown = [sentence for flaw in seen["verify"] for sentence in VERIFIED[flaw]]
    cells = (
        [seen["words"]],
        seen["callers"]["meanwhile"],
        seen["lines"]["meanwhile"],
        [seen["heals"]],
        seen["callers"]["afterwards"],
        [*seen["lines"]["afterwards"], *shown],
    )
    return "| " + " | ".join(lines(cell) for cell in cells) + " |"


def kill_row(seen: Mapping[str, Any]) -> str:
    """Format one kind of request as a row."""
    return f"| {seen['words']} | {lines(seen['found'])} |"


def lines(found: Iterable[str]) -> str:
    """Put lines into one cell."""
    return "<br>".join(found) or "-"


def race_sentences() -> Iterator[str]:
    """Yield the names of the race tests, as sentences."""
    for name in re.findall(r"^def test_(\w+)\(", RACES.read_text("utf-8"), re.MULTILINE):
        yield name.replace("_", " ")


def run(program: str) -> dict[str, Any]:
    """Run one of the test programs to its end.

    Raises:
        SystemExit: the program failed or found a violation; with its output.
    """
    with tempfile.TemporaryDirectory(prefix="authguard-reliability-") as folder:
        Path(folder).chmod(0o755)  # one fault is injected as the user `nobody`
        command = [sys.executable, "-m", f"tests.faults.{program}", folder]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    failures = [failure for seen in found.values() for failure in seen["failures"]]
    if failures:
        sys.exit("\n".join(failures))
    return found


if __name__ == "__main__":
    PAGE.write_text(page(run("fault_program"), run("kill_program"), run("cancel_program")), "utf-8")
