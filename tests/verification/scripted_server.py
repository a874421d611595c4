"""A verification service on loopback with scripted responses: correct, wrong, partial, late or broken.

Rule: what it says goes over a real socket, byte by byte as a broken service would say it; nothing here knows the guard.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_JSON: Final = "application/json"


def _reply(body: bytes, *, status: str = "200 OK", media: str = _JSON, length: int = -1, more: str = "") -> bytes:
    """Write an answer of HTTP; its `length` may be a lie."""
    said = len(body) if length < 0 else length
    head = f"HTTP/1.1 {status}\r\ncontent-type: {media}\r\ncontent-length: {said}\r\nconnection: close\r\n{more}\r\n"
    return head.encode() + body


#: word -> what goes over the wire
SAID: Final = {
    "pass": _reply(b'{"score": 0.97, "status": "ok"}'),
    "fail": _reply(b'{"score": 0.1, "status": "no"}'),
    "doubt": _reply(b'{"score": 0.6, "status": "review"}'),
    "half": _reply(b'{"score": 0.9', length=40),
    "no http": b"ok, it is them\r\n\r\n",
    "page": _reply(b"<p>Please log in</p>", media="text/html"),
    "text": _reply(b'{"score": "0.97", "status": true}'),
    "true": _reply(b'{"score": true, "status": 1}'),
    "other": _reply(b'{"result": 0.97}'),
    "nan": _reply(b'{"score": NaN, "status": "ok"}'),
    "outside": _reply(b'{"score": 97}'),
    "twice": _reply(b'{"score": 0.1, "score": 0.97}'),
    "deep": _reply(b'{"score": 0.97, "more": ' + b"[" * 50 + b"]" * 50 + b"}"),
    "large": _reply(b'{"score": 0.97, "more": "' + b"x" * 70_000 + b'"}'),
    "new word": _reply(b'{"score": 0.97, "status": "probably"}'),
    "500": _reply(b'{"score": 0.97}', status="500 Internal Server Error"),
    "401": _reply(b'{"score": 0.97}', status="401 Unauthorized"),
    "redirect": _reply(b"", status="307 Temporary Redirect", more="location: /elsewhere\r\n"),
}


class Remote:
    """The service.

    Attributes:
        url: where it listens.
        script: (path, subject) -> what it does next, word by word of `SAID`, or `hang`, `reset`; then it says `pass`.
        asked: (path, subject), as asked.
    """

    def __init__(self) -> None:
        self.url = ""
        self.script: dict[tuple[str, str], list[str]] = {}
        self.asked: list[tuple[str, str]] = []
        self._let_go = asyncio.Event()
        self._came_in = asyncio.Condition()

    def let_go(self) -> None:
        """Answer what hangs: `pass`."""
        self._let_go.set()
        self._let_go = asyncio.Event()

    async def until_asked(self, times: int) -> None:
        """Wait until so many questions have come in."""
        async with asyncio.timeout(30), self._came_in:
            await self._came_in.wait_for(lambda: len(self.asked) >= times)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length:")[2].partition("\r\n")[0])
            who = json.loads(await reader.readexactly(length))["subject"]
            place = (head.split(" ", 2)[1].strip("/"), who)
            waiting = self.script.get(place, [])
            word = waiting.pop(0) if waiting else "pass"
            async with self._came_in:
                self.asked.append(place)
                self._came_in.notify_all()
            if word == "reset":  # RFC 9293 3.5.3: no lingering, so that the peer sees a reset
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return
            if word == "hang":
                await self._let_go.wait()
                word = "pass"
            writer.write(SAID[word])
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked has gone
        finally:
            writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Remote]:
    """Serve on a free port of this machine."""
    made = Remote()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        made.let_go()
        server.close()
