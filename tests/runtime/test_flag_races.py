"""Flags where processes race or die: what restricts is set from the admission on, and only a failure takes it back.

=========  =====================  ====================================================
killed     the refund             the cool-off that its start sets
=========  =====================  ====================================================
unsaved    was never admitted     is clear
saved      is in doubt            is set until its time has passed or a person says that nothing was done
running    the same               the same
answered   the same               the same
settled    is done                is set until its time has passed
=========  =====================  ====================================================
"""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from authguard.core.snapshot import Keys
from authguard.stores.sqlite import SqliteStore
from tests.evaluation.test_flags import DAY, TEXT
from tests.runtime.flag_program import STAGES
from tests.support.harness import EnforcerHarness, outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT: Final = Path(__file__).resolve().parents[2]
PROGRAM: Final = (sys.executable, "-m", "tests.runtime.flag_program")


def kill_at(place: Path, stage: str) -> None:
    """Run a process that makes a refund and is killed."""
    command = [*PROGRAM, str(place), "die", stage]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)  # noqa: S603 - our own
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()[-2_000:]


def run_together(place: Path, statuses: tuple[list[str], ...]) -> None:
    """Run processes that make refunds at the same time."""
    commands = [[*PROGRAM, str(place), "race", f"p{number}", *one] for number, one in enumerate(statuses)]
    running = [subprocess.Popen(one, cwd=ROOT, stderr=subprocess.PIPE) for one in commands]  # noqa: S603 - our own
    for process in running:
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()[-2_000:]


@asynccontextmanager
async def afterwards(place: Path) -> AsyncIterator[EnforcerHarness]:
    """Open the store of the other processes in this one."""
    store = SqliteStore(place / "store.db")
    await store.open()
    yield EnforcerHarness(TEXT, store=store)
    await store.close()


async def balance(desk: EnforcerHarness) -> str:
    return outcome(await desk.ask("balance", desk.login(), method="GET"))[1]


async def entries(desk: EnforcerHarness) -> list[str]:
    """Return the transactions of the flag's entries in the ledger; empty for one that is settled."""
    proven = desk.check.known[desk.login()]
    principal = getattr(proven, "principal", None)
    assert principal is not None
    account = (await desk.enforcer.repository.load(Keys(account=principal.account_key))).snapshot.account
    return [one.transaction for one in account.ledger if one.limit == "flag:refunded"]


@pytest.mark.parametrize("stage", STAGES)
async def test_a_cool_off_survives_the_process_that_began_it(tmp_path: Path, stage: str) -> None:
    kill_at(tmp_path, stage)
    assert (tmp_path / "ran").exists() == (stage in {"running", "answered", "settled"})
    async with afterwards(tmp_path) as desk:
        if stage == "unsaved":
            assert await balance(desk) == "allow"
            return
        assert await balance(desk) == "cooling_off"
        desk.clock.advance(DAY - 1)
        assert await balance(desk) == "cooling_off"
        desk.clock.advance(1)
        assert await balance(desk) == "allow"


@pytest.mark.parametrize(
    ("event", "after"), [("transaction.failed", "allow"), ("transaction.committed", "cooling_off")]
)
async def test_a_person_says_what_the_dead_did(tmp_path: Path, event: str, after: str) -> None:
    kill_at(tmp_path, "running")
    async with afterwards(tmp_path) as desk:
        ((name, _),) = await desk.store.transactions(state="running", limit=2)
        desk.clock.advance(121)
        await desk.enforcer.approvals.decide_as_operator(name, event, ("Omar",), "asked the bank")
        assert await balance(desk) == after


@pytest.mark.parametrize(("last", "left", "after"), [("422", [], "allow"), ("200", [""], "cooling_off")])
async def test_processes_that_race_leave_one_entry_or_none(
    tmp_path: Path, last: str, left: list[str], after: str
) -> None:
    async with afterwards(tmp_path):
        pass  # the store exists before they begin
    statuses = (["422"] * 4, ["422", "422", "422", last])
    run_together(tmp_path, statuses)
    async with afterwards(tmp_path) as desk:
        assert await balance(desk) == after
        assert await entries(desk) == left
