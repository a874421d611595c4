"""Accounts that are locked, merged, deceased ... differ only in the log: the replies have equal bytes and equal work.

Work is counted, not timed: each called function of the guard and its number of calls, including the store, the log and
the hashes. The shipped policy makes one difference on purpose: a customer with an account of unknown state (`unknown`)
is asked to come back, since the next lookup may return a state. A status that the policy does not map takes one more
line of the log, with its value, at the first lookup of each report.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import authguard
from authguard.records.entries import DecisionEntry
from tests.asgi.shop import Shop
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from types import FrameType

#: folder of the guard's functions, independent of the checkout
HOME = f"{Path(authguard.__file__).parent}/"
#: states for which the standard policy hands over to a person
ALIKE = ("closed", "compromised", "deceased", "locked", "merged", "suspended", "unrecognised")
TEXT = POLICY.replace(
    "map: {ok: normal, frozen: suspended, locked: locked, estate: deceased, kid: minor}",
    "map: {" + ", ".join(f"{state}: {state}" for state in ALIKE if state != "unrecognised") + "}",
)


class Work:
    """Counts of the called functions: those of the guard, and functions of C that it called."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if not frame.f_code.co_filename.startswith(HOME):
            return
        if event == "call":
            self.calls[f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_code.co_qualname}"] += 1
        elif event == "c_call" and getattr(argument, "__name__", "") in {"blake2b", "sha256", "update", "digest"}:
            self.calls[f"hash {argument.__name__}"] += 1


async def met(state: str, *, times: int = 1) -> tuple[Any, Work, Shop]:
    """Send a sensitive request of an account in a state, after a request of another account in that state."""
    shop = Shop(TEXT)
    async with shop.client() as client:
        for subject in ("carol", *["alice"] * times):
            token = shop.desk.login(subject, claims={"account_status": state}).decode()
            work = Work()
            gc.disable()  # garbage collection during these lines would be counted too
            sys.setprofile(work)
            try:
                reply = await client.get("/balance", headers={"authorization": token})
            finally:
                sys.setprofile(None)
                gc.enable()
            shop.desk.clock.advance(1)
    return reply, work, shop


@pytest.mark.parametrize("times", [1, 2], ids=["first met", "met again"])
async def test_accounts_that_a_person_must_look_at_get_the_same_bytes(times: int) -> None:
    replies = [(await met(state, times=times))[0] for state in ALIKE]
    status, headers, body = replies[0].status_code, dict(replies[0].headers), replies[0].content
    assert status == 403
    assert b"talk_to_person" in body
    for state, reply in zip(ALIKE, replies, strict=True):
        masked = reply.content if state != "unrecognised" else _as(reply, replies[0])
        assert (reply.status_code, masked) == (status, body), state
        assert {**reply.headers, "content-length": ""} == {**headers, "content-length": ""}, state


def _as(reply: Any, other: Any) -> bytes:
    """Replace the record id of a reply by that of another reply."""
    mine, theirs = (one.json()["instance"].encode() for one in (reply, other))
    return bytes(reply.content.replace(mine, theirs))


async def test_the_log_tells_them_apart() -> None:
    told = set()
    for state in ALIKE:
        _, _, shop = await met(state)
        last = shop.desk.sink.of(DecisionEntry)[-1]
        assert isinstance(last, DecisionEntry)
        told.add(last.cell[1])
    assert told == set(ALIKE)


@pytest.mark.parametrize("times", [1, 2], ids=["first met", "met again"])
async def test_none_of_them_makes_the_guard_do_more(times: int) -> None:
    known = [state for state in ALIKE if state != "unrecognised"]
    done = {state: (await met(state, times=times))[1].calls for state in known}
    assert sum(done["locked"].values()) > 50, "the work was seen"
    for state, calls in done.items():
        assert calls == done["locked"], (state, calls - done["locked"], done["locked"] - calls)


def test_the_count_sees_a_hash_and_a_call() -> None:
    work = Work()
    code = compile("def f(b):\n    b(b'x')\n", f"{HOME}planted.py", "exec")
    space: dict[str, Any] = {}
    exec(code, space)  # noqa: S102 - plants work where the count looks
    sys.setprofile(work)
    try:
        space["f"](blake2b)
    finally:
        sys.setprofile(None)
    assert work.calls["planted.py:f"] == 1
