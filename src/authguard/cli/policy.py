"""`authguard policy`: what a policy proves, and whether it does what its scenarios expect."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Final

import typer

from authguard.cli import policy_graph
from authguard.cli.output import INVALID, USAGE, complain
from authguard.policy import library
from authguard.policy.checks import check
from authguard.policy.checks.table import figures
from authguard.policy.compiler import load
from authguard.policy.reading import read_draft
from authguard.policy.scenario_reader import read_scenarios
from authguard.policy.scenarios import describe, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authguard.policy.checks.table import Figures
    from authguard.policy.compiled import Policy
    from authguard.policy.scenarios import Report

app = typer.Typer()
app.command("graph")(policy_graph.graph)

FILE: Final = "policy.yaml"
#: a coverage report names this many lines and rules, unless all are asked for
SHOWN: Final = 20

Paths = Annotated[
    list[str], typer.Argument(help="Policy files, folders that hold a `policy.yaml`, or names of shipped policies.")
]


@app.command("check")
def prove(paths: Paths) -> None:
    """Prove policies: every problem, one a line. Exit 3 when one cannot be used."""
    # a list, and not any(): every policy is proved, whatever comes of the first
    usable = [_prove(_source(given)) for given in paths]
    if not all(usable):
        raise typer.Exit(INVALID)


def _source(given: str) -> str:
    """Take a folder for the policy in it; a file, and the name of a shipped policy, for themselves."""
    path = Path(given)
    return str(path / FILE) if path.is_dir() else given


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


@app.command("test")
def rehearse(
    paths: Annotated[list[str] | None, typer.Argument(help="As for `check`; the current folder by default.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Name everything that no scenario takes.")] = False,
) -> None:
    """Run the scenarios beside policies, and tell what none of them takes. Exit 3 when one fails."""
    passed = [_rehearse(_source(given), everything) for given in paths or ["."]]
    if not all(passed):
        raise typer.Exit(INVALID)


def _rehearse(source: str, everything: bool) -> bool:
    policy = load(source)
    folder = library.given(source).path.parent / "scenarios"
    scenarios, problems = read_scenarios(folder.glob("*.yaml"), policy)
    if not scenarios and not problems:
        complain(f"{source}: there is no scenario beside it; add scenarios/NAME.yaml")
        raise typer.Exit(USAGE)
    report = run(policy, scenarios)
    _say(str(problem) for problem in problems)
    for result in report.failed:
        differences = "; ".join(result.differences)
        typer.echo(f"{result.scenario.place}: failed: {result.scenario.name}: {differences} (rule {result.rule})")
    counted = len(report.results)
    lines, rules = report.lines - len(report.untaken_lines), report.rules - len(report.untaken_rules)
    typer.echo(
        f"{source}: {counted - len(report.failed)} of {counted} scenarios pass; "
        f"they take {lines} of {report.lines} lines and {rules} of {report.rules} rules"
    )
    untaken = list(_untaken(policy, report))
    _say(untaken if everything else untaken[:SHOWN])
    if len(untaken) > SHOWN and not everything:
        typer.echo(f"  and {len(untaken) - SHOWN} more, which --all names")
    return not report.failed and not problems


def _untaken(policy: Policy, report: Report) -> Iterator[str]:
    for rule in report.untaken_rules:
        yield f"  no scenario takes rule {rule.name} ({rule.origin})"
    for machine, index in report.untaken_lines:
        line = policy.machines[machine].spec.lines[index]
        yield f"  no scenario takes line {index + 1} of machine {machine}: {describe(line)}"
