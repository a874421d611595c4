"""A draft proposes for everything a scenario that takes it, and nothing of it counts before a person has answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.compiler import load
from authguard.policy.loading import locator
from authguard.policy.rehearsing.coverage import Coverage, Piece, coverage
from authguard.policy.rehearsing.proposals import Proposal, draft, propose
from authguard.policy.rehearsing.scenario_reader import HOLE, read_scenarios
from authguard.policy.rehearsing.scenarios import Report, run

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.policy.compiled import Policy

NOTHING = Report(results=(), edges=frozenset(), rules=frozenset())


def proposed(policy: Policy) -> tuple[Proposal, ...]:
    return propose(policy, coverage(policy, NOTHING))


@pytest.mark.parametrize("name", sorted(locator.shipped()))
def test_what_is_proposed_takes_everything(name: str) -> None:
    policy = load(name)
    for proposal in proposed(policy):
        assert proposal.scenario is not None, proposal.piece
        assert proposal.piece not in coverage(policy, run(policy, [proposal.scenario])).untaken


def test_a_draft_says_of_every_answer_that_it_is_open_and_nothing_else_is_wrong_with_it(tmp_path: Path) -> None:
    policy = load("standard")
    file = tmp_path / "draft.yaml"
    file.write_text(draft(policy, proposed(policy)), encoding="utf-8")
    scenarios, problems = read_scenarios([file], policy)
    assert scenarios == ()
    assert {problem.code for problem in problems} == {"scenario-unfinished"}
    assert len({problem.place.line for problem in problems}) == 100


def test_a_draft_that_a_person_completed_is_a_scenario_like_any_other(tmp_path: Path) -> None:
    policy = load("telecom")
    file = tmp_path / "draft.yaml"
    chosen = tuple(one for one in proposed(policy) if one.piece.words == "2:prove_without_sim")
    text = draft(policy, chosen)
    assert text.count(HOLE) == 3, "one in the words on top, an outcome and a fallback"
    file.write_text(
        text.replace(f"outcome: {HOLE}", "outcome: verify").replace(f"fallback: {HOLE}", "fallback: prove_without_sim"),
        encoding="utf-8",
    )
    scenarios, problems = read_scenarios([file], policy)
    assert problems == ()
    assert run(policy, scenarios).failed == ()


def test_the_way_is_the_shortest_and_the_question_tells_before_from_after() -> None:
    (found,) = (one for one in proposed(load("telecom")) if one.piece.words.startswith("account: sim_swap_hold: *"))
    assert found.scenario is not None
    (step,) = found.scenario.steps
    assert step.when == ("account.sim_swap_hold",)
    policy = load("standard")
    (found,) = (one for one in proposed(policy) if one.piece.words == "verification: cooled: exhausted -> unverified")
    assert found.scenario is not None
    (step,) = found.scenario.steps
    assert step.when == ("session.accepted", "verification.exhausted", "verification.cooled")


def test_what_nothing_leads_to_is_said_and_not_made_up() -> None:
    policy = load("standard")
    gone = Piece(kind="transition", machine="account", index=0, sources=frozenset({"nowhere"}), words="w", origin="o:1")
    proposals = propose(policy, Coverage(transitions=(gone,), rules=(), untaken=(gone,), inherited=0))
    assert proposals[0].scenario is None
    assert "# No events were found that lead to transition w (o:1)." in draft(policy, proposals)


def test_where_everything_is_taken_there_is_nothing_to_propose() -> None:
    assert draft(load("standard"), ()) == "# Scenarios take everything: there is nothing to propose.\n"
