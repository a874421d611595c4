"""Tests that explanations are exact, by comparison with an enumeration of all cells."""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from authguard.core.decision_table import DIMENSIONS, Rule, Table
from authguard.core.events import MACHINES, Event
from authguard.core.machine import step
from authguard.core.outcomes import ADMITTING, Outcome
from authguard.core.owners import TOGETHER
from authguard.core.snapshot import STATE_FIELDS, blank
from authguard.errors import MachineFaultError
from authguard.policy.checks import attribution
from authguard.policy.checks.reachability import Path, Reachability
from authguard.policy.compiler import load
from authguard.policy.explain import nearest
from authguard.policy.explain.explainer import explain_decision as explain
from authguard.policy.table.boxes import BoxCoverage, Space, count, cover, intersect, is_empty
from tests.support.hypothesis_profile import examples

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.policy import Policy

#: strategies over whole tables are long to write down; Hypothesis does so where it tells of them, and warns
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

POLICY = load("support-desk")
VALUES = POLICY.table.values
CELLS = st.tuples(*(st.sampled_from(known) for known in VALUES.values()))
#: cells so near to one another that many differ in one dimension, and many in two
NEAR = st.tuples(
    *(st.sampled_from(known[:2] if place < 4 else known[:1]) for place, known in enumerate(VALUES.values()))
)
BOXES = st.dictionaries(st.sampled_from(DIMENSIONS), st.integers(1, 2**13 - 1), max_size=4)


def rule(index: int, masks: Mapping[str, int], do: str) -> Rule:
    when = {
        name: frozenset(value for bit, value in enumerate(VALUES[name]) if masks[name] >> bit & 1) or {VALUES[name][0]}
        for name in masks
    }
    return Rule(when={name: frozenset(values) for name, values in when.items()}, do=do, index=index, origin="own:1")


OWN = st.lists(st.tuples(BOXES, st.sampled_from(("allow", "refuse", "read_only"))), max_size=4)


def policy_of(own: list[tuple[dict[str, int], str]]) -> Policy:
    """Generate rules of any shape before those of a shipped policy."""
    rules = [rule(index, masks, do) for index, (masks, do) in enumerate(own)]
    rules += [replace(one, index=one.index + len(own)) for one in POLICY.table.rules]
    return replace(POLICY, table=Table(VALUES, tuple(rules)))


def cells_at(cell: tuple[str, ...], distance: int, fixed: set[str]) -> list[tuple[str, ...]]:
    """Return every cell that differs in exactly so many dimensions."""
    free = [place for place, name in enumerate(DIMENSIONS) if name not in fixed]
    found = []
    for chosen in combinations(free, distance):
        others = ([value for value in VALUES[DIMENSIONS[place]] if value != cell[place]] for place in chosen)
        for values in product(*others):
            changed = dict(zip(chosen, values, strict=True))
            found.append(tuple(changed.get(place, value) for place, value in enumerate(cell)))
    return found


@settings(max_examples=examples(40), deadline=None)
@given(OWN, CELLS)
def test_the_nearest_allowing_cells_are_those_that_counting_finds(
    own: list[tuple[dict[str, int], str]], cell: tuple[str, ...]
) -> None:
    policy = policy_of(own)
    space = Space(VALUES)
    boxes = tuple(space.box(one.when) for one in policy.table.rules)
    point = space.box({name: (value,) for name, value in zip(DIMENSIONS, cell, strict=True)})
    letting = [one.index for one in policy.table.rules if policy.fallbacks[one.do].kind in ADMITTING]
    if policy.table.decide(cell).index in letting:
        return
    found = nearest.find_nearest(DIMENSIONS, boxes, letting, point, space.whole, 10**9)
    assert found is not None
    fixed = set(nearest.SETTLED)
    for distance in (1, 2):
        counted = {
            (other, decided.index)
            for other in cells_at(cell, distance, fixed)
            if (decided := policy.table._first(other)).index in letting
        }
        if counted:
            told = {
                (cell, index)
                for index, box in found
                for cell in product(
                    *(
                        [value for bit, value in enumerate(known) if mask >> bit & 1]
                        for mask, known in zip(box, VALUES.values(), strict=True)
                    )
                )
            }
            assert told == counted
            assert sum(count(box) for _, box in found) == len(counted), "ways do not overlap"
            return
    for _, box in found:
        assert sum(not a & b for a, b in zip(box, point, strict=True)) > 2


@given(st.sets(NEAR, min_size=1, max_size=16))
def test_ways_that_are_joined_hold_the_same_cells_and_no_others(cells: set[tuple[str, ...]]) -> None:
    space = Space(VALUES)
    single = [space.box({name: (value,) for name, value in zip(DIMENSIONS, cell, strict=True)}) for cell in cells]
    joined = nearest.join_boxes(single)
    assert sum(map(count, joined)) == len(cells)
    assert all(sum(not is_empty(intersect(box, one)) for box in joined) == 1 for one in single)


@given(OWN, st.dictionaries(st.sampled_from(DIMENSIONS), st.integers(0, 12), max_size=6), st.data())
def test_any_means_that_no_value_changes_the_answer(
    own: list[tuple[dict[str, int], str]], picked: dict[str, int], data: st.DataObject
) -> None:
    policy = policy_of(own)
    named = {name: VALUES[name][at % len(VALUES[name])] for name, at in picked.items()}
    found = explain(policy, named, steps=0)
    values = {one.dimension: one.value for one in found.values}
    assert values.items() >= named.items()
    for one in found.values:
        if one.known == "any":
            values[one.dimension] = data.draw(st.sampled_from(VALUES[one.dimension]))
    assert policy.table._first(tuple(values[name] for name in DIMENSIONS)).name == found.rule
    for passed in found.skipped:
        when = policy.table.rules[int(passed.rule.partition(":")[0])].when
        assert passed.dimensions, "a rule above that matched would have decided"
        assert all(values[name] not in when[name] for name in passed.dimensions)


@given(OWN, CELLS)
def test_a_default_that_is_told_as_mattering_does(own: list[tuple[dict[str, int], str]], cell: tuple[str, ...]) -> None:
    policy = policy_of(own)
    named = dict(zip(DIMENSIONS[:4], cell, strict=False))
    found = explain(policy, named, "refund", steps=0)
    values = {one.dimension: one.value for one in found.values}
    free = [one.dimension for one in found.values if one.known == "any"]
    for one in found.values:
        if one.known != "default":
            continue
        wider = [VALUES[name] if name in (*free, one.dimension) else (values[name],) for name in DIMENSIONS]
        covered = cover(
            tuple(Space(VALUES).box(other.when) for other in policy.table.rules),
            Space(VALUES).box(dict(zip(DIMENSIONS, wider, strict=True))),
            10**9,
        )
        assert isinstance(covered, BoxCoverage)
        assert sum(map(bool, covered.reaches)) > 1, one.dimension


def test_an_expired_session_is_explained_as_the_worked_policy_has_it() -> None:
    found = explain(POLICY, {"session": "expired", "credential": "good"}, "refund")
    assert (found.outcome, found.status, found.fallback) == ("step_up", 401, "sign_in_fresh")
    assert found.origin.startswith("standard.yaml:")
    assert found.fallback_origin.startswith("support-desk/policy.yaml:")
    assert found.say["", "default"] == "Please sign in again to continue where you stopped."
    assert found.attempts == (3, 900.0, "to_a_person")
    assert {one.dimension: one.known for one in found.values}["account"] == "any"
    assert {one.dimension: one.known for one in found.values}["service"] == "default"
    assert {one.dimension: one.known for one in found.values}["risk"] == "operation"
    assert [passed.dimensions for passed in found.skipped][-1] == ("session",)
    (way,) = found.remedies
    assert {change.dimension: (change.now, change.to) for change in way.changes} == {
        "account": ("unknown", ("normal",)),
        "session": ("expired", ("active",)),
        "verification": ("unverified", ("verified",)),
    }


def test_what_is_allowed_needs_no_change_and_what_is_restricted_can_become_allowed() -> None:
    assert explain(POLICY, {"account": "normal"}, "chat").remedies == ()
    found = explain(POLICY, {"account": "locked"}, "chat")
    assert (found.outcome, found.status) == ("restrict", 0)
    assert {way.outcome for way in found.remedies} == {"allow"}
    assert [change.dimension for change in found.remedies[0].changes] == ["account"]


def test_rolled_back_the_customer_hears_the_rollbacks_own_words() -> None:
    text = b"""
authguard: 1
name: mine
extends: support-desk
rollback: {message: {default: Our team is here for you.}}
"""
    policy = load("mine.yaml", text=text)
    assert explain(policy, {"service": "rolled_back"}, "chat").say == {("", "default"): "Our team is here for you."}
    assert explain(policy, {"account": "closed"}, "refund").say != {("", "default"): "Our team is here for you."}


def test_a_change_never_asks_for_what_the_operation_cannot_have() -> None:
    found = explain(POLICY, {"credential": "good", "channel_change": "switched", "account": "normal"}, "order")
    assert found.notes == ("channel_change is never `switched` for `order`: the policy declares no channels",)
    assert {change.dimension: change.to for change in found.remedies[0].changes} == {
        "verification": ("verified",),
        "channel_change": ("same",),
    }
    elsewhere = {"account": "normal", "verification": "verified", "assurance": "stale", "limit": "exceeded"}
    assert [[change.dimension for change in way.changes] for way in explain(POLICY, elsewhere, "order").remedies] == [
        ["assurance", "limit"]
    ]


def test_past_the_budget_it_is_undecided_and_nothing_is_assumed() -> None:
    found = explain(POLICY, {"session": "revoked"}, "refund", budget=10)
    assert found.undecided
    assert found.remedies == ()
    assert found.rule == "12:end_session", "what decided is known all the same"


def test_where_nothing_would_do_there_is_no_way() -> None:
    rules = (Rule(when={"risk": frozenset({"high"})}, do="refuse", index=0), *POLICY.table.rules)
    closed = replace(POLICY, table=Table(VALUES, tuple(replace(one, index=at) for at, one in enumerate(rules))))
    found = explain(closed, {}, "refund")
    assert (found.rule, found.remedies, found.undecided) == ("0:refuse", (), False)
    assert explain(closed, {}, "order").remedies != ()


def test_every_account_is_normal_where_the_policy_says_that_there_are_no_sources() -> None:
    text = b"authguard: 1\nname: mine\nextends: support-desk\naccounts: none\n"
    found = explain(load("mine.yaml", text=text), {}, "chat")
    assert found.outcome == "allow"
    assert {one.dimension: one.value for one in found.values}["account"] == "normal"


@pytest.mark.parametrize("bad", [{"sesion": "idle"}, {"session": "idel"}])
def test_what_the_policy_does_not_have_is_a_fault(bad: dict[str, str]) -> None:
    with pytest.raises((MachineFaultError, KeyError)):
        explain(POLICY, {**bad} if "session" in bad else {"session": "x"}, "refund")


def test_an_unknown_operation_is_a_fault() -> None:
    with pytest.raises(MachineFaultError, match="`refnd` is not an operation"):
        explain(POLICY, {}, "refnd")


HERE = {
    "service": "live",
    "account": "unknown",
    "session": "absent",
    "verification": "unverified",
    "transaction": "none",
}
GOALS: list[dict[str, str]] = [
    {"session": "active"},
    {"session": "active", "account": "normal", "verification": "verified"},
    {"session": "revoked", "account": "merged"},
    {"service": "recovering"},
    {"session": "active", "verification": "exhausted"},
    {"session": "active", "account": "normal", "verification": "verified", "transaction": "done"},
]


@pytest.mark.parametrize("goal", GOALS, ids=str)
def test_a_route_from_the_beginning_is_as_short_as_reachability_has_it(goal: dict[str, str]) -> None:
    assert dict(POLICY.initial) == HERE
    (route,) = attribution.find_paths(
        POLICY, HERE, [{machine: (goal.get(machine, HERE[machine]),) for machine in MACHINES}]
    )
    found = Reachability.of(POLICY).path_to(HERE | goal)
    assert isinstance(found, Path)
    assert len(route) == len(found.steps)


def test_a_route_begins_where_things_stand_and_the_engine_can_walk_it() -> None:
    here = HERE | {"session": "revoked", "account": "deceased", "verification": "exhausted", "service": "rolled_back"}
    goal = HERE | {"session": "active", "account": "normal", "verification": "verified"}
    (route,) = attribution.find_paths(POLICY, here, [{machine: (state,) for machine, state in goal.items()}])
    snapshot = blank(POLICY.initial)
    for machine, state in here.items():
        record, field, _ = STATE_FIELDS[machine]
        changed = msgspec.structs.replace(getattr(snapshot, record), **{field: state})
        snapshot = msgspec.structs.replace(snapshot, **{record: changed})
    for moved in route:
        snapshot, _ = step(POLICY.machines, snapshot, Event(name=moved.event, at=2.0), TOGETHER)
    assert dict(zip(MACHINES, snapshot.states(), strict=True)) == goal
    assert len(route) == 7, "released and recovered; reinstated; renewed; reset or cooled, started and passed"


def test_of_equally_short_routes_the_one_without_an_operator_is_told() -> None:
    active = {machine: (state,) for machine, state in (HERE | {"session": "active"}).items()}
    (route,) = attribution.find_paths(POLICY, HERE | {"session": "active"}, [active | {"account": ("normal", "minor")}])
    assert [moved.event for moved in route] == ["account.normal"]
    (route,) = attribution.find_paths(
        POLICY, HERE | {"session": "active", "account": "deceased"}, [active | {"account": ("normal",)}]
    )
    assert [attribution.format_step(moved) for moved in route] == ["account.reinstated (an operator)"]


def test_where_no_events_lead_there_is_no_route_and_nobody_is_named() -> None:
    done = {machine: (state,) for machine, state in (HERE | {"transaction": "none"}).items()}
    assert attribution.find_paths(POLICY, HERE | {"transaction": "done"}, [done], bound=5_000) == ((),)
    found = explain(POLICY, {"account": "normal", "verification": "verified", "transaction": "failed"}, "refund")
    assert (found.remedies, found.undecided) == ((), False)


def test_each_event_has_somebody_who_raises_it() -> None:
    for machine in MACHINES:
        for trigger in POLICY.machines[machine].spec.triggers:
            assert (
                attribution.event_actor(f"{machine}.{trigger}") != "the guard"
                or f"{machine}.{trigger}" in attribution.EVENT_ACTORS
            )


def test_the_clock_is_told_with_its_time() -> None:
    found = explain(POLICY, {"service": "recovering", "account": "normal", "verification": "verified"}, "refund")
    assert any("service.recovered (15m after entered) (the clock)" in way.path for way in found.remedies)


def test_a_told_path_can_be_stepped() -> None:
    found = explain(POLICY, {"session": "revoked", "credential": "good", "account": "normal"}, "refund")
    snapshot = blank(POLICY.initial)
    snapshot, _ = step(POLICY.machines, snapshot, Event(name="session.revoked", at=1.0), TOGETHER)
    for told in found.remedies[0].path:
        snapshot, _ = step(POLICY.machines, snapshot, Event(name=told.partition(" ")[0], at=2.0), TOGETHER)
    assert snapshot.session.state == "active"
    assert snapshot.session.verification == "verified"
    assert Outcome(found.remedies[0].outcome) is Outcome.ALLOW
