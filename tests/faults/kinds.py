"""The kinds of requests that are killed: what goes before, what is killed, and what has to be true after a restart.

`after` is asked in a new process on what the killed one left. It asserts what must hold, and says in a word what was
found; the words of all points together go into `docs/reliability.md`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authguard.core.snapshot import Keys, account_key, session_key
from authguard.runtime.rollback import Rollback
from tests.faults.house import House, Reply, runs
from tests.kit import ISSUER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: seconds after which a transaction whose app never answered is in doubt
DOUBT = 121


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
    killed: Callable[[House, Any], Awaitable[object]]
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
    house.kept = house.token()
    for _ in range(3):
        await house.chat(house.kept)


async def states(house: House, subject: str = "alice") -> tuple[str, ...]:
    """Read where the machines of a customer stand, as stored."""
    keys = Keys(account_key(ISSUER, subject), session_key(ISSUER, subject, "app-1", "session-1"))
    return (await house.guard.enforcer.standing.load(keys)).snapshot.states()


async def served(house: House, told: Reply) -> str:
    """The customer is served as if nothing had happened."""
    del told
    reply = await house.chat()
    assert reply.outcome == "ran", reply
    return "served"


async def frozen(house: House, told: Reply) -> str:
    """The account is suspended if the caller was told anything, and a later token makes it so if not."""
    account = (await states(house))[1]
    assert account in {"normal", "suspended"}, account
    assert not told.status or account == "suspended"
    house.clock.advance(1)
    assert (await house.ask("/balance", house.token(account_status="frozen"))).status == 403
    return account


async def once(house: House, told: Reply) -> str:
    """The same refund again: it never runs twice, and an answer that was given is given again."""
    first = len(runs())
    assert first <= 1, "it ran twice before the restart"
    reply = await house.refund()
    found = reply.outcome
    if found == "ran":
        found = "run now" if len(runs()) > first else "repeated"
    elif reply.status == 409:
        house.clock.advance(DOUBT)
        again = await house.refund()
        assert again.outcome == "handoff", again
        found = "busy, then with a person"
    assert len(runs()) <= 1, "it ran twice"
    assert found in {"run now", "repeated", "busy, then with a person"}, (reply, found)
    if told.status:
        assert found == "repeated", f"the caller had an answer, and now it is {found}"
        assert reply.body == told.body
    return found


async def doubtful(house: House, told: Reply) -> str:
    """The app failed: nobody knows what it did, so nobody does it again without a person."""
    reply = await house.refund()
    found = "run now" if reply.outcome == "ran" else "with a person"
    if reply.status == 409:
        house.clock.advance(DOUBT)
        reply = await house.refund()
        found = "busy, then with a person"
    assert len(runs()) <= 1, "it ran twice"
    assert (reply.outcome == "handoff") == (found != "run now"), reply
    assert not told.status or found == "with a person"
    return found


async def refused(house: House, told: Reply) -> str:
    """The app refused: nothing was done, and no budget is held back by it once that was settled."""
    reply = await house.refund(then="refuse")
    found = {409: "run now" if len(runs()) > 1 else "busy or refused", 403: "with a person"}[reply.status]
    if reply.outcome == "retry":
        house.clock.advance(DOUBT)
        reply = await house.refund(then="refuse")
        found = "busy, then with a person"
    elif reply.outcome == "":
        found = "run now"
    assert len(runs()) <= 1, "it ran twice"
    assert not told.status or found == "with a person"
    return found


async def held(house: House, told: Reply) -> str:
    """The refund waits for a person, under the same name as the caller was told, and ran nowhere."""
    reply = await house.refund(amount=600)
    assert (reply.status, reply.outcome) == (202, "hold"), reply
    assert runs() == [("-", "-")][:0]
    assert not told.status or name(reply, "transaction") == name(told, "transaction")
    return "held"


async def handed(house: House, told: Reply) -> str:
    """A person takes over, by the same ticket as the caller was told."""
    reply = await house.refund(house.token(account_status="estate"))
    assert reply.outcome == "handoff", reply
    assert not told.status or name(reply, "ticket") == name(told, "ticket")
    return "with a person"


async def doubted(house: House, told: Reply) -> str:
    """What the app reported holds if its caller was told."""
    found = (await states(house))[3]
    assert found in {"verified", "ambiguous"}, found
    assert not told.status or found == "ambiguous"
    return found


async def ended(house: House, told: Reply) -> str:
    """The session is over if the caller was told, for the token of before too."""
    found = (await states(house))[2]
    assert found in {"active", "revoked"}, found
    assert not told.status or found == "revoked"
    reply = await house.chat()
    assert (reply.outcome == "ran") == (found == "active"), reply
    house.clock.advance(2)
    assert (await house.chat()).outcome == "ran", "a fresh sign-in"
    return found


async def aged(house: House, told: Reply) -> str:
    """The session that is too old is over, whether it was noticed before the kill or now."""
    del told
    assert (await house.chat(house.old)).outcome == "step_up"
    assert (await states(house))[2] == "expired"
    assert (await house.chat()).outcome == "ran", "a fresh sign-in"
    return "expired"


async def rolled_back(house: House, told: Reply) -> str:
    """The service is rolled back if the operator was told."""
    found = (await states(house))[0]
    assert found in {"live", "rolled_back"}, found
    assert not told.status or found == "rolled_back"
    assert ((await house.chat()).outcome == "ran") == (found == "live")
    return found


async def released(house: House, told: Reply) -> str:
    """The service recovers if the operator was told, and it is never live at once."""
    found = (await states(house))[0]
    assert found in {"rolled_back", "recovering"}, found
    assert not told.status or found == "recovering"
    return found


async def engage(house: House, heard: Any) -> None:
    """Pull the agent back, as the operator's command does."""
    await Rollback(house.guard.enforcer.standing).engage("dana", "why")
    await heard({"type": "told", "status": 200})


async def release(house: House, heard: Any) -> None:
    """Let the agent act again."""
    await Rollback(house.guard.enforcer.standing).release("dana", "why")
    await heard({"type": "told", "status": 200})


async def engaged(house: House) -> None:
    """Have the service rolled back."""
    await house.chat()
    await Rollback(house.guard.enforcer.standing).engage("dana", "why")


async def grow_old(house: House) -> None:
    """Sign in, stay away for too long, and come with a refreshed token of the same sign-in."""
    await house.chat()
    begun = int(house.clock.now())
    house.clock.advance(13 * 3600)
    house.old = house.token(auth_time=begun)


def name(reply: Reply, member: str) -> str:
    """Read what a reply names as the next step."""
    return str(reply.next[member])


def refund(**more: Any) -> Callable[[House, Any], Awaitable[Reply]]:
    """Ask for a refund."""
    return lambda house, heard: house.refund(heard=heard, **more)


KINDS = {
    "opening": Kind(
        words="the first request of a process",
        before=nothing,
        killed=lambda house, heard: house.chat(heard=heard),
        after=served,
    ),
    "first_sight": Kind(
        words="the first sight of a customer",
        before=open_only,
        killed=lambda house, heard: house.chat(heard=heard),
        after=served,
    ),
    "warm": Kind(
        words="a request that changes nothing",
        before=warm,
        killed=lambda house, heard: house.chat(house.kept, heard=heard),
        after=served,
    ),
    "nobody": Kind(
        words="a request without a credential",
        killed=lambda house, heard: house.ask("/chat", heard=heard),
        after=served,
    ),
    "status": Kind(
        words="a claim that suspends the account",
        killed=lambda house, heard: house.chat(house.later(account_status="frozen"), heard=heard),
        after=frozen,
    ),
    "aged": Kind(
        words="a session found too old",
        before=grow_old,
        killed=lambda house, heard: house.chat(house.old, heard=heard),
        after=aged,
    ),
    "refund": Kind(words="a refund", killed=refund(), after=once),
    "refund_failed": Kind(words="a refund over which the app fails", killed=refund(then="fail"), after=doubtful),
    "refund_refused": Kind(words="a refund that the app refuses", killed=refund(then="refuse"), after=refused),
    "repeat": Kind(words="a refund repeated", before=House.refund, killed=refund(), after=once),
    "two": Kind(
        words="two refunds at once by one key",
        killed=lambda house, heard: asyncio.gather(house.refund(heard=heard), house.refund()),
        after=lambda house, told: once(house, Reply()),
        alone=False,
    ),
    "hold": Kind(words="a refund over the limit", before=open_only, killed=refund(amount=600), after=held),
    "handoff": Kind(
        words="a hand-off",
        killed=lambda house, heard: house.refund(house.later(account_status="estate"), heard=heard),
        after=handed,
    ),
    "report": Kind(
        words="a report of the app",
        killed=lambda house, heard: house.chat(body={"app": "report"}, heard=heard),
        after=doubted,
    ),
    "sign_out": Kind(
        words="a sign-out",
        killed=lambda house, heard: house.ask("/.authguard/session/end", house.token(), heard=heard),
        after=ended,
    ),
    "engage": Kind(words="an operator's rollback", killed=engage, after=rolled_back),
    "release": Kind(words="an operator's release", before=engaged, killed=release, after=released),
}
