"""A scenario keeps records, and the driver decides: time, activity, attempts, transactions, tokens and bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.core.sections import Transactions
from authguard.policy.compiler import load
from authguard.policy.testing.deployment import Deployment
from authguard.policy.testing.events import EventPlayer
from authguard.policy.testing.request import ImpossibleError, ScenarioRequest
from authguard.policy.testing.scenario import DEFAULT_STATES
from authguard.policy.testing.simulator import Simulator
from authguard.policy.testing.token import TokenSpec

if TYPE_CHECKING:
    from authguard.core.policy import Policy

MINUTE = 60.0


def ask(operation: str, **conditions: str) -> ScenarioRequest:
    return ScenarioRequest(operation=operation, conditions=conditions)


CHAT, ORDER, REFUND = ask("chat"), ask("order"), ask("refund")


def simulator_of(policy: Policy, **given: str) -> Simulator:
    return Simulator(Deployment(policy), {**policy.initial, **DEFAULT_STATES, **given})


@pytest.fixture
def simulator(support_desk: Policy) -> Simulator:
    return simulator_of(support_desk, account="normal", verification="verified")


def test_time_lets_timers_fall_due(simulator: Simulator) -> None:
    simulator.advance(14 * MINUTE)
    assert simulator.states()["session"] == "active"
    simulator.advance(1 * MINUTE)
    assert simulator.states()["session"] == "idle"
    assert ("session", 5, "active") in simulator.records.edges, "a timer takes its line as any event does"


def test_the_customers_own_request_is_activity(simulator: Simulator) -> None:
    simulator.advance(10 * MINUTE)
    simulator.ask(CHAT)
    simulator.advance(10 * MINUTE)
    assert simulator.states()["session"] == "active"


@pytest.mark.parametrize("conditions", [{"actor": "agent"}, {"credential": "rejected"}])
def test_an_agent_and_a_rejected_token_are_no_activity_of_the_customer(
    simulator: Simulator, conditions: dict[str, str]
) -> None:
    simulator.advance(10 * MINUTE)
    simulator.ask(ask("chat", **conditions))
    simulator.advance(10 * MINUTE)
    assert simulator.states()["session"] == "idle"


def test_an_admitted_refund_runs_and_is_in_doubt_when_no_answer_comes(simulator: Simulator) -> None:
    decision = simulator.ask(REFUND)
    assert (decision.outcome, decision.states["transaction"]) == ("allow", "none")
    assert simulator.states()["transaction"] == "running"
    simulator.advance(2 * MINUTE)
    assert simulator.states()["transaction"] == "in_doubt"


def test_a_hold_holds_and_lapses(simulator: Simulator) -> None:
    assert simulator.ask(ask("refund", limit="exceeded")).outcome == "hold"
    simulator.advance(14 * MINUTE)
    assert simulator.states()["transaction"] == "held"
    simulator.advance(1 * MINUTE)
    assert simulator.states()["transaction"] == "lapsed"


def test_another_operation_or_another_key_is_another_transaction(simulator: Simulator) -> None:
    simulator.ask(REFUND)
    assert simulator.ask(REFUND).fallback == "busy"
    assert simulator.ask(ORDER).fallback == "allow"
    other = ScenarioRequest(operation="refund", idempotency="other")
    assert simulator.ask(other).fallback == "allow"


def test_a_body_is_measured(simulator: Simulator) -> None:
    def refund(amount: object, key: str) -> str:
        body = {"amount": amount, "currency": "EUR"}
        return simulator.ask(ScenarioRequest(operation="refund", body=body, idempotency=key)).conditions["limit"]

    assert refund("500", "1") == "within"
    assert refund("500.01", "2") == "exceeded"
    assert refund("500", "3") == "within"
    assert refund("1", "4") == "exceeded", "1000 EUR a day were spent"
    assert refund("-1", "5") == "unmeasured"


def test_a_token_is_read_as_the_policy_says(simulator: Simulator) -> None:
    def order(**token: object) -> dict[str, str]:
        return dict(simulator.ask(ScenarioRequest(operation="order", token=TokenSpec(**token))).conditions)

    assert order()["scope"] == "granted"
    assert order(scope=("chat",))["scope"] == "missing"
    assert order(actor=("nobody",))["actor"] == "stranger"
    assert order(claims={"exp": 1.0})["credential"] == "expired"
    assert order(claims={"sub": ""})["credential"] == "rejected"


def test_a_status_in_a_token_moves_the_account(simulator: Simulator) -> None:
    token = TokenSpec(claims={"account_status": "frozen"})
    decision = simulator.ask(ScenarioRequest(operation="chat", token=token))
    assert decision.states["account"] == "suspended"
    token = TokenSpec(claims={"account_status": "made up"})
    assert simulator.ask(ScenarioRequest(operation="chat", token=token)).states["account"] == "unrecognised"


def test_weak_sign_ins_run_out_for_each_operation_and_come_back(simulator: Simulator) -> None:
    weak = ask("refund", assurance="insufficient")
    assert [simulator.ask(weak).fallback for _ in range(4)] == [*["step_up"] * 3, "to_a_person"]
    simulator.advance(14 * MINUTE)
    assert simulator.ask(weak).fallback == "to_a_person"
    simulator.advance(1 * MINUTE)
    EventPlayer(simulator).play(["session.renewed"], weak)
    assert simulator.ask(weak).fallback == "step_up"


def test_two_sessions_of_one_account_share_its_state_and_not_their_proofs(simulator: Simulator) -> None:
    other = TokenSpec(session="session-2", claims={"account_status": "ok"})
    decision = simulator.ask(ScenarioRequest(operation="order", token=other))
    assert (decision.states["account"], decision.states["verification"]) == ("normal", "unverified")
    frozen = TokenSpec(session="session-2", claims={"account_status": "frozen"})
    simulator.ask(ScenarioRequest(operation="chat", token=frozen))
    assert simulator.ask(CHAT).states["account"] == "suspended"


def test_an_account_holds_no_more_transactions_than_the_policy_permits(support_desk: Policy) -> None:
    policy = replace(support_desk, transactions=Transactions(max_held=2))
    simulator = simulator_of(policy, account="normal", verification="verified")
    asks = [
        ScenarioRequest(operation="refund", conditions={"limit": "exceeded"}, idempotency=key)
        for key in ("a", "b", "c")
    ]
    assert [simulator.ask(one).outcome for one in asks] == ["hold", "hold", "refused"]


def test_a_policy_without_sources_knows_every_account_as_normal(support_desk: Policy) -> None:
    simulator = simulator_of(replace(support_desk, accounts=()), verification="verified")
    simulator.advance(120 * MINUTE)
    decision = simulator.ask(ask("chat"))
    assert decision.states["account"] == "normal", "the issue's `accounts: none`, two hours later"


def test_a_switch_of_the_channel_moves_the_verification_before_the_table_decides() -> None:
    simulator = simulator_of(load("banking"), account="normal", verification="verified")
    decision = simulator.ask(ask("balance", channel_change="switched"))
    assert (decision.states["verification"], decision.differences) == ("unverified", ())


def test_an_expired_token_is_decided_without_the_customers_records(simulator: Simulator) -> None:
    decision = simulator.ask(ask("chat", credential="expired", actor="agent"))
    assert decision.fallback == "sign_in_again"
    assert decision.differences == (
        "`actor: agent` cannot come about: the driver derives `subject`, since nothing is known of an unproven caller",
    )


def test_a_timer_is_waited_for_while_the_customer_stays_present(simulator: Simulator) -> None:
    before = simulator.now
    simulator.wait_for("verification.aged")
    assert round(simulator.now - before) == 30 * MINUTE
    assert simulator.states()["session"] == "active"
    with pytest.raises(ImpossibleError, match=r"no timer of the policy sends `verification.aged` in the state"):
        simulator.wait_for("verification.aged")


def test_nothing_counts_from_a_session_that_was_never_there() -> None:
    standard = load("standard")
    simulator = Simulator(Deployment(standard), standard.initial)
    simulator.advance(10 * 24 * 60 * MINUTE)
    assert simulator.states() == dict(standard.initial)
    EventPlayer(simulator).play(["session.accepted"], None)
    simulator.advance(15 * MINUTE)
    assert simulator.states()["session"] == "idle"


def test_after_a_dated_token_the_next_ones_state_its_sign_in_also_after_an_undated_one(simulator: Simulator) -> None:
    def stated(age: float | None) -> float:
        simulator.ask(ScenarioRequest(operation="chat", token=TokenSpec(age=age)))
        assert simulator.principal is not None
        return simulator.principal.auth_time

    assert (stated(-1.0), stated(None)) == (0.0, 0.0)
    dated = stated(30.0)
    assert dated == pytest.approx(simulator.now - 30.0)
    assert stated(None) == dated
    assert (stated(-1.0), stated(None)) == (0.0, 0.0)
