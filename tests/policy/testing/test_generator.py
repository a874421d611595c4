"""A draft proposes for everything a scenario that takes it, and nothing of it counts before a person has answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.compiler import load
from authguard.policy.loading import locator
from authguard.policy.testing.coverage import Coverage, CoverageItem, measure_coverage
from authguard.policy.testing.generator import ScenarioDraft, format_drafts, generate_drafts
from authguard.policy.testing.parser import PLACEHOLDER, parse_scenarios
from authguard.policy.testing.scenario import ScenarioRun, run_scenarios

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.core.policy import Policy

NOTHING = ScenarioRun(results=(), edges=frozenset(), rules=frozenset())


def drafted(policy: Policy) -> tuple[ScenarioDraft, ...]:
    return generate_drafts(policy, measure_coverage(policy, NOTHING))


@pytest.mark.parametrize("name", sorted(locator.shipped_policies()))
def test_what_is_proposed_takes_everything(name: str) -> None:
    policy = load(name)
    for draft in drafted(policy):
        assert draft.scenario is not None, draft.item
        assert draft.item not in measure_coverage(policy, run_scenarios(policy, [draft.scenario])).uncovered


def test_a_draft_says_of_every_answer_that_it_is_open_and_nothing_else_is_wrong_with_it(tmp_path: Path) -> None:
    policy = load("standard")
    file = tmp_path / "draft.yaml"
    file.write_text(format_drafts(policy, drafted(policy)), encoding="utf-8")
    scenarios, problems = parse_scenarios([file], policy)
    assert scenarios == ()
    assert {problem.code for problem in problems} == {"scenario-unfinished"}
    assert len({problem.place.line for problem in problems}) == 107


def test_a_draft_that_a_person_completed_is_a_scenario_like_any_other(tmp_path: Path) -> None:
    policy = load("telecom")
    file = tmp_path / "draft.yaml"
    chosen = tuple(one for one in drafted(policy) if one.item.label == "24:prove_without_sim")
    text = format_drafts(policy, chosen)
    assert text.count(PLACEHOLDER) == 3, "one in the words on top, an outcome and a fallback"
    file.write_text(
        text.replace(f"outcome: {PLACEHOLDER}", "outcome: verify").replace(
            f"fallback: {PLACEHOLDER}", "fallback: prove_without_sim"
        ),
        encoding="utf-8",
    )
    scenarios, problems = parse_scenarios([file], policy)
    assert problems == ()
    assert run_scenarios(policy, scenarios).failed == ()


def test_the_way_is_the_shortest_and_the_question_tells_before_from_after() -> None:
    (found,) = (one for one in drafted(load("telecom")) if one.item.label.startswith("account: sim_swap_hold: *"))
    assert found.scenario is not None
    (step,) = found.scenario.steps
    assert step.when == ("account.sim_swap_hold",)
    policy = load("standard")
    (found,) = (one for one in drafted(policy) if one.item.label == "verification: cooled: exhausted -> unverified")
    assert found.scenario is not None
    (step,) = found.scenario.steps
    assert step.when == ("session.accepted", "verification.exhausted", "verification.cooled")


def test_what_nothing_leads_to_is_said_and_not_made_up() -> None:
    policy = load("standard")
    gone = CoverageItem(
        kind="transition", machine="account", index=0, sources=frozenset({"nowhere"}), label="w", origin="o:1"
    )
    drafts = generate_drafts(policy, Coverage(transitions=(gone,), rules=(), uncovered=(gone,), inherited=0))
    assert drafts[0].scenario is None
    assert "# No events were found that lead to transition w (o:1)." in format_drafts(policy, drafts)


def test_where_everything_is_taken_there_is_nothing_to_propose() -> None:
    expected = "# The scenarios cover every rule and transition: there is nothing to draft.\n"
    assert format_drafts(load("standard"), ()) == expected


def test_a_draft_supposes_the_flags_and_asks_in_the_channel_of_its_rule() -> None:
    policy = load("insurance")
    drafts = {one.item.label.partition(":")[2]: one for one in drafted(policy) if one.item.kind == "rule"}
    text = format_drafts(policy, (drafts["cooling_off"], drafts["not_by_phone"]))
    assert "iban_changed: set}" in text
    assert "channel: phone" in text
