"""An approval is valid for one request of one person in one session; other requests learn nothing about it."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from tests.bypass.app import Answer, Door, Sent
from tests.bypass.request_variants import UPGRADE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BODY = b'{"amount": 900, "currency": "EUR"}'
TARGET = b"/orders/7/refund"
HELD = b"/.authguard/transactions"
NOBODYS = "0" * 32
#: what may differ between two refusals: the id of the record, and when it was sent
RECORD = re.compile(rb"urn:authguard:record:[0-9a-f]+")

#: words -> what is sent in the place of what was approved, and how its sender differs; `{}` is the transaction
OTHERS: dict[str, tuple[Sent, dict[str, Any]]] = {
    "in another session": (Sent(TARGET, body=BODY), {"sid": "s2"}),
    "by an agent": (Sent(TARGET, body=BODY), {"act": {"sub": "concierge"}}),
    "by an agent of an agent": (Sent(TARGET, body=BODY), {"act": {"sub": "concierge", "act": {"sub": "concierge"}}}),
    "for another order": (Sent(b"/orders/8/refund", body=BODY), {}),
    "by an encoded path": (Sent(b"/orders/%37/refund", body=BODY), {}),
    "with a query": (Sent(TARGET + b"?x", body=BODY), {}),
    "at another operation": (Sent(b"/shop/buy/7", body=BODY), {}),
    "at a path that takes anything": (Sent(b"/pay/orders/7/refund", body=BODY), {}),
    "by another method": (Sent(TARGET, b"PUT", body=BODY), {}),
    "by a read": (Sent(TARGET, b"GET"), {}),
    "over a WebSocket": (Sent(TARGET, b"GET", UPGRADE), {}),
    "with more money": (Sent(TARGET, body=BODY.replace(b"900", b"901")), {}),
    "with a cent more": (Sent(TARGET, body=BODY.replace(b"900", b"900.01")), {}),
    "in another currency": (Sent(TARGET, body=BODY.replace(b"EUR", b"USD")), {}),
    "with a member twice": (Sent(TARGET, body=b'{"amount": 900, "amount": 900, "currency": "EUR"}'), {}),
    "with a member more": (Sent(TARGET, body=BODY[:-1] + b', "to": "eve"}'), {}),
    "without a body": (Sent(TARGET), {}),
    "as another type": (Sent(TARGET, headers=((b"content-type", b"text/plain"),), body=BODY), {}),
    "in another coding": (Sent(TARGET, headers=((b"content-encoding", b"gzip"),), body=BODY), {}),
}


@pytest.fixture(params=["plain", "served"])
async def door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Door]:
    """Open one deployment, of Starlette in this process, and of FastAPI behind a socket."""
    made = Door(tmp_path / "door", "starlette" if request.param == "plain" else "fastapi")
    serving: Any = nullcontext() if request.param == "plain" else made.served("httptools", "websockets-sansio")
    async with serving:
        yield made


async def buy(door: Door, sent: Sent, *, key: str = "", transaction: str = "", **claims: Any) -> Answer:
    """Ask, by a key or by a transaction's id."""
    named = [(b"idempotency-key", key.encode())] if key else []
    named += [(b"authguard-transaction", transaction.encode())] if transaction else []
    return await door.ask(
        Sent(sent.target, sent.method, (*sent.headers, *named), sent.body), door.token(**({"sub": "alice"} | claims))
    )


async def approved(door: Door, key: str) -> str:
    """Have a refund held and approved."""
    held = await buy(door, Sent(TARGET, body=BODY), key=key)
    name = str(held.json()["next"]["transaction"])
    said = await decide(door, "approve", name)
    assert said.json()["state"] == "approved"
    return name


async def decide(door: Door, word: str, name: str, subject: str = "dana", **claims: Any) -> Answer:
    """Say something of a transaction."""
    token = door.token(**({"sub": subject, "sid": f"s-{subject}", "roles": ["supervisor"]} | claims))
    return await door.ask(Sent(HELD + f"/{name}/{word}".encode(), body=b'{"reason": "x"}'), token)


async def test_what_was_approved_runs_once_when_it_is_asked_for_as_it_was(door: Door) -> None:
    name = await approved(door, "k")
    assert (await buy(door, Sent(TARGET, body=BODY), transaction=name)).json() == {"paid": 900}
    assert [one.amount for one in door.check()] == [900]
    assert (await buy(door, Sent(TARGET, body=BODY), key="k")).headers["idempotency-replayed"] == "true"
    assert door.check() == []


@pytest.mark.parametrize("named", ["id", "key"])
async def test_no_other_request_runs_on_an_approval_nor_leaves_it_standing(door: Door, named: str) -> None:
    wrong = []
    for number, (words, (sent, claims)) in enumerate(OTHERS.items()):
        # each has a customer of their own, so that none of them spends another's budget
        door_of = {"sub": f"customer-{number}"}
        held = await buy(door, Sent(TARGET, body=BODY), key="k", **door_of)
        name = str(held.json()["next"]["transaction"])
        await decide(door, "approve", name)
        given = {"transaction": name} if named == "id" else {"key": "k"}
        answer = await buy(door, sent, **given, **door_of, **claims)
        if door.check() or (named == "id" and answer.status == 101):
            wrong.append(f"{words}: {answer}")
        again = await buy(door, Sent(TARGET, body=BODY), transaction=name, **door_of)
        # a key is one operation's own: at another one it names nothing, and what was approved stands, as it does where
        # another session of the same customer asks, or nobody named what is asked for
        ran = [one.route for one in door.check()]
        stands = (named == "key" and words in ELSEWHERE) or words in NEVER_JUDGED
        if ran != (["refund"] if stands else []):
            wrong.append(f"{words}, and then as it was: {again}, moved {ran}")
    assert wrong == []


#: what is refused before it meets what waits, which then stands
NEVER_JUDGED = {"in another session", "by another method", "by a read"}
#: where a key names another transaction, or none
ELSEWHERE = {
    "at another operation",
    "at a path that takes anything",
    "by another method",
    "by a read",
    "over a WebSocket",
}


async def test_somebody_elses_id_moves_nothing_and_takes_nothing_from_whose_it_is(door: Door) -> None:
    name = await approved(door, "k")
    assert (await buy(door, Sent(TARGET, body=BODY), transaction=name, sub="eve")).status == 404
    assert (await decide(door, "withdraw", name, "eve")).status == 404
    assert (await buy(door, Sent(TARGET, body=BODY), key="k", sub="eve")).status == 202
    assert door.check() == []
    assert (await buy(door, Sent(TARGET, body=BODY), key="k")).json() == {"paid": 900}


async def test_another_transaction_of_ones_own_does_not_lend_its_approval(door: Door) -> None:
    name = await approved(door, "k")
    other = BODY.replace(b"900", b"950")
    assert (await buy(door, Sent(TARGET, body=other), key="other")).status == 202
    assert (await buy(door, Sent(TARGET, body=other), transaction=name)).json()["outcome"] == "deny"
    assert (await buy(door, Sent(TARGET, body=other), key="other")).status == 202
    assert door.check() == []


async def test_a_name_and_a_key_that_mean_two_transactions_run_neither_unapproved(door: Door) -> None:
    name = await approved(door, "k")
    other = BODY.replace(b"900", b"950")
    await buy(door, Sent(TARGET, body=other), key="other")
    await buy(door, Sent(TARGET, body=other), key="other", transaction=name)
    assert door.check() == []


async def test_a_foreign_transaction_is_an_unknown_one_byte_by_byte(door: Door) -> None:
    name = await approved(door, "k")
    clerk = {"sub": "clerk", "sid": "s-clerk", "roles": ["clerk"]}
    asked = {
        "look": lambda which: door.ask(Sent(HELD + f"/{which}".encode(), b"GET"), door.token("eve")),
        "head": lambda which: door.ask(Sent(HELD + f"/{which}".encode(), b"HEAD"), door.token("eve")),
        "staff": lambda which: door.ask(Sent(HELD + f"/{which}".encode(), b"GET"), door.token(**clerk)),
        "approve": lambda which: decide(door, "approve", which, **clerk),
        "deny": lambda which: decide(door, "deny", which, **clerk),
        "withdraw": lambda which: decide(door, "withdraw", which, "eve"),
        "buy": lambda which: buy(door, Sent(TARGET, body=BODY), transaction=which, sub="eve"),
    }
    for word, ask in asked.items():
        known, unknown = await ask(name), await ask(NOBODYS)
        assert known.status == unknown.status == 404, word
        assert RECORD.sub(b"", known.body) == RECORD.sub(b"", unknown.body), word
        assert {**known.headers, "date": ""} == {**unknown.headers, "date": ""}, word
    assert (await buy(door, Sent(TARGET, body=BODY), key="k")).json() == {"paid": 900}
