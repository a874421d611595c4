"""Identity verification on an open WebSocket: messages to the guard are filtered out, all others reach the app as sent.

Rules (ADR 21):
- A message in which any parser could find the name ``authguard`` as a key never reaches the app, whatever else it
  contains: text or bytes, at any depth, in any spelling, in JSON or in a form that a lenient parser accepts as JSON.
- One such message is answered at a time. The next one waits, and all messages after it: a flood only delays itself.
- A message longer than any answer is searched in the guard's thread, in chunks (1 MiB: 50 ms).
- The guard sends only replies, only between two complete messages of the app, and never after the close.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from anyio.abc import TaskGroup

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

#: maximum length of a message to the guard; `runtime.verification` bounds answers below that
MAX_MESSAGE_CHARS: Final = 16_384
NAME: Final = b"authguard"
#: a message is searched in its ASCII characters in lower case, so that marks, zero bytes of UTF-16 and UTF-32, and
#: bytes that a lenient decoder drops cannot hide the name
_LOWER: Final = bytes(range(128)).lower() + bytes(range(128, 256))
_DELETED: Final = b"\0" + bytes(range(128, 256))
#: a letter of the name in an escape that JSON allows (RFC 8259 7) but no encoder writes
_ESCAPED: Final = re.compile(rb"\\u00[4-7]")
#: escapes that JSON5 and others allow: two digits, braces, a redundant backslash, or a line continuation
_LOOSELY_ESCAPED: Final = re.compile(rb"\\(?:x[4-7]|u00[4-7]|u\{|[augd]|[\r\n])")
_LETTERS: Final = [(chr(one), f"[{one - 32 >> 4:x}{one >> 4:x}]{one & 15:x}") for one in NAME]
#: the name as a JSON key, in any case, since some parsers ignore case
_KEY: Final = re.compile(('"' + "".join(rf"(?:{one}|\\u00{code})" for one, code in _LETTERS) + r'"\s*:').encode())
#: in a long message this number of blanks counts as a colon
_PLAIN_KEY: Final = re.compile(rb'"authguard"\s{0,64}(?::|(?<=\s{64}))')
#: the name as a word, in any spelling that a lenient parser accepts
_WORD: Final = re.compile(
    (
        r"(?<![\w$])"
        + r"(?:\\[\r\n]+)*".join(rf"(?:\\?{one}|\\(?:u00|x|u\{{0*){code}\}}?)" for one, code in _LETTERS)
        + r"(?![\w$])"
    ).encode()
)
#: start of a text that a lenient parser may accept as JSON: blanks, then a bracket or a comment; or blanks only
_JSON_LIKE_START: Final = re.compile(rb"[^!-~]*(?:[\[{/#]|\Z)")
#: bytes of a long message that are searched in one step, and the longest spelling that may span two steps
CHUNK_BYTES: Final = 16_384
_MAX_SPELLING_BYTES: Final = 128
#: messages of the app that end a WebSocket
_CLOSE_MESSAGES: Final = frozenset({"websocket.close", "websocket.http.response.start"})


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """A message to the guard: ``{"authguard": {"verify": {...}}}``."""

    authguard: _GuardRequest


class _GuardRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The request in a message to the guard, in the form of `POST verify`."""

    verify: msgspec.Raw


def is_reserved(message: str | bytes) -> bool:
    """Return whether a message is reserved for the guard and kept from the app.

    Args:
        message: text or bytes; bytes in any of the encodings that JSON parsers detect (UTF-8, UTF-16, UTF-32).
    """
    raw = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
    if len(raw) > MAX_MESSAGE_CHARS:
        return _is_long_reserved(raw)
    text = raw.lower() if raw.isascii() and b"\0" not in raw else raw.translate(_LOWER, _DELETED)
    if NAME not in text and b"\\" not in text:
        return False
    if _KEY.search(text):
        return True
    return _JSON_LIKE_START.match(text) is not None and not _is_json(text) and _WORD.search(text) is not None


def _is_long_reserved(raw: bytes) -> bool:
    """Return whether a long message is reserved; each step holds the interpreter for at most two milliseconds."""
    # spellings of the name are not searched: a single escape that no encoder writes is enough
    pieces = (raw[start : start + CHUNK_BYTES] for start in range(0, len(raw), CHUNK_BYTES))
    text = b"".join(piece.translate(_LOWER, _DELETED) for piece in pieces)
    is_named = NAME in text
    if not is_named and b"\\" not in text:
        return False
    if _is_found(_ESCAPED, text) or (is_named and _is_found(_PLAIN_KEY, text)):
        return True
    if _JSON_LIKE_START.match(text, 0, CHUNK_BYTES) is None or not (is_named or _is_found(_LOOSELY_ESCAPED, text)):
        return False
    return not _is_json(text)


def _is_found(pattern: re.Pattern[bytes], text: bytes) -> bool:
    """Search a pattern shorter than `_MAX_SPELLING_BYTES` in chunks."""
    return any(
        pattern.search(text, start, start + CHUNK_BYTES + _MAX_SPELLING_BYTES)
        for start in range(0, len(text), CHUNK_BYTES)
    )


def _is_json(text: bytes) -> bool:
    """Return whether a message is one JSON text, in which keys have double quotes only."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return False
    return True


def parse_request(text: str) -> bytes:
    """Return the body for `POST verify`; an invalid one if the message has none, so that the reply is the same."""
    if len(text) > MAX_MESSAGE_CHARS:
        return b"["
    try:
        return bytes(msgspec.json.decode(text, type=_Envelope).authguard.verify)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return b"["


class WebSocketVerification:
    """The channels of one open WebSocket, as the app gets them."""

    def __init__(
        self,
        receive: Receive,
        send: Send,
        answer: Callable[[bytes], Awaitable[bytes]],
        run_in_thread: Callable[[Callable[[], bool]], Awaitable[bool]],
    ) -> None:
        """Store the channels.

        Args:
            receive: of the server.
            send: of the server.
            answer: takes the body of a `POST verify` and returns the body of its reply; never raises.
            run_in_thread: runs a function in a thread.
        """
        self._receive = receive
        self._send = send
        self._answer = answer
        self._run_in_thread = run_in_thread
        self._lock = anyio.Lock(fast_acquire=True)  # the sends suspend: a free lock need not, too
        #: set while no message is answered; there is none before the first
        self._idle: anyio.Event | None = None
        self._queued: list[str] = []
        #: messages that are being searched; if the app cancels its receive, it gets them from the next one
        self._incoming: list[Message] = []
        self._open = False

    async def serve(self, app: Callable[[Receive, Send], Awaitable[None]]) -> None:
        """Run the app; raise the exception of the app unchanged."""
        raised: list[BaseException] = []
        async with anyio.create_task_group() as group:
            try:
                await app(partial(self._receive_message, group), self._send_message)
            except BaseException as error:
                if isinstance(error, anyio.get_cancelled_exc_class()):
                    raise
                raised.append(error)
            self._open = False
            if self._idle is not None and not self._idle.is_set():
                group.cancel_scope.cancel()
        if raised:
            raise raised[0]

    async def _receive_message(self, group: TaskGroup) -> Message:
        """Return the next message for the app; answer those before it that are for the guard."""
        while True:
            if self._queued:
                if self._idle is not None:
                    await self._idle.wait()
                self._idle = anyio.Event()
                group.start_soon(self._reply, self._queued.pop(), self._idle)
            if not self._incoming:
                self._incoming.append(await self._receive())
            message = self._incoming[-1]
            kind, text, data = message["type"], message.get("text"), message.get("bytes")
            if kind == "websocket.disconnect":
                self._open = False
            reserved = kind == "websocket.receive" and any(
                [one and await self._is_reserved(one) for one in (text, data)]
            )
            self._incoming.clear()
            if not reserved:
                return message
            self._queued.append(text or "")  # requests are text: bytes get the reply for a malformed one

    async def _is_reserved(self, message: str | bytes) -> bool:
        return (
            await self._run_in_thread(partial(is_reserved, message))
            if len(message) > MAX_MESSAGE_CHARS
            else is_reserved(message)
        )

    async def _send_message(self, message: Message) -> None:
        async with self._lock:
            if message["type"] in _CLOSE_MESSAGES:
                self._open = False
            await self._send(message)
            if message["type"] == "websocket.accept":
                self._open = True

    async def _reply(self, text: str, idle: anyio.Event) -> None:
        """Answer one message; send nothing after the other end has gone."""
        try:
            body = await self._answer(parse_request(text))
            async with self._lock:
                if self._open:
                    message = b'{"authguard":{"verify":%b}}' % body
                    await self._send({"type": "websocket.send", "text": message.decode()})
        except Exception:  # noqa: BLE001 - servers raise different errors after a disconnect; none may reach the app
            self._open = False
        finally:
            idle.set()
