"""Writes docs/reliability.md from a run in which everything breaks; the tests hold the page against a run of theirs.

Rules: nothing is written here that was not seen in the run; no time, no count and no path is, so that every run gives
the same bytes on every machine.
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
# What happens when something breaks

This page is written by `{HOW}` from a run in which each of these things was broken; do not edit it. The same
run is part of the tests. [Operations](operations.md) says what to do; this one says what the guard
does by itself.

In every row these hold, or the run fails: no caller gets a 500 or no answer; the app never ran without a
decision in the log before it; and `authguard audit verify` finds the log sound, except where somebody took
lines out of it, which it shows.
"""
BROKEN = """\
## Broken parts

The third column is what is new in the log meanwhile; a plain admission is no news. A policy decides much of
this: an answer of 503 `retry` is the standard policy's `on_fault`, and after a fault its service is `degraded`
for five minutes, in which no new write of high risk runs. A log that is deleted or emptied is missed at the next
record, one that is moved away within 50 ms; what was written to it until then is in the file that was moved. A
store that is taken away is missed at the next write, and by reads within a second; nobody is admitted until it is
back, for the guard begins no empty one while it runs.
"""
KILLED = """\
## Killed

`kill -9` at every point of a request: each wait, each call that leaves Python for the operating system or
SQLite, and the middle of each line of the log. A program finds these points by watching the process. Then a new
process goes on with what is left: the log verifies, a torn line is cut off and that is recorded, every record
is whole, nothing was saved that the log does not say, the app never ran unrecorded, no refund runs twice, and
what the caller was told before the kill still holds. By how far the killed one had come, this is found:
"""
CANCELLED = """\
## Cancelled

A server that stops, a time-out around the app or a caller who hangs up cancels a request where it waits. Each of these
is cancelled at every suspension, in four ways: at once; when what it waits for has just come; by a scope, which cancels
every later wait too; and a second time while it cleans up. The same process goes on: the log and the store say the
same, every decision that stands was carried out and every other is withdrawn, the next request waits for nothing, and a
refund that had begun to run is in doubt unless the app had answered:
"""
RACED = """\
## Raced

Two processes that were forked from one, up to a hundred requests at once in each, one customer, one store, one
log:
"""
#: what `verify` found -> what is said of it
VERIFIED = {"sound": [], "misplaced": ["`authguard audit verify` shows the break"]}


def page(troubles: Mapping[str, Any], kills: Mapping[str, Any], cancels: Mapping[str, Any]) -> str:
    """Give the whole page.

    Args:
        troubles: as ``python -m tests.faults.fault_program`` prints them.
        kills: as ``python -m tests.faults.kill_program`` prints them.
        cancels: as ``python -m tests.faults.cancel_program`` prints them.
    """
    rows = ("| broken | caller | log | healed by | then the caller | then the log |", "|---|---|---|---|---|---|")
    broken = "\n".join((*rows, *(trouble_row(seen) for seen in troubles.values())))
    killed = "\n".join(("| killed | found |", "|---|---|", *(kill_row(seen) for seen in kills.values())))
    cancelled = "\n".join(f"- {seen['words']}" for seen in cancels.values())
    raced = "\n".join(f"- {sentence}" for sentence in race_sentences())
    return f"{INTRODUCTION}\n{BROKEN}\n{broken}\n\n{KILLED}\n{killed}\n\n{CANCELLED}\n{cancelled}\n\n{RACED}\n{raced}\n"


def trouble_row(seen: Mapping[str, Any]) -> str:
    """Tell one trouble in a row."""
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
    """Tell one kind of request in a row."""
    return f"| {seen['words']} | {lines(seen['found'])} |"


def lines(told: Iterable[str]) -> str:
    """Put what was told into one cell."""
    return "<br>".join(told) or "-"


def race_sentences() -> Iterator[str]:
    """Give what the tests of races are called: each is a sentence."""
    for name in re.findall(r"^def test_(\w+)\(", RACES.read_text("utf-8"), re.MULTILINE):
        yield name.replace("_", " ")


def run(program: str) -> dict[str, Any]:
    """Run one of the programs beside the tests to its end.

    Raises:
        SystemExit: it failed, or something that it saw must not be; with what that was.
    """
    with tempfile.TemporaryDirectory(prefix="authguard-reliability-") as folder:
        Path(folder).chmod(0o755)  # one of the troubles is met by `nobody`
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
    PAGE.write_text(page(run("breaking"), run("killing"), run("cancelling")), "utf-8")
