"""A request of each kind calls no more of the project's functions than before, counted without a clock."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from authguard.clock import SystemClock
from benchmarks import calls
from benchmarks.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

#: kinds that need more calls than they must; a kind that no longer does leaves this list
OVER_THEIR_MUST: frozenset[str] = frozenset()


@pytest.fixture(scope="module")
def counted() -> dict[str, dict[str, int]]:
    return calls.counts_apart()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("store", calls.STORES)
def test_no_kind_of_request_calls_more_functions_than_before(
    kind: str, store: str, counted: dict[str, dict[str, int]]
) -> None:
    now, before = counted[store][kind], calls.baseline()[store][kind]

    assert now <= before, f"more calls than before: see `python -m benchmarks.calls '{kind}' --store {store}`"
    assert now == before, "fewer calls than before, well done: run `python -m benchmarks.calls --update`"


@pytest.mark.parametrize("kind", calls.MUST)
def test_the_musts_are_held_by_every_kind_that_reached_them(kind: str, counted: dict[str, dict[str, int]]) -> None:
    most = max(counted[store][kind] for store in calls.STORES)

    assert (most > calls.MUST[kind]) == (kind in OVER_THEIR_MUST), f"{most} calls, must: {calls.MUST[kind]}"


def test_a_request_has_the_same_count_in_every_run() -> None:
    kinds = ("warm", "refusal", "high write")
    first, second = (asyncio.run(calls.count_calls("sqlite", kinds)) for _ in range(2))

    for kind in kinds:
        assert not first[kind].by_function - second[kind].by_function
        assert not second[kind].by_function - first[kind].by_function


def test_a_planted_call_is_counted_and_so_is_each_resumption() -> None:
    space: dict[str, Any] = {}
    source = "def plain(): return [one for one in (1, 2)]\ndef resumed():\n    yield 1\n    yield 2\n"
    exec(compile(source, f"{calls.HOME}planted.py", "exec"), space)  # noqa: S102 - plants work where the count looks
    counter = calls.CallCounter()

    with counter.watching():
        space["plain"]()
        with counter.armed():
            space["plain"]()
            twice: Generator[int, None, None] = space["resumed"]()
            assert [next(twice), next(twice)] == [1, 2]
        space["plain"]()

    assert counter.calls == {"planted.py:plain": 1, "planted.py:resumed": 2}
    assert sys.getprofile() is None


def test_functions_of_other_packages_are_not_counted() -> None:
    counter = calls.CallCounter()

    with counter.watching(), counter.armed():
        json.dumps({"a": 1})
        SystemClock().now()

    assert counter.calls == {"clock.py:SystemClock.now": 1}


def test_the_ceilings_are_written_for_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "BASELINE", tmp_path / "baseline.json")

    calls.update()

    written = calls.baseline()
    assert tuple(written) == calls.STORES
    assert all(list(kinds) == list(KINDS) for kinds in written.values())


def test_the_command_prints_every_kind_or_the_functions_of_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["calls", "warm", "--store", "memory"])
    calls.main()
    printed = capsys.readouterr().out

    assert "asgi/middleware.py:GuardMiddleware.serve" in printed
    assert "memory" in printed.splitlines()[-1]
