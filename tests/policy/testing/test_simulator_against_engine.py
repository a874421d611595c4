"""A scenario comes to what the enforcer does: random talks go through a real enforcer, and through a scenario."""

from __future__ import annotations

import asyncio

from hypothesis import example, given, settings
from hypothesis import strategies as st

from authguard.core.decision_table import CONDITIONS, DIMENSIONS
from authguard.core.events import MACHINES
from authguard.policy.testing.deployment import Deployment
from authguard.policy.testing.request import ScenarioRequest
from authguard.policy.testing.simulator import Simulator
from authguard.policy.testing.token import TokenSpec
from authguard.records.entries import DecisionEntry
from tests.support.harness import EnforcerHarness, policy_of
from tests.support.hypothesis_profile import examples

#: (minutes that pass, whether somebody signs in anew and how strongly, whether an agent asks, what is asked)
Turn = tuple[int, str, bool, str]
TURNS = st.lists(
    st.tuples(
        st.sampled_from((0, 1, 4, 9, 14, 16, 31, 70, 700)),
        st.sampled_from(("", "", "", "aal1", "aal2")),
        st.booleans(),
        st.sampled_from(("chat", "balance", "refund", "refund")),
    ),
    min_size=1,
    max_size=14,
)


def refund_body(amount: int) -> dict[str, object]:
    return {"amount": amount, "currency": "EUR"}


async def talk(turns: list[Turn], amount: int) -> list[DecisionEntry]:
    """Let somebody talk to a real enforcer; every request bears a token of its own, and the refunds are one refund."""
    desk = EnforcerHarness()
    signed_in, level = desk.clock.now(), "aal2"
    decided: list[DecisionEntry] = []
    for number, (minutes, acr, by_agent, operation) in enumerate(turns):
        desk.clock.advance(minutes * 60 + 1)
        if acr:
            signed_in, level = desk.clock.now(), acr
        sent = desk.login(
            acr=level, auth_time=signed_in, actor="concierge" if by_agent else "", fingerprint=f"token {number}"
        )
        refund = operation == "refund"
        body, key = (refund_body(amount), "one") if refund else (None, "")
        await desk.ask_any(operation, sent, body=body, idempotency=key)
        decided += [entry for entry in desk.sink.of(DecisionEntry)[len(decided) :] if isinstance(entry, DecisionEntry)]
    return decided


@settings(max_examples=examples(60), deadline=None)
@example(
    [(0, "", False, "refund"), (1, "", False, "refund"), (16, "", False, "chat"), (0, "aal2", False, "refund")], 10
)
@example([(0, "", False, "refund"), (14, "", False, "chat"), (1, "aal2", False, "refund")], 600)
@example([(9, "aal1", False, "refund"), *[(0, "", False, "refund")] * 4, (16, "aal2", False, "refund")], 10)
@given(TURNS, st.sampled_from((10, 600)))
def test_a_scenario_comes_to_what_the_enforcer_does(turns: list[Turn], amount: int) -> None:
    # the same refund by another actor is another request, under the same key: it is refused without a cell
    turns = [(*turn[:2], False, turn[3]) if turn[3] == "refund" else turn for turn in turns]
    policy = policy_of()
    simulator = Simulator(Deployment(policy), policy.initial)
    signed_in, level, now = 0.0, "aal2", 0.0
    for entry, (minutes, acr, by_agent, operation) in zip(asyncio.run(talk(turns, amount)), turns, strict=True):
        simulator.advance(minutes * 60 + 1)
        now += minutes * 60 + 1
        if acr:
            signed_in, level = now, acr
        answer = simulator.ask(
            ScenarioRequest(
                operation=operation,
                token=TokenSpec(
                    acr=level,
                    age=now - signed_in,
                    actor=("concierge",) if by_agent else (),
                    claims={"account_status": "ok"},
                ),
                body=refund_body(amount) if operation == "refund" else None,
                idempotency="one" if operation == "refund" else "",
            )
        )
        cell = dict(zip(DIMENSIONS, entry.cell, strict=True))
        assert (answer.outcome, answer.fallback) == (entry.outcome, entry.fallback)
        assert answer.conditions == {name: cell[name] for name in CONDITIONS}
        assert {name: answer.states[name] for name in MACHINES[:4]} == {name: cell[name] for name in MACHINES[:4]}
