"""Scenarios: they pass only when everything expected came true, and coverage tells what none of them took."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.core.events import MACHINES
from authguard.core.machine import Line
from authguard.errors import MachineFault
from authguard.policy.scenarios import ASKED, GIVEN, Scenario, describe, run

if TYPE_CHECKING:
    from authguard.policy.compiled import Policy


def scenario(policy: Policy, operation: str = "order", *, given: dict[str, str], **fields: object) -> Scenario:
    chosen = next(one for one in policy.operations if one.name == operation)
    conditions = {**ASKED, "risk": chosen.risk, "effect": chosen.effect}
    return Scenario(
        name="one", operation=operation, given={**policy.initial, **GIVEN, **given}, conditions=conditions, **fields
    )


GOOD = {"account": "normal", "verification": "verified"}


def test_a_scenario_passes_when_all_that_it_expects_comes_true(support_desk: Policy) -> None:
    one = scenario(support_desk, given=GOOD, outcome="allow", fallback="allow", states={"session": "active"})
    report = run(support_desk, [one])
    assert report.failed == ()
    assert (report.results[0].outcome, report.results[0].fallback) == ("allow", "allow")


@pytest.mark.parametrize(
    ("expected", "difference"),
    [
        ({"outcome": "deny"}, "the outcome is `allow`, not `deny`"),
        ({"fallback": "refuse"}, "the fallback is `allow`, not `refuse`"),
        ({"states": {"session": "idle"}}, "`session` is `active`, not `idle`"),
    ],
)
def test_a_scenario_fails_on_each_expectation_by_itself(
    support_desk: Policy, expected: dict[str, object], difference: str
) -> None:
    one = scenario(support_desk, given=GOOD, **expected)
    report = run(support_desk, [one])
    assert [result.differences for result in report.failed] == [(difference,)]


def test_events_are_stepped_in_order_with_what_they_raise(support_desk: Policy) -> None:
    one = scenario(support_desk, given=GOOD, when=("session.revoked", "session.renewed"))
    result = run(support_desk, [one]).results[0]
    assert result.states["session"] == "active"
    assert result.states["verification"] == "unverified"
    assert result.fallback == "prove_identity"


def test_coverage_names_exactly_the_lines_that_answered_and_the_rule_that_decided(support_desk: Policy) -> None:
    one = scenario(support_desk, given=GOOD, when=("session.revoked",))
    report = run(support_desk, [one])
    taken = {
        (machine, index)
        for machine in MACHINES
        for index in range(len(support_desk.machines[machine].spec.lines))
        if (machine, index) not in report.untaken_lines
    }
    assert {(machine, describe(support_desk.machines[machine].spec.lines[index])) for machine, index in taken} == {
        ("session", "revoked or ended: * -> revoked"),
        ("verification", "moved: verified or pending -> unverified"),
    }
    assert report.lines == len(taken) + len(report.untaken_lines)
    assert {rule.index for rule in report.untaken_rules} == set(range(report.rules)) - {7}
    assert report.results[0].rule == "7:end_session"


def test_a_raised_event_that_stays_put_takes_its_line_too(support_desk: Policy) -> None:
    one = scenario(support_desk, given={**GOOD, "verification": "failed"}, when=("session.revoked",))
    untaken = run(support_desk, [one]).untaken_lines
    last = len(support_desk.machines["verification"].spec.lines) - 1
    assert ("verification", last) not in untaken


def test_no_scenario_takes_nothing(support_desk: Policy) -> None:
    report = run(support_desk, [])
    assert len(report.untaken_lines) == report.lines
    assert len(report.untaken_rules) == report.rules == 40


def test_a_scenario_in_an_unknown_state_is_a_fault_and_no_pass(support_desk: Policy) -> None:
    with pytest.raises(MachineFault):
        run(support_desk, [scenario(support_desk, given={"session": "nowhere"})])


def test_a_line_is_told_as_a_person_reads_it() -> None:
    assert describe(Line(triggers=("a", "b"), sources=("*",), dest="=")) == "a or b: * -> ="
