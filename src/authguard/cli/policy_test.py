"""`authguard policy test`: whether a policy does what its scenarios expect, and what none of them takes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Final

import typer

from authguard.cli.output import INVALID, USAGE, print_error, write_output
from authguard.policy.loading.locator import resolve_folder
from authguard.policy.testing import generator, report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.policy.testing.report import PolicyTestReport

#: a report names this many transitions and rules that no scenario takes, unless all are asked for
SHOWN: Final = 20


class Format(StrEnum):
    """How the report is written."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def run_tests(  # noqa: PLR0917 - Typer gives every option by its name
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Policies, folders, scenario files or shipped names; the current folder where none is named."
        ),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="For people, for programs, or for CI servers.")
    ] = Format.TEXT,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the report to this file.")] = None,
    fail_under: Annotated[
        float,
        typer.Option(
            "--fail-under",
            metavar="PERCENT",
            min=0,
            max=100,
            help="Fail where scenarios take less of a policy's transitions, or of its rules.",
        ),
    ] = 0.0,
    everything: Annotated[bool, typer.Option("--all", help="Name everything that no scenario takes.")] = False,
    generate: Annotated[
        bool,
        typer.Option("--generate", help="Write a draft of scenarios for what none takes yet; a person completes it."),
    ] = False,
) -> None:
    """Run the scenarios beside policies, and tell what none of them takes. Exit 3 when one fails."""
    sources = dict.fromkeys(
        resolve_folder(given) for given in paths or ["."]
    )  # pre-commit names every file that changed
    reports = [report.run_tests(source) for source in sources]
    if generate:
        _write_drafts(reports, output)
        return
    for one in reports:
        if not one.run.results and not one.problems:
            print_error(
                f"{one.source}: there is no scenario beside it; add scenarios/NAME.yaml, or begin with --generate"
            )
            raise typer.Exit(USAGE)
    match form:
        case Format.TEXT:
            text = "".join(f"{line}\n" for one in reports for line in _lines(one, everything))
        case Format.JSON:
            text = json.dumps([report.as_json(one) for one in reports], indent=2, ensure_ascii=False) + "\n"
        case Format.JUNIT:
            text = report.as_junit(reports, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    write_output(text, output)
    if not all([_good_enough(one, fail_under) for one in reports]):  # noqa: C419 - each one that falls short is told
        raise typer.Exit(INVALID)


def _write_drafts(reports: Sequence[PolicyTestReport], output: Path | None) -> None:
    if len(reports) > 1:
        print_error("--generate drafts the scenarios of one policy at a time")
        raise typer.Exit(USAGE)
    if output is not None and output.exists():
        print_error(f"`{output}` exists, and somebody may have worked on it; name another file")
        raise typer.Exit(USAGE)
    (one,) = reports
    write_output(generator.format_drafts(one.policy, generator.generate_drafts(one.policy, one.coverage)), output)


def _good_enough(one: PolicyTestReport, percent: float) -> bool:
    if one.coverage.min_percent < percent:
        print_error(f"{one.source}: scenarios take {one.coverage.min_percent:.1f} %, and {percent:g} % are asked for")
        return False
    return one.passed


def _lines(one: PolicyTestReport, everything: bool) -> Iterator[str]:
    yield from map(str, one.problems)
    yield from map(report.format_failure, one.run.failed)
    yield report.format_summary(one)
    missing: Sequence[str] = [report.format_uncovered(piece) for piece in one.coverage.uncovered]
    yield from missing if everything else missing[:SHOWN]
    if len(missing) > SHOWN and not everything:
        yield f"  and {len(missing) - SHOWN} more, which --all names"
