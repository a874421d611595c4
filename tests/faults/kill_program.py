"""Kill a guarded app at every point of a request and check the remaining files. Run as a program.

``python -m tests.faults.kill_program FOLDER [KIND...]`` prints what was found as JSON. All is imported and the policy
is proved once; each point has a forked process that dies there, and another one that finds what it left. No process
that forks has a loop, a thread or an open file of the guard's.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import shutil
import signal
import sys
import traceback
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpcore2

from authguard import factory
from authguard.audit.verify.log_verifier import verify
from authguard.audit.write.checkpoint_signer import CheckpointSigner
from authguard.core.record_keys import account_key
from tests.faults import disk_state
from tests.faults.app import LOG, House, note
from tests.faults.injection_points import Points, tear
from tests.faults.request_kinds import KINDS, Kind
from tests.support.harness import ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable

#: what a process writes when it comes to its end
VERDICT = Path("verdict")
#: a request that has more points than this is not killed but endless
MOST = 1_000
MODES = ("points", "torn")


async def victim(house: House, kind: Kind, fatal: int, mode: str) -> list[str]:
    """Do what goes before, then what is killed; come back only where there is no such point."""
    house.build()
    points = Points(fatal if mode == "points" else 0)

    async def heard(message: dict[str, Any]) -> None:
        note(disk_state.TOLD, disk_state.message_line(message))

    if mode == "points":
        points.watch()
    await kind.before(house)
    disk_state.arm(house.clock.now())
    torn = tear(fatal) if mode == "torn" else []
    points.armed = True
    await points.stepping(kind.killed(house, heard))
    points.armed = False
    return points.met if mode == "points" else [f"line {number}" for number in range(1, len(torn) + 1)]


async def survivor(house: House, kind: Kind) -> list[str]:
    """Look at what is left, open it as a new process does, and ask for what must be true; say it in a word."""
    house.build()
    house.clock.set(disk_state.armed().now)
    policy = house.guard.enforcer.policy
    disk_state.check(dict(policy.initial), account=account_key(ISSUER, "alice"), alone=kind.alone)
    _, torn = disk_state.log()
    found = await kind.after(house, disk_state.told())
    other = await house.chat(house.token(sub="bob"))
    assert other.status < 500, f"the next customer gets {other.status}"
    await house.guard.enforcer.close()
    verification = verify(LOG)
    assert verification.ok, [chain.result for chain in verification.chains]
    assert verification.repairs == bool(torn), "a torn line is repaired, and that is recorded, once"
    return [found]


def forked(folder: Path, work: Callable[[], list[str]]) -> int:
    """Run something in a process of its own in a folder; give how it ended."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.chdir(folder)
            VERDICT.write_text(json.dumps(work()), "utf-8")
            code = 0
        except BaseException:  # noqa: BLE001 - a child tells its parent, and never runs the parent's code
            VERDICT.write_text(json.dumps([traceback.format_exc()]), "utf-8")
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill_everywhere(house: House, kind: Kind, folder: Path) -> dict[str, Any]:
    """Kill one kind of request at each of its points, in both ways."""
    found: Counter[str] = Counter()
    failures: list[str] = []
    met: dict[str, list[str]] = {}
    for mode in MODES:
        for fatal in range(1, MOST):
            place = folder / f"{mode}-{fatal}"
            place.mkdir(parents=True)
            ended = forked(place, lambda: asyncio.run(victim(house, kind, fatal, mode)))  # noqa: B023 - run at once
            if ended == 0:
                met[mode] = json.loads((place / VERDICT).read_text("utf-8"))
            elif ended != -signal.SIGKILL:
                failures.append(f"{mode} {fatal}: {json.loads((place / VERDICT).read_text('utf-8'))[0]}")
                break
            code = forked(place, lambda: asyncio.run(survivor(house, kind)))
            said = json.loads((place / VERDICT).read_text("utf-8"))[0]
            if code:
                failures.append(f"{mode} {fatal}: {said}")
            else:
                found[said] += 1
            shutil.rmtree(place)
            if ended == 0:
                break
        else:
            failures.append(f"{mode}: there is no end of points")
    return {"words": kind.words, "points": met, "found": dict(sorted(found.items())), "failures": failures}


def import_all(house: House, folder: Path) -> None:
    """Import what a request imports on its way, so that no child has to: a first child says what that is."""
    folder.mkdir()

    async def rehearsal() -> list[str]:
        before = set(sys.modules)
        house.build()
        await house.refund()
        await house.guard.enforcer.close()
        verify(LOG)
        return sorted(set(sys.modules) - before)

    forked(folder, lambda: asyncio.run(rehearsal()))
    for module in json.loads((folder / VERDICT).read_text("utf-8")):
        importlib.import_module(module)


def still(sealer: CheckpointSigner) -> None:
    """Sign nothing."""
    del sealer


def main() -> None:
    """Kill the kinds that were named, or all of them."""
    home, *names = sys.argv[1:]
    factory.load = lru_cache(factory.load)  # type: ignore[attr-defined]  # one proof of the policy is enough for all
    httpcore2.default_ssl_context = lru_cache(httpcore2.default_ssl_context)  # nor do the trusted certificates change
    house = House(Path(home))
    import_all(house, Path(home) / "rehearsal")
    # it signs when it is scheduled, so the points of a request would differ from run to run
    CheckpointSigner.start = CheckpointSigner.stop = still  # type: ignore[method-assign,assignment]
    gc.freeze()  # a child that collects would copy the memory that it shares with its parent
    gc.disable()
    found = {name: kill_everywhere(house, KINDS[name], Path(home) / name) for name in names or KINDS}
    print(json.dumps(found))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
