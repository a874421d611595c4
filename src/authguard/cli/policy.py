"""`authguard policy`: what a policy proves, and whether it does what its scenarios expect."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from authguard.cli import policy_explain, policy_graph, policy_show, policy_test
from authguard.cli.output import INVALID
from authguard.policy.checks import check
from authguard.policy.checks.table import figures
from authguard.policy.library import in_folder
from authguard.policy.reading import read_draft

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authguard.policy.checks.table import Figures

app = typer.Typer()
app.command("explain")(policy_explain.why)
app.command("graph")(policy_graph.graph)
app.command("show")(policy_show.show)
app.command("test")(policy_test.rehearse)

Paths = Annotated[
    list[str], typer.Argument(help="Policy files, folders that hold a `policy.yaml`, or names of shipped policies.")
]


@app.command("check")
def prove(paths: Paths) -> None:
    """Prove policies: every problem, one a line. Exit 3 when one cannot be used."""
    # a list, and not any(): every policy is proved, whatever comes of the first
    usable = [_prove(in_folder(given)) for given in paths]
    if not all(usable):
        raise typer.Exit(INVALID)


def _prove(source: str) -> bool:
    began = perf_counter()
    reading = read_draft(source)
    problems = set(reading.problems) | set(check(reading.draft) if reading.draft else ())
    _say(str(problem) for problem in sorted(problems, key=lambda found: (found.place, found.code, found.message)))
    errors = sum(problem.severity == "error" for problem in problems)
    if errors or reading.draft is None:
        typer.echo(f"{source}: {errors} problem{'' if errors == 1 else 's'}")
        return False
    typer.echo(f"{source}: {_proved(figures(reading.draft))} ({(perf_counter() - began) * 1000:.0f} ms)")
    return True


def _proved(proved: Figures) -> str:
    return (
        f"each of {proved.pairs:,} (state, event) pairs and {proved.cells:,} cells has one answer, "
        f"by {proved.rules} rules; {proved.invariants} invariants hold"
    )


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)
