"""`authguard policy test`: run the scenarios of policies and report their coverage."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from msgspec.structs import replace

from authguard.cli.line_wrap import print_lines
from authguard.cli.named_policy import PoliciesArgument, is_json, pick_policies
from authguard.cli.options import JsonOption, OutputOption, PolicyOption, option_name
from authguard.cli.output import INVALID, USAGE, print_error, write_output
from authguard.policy.loading.locator import resolve_folder
from authguard.policy.testing import generator, report
from authguard.policy.testing.part_coverage import measure_parts
from authguard.policy.testing.scenario import DEFAULT_CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from authguard.policy.mutation.report import MutationReport
    from authguard.policy.mutation.trial import Trial
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
            help="Fail if less of a policy's transitions, rules or (with --mutants) mutants is covered.",
        ),
    ] = 0.0,
    everything: Annotated[bool, typer.Option("--all", help="List everything that is not covered.")] = False,
    mutants: Annotated[
        bool,
        typer.Option("--mutants", help="Also change the policy in single places, and list what no scenario notices."),
    ] = False,
    coverage: Annotated[
        bool,
        typer.Option(
            "--coverage",
            help="Also count operations and their needs, limits, statuses, timers, flags and rules' conditions.",
        ),
    ] = False,
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
    if coverage:
        reports = [replace(one, parts=measure_parts(one.policy, one.run)) for one in reports]
    if generate:
        _write_drafts(reports, output)
        return
    for one in reports:
        if not one.run.results and not one.problems:
            print_error(f"{one.source}: there are no scenarios; add scenarios/NAME.yaml, or start with --generate")
            raise typer.Exit(USAGE)
    mutated = {one.source: _try_mutants(one) for one in reports if one.passed} if mutants else {}
    # every failing policy is reported
    passes = all([_is_passing(one, mutated.get(one.source), fail_under) for one in reports])  # noqa: C419
    match form:
        case Format.TEXT:
            lines = list(_lines(reports, mutated, everything=everything))
            if output is None:
                print_lines(lines)
            else:
                write_output("".join(f"{line}\n" for line in lines), output)
        case Format.JSON:
            policies = [_as_json(one, mutated.get(one.source)) for one in reports]
            found = {"passed": passes, "policies": policies}
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


def _try_mutants(one: PolicyTestReport) -> MutationReport:
    from authguard.policy.mutation import report as mutation_report  # noqa: PLC0415 - only for --mutants
    from authguard.policy.mutation import trial  # noqa: PLC0415

    original = trial.load_original(one.source)
    trials = trial.try_mutants(original)
    return mutation_report.build_report(original, trials, found=len(trials), seed=0, proposes=False)


def _is_passing(one: PolicyTestReport, mutated: MutationReport | None, percent: float) -> bool:
    if one.coverage.min_percent < percent:
        print_error(f"{one.source}: scenarios cover {one.coverage.min_percent:.1f} %, less than {percent:g} %")
        return False
    if one.parts is not None and one.parts.percent < percent:
        print_error(f"{one.source}: scenarios cover {one.parts.percent:.1f} % of the parts, less than {percent:g} %")
        return False
    if mutated is not None and mutated.percent < percent:
        print_error(f"{one.source}: {mutated.percent:.1f} % of the mutants are caught, less than {percent:g} %")
        return False
    return one.passed


def _as_json(one: PolicyTestReport, mutated: MutationReport | None) -> dict[str, Any]:
    values = report.as_json(one)
    if one.parts is not None:
        values["coverage"]["parts"] = report.parts_as_json(one.parts)
    if mutated is None:
        return values
    survivors = [
        {"kind": trial.mutant.kind, "path": trial.mutant.where, "is": trial.mutant.change, "at": _place(trial)}
        for trial in mutated.survivors
    ]
    counted = mutated.caught + len(survivors)
    share = {"covered": mutated.caught, "of": counted, "percent": round(mutated.percent, 2)}
    return {**values, "coverage": {**values["coverage"], "mutants": {**share, "survivors": survivors}}}


def _place(trial: Trial) -> str:
    return f"{trial.mutant.place.file}:{trial.mutant.place.line}"


def _lines(
    reports: Sequence[PolicyTestReport], mutated: Mapping[str, MutationReport], *, everything: bool
) -> Iterator[str]:
    """Yield each policy's verdict and what explains it, failed ones first; then the count and the next command."""
    failed = [one for one in reports if not one.passed]
    for one in (*failed, *(one for one in reports if one.passed)):
        yield f"{'passed' if one.passed else 'failed'}: {report.format_summary(one)}"
        yield from map(str, one.problems)
        yield from map(report.format_failure, one.run.failed)
        parts = one.parts.uncovered if one.parts is not None else ()
        missing: Sequence[str] = [report.format_uncovered(piece) for piece in (*one.coverage.uncovered, *parts)]
        yield from missing if everything else missing[:MAX_UNCOVERED_SHOWN]
        if len(missing) > MAX_UNCOVERED_SHOWN and not everything:
            yield f"  and {len(missing) - MAX_UNCOVERED_SHOWN} more; --all shows them"
        if one.parts is not None and everything:
            yield from map(report.format_idle, one.parts.idle)
        yield from _mutant_lines(mutated.get(one.source), everything=everything)
    if len(reports) > 1:
        yield f"{len(failed)} of {len(reports)} policies failed" if failed else f"all {len(reports)} policies passed"
    if command := _next_command(reports, mutated):
        yield f"next: {command}"


def _mutant_lines(mutated: MutationReport | None, *, everything: bool) -> Iterator[str]:
    """Yield what no scenario notices; without `--mutants`, nothing is known about it."""
    if mutated is None:
        return
    from authguard.policy.mutation import report as mutation_report  # noqa: PLC0415 - only for --mutants

    yield mutation_report.format_summary(mutated)
    survivors = mutated.survivors
    yield from map(mutation_report.format_survivor, survivors if everything else survivors[:MAX_UNCOVERED_SHOWN])
    if len(survivors) > MAX_UNCOVERED_SHOWN and not everything:
        yield f"  and {len(survivors) - MAX_UNCOVERED_SHOWN} more; --all shows them"
    yield f"not exercised by scenarios: {', '.join(mutation_report.UNEXERCISED)}"


def _next_command(reports: Sequence[PolicyTestReport], mutated: Mapping[str, MutationReport]) -> str:
    """Return the command that explains the first failure, or that drafts missing scenarios; empty for neither.

    Mutants that no scenario notices come last, since they need scenarios that cover the policy.
    """
    for one in reports:
        for result in one.run.failed:
            asked = result.scenario.steps[-1].ask
            if asked and asked.operation and result.answers and result.answers[-1].rule:
                answer = result.answers[-1]  # what the driver decided on, which a scenario may have typed otherwise
                states = ",".join(f"{machine}={state}" for machine, state in answer.states.items())
                words = ["--operation", asked.operation, "--state", states]
                for name, value in answer.conditions.items():
                    words += [option_name(name), value] if DEFAULT_CONDITIONS.get(name, value) != value else []
                return shlex.join(["authguard", "policy", "explain", one.source, *words])
    drafts = (one for one in reports if one.passed and one.coverage.uncovered)
    commands = [shlex.join(["authguard", "policy", "test", one.source, "--generate"]) for one in drafts]
    commands += [shlex.join(["authguard", "policy", "mutate", name]) for name, one in mutated.items() if one.survivors]
    return next(iter(commands), "")
