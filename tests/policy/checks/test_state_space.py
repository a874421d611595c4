"""Sets of states as bit sets: every event moves them as the engine's own step does, with what it raises."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.core.events import MACHINES, VOCABULARY, Event
from authguard.core.machine import Line, Machine, expand, step
from authguard.core.owners import TOGETHER
from authguard.core.snapshot import STATE_FIELDS, Snapshot, blank
from authguard.policy.checks import state_space
from authguard.policy.checks.state_space import Arrow, SearchLimitError, StateSpace

if TYPE_CHECKING:
    from authguard.core.machine import Spec
    from authguard.policy.draft import Draft

#: events that raise others here: none of them leads back to itself
RAISES = {
    "account.compromised": ("session.revoked", "service.impaired"),
    "transaction.denied": ("account.restricted", "verification.failed"),
    "session.ended": ("account.dormant", "service.impaired"),
}


def raising(draft: Draft) -> dict[str, Spec]:
    """Let some events raise others, in every state."""
    machines = dict(draft.machines)
    for event, raised in RAISES.items():
        machine, _, trigger = event.partition(".")
        spec = machines[machine]
        lines = [
            Line(triggers=(trigger,), sources=(state,), dest=edge.dest, raises=raised)
            for (state, named), edge in expand(spec).edges.items()
            if named == trigger and edge.moves
        ]
        machines[machine] = replace(spec, lines=(*lines, *spec.lines))
    return machines


def having(machines: dict[str, Spec], states: tuple[str, ...]) -> Snapshot:
    """Build a snapshot with these states."""
    snapshot = blank({name: spec.initial for name, spec in machines.items()})
    for machine, state in zip(MACHINES, states, strict=True):
        record, field, _ = STATE_FIELDS[machine]
        snapshot = replace(snapshot, **{record: replace(getattr(snapshot, record), **{field: state})})
    return replace(snapshot, session=replace(snapshot.session, entered=0.5))  # it is one of the account's


def test_every_event_moves_states_as_the_engine_does(standard_draft: Draft) -> None:
    specs = raising(standard_draft)
    space = StateSpace(specs)
    machines = {name: Machine(spec=spec, table=expand(spec).edges) for name, spec in specs.items()}
    chance = Random(19)  # noqa: S311 - a test is repeated, not guessed
    for machine in MACHINES:
        for trigger in VOCABULARY[machine]:
            event = f"{machine}.{trigger}"
            for _ in range(12):
                states = tuple(chance.choice(specs[name].states) for name in MACHINES)
                expected = step(machines, having(specs, states), Event(name=event, at=1.0), TOGETHER)[0].states()
                before = space.bit(states)
                after = [found for arrow in space.arrows(event) if (found := arrow.after(before))]
                assert [space.first(found) for found in after] == ([expected] if expected != states else []), event
                assert all(
                    arrow.before(found) & before for arrow, found in zip(_of(space, event, before), after, strict=True)
                )


def _of(space: StateSpace, event: str, before: int) -> list[Arrow]:
    return [arrow for arrow in space.arrows(event) if arrow.mask & before]


def test_a_set_has_the_states_that_were_put_in(standard_draft: Draft) -> None:
    space = StateSpace(standard_draft.machines)
    both = space.having("session", "active", "idle") & space.having("account", "locked")
    assert set(space.iter_states(both)) == {
        states for states in space.iter_states(space.whole) if states[1] == "locked" and states[2] in ("active", "idle")
    }
    assert space.of_box((1, *((1 << size) - 1 for size in space.sizes[1:]))) == space.having("service", "live")
    left = space.leave_transaction(space.bit(("live", "normal", "active", "verified", "none")))
    assert {states[4] for states in space.iter_states(left)} == set(standard_draft.machines["transaction"].states)


def test_every_bound_is_an_error_and_no_result(standard_draft: Draft, monkeypatch: pytest.MonkeyPatch) -> None:
    space = StateSpace(raising(standard_draft))
    monkeypatch.setattr(state_space, "MAX_SPENT", 1_000_000)
    with pytest.raises(SearchLimitError, match="more than 1,000,000 steps"):
        space.spend(100)
    monkeypatch.setattr(state_space, "MAX_CASES", 5)
    with pytest.raises(SearchLimitError, match="5 cases of one event"):
        space.arrows("account.compromised")
    monkeypatch.setattr(state_space, "MAX_STATES", 100)
    with pytest.raises(SearchLimitError, match="100 combinations"):
        StateSpace(standard_draft.machines)
