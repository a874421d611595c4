"""Effect of a hanging verification service on other requests, and the timing of refusals that must look alike.

The service is a server on loopback that reads each request and never responds; ``python -m benchmarks.verifying``
prints the rows.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from benchmarks.rounds import Case, Times, play
from benchmarks.table import Row, markdown
from benchmarks.warm import UnfairError
from benchmarks.world import LIFETIME, POLICY, StillClock, World, receive, request, send, status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from authguard import AuthGuard
    from benchmarks.rounds import Spread

#: questions that the service leaves open at the same time
OPEN: Final = 200
#: account states that the standard policy hands to a person without disclosing which it is
ALIKE: Final = ("locked", "missing", "merged")
ORDER: Final = "/orders/7"
OK: Final = 200
_VERIFY: Final = "/.authguard/verify"
_SECOND: Final = 1e6


class Hanging:
    """The service; it reads a request and does not respond until it is released.

    Attributes:
        url: its address.
        open: number of waiting requests.
    """

    def __init__(self, wanted: int) -> None:
        self.url = ""
        self.open = 0
        self._wanted = wanted
        self._full = asyncio.Event()
        self._over = asyncio.Event()

    async def full(self) -> None:
        """Wait until as many questions are open as are wanted."""
        async with asyncio.timeout(60):
            await self._full.wait()
        self._full.clear()

    def let_go(self) -> None:
        """Hang up on all of them."""
        self._over.set()
        self._over = asyncio.Event()
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one question."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
        self.open += 1
        if self.open == self._wanted:
            self._full.set()
        await self._over.wait()
        writer.close()


@asynccontextmanager
async def hanging(wanted: int) -> AsyncIterator[Hanging]:
    """Serve on a free port of this machine."""
    made = Hanging(wanted)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, backlog=wanted)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield made
    finally:
        made.let_go()
        server.close()


def _policy(url: str, at_once: int) -> str:
    before, _, _ = POLICY.partition("fallbacks:\n")
    named = "{ok: normal, frozen: suspended, estate: deceased}"
    return (
        before.replace(named, "{ok: normal, locked: locked, missing: closed, merged: merged}")
        + f"verifiers:\n  it: {{type: http, url: '{url}', timeout: 1m, max_concurrency: {at_once}}}\n"
        + "methods:\n  default: {all: [it]}\n  alternate: {all: [it]}\n"
    )


async def beside_hanging(*, rounds: int, size: int, wanted: int = OPEN) -> Times:
    """Time requests that need no proof, while the service is quiet and while it hangs; each round does both.

    Args:
        rounds: how many.
        size: requests of each kind in a round.
        wanted: questions that hang.

    Raises:
        UnfairError: not as many hang, or what should pass does not.
    """
    quiet: list[float] = []
    busy: list[float] = []
    async with hanging(wanted) as service:
        with tempfile.TemporaryDirectory() as folder:
            world = World.create(Path(folder), _policy(service.url, wanted))
            async with world.guarded("audit", StillClock(world.began)) as guarded:
                chatting = world.tokens(size)
                for token in chatting:
                    if await status_of(guarded, request(token.encode())) != OK:
                        raise UnfairError("a good token is refused")
                for number in range(rounds):
                    proving = _weak(world, wanted, size + number * wanted)
                    if number % 2:
                        busy.append(await _while_hanging(service, guarded, proving, chatting))
                        quiet.append(await _median(guarded, chatting))
                    else:
                        quiet.append(await _median(guarded, chatting))
                        busy.append(await _while_hanging(service, guarded, proving, chatting))
    return Times({"quiet": quiet, "hanging": busy})


async def _while_hanging(
    service: Hanging, guarded: AuthGuard, proving: Sequence[str], chatting: Sequence[str]
) -> float:
    asking = [asyncio.create_task(_prove(guarded, token)) for token in proving]
    await service.full()
    middle = await _median(guarded, chatting)
    if service.open != len(proving) or any(task.done() for task in asking):
        raise UnfairError("the service did not hang all the time")
    service.let_go()
    if set(await asyncio.gather(*asking)) != {503}:
        raise UnfairError("an outage is told to come back later")
    return middle


async def _median(guarded: AuthGuard, tokens: Sequence[str]) -> float:
    """Time requests one by one, microseconds; the loop has its turn between them, as it has under a server."""
    times: list[float] = []
    for token in tokens:
        scope = request(token.encode())
        await asyncio.sleep(0)
        start = perf_counter()
        await guarded(scope, receive, send)
        times.append((perf_counter() - start) * _SECOND)
    return median(times)


async def _prove(guarded: AuthGuard, token: str) -> int:
    """Answer the method and return the status."""
    scope = request(token.encode(), path=_VERIFY) | {"method": "POST"}
    body = json.dumps({"method": "default", "answers": {"it": "123456"}}).encode()
    seen: list[int] = []

    async def question() -> Any:  # noqa: ANN401 - ASGI's own
        return {"type": "http.request", "body": body, "more_body": False}

    async def note(message: Any) -> None:  # noqa: ANN401 - ASGI's own
        if message["type"] == "http.response.start":
            seen.append(message["status"])

    await guarded(scope, question, note)
    return seen[0]


def _weak(world: World, number: int, first: int, status: str = "ok") -> list[str]:
    """Sign tokens of customers without a proof of identity."""
    return [
        world.mint.mint(
            sub=f"customer-{index:06}",
            sid=f"session-{index:06}",
            lifetime=LIFETIME,
            acr="aal1",
            scope="chat orders",
            account_status=status,
        )
        for index in range(first, first + number)
    ]


async def refusals(*, rounds: int, size: int) -> Times:
    """Time refusals of accounts that must look alike: the first request of each, and all later ones.

    Raises:
        UnfairError: the refusals differ.
    """
    with tempfile.TemporaryDirectory() as folder:
        world = World.create(Path(folder), _policy("http://127.0.0.1:9/", 1))
        clock = StillClock(world.began)
        async with world.guarded("audit", clock) as guarded:
            cases: list[Case] = []
            for place, state in enumerate(ALIKE):
                known = _weak(world, size, place * size, state)
                if {await status_of(guarded, request(token.encode(), path=ORDER)) for token in known} != {403}:
                    raise UnfairError("such an account is refused")
                fresh = iter(_weak(world, rounds * size, 100_000 * (place + 1), state))
                cases += [_refused(f"{state} again", guarded, known), _refused(f"{state} first", guarded, fresh)]
            return await play(cases, rounds=rounds, size=size)


def _refused(name: str, guarded: AuthGuard, tokens: Any) -> Case:  # noqa: ANN401 - a list, again and again, or an iterator
    def prepare(number: int) -> list[Any]:
        return [request(token.encode(), path=ORDER) for _, token in zip(range(number), tokens, strict=False)]

    async def run(batch: Sequence[Any]) -> None:
        for scope in batch:
            await guarded(scope, receive, send)

    return Case(name, prepare, run)


def rows_of_verifying(hung: Times, alike: Times, wanted: int = OPEN) -> list[Row]:
    """Write the rows; a refusal's ratio is between the slowest and the quickest of the three, in each round."""
    rows = [Row.of(f"chat while {wanted} verifications hang / quiet", hung.ratio("hanging", "quiet"), 1.5, 1.1)]
    for look in ("again", "first"):
        for state in ALIKE[1:]:
            ratio: Spread = alike.ratio(f"{state} {look}", f"{ALIKE[0]} {look}")
            words = "repeated" if look == "again" else "the first"
            rows.append(Row.of(f"refusal of a {state} account / of a locked one, {words}", ratio))
    return rows


def main() -> None:
    """Measure and print."""
    hung = asyncio.run(beside_hanging(rounds=12, size=400))
    alike = asyncio.run(refusals(rounds=120, size=20))
    print(markdown(rows_of_verifying(hung, alike)))


if __name__ == "__main__":
    main()
