"""Each line of `policies/insurance` says something: without it, `policy check` or `policy test` fails."""

from __future__ import annotations

from pathlib import Path

from authguard.errors import MachineFaultError
from authguard.policy.checks.registry import run_checks
from authguard.policy.checks.table import check_names
from authguard.policy.compiler import compile_draft
from authguard.policy.loading.loader import load_draft
from authguard.policy.testing.deployment import Deployment
from authguard.policy.testing.report import parse_policy_scenarios
from authguard.policy.testing.scenario import Scenario, run_scenarios

SOURCE = Path(__file__).parents[2] / "policies" / "insurance" / "policy.yaml"
LINES = SOURCE.read_text("utf-8").splitlines(keepends=True)
#: lines that say nothing: comments and blank ones
SPEAKING = [place for place, line in enumerate(LINES) if line.strip() and not line.strip().startswith("#")]


def notice(text: str, first: list[Scenario]) -> str:
    """Return what notices a changed policy: a problem code, or the name of a scenario; empty if nothing does.

    The scenario that noticed the last change is played first, since it often notices the next one, too.
    """
    loaded = load_draft(SOURCE, text=text.encode())
    early = [*loaded.problems, *(check_names(loaded.draft) if loaded.draft is not None else ())]
    refused = [problem.code for problem in early if problem.severity == "error"]
    if loaded.draft is None or refused:
        return refused[0]
    try:
        policy = compile_draft(loaded.draft)
        scenarios, problems = parse_policy_scenarios(str(SOURCE), policy)
        if problems:
            return problems[0].code
        names = [one.title for one in first]
        deployment = Deployment(policy)
        for scenario in sorted(scenarios, key=lambda one: -names.index(one.title) if one.title in names else 1):
            if run_scenarios(policy, [scenario], deployment=deployment).failed:
                first.append(scenario)
                return scenario.title
    except (MachineFaultError, KeyError):  # names that do not resolve: the checks report them
        pass
    return next((one.code for one in run_checks(loaded.draft) if one.severity == "error"), "")


def test_the_policy_itself_is_sound() -> None:
    assert notice("".join(LINES), []) == ""


def test_without_any_one_of_its_lines_something_fails() -> None:
    first: list[Scenario] = []
    silent = [
        f"{place + 1}: {LINES[place].rstrip()}"
        for place in SPEAKING
        if not notice("".join(LINES[:place] + LINES[place + 1 :]), first)
    ]
    assert silent == []
