"""A guarded app at saturation: after the first minute its memory, tasks, threads and handles must not grow.

`make soak` runs it for ``AUTHGUARD_SOAK_SECONDS`` (ten minutes), `.ci/run` for half a minute. Sessions come and go:
each customer signs in, asks, reports, signs out and comes back; between them come floods of bad tokens, WebSockets that
are opened and closed, and connections that break off. The caches of the child are small, and its customers few enough
to have all been seen when the warm-up ends (records are kept for days, as the policy says): what grows after that grows
for ever.

Tolerances, of the median of the last quarter against that of the first quarter after the warm-up: memory 3 % and
4 MiB (an allocator's own unrest; at a thousand requests a second half a minute of leaking 300 bytes each is more);
objects that the garbage collector knows 2 % and 2,000; tasks, threads and handles none beyond the connections.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from dataclasses import dataclass, field
from statistics import median
from typing import Final, Self

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.fuzz.child import Child

SECONDS: Final = float(os.environ.get("AUTHGUARD_SOAK_SECONDS", "600"))
WARM_UP: Final = min(60.0, SECONDS / 3)
CUSTOMERS: Final = 12
FLOODS: Final = 3
SOCKETS: Final = 2
REMEMBERED: Final = 256
MIB: Final = 1_048_576
#: figure -> what it may grow by: a share, and a number
TOLERANCES: Final = {
    "memory": (0.03, 4 * MIB),
    "objects": (0.02, 2_000),
    "tasks": (0.0, CUSTOMERS + FLOODS + SOCKETS),
    "threads": (0.0, 0),
    "handles": (0.0, CUSTOMERS + FLOODS + SOCKETS),
}


@dataclass
class Load:
    """Who talks to the child, until the time is over.

    Attributes:
        answered: status -> how often.
    """

    child: Child
    until: float
    random: random.Random
    answered: dict[int, int] = field(default_factory=dict)

    def goes_on(self) -> bool:
        """Whether there is time left."""
        return time.monotonic() < self.until

    async def customer(self, number: int) -> None:
        """Sign in, talk, sign out or leave, come back: on one connection at a time."""
        while self.goes_on():
            subject = f"customer-{number}-{self.random.randrange(4)}"
            token = self.child.token(sub=subject, sid=f"s{self.random.randrange(3)}")
            async with Line(self) as line:
                for _ in range(self.random.randrange(5, 120)):
                    path = self.random.choice(("/orders/7", "/files/a", "/shop/items/1", "/hidden", "/healthz"))
                    await line.ask("GET", path, token)
                match self.random.randrange(4):
                    case 0:
                        await line.ask("POST", "/.authguard/session/end", token)
                    case 1:
                        await line.ask("POST", "/chat", token, "X-Report: verification.doubted\r\n")
                    case 2:
                        await line.break_off("/chat", token)
                    case _:
                        key = f"Idempotency-Key: k{self.random.randrange(8)}\r\n"
                        await line.ask("POST", "/orders/7/refund", token, key, '{"amount": 5, "currency": "EUR"}')

    async def flood(self) -> None:
        """Send tokens that are good for nothing, each another."""
        honest = self.child.token()
        while self.goes_on():
            async with Line(self) as line:
                for _ in range(100):
                    forged = f"{honest[:-20]}{self.random.randbytes(10).hex()}"
                    await line.ask("GET", "/orders/7", self.random.choice((forged, f"a.{forged}", "x" * 300, "")))

    async def sockets(self) -> None:
        """Open and close WebSockets, some of them without leave to."""
        token = self.child.token(sub="customer-at-the-socket")
        while self.goes_on():
            headers = {"Authorization": f"Bearer {self.random.choice((token, token, 'x'))}"}
            try:
                async with connect(
                    f"ws://127.0.0.1:{self.child.port}/live/a", additional_headers=headers, proxy=None
                ) as socket:
                    for _ in range(self.random.randrange(5)):
                        await socket.send("word")
                        await socket.recv()
            except InvalidStatus as refused:
                self.count(refused.response.status_code)
            else:
                self.count(101)

    def count(self, status: int) -> None:
        """Count one answer."""
        self.answered[status] = self.answered.get(status, 0) + 1


class Line:
    """One connection that is kept alive."""

    def __init__(self, load: Load) -> None:
        self._load = load

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._load.child.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def ask(self, method: str, path: str, token: str, more: str = "", body: str = "") -> None:
        """Ask, and read the whole answer."""
        self._writer.write(_request(method, path, token, more, body))
        head = await self._reader.readuntil(b"\r\n\r\n")
        self._load.count(int(head[9:12]))
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await self._reader.readexactly(int(length.partition(b":")[2]))

    async def break_off(self, path: str, token: str) -> None:
        """Ask, and be gone before the answer."""
        self._writer.write(_request("POST", path, token, "", "gone")[:-2])
        await self._writer.drain()


def _request(method: str, path: str, token: str, more: str, body: str) -> bytes:
    credential = f"Authorization: Bearer {token}\r\n" if token else ""
    length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{credential}{length}{more}\r\n{body}".encode()


async def watch(load: Load, begin: float) -> list[dict[str, int]]:
    """Take the child's figures until the time is over, once the warm-up is."""
    taken: list[dict[str, int]] = []
    while load.goes_on():
        await asyncio.sleep(max(0.5, SECONDS / 600))
        figures = await asyncio.to_thread(load.child.figures)
        if time.monotonic() - begin >= WARM_UP:
            taken.append(figures)
    return taken


async def run(child: Child) -> tuple[list[dict[str, int]], dict[int, int]]:
    """Load the child with everything at once."""
    begin = time.monotonic()
    load = Load(child, begin + SECONDS, random.Random(1))  # noqa: S311 - a load, no secret
    async with asyncio.TaskGroup() as group:
        for number in range(CUSTOMERS):
            group.create_task(load.customer(number))
        for _ in range(FLOODS):
            group.create_task(load.flood())
        for _ in range(SOCKETS):
            group.create_task(load.sockets())
        watching = group.create_task(watch(load, begin))
    return watching.result(), load.answered


def grown(taken: list[dict[str, int]]) -> list[str]:
    """Tell what grew, in words."""
    quarter = max(1, len(taken) // 4)
    problems = []
    for name, (share, number) in TOLERANCES.items():
        first = median(figures[name] for figures in taken[:quarter])
        last = median(figures[name] for figures in taken[-quarter:])
        allowed = first * (1 + share) + number
        unit, word = (MIB, " MiB") if name == "memory" else (1, "")
        line = f"{name:8} {first / unit:12,.1f} -> {last / unit:12,.1f}{word} (at most {allowed / unit:,.1f})"
        print(line)  # noqa: T201 - a report for a person
        if last > allowed:
            problems.append(line)
    return problems


def main() -> int:
    """Soak, and tell what grew; 0 where nothing did."""
    with Child("--remember", str(REMEMBERED)) as child:
        taken, answered = asyncio.run(run(child))
    total = sum(answered.values())
    print(f"{total:,} answers in {SECONDS:.0f} s, {total / SECONDS:,.0f} a second: {dict(sorted(answered.items()))}")  # noqa: T201 - a report for a person
    problems = grown(taken)
    # a deadline that passes on a machine that others use has its defined answer; one in a hundred is no longer that
    late = answered.get(503, 0) > total / 100
    if broken := [status for status in answered if status >= 500 and (status != 503 or late)]:
        problems.append(f"the app answered {broken}")
    for problem in problems:
        print(f"GREW: {problem}", file=sys.stderr)  # noqa: T201 - a report for a person
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
