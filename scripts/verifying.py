"""Writes docs/verification-table.md from a run in which a verification service does everything; a test runs it again.

Rule: nothing is written here that was not seen in the run, so that every run gives the same bytes on every machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "verification-table.md"
HOW: Final = "python scripts/verifying.py"
INTRODUCTION: Final = f"""\
# Whatever a verification service does

This page is written by `{HOW}` from a run: a guard with the standard policy and a verification service, both
servers on one machine, and a customer who answers, asks for everything, and then does as they are told. Do not edit it;
the tests run it again. [Proving identity](verification.md) says how to declare verifiers and methods.

The method `default` asks one service, three attempts in 15 minutes; `alternate`, the other way, asks another. Where a
row speaks of two services, a second service or a breaker, `default` is declared so. The words are those of a policy
that has none of its own.

In every row these hold, or the tests fail: nobody gets a 500; nobody is `verified` but by a pass; an outage spends no
attempt; who waits for as long as they were told is not sent away again with nothing tried; and whoever does as they
are told ends with what they asked for, with a person, or, while a service is down, knowing when to come back.
"""
ANSWERS: Final = """\
## What the answer gets, and the way on

The customer answers the verifier (`POST /.authguard/verify`; `guard.verify` gives the same next step). The way on
begins afterwards, with every service well again but for those that never work, and the customer giving right answers.
"""
CELLS: Final = """\
## What each risk gets

Asked right afterwards, in the same session, by somebody who has the scopes and the role. Risks that get the same stand
in one row.
"""
#: what stands where the app itself answers
APP: Final = "the app's own"


def page(seen: Mapping[str, Any]) -> str:
    """Give the whole page.

    Args:
        seen: as ``python -m tests.verification.driver`` prints it.
    """
    answers = ("| the service | the answer gets | words | the way on |", "|---|---|---|---|")
    answered = "\n".join((*answers, *(answer_row(words, one) for words, one in seen.items())))
    cells = ("| the service | risk | state | outcome | status | words |", "|---|---|---|---|---|---|")
    asked = "\n".join((*cells, *(row for words, one in seen.items() for row in cell_rows(words, one["cells"]))))
    return f"{INTRODUCTION}\n{ANSWERS}\n{answered}\n\n{CELLS}\n{asked}\n"


def answer_row(words: str, one: Mapping[str, Any]) -> str:
    """Tell what the answer to the service got, and where that leads."""
    answer = one["answer"]
    following = answer["next"] if answer["outcome"] == "allow" else answer["outcome"]
    gets = f"{answer['status']} `{following}`{later(answer)}"
    return f"| {words} | {gets} | {answer['words'] or 'go on'} | {', '.join(one['way'])} |"


def cell_rows(words: str, cells: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Tell what each risk got; those that got the same in one row."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for risk, cell in cells.items():
        outcome = f"`{cell['outcome']}`{later(cell)}"
        row: tuple[str, ...] = (f"`{cell['state']}`", outcome, str(cell["status"]), cell["words"] or APP)
        alike.setdefault(row, []).append(risk)
    for row, risks in alike.items():
        yield f"| {words} | {'; '.join(risks)} | {' | '.join(row)} |"


def later(said: Mapping[str, Any]) -> str:
    """Say by which methods, or after how long."""
    methods = " ".join(f"`{method}`" for method in said["methods"])
    return f" by {methods}" if methods else f", in {said['after']} s" if said["after"] else ""


def run() -> dict[str, Any]:
    """Run the program beside the tests to its end.

    Raises:
        SystemExit: it failed.
    """
    command = [sys.executable, "-m", "tests.verification.driver"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    PAGE.write_text(page(run()), "utf-8")
