"""An event of a scenario comes about as at run time, or the scenario says why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.core.sections import Reports
from authguard.policy.compiler import load
from authguard.policy.testing.deployment import Deployment
from authguard.policy.testing.events import EventPlayer
from authguard.policy.testing.request import ImpossibleError, ScenarioRequest
from authguard.policy.testing.scenario import DEFAULT_STATES
from authguard.policy.testing.simulator import Simulator

if TYPE_CHECKING:
    from authguard.core.policy import Policy

BANKING = load("banking")
PAYMENT = ScenarioRequest(operation="payment")


def player_of(policy: Policy = BANKING, **given: str) -> tuple[EventPlayer, Simulator]:
    simulator = Simulator(Deployment(policy), {**policy.initial, **DEFAULT_STATES, "account": "normal", **given})
    return EventPlayer(simulator), simulator


def play(*events: str, asked: ScenarioRequest | None = None, policy: Policy = BANKING, **given: str) -> dict[str, str]:
    player, simulator = player_of(policy, **given)
    player.play(events, asked)
    return simulator.states()


def test_a_strong_sign_in_proves_identity_and_a_weak_one_does_not() -> None:
    assert play("session.renewed", asked=PAYMENT)["verification"] == "verified"
    weak = replace(PAYMENT, conditions={"assurance": "insufficient"})
    assert play("session.renewed", asked=weak)["verification"] == "verified", "aal2 is not enough to pay, but to prove"
    assert play("session.renewed", asked=ScenarioRequest(operation="chat"))["verification"] == "unverified"
    assert play("session.renewed", "verification.started", "verification.passed")["verification"] == "verified"


@pytest.mark.parametrize(
    ("result", "state"),
    [("passed", "verified"), ("failed", "failed"), ("doubted", "ambiguous"), ("unavailable", "unavailable")],
)
def test_an_attempt_with_an_offered_method_has_its_result(result: str, state: str) -> None:
    assert play("verification.started", f"verification.{result}")["verification"] == state


def test_a_method_that_is_not_offered_cannot_be_started() -> None:
    with pytest.raises(ImpossibleError, match="the policy offers no method"):
        play("verification.started", account="deceased")
    with pytest.raises(ImpossibleError, match="no attempt is running"):
        play("verification.passed", account="deceased", verification="ambiguous")


def test_attempts_run_out_as_they_are_counted() -> None:
    assert play(*("verification.started", "verification.failed") * 3)["verification"] == "exhausted"


def test_a_timer_that_was_removed_cannot_fall_due() -> None:
    assert play("session.idled")["session"] == "idle"
    timers = type(BANKING.timers).compile(
        [timer for timer in BANKING.timers.declared if timer.event != "session.idled"], BANKING.machines
    )
    with pytest.raises(ImpossibleError, match=r"no timer of the policy sends `session.idled` in the state `active`"):
        play("session.idled", policy=replace(BANKING, timers=timers))
    assert play("account.aged", account="deceased")["account"] == "deceased", "it never falls due, and moves nothing"


def test_a_report_needs_a_source() -> None:
    assert play("account.locked")["account"] == "locked"
    with pytest.raises(ImpossibleError, match=r"no source of the policy reports it, and `reports.app` does not list"):
        play("account.locked", policy=replace(BANKING, accounts=()))
    assert play("account.unreachable")["account"] == "normal", "nobody is asked, and nothing changes"
    reported = replace(BANKING, accounts=(), reports=Reports(app=frozenset({"account.locked"})))
    assert play("account.locked", policy=reported)["account"] == "locked"


def test_a_transaction_is_settled_by_the_app_or_by_people() -> None:
    states = [
        ("transaction.held", "held"),
        ("transaction.approved", "approved"),
        ("transaction.started", "running"),
        ("transaction.lost", "in_doubt"),
        ("transaction.committed", "done"),
    ]
    player, simulator = player_of(verification="verified")
    for event, state in states:
        player.play([event], None)
        assert simulator.states()["transaction"] == state
    assert play("transaction.started", "transaction.failed")["transaction"] == "failed"
    assert play("transaction.held", "transaction.denied", "transaction.approved")["transaction"] == "denied"


def test_an_undated_sign_in_cannot_renew() -> None:
    issuers = {name: replace(one, evidence="none") for name, one in BANKING.issuers.items()}
    with pytest.raises(ImpossibleError, match="the tokens of the issuer state no new sign-in"):
        play("session.renewed", policy=replace(BANKING, issuers=issuers))
