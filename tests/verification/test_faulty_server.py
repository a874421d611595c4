"""Real services that do everything wrong over real sockets: nobody gets in unproven, none is locked out, all get on.

`make test` plays a seeded slice; `make soak` sets ``AUTHGUARD_CHAOS_RUNS`` and plays thousands.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

from authguard.verification import http
from tests.verification.chaos import METHODS, Broken, Run
from tests.verification.faulty_server import ANSWERS, OUTAGES, chaotic
from tests.verification.test_chaos import DOUBTING
from tests.verification.virtual_time import WarpedLoop

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.verification.faulty_server import Service

RUNS: Final = int(os.environ.get("AUTHGUARD_CHAOS_RUNS", "70"))


def warped(playing: Coroutine[Any, Any, Any]) -> Any:
    """Play in a loop in which waiting costs nothing."""
    with asyncio.Runner(loop_factory=WarpedLoop) as runner:
        return runner.run(playing)


async def play(service: Service, seed: int, *, only_outages: bool = False) -> Run:
    """Play one run."""
    run = Run(seed, only_outages=only_outages, make=service.desk)
    try:
        await run.go()
    except Broken as broken:
        raise AssertionError(f"seed {seed}: {broken}") from broken
    finally:
        await run.desk.enforcer.close()
    return run


def test_runs_over_real_sockets_hold_every_invariant_and_meet_every_end() -> None:
    ends: Counter[str] = Counter()

    async def playing() -> set[str]:
        async with chaotic() as service:
            for seed in range(RUNS):
                ends.update((await play(service, seed)).ends)
            assert not service.strays, "a redirect was followed"
            return service.met

    met = warped(playing())
    assert set(ends) == {"allow", "handoff"}, ends
    assert min(ends.values()) > RUNS // 20, "runs that always end alike have tried little"
    assert met == {*OUTAGES, *ANSWERS}, "the service did everything that it can"


def test_outages_over_real_sockets_lock_nobody_out() -> None:
    async def playing() -> None:
        async with chaotic() as service:
            for seed in range(RUNS // 2):
                if seed % len(METHODS) not in DOUBTING:
                    await play(service, seed, only_outages=True)

    warped(playing())


@pytest.mark.parametrize("number", [0, 2, 3])
def test_fifty_at_once_over_real_sockets_have_no_more_attempts_than_one(number: int) -> None:
    async def playing() -> None:
        async with chaotic() as service:
            run = Run(number, make=service.desk)
            tokens = [run.desk.login(sid=f"p{session}", acr="aal1") for session in range(50)]
            answers = {name: {"answer": "x"} for name in "abcde"}
            await asyncio.gather(*(run._say(token, "default", answers) for token in tokens))
            run._attempts_are_within_bounds()
            assert run.world.truths, "somebody was asked"
            await run.desk.enforcer.close()

    warped(playing())


def test_a_service_that_answers_anything_for_a_pass_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    read = http.HttpService._read

    def loose(service: http.HttpService, document: object) -> Any:
        try:
            return read(service, document)
        except http.ServiceError:
            return http.Passed()

    monkeypatch.setattr(http.HttpService, "_read", loose)

    async def playing() -> None:
        async with chaotic() as service:
            for seed in range(RUNS):
                await play(service, seed)

    with pytest.raises(AssertionError, match="without the passes"):
        warped(playing())
