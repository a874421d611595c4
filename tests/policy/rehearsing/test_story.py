"""A story moves the machines as requests do: time, signs of life, attempts, and what answers themselves move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.compiler import load
from authguard.policy.rehearsing.scenarios import ASKED, GIVEN
from authguard.policy.rehearsing.story import AccessRequest, Story

if TYPE_CHECKING:
    from authguard.policy.compiled import Policy

MINUTE = 60.0


def ask(operation: str, risk: str, effect: str, **conditions: str) -> AccessRequest:
    return AccessRequest(operation=operation, conditions={**ASKED, "risk": risk, "effect": effect, **conditions})


CHAT = ask("chat", "routine", "read")
ORDER = ask("order", "sensitive", "read")
REFUND = ask("refund", "high", "write")


@pytest.fixture
def story(support_desk: Policy) -> Story:
    given = {**support_desk.initial, **GIVEN, "account": "normal", "verification": "verified"}
    return Story(support_desk, given)


def test_time_lets_timers_fall_due(story: Story) -> None:
    story.wait(14 * MINUTE)
    assert story.states()["session"] == "active"
    story.wait(1 * MINUTE)
    assert story.states()["session"] == "idle"
    assert ("session", 5, "active") in story.edges, "a timer takes its line as any event does"


def test_the_customers_own_question_is_a_sign_of_life(story: Story) -> None:
    story.wait(10 * MINUTE)
    story.ask(CHAT)
    story.wait(10 * MINUTE)
    assert story.states()["session"] == "active"


def test_an_agents_question_is_no_sign_of_its_customer(story: Story) -> None:
    story.wait(10 * MINUTE)
    story.ask(ask("chat", "routine", "read", actor="agent"))
    story.wait(10 * MINUTE)
    assert story.states()["session"] == "idle"


def test_a_question_without_a_good_credential_moves_nothing(story: Story) -> None:
    story.wait(10 * MINUTE)
    story.ask(ask("chat", "routine", "read", credential="rejected"))
    story.wait(10 * MINUTE)
    assert story.states()["session"] == "idle"


def test_a_fresh_sign_in_begins_both_clocks_anew(story: Story) -> None:
    story.wait(16 * MINUTE)
    story.happen("session.renewed")
    story.wait(14 * MINUTE)
    assert story.states()["session"] == "active"
    for _ in range(60):  # twelve hours of talk, twelve minutes apart
        story.ask(CHAT)
        story.wait(12 * MINUTE)
    assert story.states()["session"] == "expired"


def test_a_report_keeps_good_news_from_ageing(story: Story) -> None:
    story.wait(50 * MINUTE)
    story.happen("account.normal")
    story.wait(50 * MINUTE)
    assert story.states()["account"] == "normal"
    story.wait(10 * MINUTE)
    assert story.states()["account"] == "unknown"


def test_an_outage_is_over_when_nothing_failed_for_a_while(story: Story) -> None:
    story.happen("service.impaired")
    story.wait(4 * MINUTE)
    story.happen("service.impaired")
    story.wait(4 * MINUTE)
    assert story.states()["service"] == "degraded"
    story.wait(1 * MINUTE)
    assert story.states()["service"] == "live"


def test_an_admitted_payment_runs_and_is_in_doubt_when_no_answer_comes(story: Story) -> None:
    assert story.ask(REFUND).outcome == "allow"
    story.wait(0)
    assert story.states()["transaction"] == "running"
    story.wait(2 * MINUTE)
    assert story.states()["transaction"] == "in_doubt"


def test_a_hold_holds_and_lapses(story: Story) -> None:
    assert story.ask(ask("refund", "high", "write", limit="exceeded")).outcome == "hold"
    assert story.states()["transaction"] == "none", "the answer moves it, and the answer comes after"
    story.wait(14 * MINUTE)
    assert story.states()["transaction"] == "held"
    story.wait(1 * MINUTE)
    assert story.states()["transaction"] == "lapsed"


def test_another_request_is_not_the_transaction_that_is_under_way(story: Story) -> None:
    story.ask(REFUND)
    story.wait(0)
    assert story.ask(REFUND).fallback == "busy"
    assert story.ask(ORDER).fallback == "allow"
    story.wait(0)
    assert story.states()["transaction"] == "running"


def test_what_is_shown_is_no_transaction(story: Story) -> None:
    story.ask(ORDER)
    story.wait(0)
    assert story.states()["transaction"] == "none"


def test_sign_ins_that_are_not_enough_run_out_and_come_back(story: Story) -> None:
    weak = ask("refund", "high", "write", assurance="insufficient")
    assert [story.ask(weak).fallback for _ in range(4)] == [*["step_up"] * 3, "to_a_person"]
    story.wait(14 * MINUTE)
    assert story.ask(weak).fallback == "to_a_person"
    story.wait(1 * MINUTE)
    story.happen("session.renewed")
    assert story.ask(weak).fallback == "step_up"


def test_attempts_are_counted_for_each_operation(story: Story) -> None:
    weak = ask("refund", "high", "write", assurance="insufficient")
    for _ in range(4):
        story.ask(weak)
    assert story.ask(ask("order", "sensitive", "read", assurance="insufficient")).fallback == "step_up"


def test_wrong_codes_run_out_and_a_person_takes_over(support_desk: Policy) -> None:
    story = Story(support_desk, {**support_desk.initial, **GIVEN, "account": "normal"})
    for _ in range(3):
        assert story.ask(ORDER).fallback == "prove_identity"
        story.happen("verification.started")
        story.happen("verification.failed")
    assert story.ask(ORDER).fallback == "to_a_person"
    story.wait(0)
    assert story.states()["verification"] == "exhausted"
    story.wait(15 * MINUTE)
    story.happen("session.renewed")
    assert story.ask(ORDER).fallback == "prove_identity"


def test_nothing_counts_from_a_session_that_was_never_there() -> None:
    standard = load("standard")
    story = Story(standard, standard.initial)
    story.wait(10 * 24 * 60 * MINUTE)
    assert story.states() == dict(standard.initial)
    story.happen("session.accepted")
    story.wait(15 * MINUTE)
    assert story.states()["session"] == "idle"
