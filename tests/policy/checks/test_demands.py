"""What the guard takes for granted of the machines is demanded of a policy, with what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.core.machine import Line
from authguard.policy.checks.demands import check_initial_states, check_needed_events, check_needed_states

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.draft import Draft
    from authguard.policy.problem import Problem


def changed(draft: Draft, machine: str, *lines: tuple[str, str, str], **fields: object) -> Draft:
    """Put lines (trigger, source, dest) before those of a machine, and change its fields."""
    spec = draft.machines[machine]
    added = tuple(Line(triggers=(trigger,), sources=(source,), dest=dest) for trigger, source, dest in lines)
    spec = replace(spec, lines=(*added, *spec.lines), **fields)
    return replace(draft, machines={**draft.machines, machine: spec})


def without(draft: Draft, state: str) -> Draft:
    """Take a state out of the account machine."""
    spec = draft.machines["account"]
    states = tuple(one for one in spec.states if one != state)
    return replace(draft, machines={**draft.machines, "account": replace(spec, states=states)})


def found(draft: Draft) -> Iterator[Problem]:
    yield from check_needed_states(draft)
    yield from check_initial_states(draft)
    yield from check_needed_events(draft)


def test_the_standard_machines_have_all_of_it(standard_draft: Draft) -> None:
    assert list(found(standard_draft)) == []


@pytest.mark.parametrize(
    ("state", "purpose"), [("normal", "if no source is declared"), ("unrecognised", "for a status that no source maps")]
)
def test_states_that_the_guard_reports_are_demanded(standard_draft: Draft, state: str, purpose: str) -> None:
    (problem,) = found(without(standard_draft, state))
    assert problem.code == "state-demanded"
    assert f"no state `{state}`, which the guard reports {purpose}" in problem.message
    assert f"dest: {state}" in problem.advice


@pytest.mark.parametrize(
    ("machine", "initial", "lines", "message"),
    [
        ("account", "normal", (), "which a source can report"),
        ("session", "active", (), "a state of somebody who has signed in"),
        ("session", "idle", (), "`accepted`, the first credential, does not move it"),
        ("session", "absent", (("accepted", "absent", "="),), "does not move it"),
        ("verification", "verified", (), "the state of a proven identity"),
        ("transaction", "held", (), "`started` does not move it: no new request would run"),
        ("transaction", "none", (("held", "none", "running"),), "`held` leads to no state that `approved` leaves"),
        ("transaction", "none", (("approved", "none", "approved"),), "nobody has requested it yet"),
    ],
)
def test_an_initial_state_with_which_the_guard_cannot_begin_is_refused(
    standard_draft: Draft, machine: str, initial: str, lines: tuple[tuple[str, str, str], ...], message: str
) -> None:
    draft = changed(standard_draft, machine, *lines, initial=initial)
    problems = [problem for problem in check_initial_states(draft) if problem.code == "initial-demanded"]
    assert any(message in problem.message for problem in problems), problems


@pytest.mark.parametrize(
    ("machine", "line", "message"),
    [
        ("service", ("engaged", "live", "="), "so an operator could not stop the agent"),
        ("service", ("engaged", "degraded", "="), "and not to `rolled_back`"),
        ("service", ("released", "rolled_back", "="), "could not start the agent again"),
        ("session", ("ended", "active", "="), "a sign-out would end nothing"),
        ("session", ("revoked", "idle", "active"), "a sign-out would end nothing"),
        ("transaction", ("denied", "held", "none"), "from where it can run again (`approved`)"),
        ("transaction", ("committed", "running", "approved"), "from where it can run again (`approved`)"),
        ("transaction", ("started", "done", "running"), "can run"),
        ("transaction", ("held", "failed", "held"), "can run"),
    ],
)
def test_an_event_without_its_effect_is_refused(
    standard_draft: Draft, machine: str, line: tuple[str, str, str], message: str
) -> None:
    problems = list(check_needed_events(changed(standard_draft, machine, line)))
    assert {problem.code for problem in problems} == {"event-demanded"}
    assert any(message in problem.message for problem in problems), problems
    assert all(problem.advice for problem in problems)


def test_a_machine_with_a_hole_is_for_another_check(standard_draft: Draft) -> None:
    spec = replace(standard_draft.machines["session"], lines=())
    holes = replace(standard_draft, machines={"session": spec})
    assert list(found(holes)) == []
