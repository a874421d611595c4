"""No variant of a request evades a limit: the table of `request_variants`, in plain ASGI and over a socket."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from tests.bypass.app import Answer, Door, Sent
from tests.bypass.request_variants import ROOTED, UPGRADE, WAYS, Way

if TYPE_CHECKING:
    from pathlib import Path

#: what serves: the parser of HTTP, and what speaks WebSocket
SERVERS = {"plain": None, "httptools": ("httptools", "websockets-sansio"), "h11": ("h11", "websockets-sansio")}
#: an amount within the limit of each operation, and one above it
SMALL, LARGE = 5, 900
NUMBERS = itertools.count()


async def ask(door: Door, way: Way, amount: int) -> Answer:
    """Ask in one way, as somebody who never asked before."""
    number = str(next(NUMBERS)).encode()
    body = b"" if way.headers == UPGRADE else b'{"amount": %d, "currency": "EUR"}' % amount
    sent = Sent(way.target, way.method, (*way.headers, (b"idempotency-key", number)), body)
    return await door.ask(sent, door.token(f"customer-{number.decode()}"))


@pytest.mark.parametrize(
    ("framework", "server"),
    [("starlette", "plain"), ("fastapi", "plain"), ("starlette", "httptools"), ("fastapi", "h11")],
)
@pytest.mark.parametrize("root", ["", "/api"])
async def test_every_way_of_saying_it_meets_its_limit_or_moves_nothing(
    tmp_path: Path, framework: str, server: str, root: str
) -> None:
    door = Door(tmp_path / "door", framework)
    door.root_path = root
    parsers = SERVERS[server]
    serving: Any = door.served(*parsers, root) if parsers else nullcontext()
    async with serving:
        wrong = [told for way in (ROOTED if root else WAYS) if (told := await _wrong(door, way))]
    assert wrong == []
    assert door.moved >= {"refund", "buy"} - ({"buy"} if root else set()), "too little was ever reached"


async def _wrong(door: Door, way: Way) -> str:
    """Ask in one way for too much and for little; say what is wrong with what came of it."""
    held = await ask(door, way, LARGE)
    much = door.check()
    let = await ask(door, way, SMALL)
    moved = [paid.route for paid in door.check()]
    if way.means and not way.servers:
        right = not much and (held.status, let.status, moved) == (202, 200, [way.means])
    elif way.servers:
        right = not much and (moved == [] or (moved == [way.means or "refund"] and held.status == 202))
    else:
        # with a slash behind it is judged as the same operation, and the framework redirects
        judged = way.target.endswith((b"/", b"%2f"))
        right = not much and not moved and (judged or 202 not in {held.status, let.status})
    return "" if right else f"{way.words}: {held.status}, moved {much}; then {let.status}, moved {moved}"
