"""Writes docs/reliability.md from a run of everything that breaks; `--check` tells whether the page is in step with it.

Rules: nothing is written here that was not seen in the run; no time, no count and no path is, so that every run on every
machine gives the same bytes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"
RACES = ROOT / "tests" / "faults" / "test_races.py"
HOW = "python scripts/reliability.py"
INTRODUCTION = f"""\
# What happens when something breaks

This page is written by `{HOW}` from a run in which each of these things was broken; do not edit it. The same
run is part of the tests. [The operator's page](operations.md) says what to do; this one says what the guard does by itself.

In every row these hold, or the run fails: no caller gets a 500 or no answer, the app never ran without a decision in the
log before it, no lock and no broken part is left behind, and `authguard audit verify` finds the log sound, except where
somebody took lines out of it: there it shows the break."""
BROKEN = """\
## Broken parts

*Caller* is what callers get meanwhile, *log* what the log says of it; where neither is named, the request went on as ever. A
policy decides more of this than it seems: `try_later` is the standard policy's `on_fault`, and a service that was faulted
lets no write of high risk run for five minutes, because the standard policy has it so."""
KILLED = """\
## Killed

`kill -9` at every point of a request: each wait, each call that reaches the operating system or SQLite, and in the middle of
each line of the log. A program finds these points by watching the process. Then a new process goes on with what is left: the
log verifies, a torn line is cut off and that is recorded, no record is half there, nothing was saved that the log does not say,
and what the caller was told before the kill is still true. By how far it had come, this is found:"""
RACED = """\
## Raced

Two processes that were forked from one, up to a hundred requests at once in each, one customer, one store, one log:"""
ON_THE_WORDS = {
    "misplaced": "`authguard audit verify` shows the break",
    "sound": "",
}


def page(troubles: Mapping[str, Any], kills: Mapping[str, Any]) -> str:
    """Give the whole page.

    Args:
        troubles: as ``python -m tests.faults.breaking`` prints them.
        kills: as ``python -m tests.faults.killing`` prints them.
    """
    rows = ("| broken | caller | log | healed by | then the caller | then the log |", "|---|---|---|---|---|---|")
    broken = "\n".join((*rows, *(trouble_row(seen) for seen in troubles.values())))
    killed = "\n".join(("| killed | found |", "|---|---|", *(kill_row(seen) for seen in kills.values())))
    raced = "\n".join(f"- {sentence}" for sentence in race_sentences())
    return "\n\n".join((INTRODUCTION, BROKEN, broken, KILLED, killed, RACED, raced)) + "\n"


def trouble_row(seen: Mapping[str, Any]) -> str:
    """Tell one trouble in a row."""
    flaw = [ON_THE_WORDS[word] for word in seen["verify"] if ON_THE_WORDS[word]]
    cells = (
        [seen["words"]],
        seen["callers"]["meanwhile"],
        seen["lines"]["meanwhile"],
        [seen["heals"]],
        seen["callers"]["afterwards"],
        [*seen["lines"]["afterwards"], *flaw],
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
        CalledProcessError: it failed, and said why.
    """
    with tempfile.TemporaryDirectory(prefix="authguard-reliability-") as folder:
        Path(folder).chmod(0o755)
        command = [sys.executable, "-m", f"tests.faults.{program}", folder]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own program
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(
    *,
    check: bool = typer.Option(False, "--check", help="Only tell whether the page is in step."),
) -> None:
    """Run everything that breaks, and write the page."""
    written = page(run("breaking"), run("killing"))
    if not check:
        PAGE.write_text(written, "utf-8")
    elif not PAGE.exists() or PAGE.read_text("utf-8") != written:
        typer.echo(f"docs/reliability.md is not in step with the code: run `{HOW}`", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
