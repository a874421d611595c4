"""Any behaviour of verifiers, in any order: no unproven customer is admitted, and no outage locks one out."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from authguard.core.verification import Passed, Unavailable, combine
from authguard.evaluation import attempts
from authguard.runtime import verification
from tests.verification.chaos import METHODS, Broken, Run

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = 1_500
#: the policies that take an outage for doubt, of their own choice
DOUBTING = (5, 6)


async def test_thousands_of_runs_hold_every_invariant_and_meet_every_end() -> None:
    ends: Counter[str] = Counter()
    for seed in range(RUNS):
        run = Run(seed)
        try:
            await run.go()
        except Broken as broken:
            raise AssertionError(f"seed {seed}: {broken}") from broken
        ends.update(run.ends)
    assert set(ends) == {"allow", "handoff"}, ends
    assert min(ends.values()) > RUNS // 20, "a run that always ends alike has tried little"


async def test_outages_alone_lock_nobody_out() -> None:
    for seed in range(RUNS // 4):
        if seed % len(METHODS) in DOUBTING:
            continue
        try:
            await Run(seed, only_outages=True).go()
        except Broken as broken:
            raise AssertionError(f"seed {seed}: {broken}") from broken


@pytest.mark.parametrize("number", range(len(METHODS)))
async def test_fifty_at_once_have_no_more_attempts_than_one(number: int) -> None:
    run = Run(number)
    chaos = run.world
    chaos.rng.seed(number)
    tokens = [run.desk.login(sid=f"p{number}", acr="aal1") for number in range(50)]
    answers = {name: {"answer": "x"} for name in "abcde"}
    asking = [asyncio.create_task(run._say(token, "default", answers)) for token in tokens]
    while not all(task.done() for task in asking):
        run._release(everybody=True)
        await asyncio.sleep(0)
    run._attempts_are_within_bounds()


def _outage_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    def loose(method: Any, said: Any) -> Any:
        return combine(method, {name: Passed() if isinstance(one, Unavailable) else one for name, one in said.items()})

    monkeypatch.setattr(verification, "combine", loose)


def _doubt_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "mark_in_doubt", lambda *_: None)


def _outage_costs_an_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "refund_attempt", lambda *_: None)


def _nothing_is_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "reserve_attempt", lambda *_: None)


def _an_open_attempt_never_lands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "is_spent", lambda *_: True)
    monkeypatch.setattr(attempts, "has_in_flight", lambda *_: True)


@pytest.mark.parametrize(
    ("plant", "only_outages", "words"),
    [
        (_outage_passes, False, "without the passes"),
        (_doubt_is_forgotten, False, "laundered"),
        (_outage_costs_an_attempt, True, "locked somebody out"),
        (_nothing_is_reserved, False, "attempts in vain"),
        (_an_open_attempt_never_lands, False, "in a circle"),
    ],
)
async def test_a_planted_bug_is_caught(
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[pytest.MonkeyPatch], None],
    only_outages: bool,  # noqa: FBT001 - a table's column
    words: str,
) -> None:
    plant(monkeypatch)
    for seed in itertools.count():
        assert seed < RUNS, "nobody noticed"
        try:
            await Run(seed, only_outages=only_outages).go()
        except Broken as broken:
            if words in str(broken):
                break
