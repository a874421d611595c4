"""Write docs/verification-table.md from a run against a verification service with every behaviour; a test repeats it.

Rule: the page contains only what the run showed, so that every run gives the same bytes on every machine.
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
servers on one machine, and a customer who answers, sends every kind of request, and then follows the instructions. Do
not edit it; the tests repeat the run. [Identity verification](verification.md) explains verifiers and methods.

The method `default` calls one service, with three attempts in 15 minutes; `alternate` calls another. If a row mentions
two services, a second service or a breaker, `default` is declared so. The texts are the defaults of a policy.

In every row these invariants hold, or the tests fail. No response is a 500. Only a pass verifies a customer. An
outage counts no attempt. A customer who waits as long as instructed is not refused again without an attempt. A customer
who follows the instructions ends with the requested response, with a person or, during an outage, with a time to retry.
"""
ANSWERS: Final = """\
## The response to an answer, and the next step

The customer answers the verifier (`POST /.authguard/verify`; `guard.verify` returns the same next step). The next step
begins afterwards: every service works again, except those that never work, and the customer answers correctly.
"""
CELLS: Final = """\
## The response for each risk

The requests follow immediately, in the same session, with the required scopes and role. Risks with the same response
share a row.
"""
#: text for a response of the app
APP: Final = "the app's own"


def page(seen: Mapping[str, Any]) -> str:
    """Return the whole page.

    Args:
        seen: output of ``python -m tests.verification.driver``.
    """
    answers = ("| the service | the answer gets | words | the way on |", "|---|---|---|---|")
    answered = "\n".join((*answers, *(answer_row(words, one) for words, one in seen.items())))
    cells = ("| the service | risk | state | outcome | status | words |", "|---|---|---|---|---|---|")
    asked = "\n".join((*cells, *(row for words, one in seen.items() for row in cell_rows(words, one["cells"]))))
    return f"{INTRODUCTION}\n{ANSWERS}\n{answered}\n\n{CELLS}\n{asked}\n"


def answer_row(words: str, one: Mapping[str, Any]) -> str:
    """Format the response to the answer of the service, and the next step."""
    answer = one["answer"]
    following = answer["next"] if answer["outcome"] == "allow" else answer["outcome"]
    gets = f"{answer['status']} `{following}`{later(answer)}"
    return f"| {words} | {gets} | {answer['words'] or 'continue'} | {', '.join(one['way'])} |"


def cell_rows(words: str, cells: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the responses by risk; risks with the same response share a row."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for risk, cell in cells.items():
        outcome = f"`{cell['outcome']}`{later(cell)}"
        row: tuple[str, ...] = (f"`{cell['state']}`", outcome, str(cell["status"]), cell["words"] or APP)
        alike.setdefault(row, []).append(risk)
    for row, risks in alike.items():
        yield f"| {words} | {'; '.join(risks)} | {' | '.join(row)} |"


def later(step: Mapping[str, Any]) -> str:
    """Return the next methods, or the delay."""
    methods = " ".join(f"`{method}`" for method in step["methods"])
    return f" by {methods}" if methods else f", in {step['after']} s" if step["after"] else ""


def run() -> dict[str, Any]:
    """Run the test program to its end.

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
