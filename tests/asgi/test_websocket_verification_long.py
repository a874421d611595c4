"""Long WebSocket messages are searched in a thread, strictly, and not lost if the app cancels its receive."""

from __future__ import annotations

from functools import partial
from threading import get_ident
from typing import Any

import anyio
import pytest

from authguard.asgi.websocket_verification import CHUNK_BYTES, MAX_MESSAGE_CHARS, WebSocketVerification, is_reserved
from authguard.runtime.fair_worker import FairWorker

LONG = MAX_MESSAGE_CHARS + 1


async def unused(_said: Any) -> Any:
    """Discard messages, and answer nothing."""
    raise AssertionError


async def serve(receive: Any, app: Any) -> None:
    """Run an app on a WebSocket that is searched in a thread."""
    apart = FairWorker()
    try:
        await WebSocketVerification(receive, unused, unused, partial(apart.run, b"alice")).serve(app)
    finally:
        apart.close()


async def test_an_app_that_stops_waiting_gets_the_long_message_the_next_time() -> None:
    coming: list[dict[str, Any]] = [
        {"type": "websocket.receive", "text": "\\" * LONG},
        {"type": "websocket.receive", "text": "second"},
    ]
    got: list[Any] = []

    async def receive() -> Any:
        return coming.pop(0)

    async def app(receive: Any, _send: Any) -> None:
        with anyio.CancelScope() as leaving:
            leaving.cancel()
            got.append(await receive())
        got.extend([await receive(), await receive()])

    await serve(receive, app)
    assert [len(message["text"]) for message in got] == [LONG, 6]


class Watched(str):
    """A text that records the thread that encodes it."""

    __slots__ = ("threads",)

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Encode, and record the thread."""
        self.threads = {*getattr(self, "threads", ()), get_ident()}
        return super().encode(encoding, errors)


@pytest.mark.parametrize(("length", "is_elsewhere"), [(MAX_MESSAGE_CHARS, False), (LONG, True)])
async def test_only_long_messages_are_read_in_a_thread(length: int, is_elsewhere: bool) -> None:  # noqa: FBT001
    said = Watched("x" * length)

    async def receive() -> Any:
        return {"type": "websocket.receive", "text": said}

    async def app(receive: Any, _send: Any) -> None:
        assert (await receive())["text"] is said

    await serve(receive, app)
    assert (get_ident() not in said.threads) is is_elsewhere


@pytest.mark.parametrize(
    "hidden",
    [
        '"authguard": 1',
        '"authguard"' + " " * 64,
        '"authguard"' + " " * 100_000 + ":",
        '"AUTH\u00e9GUARD" :',
        '"\\u0061uthguard"',
        "authguard",
        "\\x61uthguard",
        "\\u{61}uthguard",
    ],
)
@pytest.mark.parametrize("place", [0, 1, CHUNK_BYTES - 12, CHUNK_BYTES - 5, CHUNK_BYTES - 1, 3 * CHUNK_BYTES - 7])
def test_no_place_in_a_long_message_hides_what_is_the_guards(hidden: str, place: int) -> None:
    assert is_reserved("{" + "x" * place + " " + hidden + "y" * LONG)
    assert is_reserved(("{" + "x" * place + " " + hidden + "y" * LONG).encode())


def test_blanks_in_front_of_a_long_message_hide_nothing() -> None:
    assert is_reserved(" " * 2 * LONG + "{authguard: {}}")
    assert not is_reserved("x" + " " * 2 * LONG + "{authguard: {}}")


def test_a_long_message_in_json_is_the_apps_whatever_it_escapes() -> None:
    assert not is_reserved('{"a":"' + "\\u20ac\\n\\/" * LONG + '","b":"authguard"}')
    assert not is_reserved(b"\x89PNG" + bytes(range(256)) * 1_000)
