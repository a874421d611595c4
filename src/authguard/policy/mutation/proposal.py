"""Propose a scenario for a mutant that survived: it passes on the policy and fails on the mutant.

`authguard.policy.mutation.candidates` suggests what to do and to ask; the policy's own answers become the expectation.
A person decides whether the answer is right before the scenario is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.errors import MachineFaultError
from authguard.policy.mutation.candidates import find_candidates
from authguard.policy.mutation.scenario_text import PlainScenario, format_plain_scenario, run_plain
from authguard.policy.testing.deployment import complete_policy
from authguard.policy.testing.reply_detail import read_details

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.policy.mutation.trial import Original, Trial
    from authguard.policy.testing.request import ScenarioDecision


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
    """Return a candidate with the policy's answers as its expectations; ``None`` if it does not come about."""
    probe = run_plain(
        _expect(candidate, [{"outcome": "allow"}] * len(candidate["steps"]), _any_state(candidate)), policy
    )
    if probe is None:
        return None
    answers, expected = list(probe.answers), []
    for step in candidate["steps"]:
        given = answers[: step.get("times", 1)] if "ask" in step else []
        if "ask" in step and (not given or len({_describe(answer) for answer in given}) > 1):
            return None  # an event did not come about, or the repeated step has several answers
        answers = answers[len(given) :]
        expected.append(_expectation(given[0]) if given else {})
    if "detail" in candidate:
        if expected[-1].get("fallback") != candidate["of"]:
            return None
        key = candidate["detail"]
        detail = read_details(complete_policy(policy), probe.answers[-1])[key]
        expected[-1][key] = {name: one for name, one in detail.items() if one} if isinstance(detail, dict) else detail
    watched = candidate.get("watch", "")
    return _expect(candidate, expected, probe.states[watched] if watched else "")


def _describe(answer: ScenarioDecision) -> tuple[str, str, str]:
    return answer.outcome, answer.fallback, "" if answer.fallback else answer.reason


def _expectation(answer: ScenarioDecision) -> dict[str, Any]:
    if answer.fallback:
        return {"fallback": answer.fallback}
    return {"outcome": answer.outcome, "reason": answer.reason}


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


def _expect(candidate: PlainScenario, expected: list[dict[str, Any]], state: str) -> PlainScenario:
    """Return a candidate with an expectation for each step that asks, and the state of the watched machine."""
    steps = []
    for place, (step, then) in enumerate(zip(candidate["steps"], expected, strict=True)):
        whole = dict(then) if "ask" in step else {}
        if state and place == len(expected) - 1:
            whole["states"] = {candidate["watch"]: state}
        steps.append({**step, "then": whole} if whole else step)
    rest = {key: value for key, value in candidate.items() if key not in ("steps", "watch", "detail", "of")}
    return {**rest, **steps[0]} if len(steps) == 1 and "ask" in steps[0] else {**rest, "steps": steps}


def _any_state(candidate: PlainScenario) -> str:
    """Return a state for the first run of a candidate that watches a machine; any state of it will do."""
    return _FIRST_STATES[candidate["watch"]] if "watch" in candidate else ""


#: machine -> a state that every policy has
_FIRST_STATES: Final = {
    "service": "live",
    "account": "normal",
    "session": "absent",
    "verification": "unverified",
    "transaction": "none",
}
