"""Scenarios: they pass only when everything expected came true, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.core.machine import Line
from authguard.core.sections import Reports
from authguard.errors import MachineFaultError
from authguard.policy.testing.request import ScenarioRequest
from authguard.policy.testing.scenario import (
    DEFAULT_STATES,
    Scenario,
    Step,
    format_line,
    run_scenarios,
)

if TYPE_CHECKING:
    from authguard.core.policy import Policy

GOOD = {"account": "normal", "verification": "verified"}


def asking(policy: Policy, operation: str = "order", **conditions: str) -> ScenarioRequest:
    assert operation in {one.name for one in policy.operations}
    return ScenarioRequest(operation=operation, conditions=conditions)


def scenario_of(policy: Policy, *steps: Step, given: dict[str, str] | None = None) -> Scenario:
    return Scenario(
        name="one", given={**policy.initial, **DEFAULT_STATES, **(GOOD if given is None else given)}, steps=steps
    )


def test_a_scenario_passes_when_all_that_it_expects_comes_true(support_desk: Policy) -> None:
    step = Step(ask=asking(support_desk), outcome="allow", fallback="allow", states={"session": "active"})
    report = run_scenarios(support_desk, [scenario_of(support_desk, step)])
    assert report.failed == ()
    (answer,) = report.results[0].answers
    assert (answer.outcome, answer.fallback) == ("allow", "allow")


@pytest.mark.parametrize(
    ("expected", "difference"),
    [
        ({"outcome": "deny"}, "the outcome is `allow`, not `deny` (rule 48:allow, "),
        ({"fallback": "refuse"}, "the fallback is `allow`, not `refuse` (rule 48:allow, "),
        ({"states": {"session": "idle"}}, "`session` is `active`, not `idle`"),
    ],
)
def test_a_scenario_fails_on_each_expectation_by_itself(
    support_desk: Policy, expected: dict[str, object], difference: str
) -> None:
    report = run_scenarios(support_desk, [scenario_of(support_desk, Step(ask=asking(support_desk), **expected))])
    (failed,) = report.failed
    assert [found[: len(difference)] for found in failed.differences] == [difference]


def test_a_story_says_in_which_step_it_went_wrong(support_desk: Policy) -> None:
    right = Step(ask=asking(support_desk), outcome="allow")
    wrong = Step(when=("session.idled",), ask=asking(support_desk), outcome="allow")
    (failed,) = run_scenarios(support_desk, [scenario_of(support_desk, right, wrong, right)]).failed
    assert [difference.partition(": ")[0] for difference in failed.differences] == ["step 2", "step 3"]


def test_events_are_stepped_in_order_with_what_they_raise(support_desk: Policy) -> None:
    step = Step(when=("session.revoked", "session.renewed"), ask=asking(support_desk))
    result = run_scenarios(support_desk, [scenario_of(support_desk, step)]).results[0]
    assert result.states["session"] == "active"
    assert result.states["verification"] == "unverified"
    assert result.answers[0].fallback == "prove_identity"


def test_a_step_that_asks_for_nothing_is_held_to_its_states_alone(support_desk: Policy) -> None:
    step = Step(when=("session.idled",), states={"session": "active"})
    report = run_scenarios(support_desk, [scenario_of(support_desk, step)])
    assert report.failed[0].differences == ("`session` is `idle`, not `active`",)
    assert report.rules == frozenset()


def test_what_no_scenario_takes_is_everything_but_the_lines_that_answered_and_the_rule_that_decided(
    support_desk: Policy,
) -> None:
    step = Step(when=("session.revoked",), ask=asking(support_desk))
    report = run_scenarios(support_desk, [scenario_of(support_desk, step)])
    taken = {
        (machine, format_line(support_desk.machines[machine].spec.lines[index]), source)
        for machine, index, source in report.edges
    }
    assert taken == {
        ("session", "revoked or ended: * -> revoked", "active"),
        ("session", "accepted or idled or aged: revoked or expired -> =", "revoked"),
        ("session", "revoked or ended: * -> revoked", "revoked"),
        ("verification", "moved: verified or pending -> unverified", "verified"),
    }, "the request with the old token is accepted, moves nothing, and ends the session once more"
    assert len(report.uncovered_lines(support_desk)) == 62 - 3
    assert {rule.index for rule in report.uncovered_rules(support_desk)} == set(range(49)) - {12}


def test_a_raised_event_that_stays_put_takes_its_line_too(support_desk: Policy) -> None:
    scenario = scenario_of(support_desk, Step(when=("session.revoked",)), given={**GOOD, "verification": "failed"})
    last = len(support_desk.machines["verification"].spec.lines) - 1
    assert ("verification", last) not in run_scenarios(support_desk, [scenario]).uncovered_lines(support_desk)


def test_no_scenario_takes_nothing(support_desk: Policy) -> None:
    report = run_scenarios(support_desk, [])
    assert len(report.uncovered_lines(support_desk)) == 62
    assert len(report.uncovered_rules(support_desk)) == 49


def test_a_scenario_in_an_unknown_state_is_a_fault_and_no_pass(support_desk: Policy) -> None:
    with pytest.raises(MachineFaultError):
        run_scenarios(
            support_desk, [scenario_of(support_desk, Step(ask=asking(support_desk)), given={"session": "nowhere"})]
        )


def test_a_line_is_told_as_a_person_reads_it() -> None:
    assert format_line(Line(triggers=("a", "b"), sources=("*",), dest="=")) == "a or b: * -> ="


def test_a_typed_condition_that_the_driver_derives_otherwise_is_a_difference(support_desk: Policy) -> None:
    step = Step(ask=asking(support_desk, channel_change="switched", limit="exceeded"), outcome="allow")
    (failed,) = run_scenarios(support_desk, [scenario_of(support_desk, step)]).failed
    assert failed.differences == (
        (
            "`channel_change: switched` cannot come about: the driver derives `same`,"
            " since the policy declares no channels"
        ),
        "`limit: exceeded` cannot come about: the driver derives `within`, since `order` has no limits",
    )


def test_an_event_that_cannot_happen_ends_the_scenario_with_the_reason(support_desk: Policy) -> None:
    policy = replace(support_desk, accounts=(), reports=Reports(app=frozenset()))
    steps = (Step(when=("account.locked",)), Step(ask=asking(support_desk), outcome="deny"))
    (failed,) = run_scenarios(policy, [scenario_of(policy, *steps)]).failed
    (difference,) = failed.differences
    assert difference.startswith("step 1: `account.locked` cannot happen: no source of the policy reports it, and ")


def test_a_request_without_a_cell_has_a_reason(support_desk: Policy) -> None:
    ask = ScenarioRequest(method="GET", target="/nowhere")
    step = Step(ask=ask, outcome="refused", reason="operation-unnamed")
    assert run_scenarios(support_desk, [scenario_of(support_desk, step)]).failed == ()
    wrong = Step(ask=ask, outcome="allow", reason="decided")
    (failed,) = run_scenarios(support_desk, [scenario_of(support_desk, wrong)]).failed
    assert failed.differences == (
        "the outcome is `refused`, not `allow` (operation-unnamed)",
        "the reason is `operation-unnamed`, not `decided` (operation-unnamed)",
    )
