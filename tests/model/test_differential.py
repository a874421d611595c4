"""Two ways to one answer, for every shipped policy: table and `transitions` over long walks, memo and brute force."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authguard.core.events import MACHINES, Event
from authguard.core.machine import build_engine, step
from authguard.core.owners import TOGETHER
from authguard.core.snapshot import STATE_FIELDS, blank
from authguard.policy.compiler import load
from authguard.policy.loading import locator
from tests.support.hypothesis_profile import examples

SHIPPED = {name: load(name) for name in sorted(locator.shipped_policies())}
LONG = 400


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_answers_every_event_as_transitions_does(name: str, machine: str) -> None:
    built = SHIPPED[name].machines[machine]
    reference = build_engine(built.spec)
    assert set(built.table) == set(itertools.product(built.spec.states, built.spec.triggers))
    for (state, trigger), edge in built.table.items():
        cursor = SimpleNamespace(state=state)
        assert reference.events[trigger].trigger(cursor)
        assert cursor.state == edge.dest


@pytest.mark.parametrize("name", SHIPPED)
@given(random=st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_a_long_walk_of_all_machines_goes_where_five_engines_of_transitions_go(name: str, random: object) -> None:
    """The engines know nothing of raised events: the walk tells them, as each transition of the log names its own."""
    policy = SHIPPED[name]
    engines = {machine: build_engine(policy.machines[machine].spec) for machine in MACHINES}
    cursors = {machine: SimpleNamespace(state=policy.initial[machine]) for machine in MACHINES}
    events = [f"{m}.{trigger}" for m in MACHINES for trigger in policy.machines[m].spec.triggers]
    snapshot = blank(policy.initial)
    for moment in range(LONG):
        event = random.choice(events)  # type: ignore[attr-defined]  # Hypothesis names no type for it
        snapshot, moved = step(policy.machines, snapshot, Event(name=event, at=float(moment + 1)), TOGETHER)
        machine, _, trigger = event.partition(".")
        engines[machine].events[trigger].trigger(cursors[machine])
        for transition in moved[1:]:
            engines[transition.machine].events[transition.event].trigger(cursors[transition.machine])
        assert snapshot.states() == tuple(cursors[machine].state for machine in MACHINES), event
        for transition in moved:
            record, _, entered = STATE_FIELDS[transition.machine]
            assert getattr(getattr(snapshot, record), entered) == moment + 1


@pytest.mark.parametrize("name", SHIPPED)
@given(data=st.data())
@settings(max_examples=examples(300))
def test_the_memo_answers_as_asking_every_rule_in_order_does(name: str, data: st.DataObject) -> None:
    table = SHIPPED[name].table
    cell = tuple(data.draw(st.sampled_from(values)) for values in table.values.values())
    named = dict(zip(table.values, cell, strict=True))
    matching = [rule for rule in table.rules if all(named[name] in values for name, values in rule.when.items())]
    skipped = next((rule for rule in matching if rule.skips), None)
    if skipped is not None:  # what an earlier rule decides comes first, too
        matching = [rule for rule in matching if rule.index < skipped.index or rule.phase != skipped.phase]
    first = matching[0]
    assert table.decide(cell) is first
    assert table.decide(cell) is first, "what was remembered is what was found"
