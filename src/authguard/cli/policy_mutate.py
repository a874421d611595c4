"""`authguard policy mutate`: change a policy in single places, and report the changes that its scenarios miss."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from authguard.cli.line_wrap import print_lines
from authguard.cli.named_policy import PolicyArgument, pick_policy
from authguard.cli.options import JsonOption, OutputOption, PolicyOption
from authguard.cli.output import INVALID, USAGE, print_error, write_output
from authguard.policy.mutation import report, trial
from authguard.policy.mutation.kinds import find_mutants
from authguard.policy.testing.report import format_failure


def mutate(
    context: typer.Context,
    path: PolicyArgument = "",
    *,
    policy: PolicyOption = "",
    most: Annotated[
        int, typer.Option("--most", metavar="N", min=1, max=trial.MAX_MUTANTS, help="Try at most N mutants.")
    ] = trial.MAX_MUTANTS,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the choice, if there are more than --most.")] = 0,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, max=86_400, help="Try no further mutant after this time.")
    ] = trial.MAX_SECONDS,
    inherited: Annotated[
        bool, typer.Option("--inherited", help="Also change what the policy inherits from its base policies.")
    ] = False,
    fail_under: Annotated[
        float,
        typer.Option("--fail-under", metavar="PERCENT", min=0, max=100, help="Fail if fewer mutants are caught."),
    ] = 0.0,
    everything: Annotated[bool, typer.Option("--all", help="List every mutant that survives.")] = False,
    generate: Annotated[
        bool, typer.Option("--generate", help="Write the proposed scenarios as a file, to be reviewed.")
    ] = False,
    as_json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Change a policy in single places (a lower level, a larger limit, a missing rule), one mutant each.

    A mutant is caught if `policy check` refuses it or a scenario fails. For each other one, the command proposes a
    scenario that passes on the policy and fails on the mutant. Equal seeds make equal choices. Exit 3 if a scenario of
    the policy itself fails, or if `--fail-under` is not reached.

    Examples:

        authguard policy mutate policy.yaml

        authguard policy mutate policy.yaml --most 50 --seed 7 --fail-under 90

        authguard policy mutate policy.yaml --generate -o proposed.yaml
    """
    if as_json and generate:
        raise typer.BadParameter("leave out --json or --generate", param_hint="--json")
    if generate and output is not None and output.exists():
        print_error(f"`{output}` exists and may have been edited; name another file")
        raise typer.Exit(USAGE)
    source = pick_policy(context, path, policy)
    try:
        original = trial.load_original(source)
    except trial.FailingPolicyError as error:
        lines = [*map(str, error.problems), *map(format_failure, error.run.failed)]
        print_error(f"{source}: {error}, so that its mutants show nothing\n" + "\n".join(lines))
        raise typer.Exit(INVALID) from None
    found = len(find_mutants(original.tree, "" if inherited else original.policy.file))
    trials = trial.try_mutants(original, most=most, seed=seed, inherited=inherited, seconds=seconds)
    built = report.build_report(original, trials, found=found, seed=seed)
    if as_json:
        write_output(json.dumps(report.as_values(built), indent=2, ensure_ascii=False) + "\n", output)
    elif generate:
        write_output(report.format_proposals(built), output)
    elif output is None:
        print_lines(report.iter_text(built, everything=everything))
    else:
        write_output("".join(f"{line}\n" for line in report.iter_text(built, everything=everything)), output)
    if built.percent < fail_under or (fail_under and built.count(trial.Fate.UNTRIED)):
        print_error(f"{source}: {built.percent:.1f} % of the mutants are caught, less than {fail_under:g} %")
        raise typer.Exit(INVALID)
