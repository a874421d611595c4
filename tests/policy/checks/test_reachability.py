"""Which states the machines reach together: every path is walked again by the engine's own step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.core.events import MACHINES, Event
from authguard.core.machine import step
from authguard.core.owners import TOGETHER
from authguard.core.snapshot import blank
from authguard.policy.checks.reachability import Path, Reachability, Unreachable

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.policy.draft import Draft


@pytest.fixture(scope="module")
def reach(support_desk: Policy) -> Reachability:
    """Give the worked policy's product, searched to its end once."""
    found = Reachability.of(support_desk)
    assert len(found.states) > 1000
    return found


def test_the_engine_replays_every_path(reach: Reachability, support_desk: Policy) -> None:
    for states in reach.states[::40]:
        path = reach.path(states)
        snapshot = blank(support_desk.initial)
        for at, event in enumerate(path.events, 1):
            snapshot, _ = step(support_desk.machines, snapshot, Event(name=event, at=float(at)), TOGETHER)
        assert snapshot.states() == states == tuple(path.states[machine] for machine in MACHINES), str(path)


def test_no_path_is_longer_than_that_of_a_neighbour_and_one_step(reach: Reachability) -> None:
    lengths = {states: len(reach.path(states).steps) for states in reach.states[::600]}
    assert list(lengths.values()) == sorted(lengths.values())
    for states in list(lengths)[::4]:
        for index, machine in enumerate(MACHINES):
            for move in reach.moves[machine, states[index]]:
                after = reach.after(states, index, move)
                assert after is None or len(reach.path(after).steps) <= lengths[states] + 1


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ({}, "from the beginning"),
        ({"session": "active"}, "session.accepted"),
        ({"session": "expired"}, "session.accepted, session.aged (12h after signed_in)"),
        ({"session": "idle"}, "session.accepted, session.idled (15m after last_seen)"),
        ({"service": "recovering"}, "service.engaged, service.released"),
        ({"account": ("merged", "closed"), "session": "revoked"}, "session.revoked, account.merged"),
        ({"verification": "exhausted"}, "session.accepted, verification.exhausted"),
        (
            {"transaction": "in_doubt"},
            (
                "session.accepted, account.normal, verification.started, verification.passed, "
                "transaction.started, transaction.lost"
            ),
        ),
    ],
)
def test_the_shortest_path_is_told_in_events_and_waits(reach: Reachability, wanted: dict[str, str], path: str) -> None:
    assert str(reach.path_to(wanted)) == path


@pytest.mark.parametrize(
    "wanted",
    [
        {"session": "absent", "verification": "pending"},  # nobody is asked to prove who they are before a sign-in
        {"session": "absent", "transaction": "held"},
        {"account": "lost"},
    ],
)
def test_what_the_engine_cannot_do_is_unreachable(reach: Reachability, wanted: dict[str, str]) -> None:
    assert reach.path_to(wanted) == Unreachable()


def test_a_held_transaction_keeps_waiting_while_trust_is_lost(reach: Reachability) -> None:
    found = reach.path_to({"transaction": "held", "verification": "unverified"})
    assert isinstance(found, Path)
    assert "verification.passed" in found.events, "only a verified person's write is held"


def test_a_machine_that_does_not_exist_is_refused(reach: Reachability) -> None:
    with pytest.raises(KeyError):
        reach.path_to({"weather": "fine"})


def test_a_draft_and_its_policy_reach_the_same(standard_draft: Draft) -> None:
    from authguard.policy.compiler import compile_draft  # noqa: PLC0415 - the one test that compiles

    drafted, compiled = Reachability.of(standard_draft), Reachability.of(compile_draft(standard_draft))
    wanted = {"account": "deceased", "session": "idle"}
    assert str(drafted.path_to(wanted)) == str(compiled.path_to(wanted))


def test_a_cell_without_a_credential_meets_the_machines_of_nobody(reach: Reachability) -> None:
    space = reach.space
    found = reach.cell([space.box({"credential": {"missing"}, "service": {"rolled_back"}, "risk": {"high"}})])
    assert not isinstance(found, Unreachable)
    cell, path = found
    assert str(path) == "service.engaged"
    assert cell[1:5] == ("unknown", "absent", "unverified", "none")
    nobody = reach.cell([space.box({"credential": {"missing"}, "session": {"active"}})])
    assert nobody == Unreachable()
