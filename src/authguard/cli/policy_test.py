"""`authguard policy test`: run the scenarios of policies and report their coverage."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from authguard.cli.output import INVALID, USAGE, print_error, write_output
from authguard.policy.loading.locator import resolve_folder
from authguard.policy.testing import generator, report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.policy.testing.report import PolicyTestReport

#: uncovered transitions and rules that are listed without `--all`
MAX_UNCOVERED_SHOWN: Final = 20


class Format(StrEnum):
    """Output formats."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def run_tests(
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Policies, folders, scenario files or shipped names; default: the current folder."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TEXT,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the report to this file.")] = None,
    fail_under: Annotated[
        float,
        typer.Option(
            "--fail-under",
            metavar="PERCENT",
            min=0,
            max=100,
            help="Fail if less of a policy's transitions or rules is covered.",
        ),
    ] = 0.0,
    everything: Annotated[bool, typer.Option("--all", help="List everything that is not covered.")] = False,
    generate: Annotated[
        bool,
        typer.Option("--generate", help="Write draft scenarios for uncovered transitions and rules, to be completed."),
    ] = False,
) -> None:
    """Run the scenarios of policies and report what they do not cover. Exit 3 if a scenario fails."""
    sources = dict.fromkeys(resolve_folder(given) for given in paths or ["."])  # pre-commit passes every changed file
    reports = [report.run_tests(source) for source in sources]
    if generate:
        _write_drafts(reports, output)
        return
    for one in reports:
        if not one.run.results and not one.problems:
            print_error(f"{one.source}: there are no scenarios; add scenarios/NAME.yaml, or start with --generate")
            raise typer.Exit(USAGE)
    match form:
        case Format.TEXT:
            text = "".join(f"{line}\n" for one in reports for line in _lines(one, everything))
        case Format.JSON:
            text = json.dumps([report.as_json(one) for one in reports], indent=2, ensure_ascii=False) + "\n"
        case Format.JUNIT:
            text = report.as_junit(reports, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    write_output(text, output)
    if not all([_is_passing(one, fail_under) for one in reports]):  # noqa: C419 - report every failing policy
        raise typer.Exit(INVALID)


def _write_drafts(reports: Sequence[PolicyTestReport], output: Path | None) -> None:
    if len(reports) > 1:
        print_error("--generate needs exactly one policy")
        raise typer.Exit(USAGE)
    if output is not None and output.exists():
        print_error(f"`{output}` exists and may have been edited; name another file")
        raise typer.Exit(USAGE)
    (one,) = reports
    write_output(generator.format_drafts(one.policy, generator.generate_drafts(one.policy, one.coverage)), output)


def _is_passing(one: PolicyTestReport, percent: float) -> bool:
    if one.coverage.min_percent < percent:
        print_error(f"{one.source}: scenarios cover {one.coverage.min_percent:.1f} %, less than {percent:g} %")
        return False
    return one.passed


def _lines(one: PolicyTestReport, everything: bool) -> Iterator[str]:
    yield from map(str, one.problems)
    yield from map(report.format_failure, one.run.failed)
    yield report.format_summary(one)
    missing: Sequence[str] = [report.format_uncovered(piece) for piece in one.coverage.uncovered]
    yield from missing if everything else missing[:MAX_UNCOVERED_SHOWN]
    if len(missing) > MAX_UNCOVERED_SHOWN and not everything:
        yield f"  and {len(missing) - MAX_UNCOVERED_SHOWN} more; --all shows them"
