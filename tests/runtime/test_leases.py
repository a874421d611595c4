"""Reservations of a killed process: released, or charged until a person settles the transaction; it never runs twice.

=========  ==================  =======================  =============================================
killed     the transaction     its money                the same request again
=========  ==================  =======================  =============================================
unsaved    is none             free                     runs, for the first time
saved      runs, then in doubt charged until settled    is busy, then goes to a person; never runs
running    the same            the same                 the same
answered   the same            the same                 the same
settled    is done             charged                  is answered from the first answer
=========  ==================  =======================  =============================================
"""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from authguard.core.outcomes import Reason
from authguard.stores.sqlite import SqliteStore
from tests.runtime.crash_program import BODY, STAGES, TEXT
from tests.support.harness import EnforcerHarness, outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT: Final = Path(__file__).resolve().parents[2]
IN_DOUBT: Final = ("saved", "running", "answered")
#: what is left of 1000 EUR beside what the dead one took; for two
REST: Final = {"amount": 301, "currency": "EUR"}


def kill_at(place: Path, stage: str) -> None:
    """Run a process that makes a purchase and is killed."""
    command = [sys.executable, "-m", "tests.runtime.crash_program", str(place), stage]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, check=False)  # noqa: S603 - our own
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()[-2_000:]


@asynccontextmanager
async def afterwards(place: Path) -> AsyncIterator[EnforcerHarness]:
    """Open the store of the killed process in a new one."""
    store = SqliteStore(place / "store.db")
    await store.open()
    yield EnforcerHarness(TEXT, store=store)
    await store.close()


async def is_charged(desk: EnforcerHarness, key: str) -> bool:
    """Return whether the killed purchase counts, by a request that fits only without it."""
    token = desk.login()
    one = await desk.ask("refund", token, body=REST, idempotency=f"{key}-1")
    two = await desk.ask("refund", token, body=REST, idempotency=f"{key}-2")
    assert one.running
    for verdict in (one, two):
        if verdict.running:
            await desk.enforcer.approvals.decide_as_operator(verdict.transaction, "transaction.failed", ("Omar",), "")
            desk.clock.advance(121)
            await desk.enforcer.approvals.decide_as_operator(verdict.transaction, "transaction.failed", ("Omar",), "")
    return not two.running


@pytest.mark.parametrize("stage", STAGES)
async def test_what_the_dead_held_is_free_or_charged_until_a_person_says_so(tmp_path: Path, stage: str) -> None:
    kill_at(tmp_path, stage)
    assert (tmp_path / "ran").exists() == (stage in {"running", "answered", "settled"})
    async with afterwards(tmp_path) as desk:
        token = desk.login()
        again = await desk.ask("refund", token, body=BODY, idempotency="k")
        if stage == "unsaved":
            assert again.running
            return
        if stage == "settled":
            assert outcome(again)[0] == "repeat"
            assert again.snapshot.transaction.answer == b"bought"
            assert await is_charged(desk, "others")
            return
        assert outcome(again) == ("retry", "busy")
        assert await is_charged(desk, "others")
        desk.clock.advance(121)
        late = await desk.ask("refund", desk.login(), body=BODY, idempotency="k")
        assert outcome(late)[0] == "handoff"
        assert await is_charged(desk, "later"), "in doubt counts for as long as it is"


@pytest.mark.parametrize(("event", "stays"), [("transaction.committed", True), ("transaction.failed", False)])
async def test_a_persons_word_settles_the_money_of_the_dead(tmp_path: Path, event: str, *, stays: bool) -> None:
    kill_at(tmp_path, "running")
    async with afterwards(tmp_path) as desk:
        ((name, _),) = await desk.store.transactions(state="running", limit=2)
        early = await desk.enforcer.approvals.decide_as_operator(name, event, ("Omar",), "too early")
        assert early is Reason.TRANSACTION_OVER
        desk.clock.advance(121)
        settled = await desk.enforcer.approvals.decide_as_operator(name, event, ("Omar",), "asked the bank")
        assert not isinstance(settled, Reason)
        assert await is_charged(desk, "others") == stays
        again = await desk.ask("refund", desk.login(), body=BODY, idempotency="k")
        assert outcome(again)[0] == ("repeat" if stays else "handoff")
        assert not again.running
