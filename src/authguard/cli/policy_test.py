"""`authguard policy test`: run the scenarios of policies and report their coverage."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from authguard.cli.line_wrap import print_lines
from authguard.cli.named_policy import PoliciesArgument, is_json, pick_policies
from authguard.cli.options import JsonOption, OutputOption, PolicyOption
from authguard.cli.output import INVALID, USAGE, print_error, write_output
from authguard.policy.loading.locator import resolve_folder
from authguard.policy.testing import generator, report
from authguard.policy.testing.scenario import DEFAULT_CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from authguard.policy.testing.report import PolicyTestReport

#: uncovered transitions and rules that are listed without `--all`
MAX_UNCOVERED_SHOWN: Final = 20


class Format(StrEnum):
    """Output formats."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def run_tests(
    context: typer.Context,
    paths: PoliciesArgument = None,
    *,
    policy: PolicyOption = "",
    form: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TEXT,
    as_json: JsonOption = False,
    output: OutputOption = None,
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
    """Run the scenarios of policies and report what they do not cover. Exit 3 if a scenario fails.

    Policies that fail come first.

    Examples:

        authguard policy test policy.yaml --fail-under 100

        authguard policy test policy.yaml --format junit -o report.xml

        authguard policy test policy.yaml --generate
    """
    form = Format.JSON if is_json(form, Format.TEXT, as_json=as_json) else form
    named = pick_policies(context, paths, policy)
    sources = dict.fromkeys(resolve_folder(given) for given in named)  # pre-commit passes every changed file
    reports = [report.run_tests(source) for source in sources]
    if generate:
        _write_drafts(reports, output)
        return
    for one in reports:
        if not one.run.results and not one.problems:
            print_error(f"{one.source}: there are no scenarios; add scenarios/NAME.yaml, or start with --generate")
            raise typer.Exit(USAGE)
    passes = all([_is_passing(one, fail_under) for one in reports])  # noqa: C419 - report every failing policy
    match form:
        case Format.TEXT:
            lines = list(_lines(reports, everything=everything))
            if output is None:
                print_lines(lines)
            else:
                write_output("".join(f"{line}\n" for line in lines), output)
        case Format.JSON:
            found = {"passed": passes, "policies": [report.as_json(one) for one in reports]}
            write_output(json.dumps(found, indent=2, ensure_ascii=False) + "\n", output)
        case Format.JUNIT:
            write_output(report.as_junit(reports, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")), output)
    if not passes:
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


def _lines(reports: Sequence[PolicyTestReport], *, everything: bool) -> Iterator[str]:
    """Yield each policy's verdict and what explains it, failed ones first; then the count and the next command."""
    failed = [one for one in reports if not one.passed]
    for one in (*failed, *(one for one in reports if one.passed)):
        yield f"{'passed' if one.passed else 'failed'}: {report.format_summary(one)}"
        yield from map(str, one.problems)
        yield from map(report.format_failure, one.run.failed)
        missing: Sequence[str] = [report.format_uncovered(piece) for piece in one.coverage.uncovered]
        yield from missing if everything else missing[:MAX_UNCOVERED_SHOWN]
        if len(missing) > MAX_UNCOVERED_SHOWN and not everything:
            yield f"  and {len(missing) - MAX_UNCOVERED_SHOWN} more; --all shows them"
    if len(reports) > 1:
        yield f"{len(failed)} of {len(reports)} policies failed" if failed else f"all {len(reports)} policies passed"
    if command := _next_command(reports):
        yield f"next: {command}"


def _next_command(reports: Sequence[PolicyTestReport]) -> str:
    """Return the command that explains the first failure, or that drafts missing scenarios; empty for neither."""
    for one in reports:
        for result in one.run.failed:
            asked = result.scenario.steps[-1].ask
            if asked and asked.operation:
                states = ",".join(f"{machine}={state}" for machine, state in result.states.items())
                words = ["--operation", asked.operation, "--state", states]
                for name, value in asked.conditions.items():
                    words += [f"--{name}", value] if DEFAULT_CONDITIONS.get(name, value) != value else []
                return shlex.join(["authguard", "policy", "explain", one.source, *words])
    drafts = (one for one in reports if one.passed and one.coverage.uncovered)
    return next((shlex.join(["authguard", "policy", "test", one.source, "--generate"]) for one in drafts), "")
