"""Every way that an explanation prints is run by the driver, and ends in an admission."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from authguard.core.decision_table import CONDITIONS, DIMENSIONS, PROVEN_CREDENTIALS
from authguard.core.events import MACHINES
from authguard.core.outcomes import ADMITTING
from authguard.policy.compiler import load
from authguard.policy.explain import explainer
from authguard.policy.explain.explainer import explain_decision
from authguard.policy.explain.nearest import SETTLED
from authguard.policy.testing.request import ScenarioRequest
from authguard.policy.testing.scenario import Scenario, Step, run_scenarios
from tests.support.hypothesis_profile import examples

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.policy.explain.explanation import Explanation, Remedy

SHIPPED = ("standard", "support-desk", "shopping-agent", "banking", "telecom", "telehealth")
#: cells of each shipped policy in CI
CELLS = examples(20)


def run(policy: Policy, found: Explanation, way: Remedy) -> str:
    """Run a printed way as a scenario; return the outcome, or what cannot come about."""
    here = {one.dimension: one.value for one in found.values}
    there = here | {change.dimension: change.to[0] for change in way.changes}
    wanted = {name: there[name] for name in CONDITIONS if not (found.operation and name in SETTLED)}
    ask = ScenarioRequest(operation=found.operation, conditions=wanted)
    step = Step(when=tuple(told.partition(" ")[0] for told in way.path), ask=ask)
    scenario = Scenario(name="way", given={name: here[name] for name in MACHINES}, steps=(step,))
    (result,) = run_scenarios(policy, [scenario]).results
    if result.differences or result.answers[-1].rule is None:
        return "; ".join(result.differences)
    assert result.answers[-1].rule.name == way.rule
    return result.answers[-1].outcome


@pytest.mark.parametrize("name", SHIPPED)
def test_each_printed_way_ends_in_an_admission(name: str) -> None:
    policy = load(name)
    pick = random.Random(name)  # noqa: S311 - a sequence that repeats, no secret
    values = policy.table.values
    ways = 0
    for _ in range(CELLS):
        operation = pick.choice(policy.all_operations) if policy.operations else None
        names = [one for one in DIMENSIONS if one not in SETTLED]
        given = {one: pick.choice(values[one]) for one in pick.sample(names, 4)}
        if pick.random() < 0.7:
            given["credential"] = pick.choice(PROVEN_CREDENTIALS)
        found = explain_decision(policy, given, operation.name if operation else "")
        for way in found.remedies:
            ways += 1
            assert run(policy, found, way) == way.outcome, (given, way)
    assert ways


TRAPS = """\
authguard: 1
name: mine
extends: standard
issuers: [{issuer: 'https://idp.example', audience: us, algorithms: [ES256], keys: discovery}]
accounts: none
reports: {app: [account.locked]}
operations:
  - {name: chat, match: {path: /chat}, risk: routine, effect: read, scopes: [chat]}
  - {name: pay, match: {path: /pay, method: POST}, risk: sensitive, effect: write, scopes: [pay]}
assurance: {order: [aal1, aal2]}
identity: {credential: aal2}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""


def test_a_lock_that_no_report_lifts_is_lifted_by_a_person_only() -> None:
    policy = load("mine.yaml", text=TRAPS.encode())
    found = explain_decision(policy, {"account": "locked", "verification": "verified"}, "pay")
    assert found.remedies
    for way in found.remedies:
        assert run(policy, found, way) in {one.value for one in ADMITTING}
        assert "account.normal (an account source)" not in way.path


def test_a_verification_without_an_offered_method_is_no_way() -> None:
    policy = load("mine.yaml", text=TRAPS.encode())
    found = explain_decision(policy, {"account": "normal", "verification": "failed"}, "pay")
    for way in found.remedies:
        assert run(policy, found, way) in {one.value for one in ADMITTING}
        assert not any(told.startswith("verification.started") for told in way.path) or "session.renewed" in str(
            way.path
        )


def test_a_sign_in_follows_where_waiting_made_the_last_one_too_old() -> None:
    policy = load("support-desk")
    found = explain_decision(
        policy, {"service": "recovering", "account": "normal", "verification": "verified"}, "refund"
    )
    assert [told.partition(" ")[0] for told in found.remedies[0].path] == ["service.recovered", "session.renewed"]


def test_a_bound_of_runs_makes_the_ways_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("authguard.policy.explain.way.MAX_RUNS", 0)
    found = explain_decision(load("support-desk"), {"session": "idle", "account": "normal"}, "refund")
    assert found.undecided
    assert found.remedies == ()


def test_more_distances_than_are_tried_make_the_ways_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explainer, "MAX_DISTANCES", 0)
    found = explain_decision(load("support-desk"), {"session": "idle", "account": "normal"}, "refund")
    assert found.undecided
