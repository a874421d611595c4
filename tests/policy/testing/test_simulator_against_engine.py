"""A story comes to what the engine does: random talks go through a real enforcer, and then the same through a story."""

from __future__ import annotations

import asyncio

from hypothesis import example, given, settings
from hypothesis import strategies as st

from authguard.core.decision_table import DIMENSIONS
from authguard.core.events import MACHINES
from authguard.policy.testing import simulator
from authguard.records.entries import DecisionEntry
from tests.support.harness import EnforcerHarness, policy_of
from tests.support.hypothesis_profile import examples

#: what a credential and the sources said; the rest a story finds by itself: timers, attempts, what an answer moves
TOLD = (
    "session.accepted",
    "session.renewed",
    "account.normal",
    "verification.started",
    "verification.passed",
)

#: (minutes that pass, whether somebody signs in anew and how strongly, whether an agent asks, what is asked)
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


async def talk(turns: list[tuple[int, str, bool, str]], amount: int) -> list[DecisionEntry]:
    """Let somebody talk to a real enforcer; every request bears a token of its own, and the refunds are one refund."""
    desk = EnforcerHarness()
    signed_in, level = desk.clock.now(), "aal2"
    decided: list[DecisionEntry] = []
    # it begins with the sign-in itself: whoever is first seen by an old one was last there when they signed in
    for number, (minutes, acr, by_agent, operation) in enumerate([(0, "", False, "chat"), *turns]):
        desk.clock.advance(minutes * 60)
        if acr:
            signed_in, level = desk.clock.now(), acr
        actor = "concierge" if by_agent else ""
        sent = desk.login(acr=level, auth_time=signed_in, actor=actor, fingerprint=f"token {number}")
        refund = operation == "refund" and not by_agent  # the agent's would be another transaction, under the same key
        body, key = ({"amount": amount, "currency": "EUR"}, "one") if refund else (None, "")
        await desk.ask_any(
            "balance" if by_agent and operation == "refund" else operation, sent, body=body, idempotency=key
        )
        decided += [entry for entry in desk.sink.of(DecisionEntry)[len(decided) :] if isinstance(entry, DecisionEntry)]
    return decided


@settings(max_examples=examples(60), deadline=None)
@example(
    [(0, "", False, "refund"), (1, "", False, "refund"), (16, "", False, "chat"), (0, "aal2", False, "refund")], 10
)
@example([(0, "", False, "refund"), (14, "", True, "chat"), (1, "aal2", False, "refund")], 600)
@example([(9, "aal1", False, "refund"), *[(0, "", False, "refund")] * 4, (16, "aal2", False, "refund")], 10)
@given(TURNS, st.sampled_from((10, 600)))
def test_a_story_comes_to_what_the_engine_does(turns: list[tuple[int, str, bool, str]], amount: int) -> None:
    policy = policy_of()
    played = simulator.Simulator(policy, policy.initial)
    before = None
    for entry in asyncio.run(talk(turns, amount)):
        played.advance(entry.at - before if before is not None else 0)
        before = entry.at
        for event in entry.events:
            if event in TOLD:
                played.raise_event(event)
        cell = dict(zip(DIMENSIONS, entry.cell, strict=True))
        asked = {name: value for name, value in cell.items() if name not in MACHINES}
        states = played.states()
        if entry.operation != "refund":  # a request that names no transaction meets none
            states["transaction"] = "none"
        assert states == {name: cell[name] for name in MACHINES}
        answer = played.ask(simulator.ScenarioRequest(operation=entry.operation, conditions=asked))
        assert (answer.outcome, answer.fallback) == (entry.outcome, entry.fallback)
