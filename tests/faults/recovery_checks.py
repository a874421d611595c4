"""Checks after a restart, by what was killed: requests to a new process on the remaining files.

Each asserts what must hold, and says in a word what was found; `told` is what the caller had before the kill, and its
status is 0 where that was nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authguard.core.record_keys import account_key, session_key
from authguard.core.snapshot import Keys
from tests.faults.app import House, Reply, runs
from tests.support.harness import ISSUER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from authguard.core.snapshot import TransactionRecord

#: seconds after which a transaction whose app never answered is in doubt
DOUBT = 121
#: what the app does -> the state in which a refund ends then
ENDS = {"answer": "done", "fail": "in_doubt", "refuse": "failed"}
#: seconds after which a session is too old
LONG = 13 * 3600


async def states(house: House, subject: str = "alice") -> tuple[str, ...]:
    """Read where the machines of a customer stand, as stored."""
    await house.guard.enforcer.open()
    keys = Keys(account_key(ISSUER, subject), session_key(ISSUER, subject, "app-1", "session-1"))
    return (await house.guard.enforcer.repository.load(keys)).snapshot.states()


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
    assert (await house.chat(suspended_later(house))).status == 200
    assert (await states(house))[1] == "suspended"
    return account


def once(then: str, told_word: str, amount: int = 100) -> Callable[[House, Reply], Awaitable[str]]:
    """Ask for the same refund again: it never runs twice, and what the caller was told stays so.

    Args:
        then: what the app does.
        told_word: what a repeat is once the caller had the app's answer.
        amount: of the refund.
    """

    async def after(house: House, told: Reply) -> str:
        found = await again(house, then, amount)
        assert len(refunds()) <= 1, "it ran twice"
        end = await waits(house)
        assert end == ENDS[then] or (end == "in_doubt" and found.endswith("with a person")), f"it ended {end}"
        if told.status:
            assert found == told_word, f"the caller had an answer, and now it is {found}"
        return found

    return after


async def again(house: House, then: str, amount: int = 100) -> str:
    """Repeat a refund under its key until it is settled; say what came of it."""
    before = len(refunds())
    reply = await house.refund(then=then, amount=amount)
    if reply.outcome == "ran":
        return "run now" if len(refunds()) > before else "repeated"
    if reply.outcome == "handoff":
        return "with a person"
    assert (reply.status, reply.outcome) == (409, "retry"), reply
    house.clock.advance(DOUBT)
    reply = await house.refund(then=then, amount=amount)
    assert reply.outcome == "handoff", reply
    return "busy, then with a person"


async def held(house: House, told: Reply) -> str:
    """The refund waits for a person, under the same name as the caller was told, and ran nowhere."""
    reply = await house.refund(amount=600)
    assert (reply.status, reply.outcome) == (202, "hold"), reply
    assert not refunds()
    assert not told.status or name(reply, "transaction") == name(told, "transaction")
    return "held"


async def approving(house: House, told: Reply) -> str:
    """An approval that its giver was told of holds; one that nobody was told of holds or can be given again."""
    found = await waits(house)
    assert found in {"held", "approved"}, found
    assert not told.status or found == "approved"
    if found == "held":
        assert (await house.refund(amount=600)).outcome == "hold"
        assert (await say(house, "approve")).status == 200
    await run_now(house)
    return found


async def denying(house: House, told: Reply) -> str:
    """A denial that its giver was told of holds; one that nobody was told of holds or can be given again."""
    found = await waits(house)
    assert found in {"held", "denied"}, found
    assert not told.status or found == "denied"
    assert (await say(house, "deny")).status == (200 if found == "held" else 409)
    assert (await house.refund(amount=600)).outcome == "deny"
    assert (await waits(house), refunds()) == ("denied", [])
    return found


async def withdrawing(house: House, told: Reply) -> str:
    """What a customer took back never runs, though it was approved; what they did not take back runs, once."""
    found = await waits(house)
    assert found in {"approved", "denied"}, found
    assert not told.status or found == "denied"
    if found == "approved":
        await run_now(house)
    else:
        assert (await house.refund(amount=600)).outcome == "deny"
        assert not refunds()
    return found


async def run_now(house: House) -> None:
    """Run what was approved; asked for again it is answered from the first."""
    assert await again(house, "answer", 600) == "run now"
    assert await again(house, "answer", 600) == "repeated"
    assert (await waits(house), len(refunds())) == ("done", 1)


async def asked_for(house: House) -> tuple[str, TransactionRecord]:
    """Read the one transaction that there is, as stored."""
    await house.guard.enforcer.open()
    (found,) = await house.guard.enforcer.repository.store.transactions(limit=9)
    return found


async def waits(house: House) -> str:
    """Read where it stands."""
    _, record = await asked_for(house)
    return record.state


def supervisor(house: House) -> str:
    """Mint a token of somebody who may approve."""
    return house.token(sub="dana", roles=["supervisor"])


async def say(house: House, word: str, **more: Any) -> Reply:
    """Decide on the one transaction that there is: a supervisor, or whoever takes back what is theirs."""
    transaction, _ = await asked_for(house)
    who = house.token() if word == "withdraw" else supervisor(house)
    return await house.ask(f"/.authguard/transactions/{transaction}/{word}", who, body={"reason": "why"}, **more)


async def handed(house: House, told: Reply) -> str:
    """A person takes over, by the same ticket as the caller was told."""
    reply = await house.refund(dead_later(house))
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
    assert (await house.chat(old_token(house))).outcome == "step_up"
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


def old_token(house: House) -> str:
    """Mint a token of a sign-in that is too old."""
    return house.token(auth_time=int(house.clock.now()) - LONG)


def suspended_later(house: House) -> str:
    """Mint a token that says, a moment later, that the account is frozen."""
    house.clock.advance(1)
    return house.token(account_status="frozen")


def dead_later(house: House) -> str:
    """Mint a token that says, a moment later, that the customer has died."""
    house.clock.advance(1)
    return house.token(account_status="estate")


def name(reply: Reply, member: str) -> str:
    """Read what a reply names as the next step."""
    return str(reply.next[member])


def refunds() -> list[str]:
    """List the runs of the refund: the records that admitted them."""
    return [record for record, key in runs() if key == "k1"]
