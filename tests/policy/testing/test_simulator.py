"""A story moves the machines as requests do: time, signs of life, attempts, and what answers themselves move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.compiler import load
from authguard.policy.testing.scenario import DEFAULT_CONDITIONS, DEFAULT_STATES
from authguard.policy.testing.simulator import ScenarioRequest, Simulator

if TYPE_CHECKING:
    from authguard.core.policy import Policy

MINUTE = 60.0


def ask(operation: str, risk: str, effect: str, **conditions: str) -> ScenarioRequest:
    return ScenarioRequest(
        operation=operation, conditions={**DEFAULT_CONDITIONS, "risk": risk, "effect": effect, **conditions}
    )


CHAT = ask("chat", "routine", "read")
ORDER = ask("order", "sensitive", "read")
REFUND = ask("refund", "high", "write")


@pytest.fixture
def simulator(support_desk: Policy) -> Simulator:
    given = {**support_desk.initial, **DEFAULT_STATES, "account": "normal", "verification": "verified"}
    return Simulator(support_desk, given)


def test_time_lets_timers_fall_due(simulator: Simulator) -> None:
    simulator.advance(14 * MINUTE)
    assert simulator.states()["session"] == "active"
    simulator.advance(1 * MINUTE)
    assert simulator.states()["session"] == "idle"
    assert ("session", 5, "active") in simulator.edges, "a timer takes its line as any event does"


def test_the_customers_own_question_is_a_sign_of_life(simulator: Simulator) -> None:
    simulator.advance(10 * MINUTE)
    simulator.ask(CHAT)
    simulator.advance(10 * MINUTE)
    assert simulator.states()["session"] == "active"


def test_an_agents_question_is_no_sign_of_its_customer(simulator: Simulator) -> None:
    simulator.advance(10 * MINUTE)
    simulator.ask(ask("chat", "routine", "read", actor="agent"))
    simulator.advance(10 * MINUTE)
    assert simulator.states()["session"] == "idle"


def test_a_question_without_a_good_credential_moves_nothing(simulator: Simulator) -> None:
    simulator.advance(10 * MINUTE)
    simulator.ask(ask("chat", "routine", "read", credential="rejected"))
    simulator.advance(10 * MINUTE)
    assert simulator.states()["session"] == "idle"


def test_a_fresh_sign_in_begins_both_clocks_anew(simulator: Simulator) -> None:
    simulator.advance(16 * MINUTE)
    simulator.raise_event("session.renewed")
    simulator.advance(14 * MINUTE)
    assert simulator.states()["session"] == "active"
    for _ in range(60):  # twelve hours of talk, twelve minutes apart
        simulator.ask(CHAT)
        simulator.advance(12 * MINUTE)
    assert simulator.states()["session"] == "expired"


def test_a_report_keeps_good_news_from_ageing(simulator: Simulator) -> None:
    simulator.advance(50 * MINUTE)
    simulator.raise_event("account.normal")
    simulator.advance(50 * MINUTE)
    assert simulator.states()["account"] == "normal"
    simulator.advance(10 * MINUTE)
    assert simulator.states()["account"] == "unknown"


def test_an_outage_is_over_when_nothing_failed_for_a_while(simulator: Simulator) -> None:
    simulator.raise_event("service.impaired")
    simulator.advance(4 * MINUTE)
    simulator.raise_event("service.impaired")
    simulator.advance(4 * MINUTE)
    assert simulator.states()["service"] == "degraded"
    simulator.advance(1 * MINUTE)
    assert simulator.states()["service"] == "live"


def test_an_admitted_payment_runs_and_is_in_doubt_when_no_answer_comes(simulator: Simulator) -> None:
    assert simulator.ask(REFUND).outcome == "allow"
    simulator.advance(0)
    assert simulator.states()["transaction"] == "running"
    simulator.advance(2 * MINUTE)
    assert simulator.states()["transaction"] == "in_doubt"


def test_a_hold_holds_and_lapses(simulator: Simulator) -> None:
    assert simulator.ask(ask("refund", "high", "write", limit="exceeded")).outcome == "hold"
    assert simulator.states()["transaction"] == "none", "the answer moves it, and the answer comes after"
    simulator.advance(14 * MINUTE)
    assert simulator.states()["transaction"] == "held"
    simulator.advance(1 * MINUTE)
    assert simulator.states()["transaction"] == "lapsed"


def test_another_request_is_not_the_transaction_that_is_under_way(simulator: Simulator) -> None:
    simulator.ask(REFUND)
    simulator.advance(0)
    assert simulator.ask(REFUND).fallback == "busy"
    assert simulator.ask(ORDER).fallback == "allow"
    simulator.advance(0)
    assert simulator.states()["transaction"] == "running"


def test_what_is_shown_is_no_transaction(simulator: Simulator) -> None:
    simulator.ask(ORDER)
    simulator.advance(0)
    assert simulator.states()["transaction"] == "none"


def test_sign_ins_that_are_not_enough_run_out_and_come_back(simulator: Simulator) -> None:
    weak = ask("refund", "high", "write", assurance="insufficient")
    assert [simulator.ask(weak).fallback for _ in range(4)] == [*["step_up"] * 3, "to_a_person"]
    simulator.advance(14 * MINUTE)
    assert simulator.ask(weak).fallback == "to_a_person"
    simulator.advance(1 * MINUTE)
    simulator.raise_event("session.renewed")
    assert simulator.ask(weak).fallback == "step_up"


def test_attempts_are_counted_for_each_operation(simulator: Simulator) -> None:
    weak = ask("refund", "high", "write", assurance="insufficient")
    for _ in range(4):
        simulator.ask(weak)
    assert simulator.ask(ask("order", "sensitive", "read", assurance="insufficient")).fallback == "step_up"


def test_wrong_codes_run_out_and_a_person_takes_over(support_desk: Policy) -> None:
    simulator = Simulator(support_desk, {**support_desk.initial, **DEFAULT_STATES, "account": "normal"})
    for _ in range(3):
        assert simulator.ask(ORDER).fallback == "prove_identity"
        simulator.raise_event("verification.started")
        simulator.raise_event("verification.failed")
    assert simulator.ask(ORDER).fallback == "to_a_person"
    simulator.advance(0)
    assert simulator.states()["verification"] == "exhausted"
    simulator.advance(15 * MINUTE)
    simulator.raise_event("session.renewed")
    assert simulator.ask(ORDER).fallback == "prove_identity"


def test_nothing_counts_from_a_session_that_was_never_there() -> None:
    standard = load("standard")
    simulator = Simulator(standard, standard.initial)
    simulator.advance(10 * 24 * 60 * MINUTE)
    assert simulator.states() == dict(standard.initial)
    simulator.raise_event("session.accepted")
    simulator.advance(15 * MINUTE)
    assert simulator.states()["session"] == "idle"
