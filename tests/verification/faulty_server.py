"""A verification service on loopback with random faults by a seed, byte by byte.

Rule: what counts as said is what went out whole, in time and as the policy shapes it; the service writes it down.
Runs in a `WarpedLoop`, where a service that never answers costs no time.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from authguard.verification.http import HttpService
from authguard.verification.resilience import ResilientVerifier
from tests.support.harness import EnforcerHarness, policy_of
from tests.verification.chaos import World, policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from authguard.core.deployment import Verifier

#: seconds that the guard waits for an answer
PATIENCE: Final = 2.0
#: seconds that the guard has for hearing of it, on a busy machine
MARGIN: Final = 1.0
SCORES: Final = {"pass": b"0.95", "fail": b"0.1", "doubt": b"0.6"}
#: verifier -> how its answers look
SHAPES: Final[Mapping[str, Callable[[str], bytes]]] = {
    "a": lambda said: b'{"score": ' + SCORES[said] + b"}",
    "b": lambda said: b'{"deep": {"score": [' + SCORES[said] + b"]}}",
    "c": lambda said: b'{"status": "' + {"pass": b"ok", "fail": b"no", "doubt": b"review"}[said] + b'"}',
    "d": lambda said: b'{"score": ' + SCORES[said] + b"}",
    "e": lambda said: b'{"score": ' + SCORES[said] + b', "more": [' + b"1, " * 10_000 + b"2]}",
}
_MORE: Final = {
    "a": "",
    "b": ", retries: 2, response: {score: /deep/score/0}",
    "c": ", breaker: {failures: 3, open_for: 30s}, response: {verdict: /status, map: {ok: passed, 'no': failed, "
    "review: doubted, down: unavailable}}",
    "d": ", hedge: {url: 'http://127.0.0.1:9/d', after: 300ms}",
    "e": ", max_concurrency: 60",
}
_VERIFIERS: Final = "verifiers:\n" + "".join(
    f"  {name}: {{type: http, url: 'http://127.0.0.1:9/{name}', pass_at: 0.9, fail_at: 0.4, timeout: 2s, "
    f"request: {{/attempt: attempt, /session: session, /said: answers}}{more}}}\n"
    for name, more in _MORE.items()
)

_JSON: Final = "application/json"


def _http(body: bytes, status: str = "200 OK", media: str = _JSON, length: int = -1, more: str = "") -> bytes:
    """Write an answer; its `length` may be a lie."""
    said = len(body) if length < 0 else length
    return f"HTTP/1.1 {status}\r\ncontent-type: {media}\r\ncontent-length: {said}\r\n{more}\r\n".encode() + body


_GOOD: Final = b'{"score": 0.99, "deep": {"score": [0.99]}, "status": "ok"'
#: what is no answer, though each would like to be a pass
BROKEN: Final = {
    "half": _http(_GOOD, length=200),
    "cut": _http(_GOOD),
    "no http": b"it is them\r\n\r\n",
    "nothing": b"",
    "page": _http(_GOOD + b"}", media="text/html"),
    "text": _http(b'{"score": "0.99", "deep": {"score": ["0.99"]}, "status": true}'),
    "true": _http(b'{"score": true, "deep": {"score": [true]}, "status": 1}'),
    "list": _http(b"[" + _GOOD + b"}]"),
    "null": _http(b"null"),
    "nan": _http(b'{"score": NaN, "deep": {"score": [Infinity]}, "status": "ok?"}'),
    "percent": _http(b'{"score": 99, "deep": {"score": [1e3]}, "status": "OK"}'),
    "both": _http(_GOOD + b', "score": 0.99, "deep": {"score": [0.99]}, "status": "ok"}'),
    "deep": _http(_GOOD + b', "more": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    "deeper than allowed": _http(_GOOD + b', "more": ' + b"[" * 40 + b"]" * 40 + b"}"),
    "oversize": _http(_GOOD + b', "more": "' + b"x" * 70_000 + b'"}'),
    "huge head": _http(_GOOD + b"}", more="x-more: " + "x" * 200_000 + "\r\n"),
    "zipped": _http(_GOOD + b"}", more="content-encoding: gzip\r\n"),
    "latin": _http(_GOOD + b', "name": "\xff"}'),
    "201": _http(_GOOD + b"}", status="201 Created"),
    "401": _http(_GOOD + b"}", status="401 Unauthorized"),
    "429": _http(_GOOD + b"}", status="429 Too Many Requests"),
    "500": _http(_GOOD + b"}", status="500 Internal Server Error"),
    "redirect": _http(b"", status="307 Temporary Redirect", more="location: /elsewhere\r\n"),
    "chunk": b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n7\r\n" + _GOOD,
}
OUTAGES: Final = (*BROKEN, "reset", "hang", "drip", "endless", "late")
ANSWERS: Final = ("pass", "pass", "pass", "fail", "doubt", "in pieces", "slowly", "twice", "flap")


@dataclass(slots=True)
class Service:
    """The service; one for all runs, each of which puts its world here.

    Attributes:
        world: of the run that goes on.
        port: where it listens.
        moods: verifier -> what it does now.
        strays: questions that came where nobody should have asked.
        met: what it did, to be looked at by a test.
    """

    world: World = field(default_factory=lambda: World(random.Random(0)))  # noqa: S311 - a test's dice
    port: int = 0
    moods: dict[str, str] = field(default_factory=dict)
    strays: int = 0
    met: set[str] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, question by question."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length:")[2].partition("\r\n")[0])
                question = json.loads(await reader.readexactly(length))
                name = head.split(" ", 2)[1].strip("/")
                if name not in SHAPES:
                    self.strays += 1
                    writer.write(_http(_GOOD + b"}"))
                elif not await self._answer(name, question, reader, writer):
                    break
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked has gone
        finally:
            writer.close()

    async def _answer(
        self, name: str, question: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one question, or not; tell whether the connection goes on."""
        world = self.world
        mood = "pass" if world.calm else self._mood(name)
        self.met.add(mood)
        if mood == "flap":
            mood = world.rng.choice(("pass", "fail", "doubt", "reset"))
        if mood in {"pass", "fail", "doubt", "in pieces", "slowly", "twice"}:
            said = mood if mood in SCORES else world.rng.choice(tuple(SCORES))
            if mood == "slowly":
                await asyncio.sleep(world.rng.uniform(0.1, 0.7 * PATIENCE))
            if reader.at_eof():
                return False  # whoever asked has gone, and hears nothing of this
            self._write(question, name, said)
            whole = _http(SHAPES[name](said))
            if mood == "in pieces":
                for start in range(0, len(whole), step := max(1, len(whole) // 7)):
                    writer.write(whole[start : start + step])
                    await writer.drain()
                    await asyncio.sleep(0.01)
            else:
                writer.write(whole)
            if mood == "twice":
                writer.write(_http(SHAPES[name]("pass")))
            return True
        self._write(question, name, "nothing")
        await self._fail(mood, writer, _http(SHAPES[name]("pass")))
        return False

    def _write(self, question: Mapping[str, str], name: str, said: str) -> None:
        """Write down what is said now; that nothing is, the guard knows for certain only when its patience is over."""
        at = asyncio.get_running_loop().time() + (PATIENCE + MARGIN if said == "nothing" else 0.0)
        self.world.write(question["attempt"], question["session"], name, said, at)

    async def _fail(self, mood: str, writer: asyncio.StreamWriter, good: bytes) -> None:
        match mood:
            case "reset":  # RFC 9293 3.5.3: no lingering, so that the peer sees a reset
                lingering = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
                writer.transport.abort()
            case "hang":
                await asyncio.sleep(100 * PATIENCE)
            case "late":
                await asyncio.sleep(2 * PATIENCE)
                writer.write(good)
            case "drip":
                for byte in good:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(PATIENCE / 10)
            case "endless":
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + _GOOD + b', "more": "')
                while True:
                    writer.write(b"x" * 4_096)
                    await writer.drain()
                    await asyncio.sleep(0)
            case broken:
                writer.write(BROKEN[broken])

    def _mood(self, name: str) -> str:
        world = self.world
        if name not in self.moods or world.rng.random() < 0.4:
            self.moods[name] = world.rng.choice(OUTAGES if world.only_outages or world.rng.random() < 0.5 else ANSWERS)
        if world.rng.random() < 0.2:
            world.clock.advance(world.rng.choice((0.1, 2.0)))
        return self.moods[name]

    def desk(self, seed: int, world: World) -> EnforcerHarness:
        """Make a desk whose verifiers ask this service."""
        self.world, self.moods = world, {}
        world.tick, world.hedged = 0.2, frozenset("d")
        text = policy(seed, _VERIFIERS)

        def verifier(declared: Verifier) -> ResilientVerifier:
            times = 2 if declared.hedge else 1
            address = f"http://127.0.0.1:{self.port}/{declared.name}"
            services = [HttpService(declared, address, environ={}) for _ in range(times)]
            return ResilientVerifier(declared, services, clock=_Now(world))

        return EnforcerHarness(text, verifiers={name: verifier(it) for name, it in policy_of(text).verifiers.items()})


@dataclass(frozen=True, slots=True)
class _Now:
    """The clock of a run, which is there once its desk is."""

    world: World

    def now(self) -> float:
        """Give its time."""
        return float(self.world.clock.now())


@asynccontextmanager
async def chaotic() -> AsyncIterator[Service]:
    """Serve on a free port of this machine."""
    made = Service()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await asyncio.sleep(200 * PATIENCE)  # of the warped loop: whatever still hangs has ended then
