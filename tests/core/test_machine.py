"""Compiled tables against `transitions` and against the declared lines; stepping, raising, re-entering."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transitions import MachineError

from authguard.core import machine as machine_module
from authguard.core.events import MACHINES, REENTERING, VOCABULARY, Event, triggers
from authguard.core.machine import MAX_CHAIN_LENGTH, Line, Machine, Spec, build_engine, compile_machine, expand, step
from authguard.core.owners import TOGETHER
from authguard.core.snapshot import STATE_FIELDS, Snapshot, blank
from authguard.errors import MachineFaultError

if TYPE_CHECKING:
    from transitions import Machine as TransitionsMachine

    from authguard.core.policy import Policy

NOW = 1_000_000.0


def answer(spec: Spec, state: str, trigger: str) -> str | None:
    """Return a machine's next state by the definition: the first line that names trigger and state."""
    for line in spec.lines:
        if {trigger, "*"} & set(line.triggers) and {state, "*"} & set(line.sources):
            return state if line.dest == "=" else line.dest
    return None


def ask(reference: TransitionsMachine, state: str, trigger: str) -> str:
    """Return the next state of a `transitions` machine, on a temporary model."""
    cursor = SimpleNamespace(state=state)
    assert reference.events[trigger].trigger(cursor)
    return cursor.state


def stand(policy: Policy, **states: str) -> Snapshot:
    """Build a snapshot with the given states, the others initial, all entered a minute ago."""
    snapshot = blank(policy.initial)
    for machine, state in states.items():
        record_name, state_field, entered = STATE_FIELDS[machine]
        record = msgspec.structs.replace(getattr(snapshot, record_name), **{state_field: state, entered: NOW - 60})
        snapshot = msgspec.structs.replace(snapshot, **{record_name: record})
    return snapshot


@pytest.mark.parametrize("machine", MACHINES)
def test_the_standard_table_agrees_with_transitions_and_with_its_lines(standard: Policy, machine: str) -> None:
    built = standard.machines[machine]
    reference = build_engine(built.spec)
    assert set(built.table) == {(s, t) for s in built.spec.states for t in built.spec.triggers}
    for (state, trigger), edge in built.table.items():
        assert edge.dest == ask(reference, state, trigger) == answer(built.spec, state, trigger), (state, trigger)


def test_the_standard_policy_answers_411_pairs(standard: Policy) -> None:
    assert sum(len(machine.table) for machine in standard.machines.values()) == 411


@pytest.mark.parametrize("machine", MACHINES)
def test_transitions_knows_no_trigger_beyond_the_vocabulary(standard: Policy, machine: str) -> None:
    spec = standard.machines[machine].spec
    names = set(build_engine(spec).events)
    assert names == set(spec.triggers)
    assert not any(name.startswith("to_") for name in names), "auto transitions would bypass every check"


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """Generate lines over the triggers of a machine and two to four states."""
    name = draw(st.sampled_from(["session", "verification", "service", "transaction"]))
    states = tuple(f"s{number}" for number in range(draw(st.integers(2, 4))))
    some_states = st.just(("*",)) | st.lists(st.sampled_from(states), min_size=1, unique=True).map(tuple)
    some_triggers = st.just(("*",)) | st.lists(st.sampled_from(VOCABULARY[name]), min_size=1, unique=True).map(tuple)
    line = st.builds(Line, triggers=some_triggers, sources=some_states, dest=st.sampled_from((*states, "=")))
    return Spec(name=name, initial="s0", states=states, lines=tuple(draw(st.lists(line, max_size=6))))


@given(specs())
def test_expansion_is_first_match_for_any_lines(spec: Spec) -> None:
    expansion = expand(spec)
    for state in spec.states:
        for trigger in spec.triggers:
            expected = answer(spec, state, trigger)
            assert ((state, trigger) in expansion.holes) == (expected is None)
            if expected is not None:
                assert expansion.edges[state, trigger].dest == expected
    used = {edge.line for edge in expansion.edges.values()}
    assert set(expansion.shadowed) == set(range(len(spec.lines))) - used


@given(specs())
def test_any_total_machine_agrees_with_transitions_and_others_are_not_built(spec: Spec) -> None:
    if expand(spec).holes:
        with pytest.raises(MachineFaultError, match="does not handle"):
            compile_machine(spec)
        spec = Spec(
            name=spec.name,
            initial=spec.initial,
            states=spec.states,
            lines=(*spec.lines, Line(triggers=("*",), sources=("*",), dest="=")),
        )
    reference = build_engine(spec)
    for (state, trigger), edge in compile_machine(spec).table.items():
        assert edge.dest == ask(reference, state, trigger)


def test_transitions_refuses_what_no_line_answers() -> None:
    spec = Spec(
        name="session", initial="a", states=("a", "b"), lines=(Line(triggers=("aged",), sources=("a",), dest="b"),)
    )
    with pytest.raises(MachineError):
        build_engine(spec).events["aged"].trigger(SimpleNamespace(state="b"))


@pytest.mark.parametrize(("initial", "dest"), [("a", "elsewhere"), ("elsewhere", "a")])
def test_a_machine_that_names_an_undeclared_state_is_not_built(initial: str, dest: str) -> None:
    lines = (Line(triggers=("*",), sources=("*",), dest=dest),)
    with pytest.raises(MachineFaultError, match="undeclared state `elsewhere`"):
        compile_machine(Spec(name="session", initial=initial, states=("a",), lines=lines))


def test_a_machine_that_disagrees_with_transitions_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def spec(dest: str) -> Spec:
        lines = (Line(triggers=("*",), sources=("*",), dest=dest),)
        return Spec(name="session", initial="a", states=("a", "b"), lines=lines)

    other = build_engine(spec("b"))
    monkeypatch.setattr(machine_module, "build_engine", lambda _: other)
    with pytest.raises(MachineFaultError, match="disagrees with its table"):
        compile_machine(spec("a"))


def test_an_added_account_state_is_a_report_of_its_own_name() -> None:
    assert "sim_swap_hold" in triggers("account", ("unknown", "normal", "sim_swap_hold"))
    assert triggers("account", ("unknown",)) == VOCABULARY["account"], "`unknown` is what nobody reported"
    assert triggers("session", ("absent", "paused")) == VOCABULARY["session"], "only accounts grow"


def test_a_revoked_session_takes_its_proof_of_identity_with_it(standard: Policy) -> None:
    before = stand(standard, session="active", verification="verified")
    after, moved = step(standard.machines, before, Event(name="session.revoked", at=NOW, cause="caep"), TOGETHER)
    assert after.states()[2:4] == ("revoked", "unverified")
    assert [(t.machine, t.event, t.source, t.dest, t.at, t.cause) for t in moved] == [
        ("session", "revoked", "active", "revoked", NOW, "caep"),
        ("verification", "moved", "verified", "unverified", NOW, "session.revoked"),
    ]
    assert after.session.entered == after.session.verification_entered == NOW


def test_a_raised_event_that_moves_nothing_is_no_transition(standard: Policy) -> None:
    before = stand(standard, session="active", verification="ambiguous")
    after, moved = step(standard.machines, before, Event(name="session.revoked", at=NOW), TOGETHER)
    assert [t.machine for t in moved] == ["session"]
    assert after.session.verification == "ambiguous", "doubt is not laundered by signing out"
    assert after.session.verification_entered == NOW - 60


def test_staying_put_raises_nothing_and_leaves_the_snapshot_as_it_is(standard: Policy) -> None:
    before = stand(standard, session="revoked", verification="verified")
    after, moved = step(standard.machines, before, Event(name="session.ended", at=NOW), TOGETHER)
    assert after is before
    assert moved == ()
    edge = standard.machines["session"].table["revoked", "ended"]
    assert (edge.moves, edge.raises) == (False, ())


@pytest.mark.parametrize(
    ("event", "machine", "state"),
    [("session.renewed", "session", "active"), ("verification.passed", "verification", "verified")],
)
def test_a_new_proof_enters_its_state_anew(standard: Policy, event: str, machine: str, state: str) -> None:
    assert event in REENTERING
    before = stand(standard, **{machine: state})
    after, moved = step(standard.machines, before, Event(name=event, at=NOW), TOGETHER)
    record_name, _, entered = STATE_FIELDS[machine]
    assert getattr(getattr(after, record_name), entered) == NOW
    assert [(t.source, t.dest) for t in moved] == [(state, state)]


def test_any_other_event_that_leads_to_its_own_state_does_not_move_its_clock(standard: Policy) -> None:
    for name, machine in standard.machines.items():
        for (state, trigger), edge in machine.table.items():
            stays = machine.spec.lines[edge.line].dest == "="
            anew = f"{name}.{trigger}" in REENTERING and not stays
            assert edge.moves == (edge.dest != state or anew), (name, state, trigger)


def test_an_event_moves_the_moments_that_it_carries_even_where_the_state_stays(standard: Policy) -> None:
    before = stand(standard, session="active")
    event = Event(name="session.accepted", at=NOW, moments=(("last_seen", NOW),))
    after, moved = step(standard.machines, before, event, TOGETHER)
    assert moved == ()
    assert after.session.last_seen == NOW
    assert after.session.entered == NOW - 60


def test_a_stored_state_that_the_policy_does_not_know_is_a_fault(standard: Policy) -> None:
    with pytest.raises(MachineFaultError, match="stored state `from another policy`"):
        step(
            standard.machines,
            stand(standard, session="from another policy"),
            Event(name="session.aged", at=NOW),
            TOGETHER,
        )


@pytest.mark.parametrize("name", ["session.to_active", "session.", "session", "nothing.aged", ""])
def test_an_event_outside_the_vocabulary_is_a_fault(standard: Policy, name: str) -> None:
    with pytest.raises(MachineFaultError):
        step(standard.machines, blank(standard.initial), Event(name=name, at=NOW), TOGETHER)


def chained(standard: Policy, follow_ups: int) -> dict[str, Machine]:
    """Insert lines before the standard ones so that signing out raises a number of further events."""
    spec = standard.machines["session"].spec
    line = Line(triggers=("ended",), sources=("*",), dest="revoked", raises=("service.impaired",) * follow_ups)
    longer = Spec(name="session", initial=spec.initial, states=spec.states, lines=(line, *spec.lines))
    return {**standard.machines, "session": compile_machine(longer)}


def test_a_chain_ends_within_its_bound_or_is_a_fault(standard: Policy) -> None:
    before = stand(standard, session="active")
    event = Event(name="session.ended", at=NOW)
    _, moved = step(chained(standard, MAX_CHAIN_LENGTH), before, event, TOGETHER)
    assert [t.machine for t in moved] == ["session", "service"]
    with pytest.raises(MachineFaultError, match="form a loop"):
        step(chained(standard, MAX_CHAIN_LENGTH + 1), before, event, TOGETHER)


# Stories: a total table can still be wrong, so the paths are walked too.
# ruff: noqa: E501 - one story a line reads best

STORIES = [
    ("a refreshed token revives no expired session", {"session": "active"}, ["session.aged", "session.accepted"], {"session": "expired"}),
    ("a refreshed token revives no idle session", {"session": "active"}, ["session.idled", "session.accepted"], {"session": "idle"}),
    ("a refreshed token revives no revoked session", {"session": "active"}, ["session.revoked", "session.accepted", "session.aged", "session.idled"], {"session": "revoked"}),
    ("a fresh sign-in revives an idle, an expired and a revoked session", {"session": "active"}, ["session.idled", "session.renewed", "session.aged", "session.renewed", "session.revoked", "session.renewed"], {"session": "active"}),
    ("an idle session still ages out", {"session": "idle"}, ["session.aged"], {"session": "expired"}),
    ("time does not idle a session that was never there", {"session": "absent"}, ["session.idled"], {"session": "absent"}),
    ("a fresh sign-in after a sign-out does not restore proof of identity", {"session": "active", "verification": "verified"}, ["session.ended", "session.renewed"], {"session": "active", "verification": "unverified"}),
    ("doubt survives failing, ageing, moving and an outage", {"verification": "ambiguous"}, ["verification.started", "verification.failed", "verification.unavailable", "verification.aged", "verification.moved"], {"verification": "ambiguous"}),
    ("another method's pass lifts doubt", {"verification": "ambiguous"}, ["verification.started", "verification.passed"], {"verification": "verified"}),
    ("a late pass raises nobody", {"verification": "pending"}, ["verification.aged", "verification.passed"], {"verification": "unverified"}),
    ("a pass after a failure needs a new start", {"verification": "failed"}, ["verification.passed"], {"verification": "failed"}),
    ("only time or a person ends exhaustion", {"verification": "exhausted"}, [f"verification.{t}" for t in VOCABULARY["verification"] if t not in ("cooled", "reset")], {"verification": "exhausted"}),
    ("an outage of the verifier takes back nothing that was proved", {"verification": "verified"}, ["verification.unavailable", "verification.started"], {"verification": "verified"}),
    ("no report undoes a death", {"account": "deceased"}, [f"account.{t}" for t in VOCABULARY["account"] if t not in ("reinstated", "closed")], {"account": "deceased"}),
    ("no claim lifts a compromise", {"account": "compromised"}, ["account.normal", "account.locked", "account.aged", "account.unreachable"], {"account": "compromised"}),
    ("a person lifts anything", {"account": "closed"}, ["account.reinstated"], {"account": "normal"}),
    ("good news ages, bad news does not", {"account": "normal"}, ["account.aged"], {"account": "unknown"}),
    ("a locked account stays locked when nobody reports", {"account": "locked"}, ["account.aged", "account.unreachable"], {"account": "locked"}),
    ("a transaction runs once", {"transaction": "none"}, ["transaction.started", "transaction.committed", "transaction.started", "transaction.approved"], {"transaction": "done"}),
    ("a denied transaction is never approved after all", {"transaction": "held"}, ["transaction.denied", "transaction.approved", "transaction.started"], {"transaction": "denied"}),
    ("a lapsed approval runs nothing", {"transaction": "held"}, ["transaction.approved", "transaction.lapsed", "transaction.started"], {"transaction": "lapsed"}),
    ("a held transaction does not start", {"transaction": "held"}, ["transaction.started"], {"transaction": "held"}),
    ("what is lost is settled by a person, not run again", {"transaction": "running"}, ["transaction.lost", "transaction.started", "transaction.lapsed", "transaction.committed"], {"transaction": "done"}),
    ("an outage does not end a roll-back", {"service": "rolled_back"}, ["service.impaired", "service.faulted", "service.repaired", "service.recovered"], {"service": "rolled_back"}),
    ("a released service recovers before it is live", {"service": "rolled_back"}, ["service.released", "service.repaired", "service.recovered"], {"service": "live"}),
    ("a roll-back pulls a recovering service again", {"service": "recovering"}, ["service.tripped"], {"service": "rolled_back"}),
]  # fmt: skip


@pytest.mark.parametrize(("given_", "events", "then"), [s[1:] for s in STORIES], ids=[s[0] for s in STORIES])
def test_stories(standard: Policy, given_: dict[str, str], events: list[str], then: dict[str, str]) -> None:
    snapshot = stand(standard, **given_)
    for place, event in enumerate(events):
        snapshot, _ = step(standard.machines, snapshot, Event(name=event, at=NOW + place), TOGETHER)
    got = dict(zip(MACHINES, snapshot.states(), strict=True))
    assert {machine: got[machine] for machine in then} == then


@given(st.lists(st.sampled_from([f"{m}.{t}" for m in MACHINES for t in VOCABULARY[m]]), max_size=25))
def test_whatever_happens_only_a_fresh_sign_in_leads_back_from_a_dead_session(
    standard: Policy, events: list[str]
) -> None:
    snapshot = stand(standard, session="active", verification="verified", account="normal")
    for place, name in enumerate(events):
        before = dict(zip(MACHINES, snapshot.states(), strict=True))
        snapshot, moved = step(standard.machines, snapshot, Event(name=name, at=NOW + place), TOGETHER)
        after = dict(zip(MACHINES, snapshot.states(), strict=True))
        if before["session"] in ("idle", "expired", "revoked") and after["session"] == "active":
            assert name == "session.renewed"
        if before["verification"] != "verified" and after["verification"] == "verified":
            assert name == "verification.passed"
            assert before["verification"] in ("pending", "ambiguous")
        if before["account"] in ("deceased", "closed", "compromised", "merged") and after["account"] == "normal":
            assert name == "account.reinstated"
        if after["transaction"] == "running" != before["transaction"]:
            assert before["transaction"] in ("none", "approved")
        if before["service"] == "rolled_back" != after["service"]:
            assert name == "service.released"
        changed = {machine for machine in MACHINES if before[machine] != after[machine]}
        assert changed <= {t.machine for t in moved}, "nothing moves without a transition in the log"
