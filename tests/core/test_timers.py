"""Timers: due in order, with their due time, and only if they change a state."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core.events import MACHINES
from authguard.core.machine import Line, Spec, compile_machine
from authguard.core.owners import TOGETHER
from authguard.core.snapshot import STATE_FIELDS, Snapshot, blank
from authguard.core.timers import Timer, Timers
from authguard.errors import MachineFaultError

if TYPE_CHECKING:
    from authguard.core.policy import Policy

T = 1_000_000.0
MINUTE, HOUR = 60.0, 3600.0


def active(policy: Policy, **fields: object) -> Snapshot:
    """Build a session that signed in, was seen and was verified at one moment."""
    snapshot = blank(policy.initial)
    record = msgspec.structs.replace(
        snapshot.session,
        **{
            "state": "active",
            "entered": T,
            "signed_in": T,
            "last_seen": T,
            "verification": "verified",
            "verification_entered": T,
            **fields,
        },
    )
    return msgspec.structs.replace(snapshot, session=record)


def test_nothing_is_due_for_what_was_never_seen(standard: Policy) -> None:
    snapshot = blank(standard.initial)
    assert standard.timers.next_due(snapshot) == (math.inf, "")
    assert standard.timers.fire_due(standard.machines, snapshot, T, TOGETHER) == (snapshot, ())


def test_a_timer_is_due_at_its_moment_and_not_before(standard: Policy) -> None:
    snapshot = active(standard)
    assert standard.timers.next_due(snapshot) == (T + 15 * MINUTE, "session.idled")
    early, moved = standard.timers.fire_due(standard.machines, snapshot, T + 15 * MINUTE - 0.001, TOGETHER)
    assert early is snapshot
    assert moved == ()
    late, moved = standard.timers.fire_due(standard.machines, snapshot, T + 15 * MINUTE, TOGETHER)
    assert late.session.state == "idle"
    assert [(t.event, t.at, t.cause) for t in moved] == [("idled", T + 15 * MINUTE, "timer")]


def test_a_long_silence_is_told_in_the_order_in_which_it_happened(standard: Policy) -> None:
    after, moved = standard.timers.fire_due(standard.machines, active(standard), T + 30 * 24 * HOUR, TOGETHER)
    assert [(t.machine, t.event, t.at - T) for t in moved] == [
        ("session", "idled", 15 * MINUTE),
        ("verification", "aged", 30 * MINUTE),
        ("session", "aged", 12 * HOUR),
    ]
    assert after.session.state == "expired"
    assert after.session.entered == T + 12 * HOUR, "not the time of the look, so a sign-in since then is later"


def test_a_held_transaction_lapses_and_a_run_that_nobody_answered_is_in_doubt(standard: Policy) -> None:
    def transaction(state: str) -> Snapshot:
        snapshot = blank(standard.initial)
        record = msgspec.structs.replace(snapshot.transaction, state=state, entered=T)
        return msgspec.structs.replace(snapshot, transaction=record)

    for state, minutes, then in (("held", 15, "lapsed"), ("approved", 5, "lapsed"), ("running", 2, "in_doubt")):
        due = T + minutes * MINUTE
        assert standard.timers.next_due(transaction(state))[0] == due
        assert (
            standard.timers.fire_due(standard.machines, transaction(state), due, TOGETHER)[0].transaction.state == then
        )
    for state in ("none", "denied", "lapsed", "done", "failed", "in_doubt"):
        assert standard.timers.next_due(transaction(state)) == (math.inf, "")


def test_bad_news_runs_no_timer(standard: Policy) -> None:
    for state in ("locked", "suspended", "compromised", "merged", "deceased", "closed"):
        snapshot = blank(standard.initial)
        record = msgspec.structs.replace(snapshot.account, state=state, entered=T, reported=T)
        assert standard.timers.next_due(msgspec.structs.replace(snapshot, account=record)) == (math.inf, "")


@st.composite
def standings(draw: st.DrawFn, policy: Policy) -> Snapshot:
    snapshot = blank(policy.initial)
    moments = {
        "service": ("entered", "faulted"),
        "account": ("entered", "reported"),
        "session": ("entered", "signed_in", "last_seen", "verification_entered"),
        "transaction": ("entered",),
    }
    for machine in MACHINES:
        record_name, state_field, _ = STATE_FIELDS[machine]
        changes: dict[str, object] = {state_field: draw(st.sampled_from(policy.machines[machine].spec.states))}
        changes |= {m: draw(st.sampled_from([0.0, T, T - HOUR, T - 13 * HOUR])) for m in moments.get(machine, ())}
        record = msgspec.structs.replace(getattr(snapshot, record_name), **changes)
        snapshot = msgspec.structs.replace(snapshot, **{record_name: record})
    return snapshot


def due_by_definition(policy: Policy, snapshot: Snapshot) -> float:
    """Return the earliest declared timer with an event that would change its machine now."""
    dues = [math.inf]
    for timer in policy.timers.declared:
        machine, _, trigger = timer.event.partition(".")
        record_name, state_field, entered = STATE_FIELDS[machine]
        record = getattr(snapshot, record_name)
        state = getattr(record, state_field)
        moment = getattr(record, entered if timer.since == "entered" else timer.since)
        runs = not timer.states or state in timer.states
        if runs and moment and policy.machines[machine].table[state, trigger].moves:
            dues.append(moment + timer.after)
    return min(dues)


@given(st.data())
def test_the_next_timer_is_the_earliest_by_definition_and_running_them_comes_to_rest(
    standard: Policy, data: st.DataObject
) -> None:
    snapshot = data.draw(standings(standard))
    due, name = standard.timers.next_due(snapshot)
    assert due == due_by_definition(standard, snapshot)
    assert bool(name) == math.isfinite(due)
    rested, moved = standard.timers.fire_due(standard.machines, snapshot, T, TOGETHER)
    assert due_by_definition(standard, rested) > T
    assert all(t.at <= T for t in moved)
    assert all(t.cause == "timer" or "." in t.cause for t in moved)
    assert standard.timers.fire_due(standard.machines, rested, T, TOGETHER) == (rested, ()), (
        "a second look finds nothing"
    )


def test_timers_that_lead_round_in_a_circle_are_a_fault(standard: Policy) -> None:
    lines = (
        Line(triggers=("impaired",), sources=("live",), dest="degraded"),
        Line(triggers=("repaired",), sources=("degraded",), dest="live"),
        Line(triggers=("*",), sources=("*",), dest="="),
    )
    spec = Spec(name="service", initial="live", states=("live", "degraded"), lines=lines)
    machines = {**standard.machines, "service": compile_machine(spec)}
    circle = Timers.compile(
        [Timer(event=f"service.{trigger}", after=60, since="entered") for trigger in ("impaired", "repaired")], machines
    )
    snapshot = blank({**standard.initial, "service": "live"})
    snapshot = msgspec.structs.replace(snapshot, service=msgspec.structs.replace(snapshot.service, entered=T))
    with pytest.raises(MachineFaultError, match="form a loop"):
        circle.fire_due(machines, snapshot, T + 24 * HOUR, TOGETHER)


def test_a_long_chain_of_timers_comes_to_rest(standard: Policy) -> None:
    states = tuple(f"wait{place}" for place in range(60))
    lines = [
        Line(triggers=("impaired",), sources=(state,), dest=following)
        for state, following in itertools.pairwise(states)
    ]
    spec = Spec(
        name="service",
        initial=states[0],
        states=states,
        lines=(*lines, Line(triggers=("*",), sources=("*",), dest="=")),
    )
    machines = {**standard.machines, "service": compile_machine(spec)}
    timers = Timers.compile([Timer(event="service.impaired", after=60, since="entered")], machines)
    snapshot = blank({**standard.initial, "service": states[0]})
    snapshot = msgspec.structs.replace(snapshot, service=msgspec.structs.replace(snapshot.service, entered=T))
    rested, moved = timers.fire_due(machines, snapshot, T + 24 * HOUR, TOGETHER)
    assert (rested.service.state, len(moved)) == (states[-1], 59)
