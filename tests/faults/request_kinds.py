"""Kinds of requests to kill: the preparation, the killed request, and the checks afterwards."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authguard.runtime.rollback import Rollback
from tests.faults import recovery_checks
from tests.faults.app import House, Reply
from tests.faults.recovery_checks import LONG, dead_later, old_token, once, suspended_later

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of request.

    Attributes:
        words: what it is, for the table.
        before: what happened in the same process before.
        killed: what is killed; `heard` is to be told of what reaches the caller.
        after: what has to be true afterwards, and what it is in a word.
        alone: whether it is one request and no more.
    """

    words: str
    killed: Callable[[House, Any], Coroutine[Any, Any, object]]
    after: Callable[[House, Reply], Awaitable[str]]
    before: Callable[[House], Awaitable[object]] = field(default=House.chat)
    alone: bool = True


async def nothing(house: House) -> None:
    """Be the first request of the process: it opens the log and the store."""
    del house


async def open_only(house: House) -> None:
    """Have the house open."""
    await house.guard.enforcer.open()


async def warm(house: House) -> None:
    """Have the very request remembered."""
    for _ in range(3):
        await house.chat()


async def two_at_once(house: House, heard: Any) -> None:
    """Ask for one refund twice, before the first answer is there."""
    await asyncio.gather(house.refund(heard=heard), house.refund())


async def engage(house: House, heard: Any) -> None:
    """Pull the agent back, as the operator's command does."""
    await Rollback(house.guard.enforcer.repository).engage("dana", "why")
    await heard({"type": "told", "status": 200})


async def release(house: House, heard: Any) -> None:
    """Let the agent act again."""
    await Rollback(house.guard.enforcer.repository).release("dana", "why")
    await heard({"type": "told", "status": 200})


async def engaged(house: House) -> None:
    """Have the service rolled back."""
    await house.chat()
    await Rollback(house.guard.enforcer.repository).engage("dana", "why")


async def grow_old(house: House) -> None:
    """Sign in, stay away for too long, and come with a refreshed token of the same sign-in."""
    await house.chat()
    house.clock.advance(LONG)


async def have_held(house: House) -> None:
    """Have a refund held; the supervisor was seen before."""
    await house.ask("/.authguard/transactions", recovery_checks.supervisor(house), method="GET")
    await house.refund(amount=600)


async def have_approved(house: House) -> None:
    """Have a held refund approved."""
    await have_held(house)
    await recovery_checks.say(house, "approve")


async def approve_by_command(house: House, heard: Any) -> None:
    """Approve what is held, as the operator's command does."""
    name, _ = await recovery_checks.asked_for(house)
    await house.guard.enforcer.approvals.decide_as_operator(name, "transaction.approved", ("dana",), "why")
    await heard({"type": "told", "status": 200})


def saying(word: str) -> Callable[[House, Any], Coroutine[Any, Any, object]]:
    """Decide on what is held, over the guard's own endpoint."""
    return lambda house, heard: recovery_checks.say(house, word, heard=heard)


def refund(**more: Any) -> Callable[[House, Any], Coroutine[Any, Any, Reply]]:
    """Ask for a refund."""
    return lambda house, heard: house.refund(heard=heard, **more)


KINDS = {
    "opening": Kind(
        words="the first request of a process",
        before=nothing,
        killed=lambda house, heard: house.chat(heard=heard),
        after=recovery_checks.served,
    ),
    "first_sight": Kind(
        words="the first sight of a customer",
        before=open_only,
        killed=lambda house, heard: house.chat(heard=heard),
        after=recovery_checks.served,
    ),
    "warm": Kind(
        words="a request that changes nothing",
        before=warm,
        killed=lambda house, heard: house.chat(heard=heard),
        after=recovery_checks.served,
    ),
    "nobody": Kind(
        words="a request without a credential",
        killed=lambda house, heard: house.ask("/chat", heard=heard),
        after=recovery_checks.served,
    ),
    "status": Kind(
        words="a claim that suspends the account",
        killed=lambda house, heard: house.chat(suspended_later(house), heard=heard),
        after=recovery_checks.frozen,
    ),
    "aged": Kind(
        words="a session found too old",
        before=grow_old,
        killed=lambda house, heard: house.chat(old_token(house), heard=heard),
        after=recovery_checks.aged,
    ),
    "refund": Kind(words="a refund", killed=refund(), after=once("answer", "repeated")),
    "refund_failed": Kind(
        words="a refund over which the app fails", killed=refund(then="fail"), after=once("fail", "with a person")
    ),
    "refund_refused": Kind(
        words="a refund that the app refuses", killed=refund(then="refuse"), after=once("refuse", "with a person")
    ),
    "repeat": Kind(words="a refund repeated", before=House.refund, killed=refund(), after=once("answer", "repeated")),
    "two": Kind(
        words="two concurrent refunds with one key",
        killed=two_at_once,
        after=once("answer", "repeated"),
        alone=False,
    ),
    "hold": Kind(
        words="a refund over the limit", before=open_only, killed=refund(amount=600), after=recovery_checks.held
    ),
    "approve": Kind(
        words="an approval of a held transaction",
        before=have_held,
        killed=saying("approve"),
        after=recovery_checks.approving,
    ),
    "approve_command": Kind(
        words="an approval by the operator's command",
        before=have_held,
        killed=approve_by_command,
        after=recovery_checks.approving,
    ),
    "deny": Kind(
        words="a denial of a held transaction", before=have_held, killed=saying("deny"), after=recovery_checks.denying
    ),
    "withdraw": Kind(
        words="a withdrawal of an approved transaction",
        before=have_approved,
        killed=saying("withdraw"),
        after=recovery_checks.withdrawing,
    ),
    "approved": Kind(
        words="a refund that was approved",
        before=have_approved,
        killed=refund(amount=600),
        after=once("answer", "repeated", 600),
    ),
    "handoff": Kind(
        words="a hand-off",
        killed=lambda house, heard: house.refund(dead_later(house), heard=heard),
        after=recovery_checks.handed,
    ),
    "report": Kind(
        words="a report of the app",
        killed=lambda house, heard: house.chat(body={"app": "report"}, heard=heard),
        after=recovery_checks.doubted,
    ),
    "sign_out": Kind(
        words="a sign-out",
        killed=lambda house, heard: house.ask("/.authguard/session/end", house.token(), heard=heard),
        after=recovery_checks.ended,
    ),
    "engage": Kind(words="an operator's rollback", killed=engage, after=recovery_checks.rolled_back),
    "release": Kind(words="an operator's release", before=engaged, killed=release, after=recovery_checks.released),
}
