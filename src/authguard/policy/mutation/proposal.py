"""Propose a scenario for a mutant that survived: it passes on the policy and fails on the mutant.

`authguard.policy.mutation.candidates` suggests what to do and to ask; the policy's own answers become the expectation.
A person decides whether the answer is right before the scenario is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authguard.errors import MachineFaultError
from authguard.policy.mutation.candidates import find_candidates
from authguard.policy.mutation.scenario_text import PlainScenario, format_plain_scenario, run_plain

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.policy.mutation.trial import Original, Trial
    from authguard.policy.testing.scenario import ScenarioResult


def propose_scenario(original: Original, trial: Trial) -> str:
    """Return the YAML of a scenario that notices a mutant; empty if no candidate does.

    Args:
        original: the policy.
        trial: of a mutant that survived.
    """
    if trial.policy is None:
        return ""
    for candidate in find_candidates(original, trial.mutant, trial.policy):
        completed = _complete(candidate, original.policy)
        if completed is not None and _notices(completed, original.policy, trial.policy):
            return format_plain_scenario(completed)
    return ""


def _complete(candidate: PlainScenario, policy: Policy) -> PlainScenario | None:
    """Return a candidate with the policy's answers as its expectations."""
    probe = run_plain(_with_expectations(candidate, None), policy)
    return None if probe is None else _with_expectations(candidate, probe)


def _notices(scenario: PlainScenario, policy: Policy, mutated: Policy) -> bool:
    """Return whether a scenario passes on a policy and fails on its mutant."""
    passed = run_plain(scenario, policy)
    if passed is None or passed.differences:
        return False
    try:
        failed = run_plain(scenario, mutated)
    except MachineFaultError:
        return True
    return failed is None or bool(failed.differences)


def _with_expectations(candidate: PlainScenario, result: ScenarioResult | None) -> PlainScenario:
    """Return a candidate with expectations: the answers of a run, or any for a first run."""
    answers = iter(result.answers if result else ())
    steps = [dict(step) for step in candidate["steps"]]
    for place, step in enumerate(steps):
        expected: dict[str, Any] = {}
        if "ask" in step:
            expected["fallback"] = next(answers).fallback if result else "allow"
        if place == len(steps) - 1 and candidate.get("watch"):
            machine = candidate["watch"]
            expected["states"] = {machine: result.states[machine] if result else _any_state(candidate)}
        if expected:
            step["then"] = expected
    rest = {key: value for key, value in candidate.items() if key not in ("steps", "watch")}
    return {**rest, **steps[0]} if len(steps) == 1 and "ask" in steps[0] else {**rest, "steps": steps}


def _any_state(candidate: PlainScenario) -> str:
    return str(candidate["given"][candidate["watch"]])
