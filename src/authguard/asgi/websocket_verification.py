"""Proving identity on an open WebSocket: what is addressed to the guard is the guard's, all else the app's, as it came.

Rules (ADR 21):
- A message in which any parser could find the name ``authguard`` as a key never reaches the app, whatever else is in
  it: text or bytes, at any depth, in any spelling, in JSON or in what a lenient parser takes for it.
- One such message at a time is answered; the next waits, and so do those behind it: whoever floods, waits.
- A message longer than an answer can be is looked through in the guard's thread, a piece at a time (1 MiB: 50 ms).
- The guard speaks only when it was spoken to, between two whole messages of the app, and never after the end.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

#: characters of a message to the guard; more can be no answer (`runtime.verification` has the bounds of those)
MAX_MESSAGE_CHARS: Final = 16_384
NAME: Final = b"authguard"
#: what is read of a message: its ASCII in lower case. Marks, zeros of UTF-16 and UTF-32, and what a lenient decoder
#: leaves out cannot then hide a name
_LOWER: Final = bytes(range(128)).lower() + bytes(range(128, 256))
_DELETED: Final = b"\0" + bytes(range(128, 256))
#: a letter of the name as JSON may escape it (RFC 8259 7), which no encoder does
_ESCAPED: Final = re.compile(rb"\\u00[4-7]")
#: the same as JSON5 and others may: by two digits, in braces, by a needless backslash; or a line that goes on
_LOOSELY_ESCAPED: Final = re.compile(rb"\\(?:x[4-7]|u00[4-7]|u\{|[augd]|[\r\n])")
_LETTERS: Final = [(chr(one), f"[{one - 32 >> 4:x}{one >> 4:x}]{one & 15:x}") for one in NAME]
#: the name as a key of JSON, in any case, since some parsers ignore it
_KEY: Final = re.compile(('"' + "".join(rf"(?:{one}|\\u00{code})" for one, code in _LETTERS) + r'"\s*:').encode())
#: in a long message so many blanks count as if the colon followed
_PLAIN_KEY: Final = re.compile(rb'"authguard"\s{0,64}(?::|(?<=\s{64}))')
#: the name as a word, in any spelling that a lenient parser reads
_WORD: Final = re.compile(
    (
        r"(?<![\w$])"
        + r"(?:\\[\r\n]+)*".join(rf"(?:\\?{one}|\\(?:u00|x|u\{{0*){code}\}}?)" for one, code in _LETTERS)
        + r"(?![\w$])"
    ).encode()
)
#: what a lenient parser may take for JSON: a bracket or a comment, after blanks; or so many blanks that none is seen
_BEGINS: Final = re.compile(rb"[^!-~]*(?:[\[{/#]|\Z)")
#: bytes of a long message that one step looks at, and of the longest spelling that may lie across two steps
CHUNK_BYTES: Final = 16_384
_MAX_SPELLING_BYTES: Final = 128
#: what ends a WebSocket, as the app sends it
_ENDS: Final = frozenset({"websocket.close", "websocket.http.response.start"})


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """A message to the guard: ``{"authguard": {"verify": {...}}}``."""

    authguard: _Wanted


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """What is wanted of the guard, in the form that `POST verify` takes."""

    verify: msgspec.Raw


def is_reserved(message: str | bytes) -> bool:
    """Tell whether a message is kept from the app.

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
    return _BEGINS.match(text) is not None and not _is_json(text) and _WORD.search(text) is not None


def _is_long_reserved(raw: bytes) -> bool:
    """Tell the same of a long message, in steps that each hold the interpreter for less than a millisecond or two.

    It is not searched for spellings of the name: one escape that no encoder writes is enough.
    """
    pieces = (raw[start : start + CHUNK_BYTES] for start in range(0, len(raw), CHUNK_BYTES))
    text = b"".join(piece.translate(_LOWER, _DELETED) for piece in pieces)
    is_named = NAME in text
    if not is_named and b"\\" not in text:
        return False
    if _is_found(_ESCAPED, text) or (is_named and _is_found(_PLAIN_KEY, text)):
        return True
    if _BEGINS.match(text, 0, CHUNK_BYTES) is None or not (is_named or _is_found(_LOOSELY_ESCAPED, text)):
        return False
    return not _is_json(text)


def _is_found(pattern: re.Pattern[bytes], text: bytes) -> bool:
    """Search for what is shorter than `_MAX_SPELLING_BYTES`, a piece at a time."""
    return any(
        pattern.search(text, start, start + CHUNK_BYTES + _MAX_SPELLING_BYTES)
        for start in range(0, len(text), CHUNK_BYTES)
    )


def _is_json(text: bytes) -> bool:
    """Whether a message is one JSON text, which names its keys in double quotes only."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def parse_request(text: str) -> bytes:
    """Take out what `POST verify` would have got; empty where there is none: that is malformed there, too."""
    if len(text) > MAX_MESSAGE_CHARS:
        return b"["
    try:
        return bytes(msgspec.json.decode(text, type=_Envelope).authguard.verify)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return b"["


class WebSocketVerification:
    """One open WebSocket, as the app is given it."""

    def __init__(
        self,
        receive: Receive,
        send: Send,
        answer: Callable[[bytes], Awaitable[bytes]],
        run_in_thread: Callable[[Callable[[], bool]], Awaitable[bool]],
    ) -> None:
        """Keep the ends.

        Args:
            receive: of the server.
            send: of the server.
            answer: takes what `POST verify` takes, and gives the body of its reply; raises nothing.
            run_in_thread: runs a function in a thread.
        """
        self._receive = receive
        self._send = send
        self._answer = answer
        self._run_in_thread = run_in_thread
        self._lock = anyio.Lock()
        self._idle = anyio.Event()
        self._idle.set()
        self._queued: list[str] = []
        #: what came and is still looked at: an app that stops waiting meanwhile gets it the next time
        self._incoming: list[Message] = []
        self._open = False

    async def serve(self, app: Callable[[Receive, Send], Awaitable[None]]) -> None:
        """Let the app run; what it raises is raised as it was."""
        raised: list[Exception] = []
        async with anyio.create_task_group() as group:

            async def receive() -> Message:
                while True:
                    if self._queued:
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
                    self._queued.append(text or "")  # a question is text: bytes are answered as malformed

            try:
                await app(receive, self._send_message)
            except Exception as error:  # noqa: BLE001 - raised again, as it was, outside of the group
                raised.append(error)
            self._open = False
            group.cancel_scope.cancel()
        if raised:
            raise raised[0]

    async def _is_reserved(self, message: str | bytes) -> bool:
        """Tell the same as `is_reserved`; of a long message in a thread."""
        return (
            await self._run_in_thread(partial(is_reserved, message))
            if len(message) > MAX_MESSAGE_CHARS
            else is_reserved(message)
        )

    async def _send_message(self, message: Message) -> None:
        """Send what the app says."""
        async with self._lock:
            if message["type"] in _ENDS:
                self._open = False
            await self._send(message)
            if message["type"] == "websocket.accept":
                self._open = True

    async def _reply(self, text: str, idle: anyio.Event) -> None:
        """Answer one message; whoever has gone is answered no more."""
        try:
            body = await self._answer(parse_request(text))
            async with self._lock:
                if self._open:
                    message = b'{"authguard":{"verify":%b}}' % body
                    await self._send({"type": "websocket.send", "text": message.decode()})
        except Exception:  # noqa: BLE001 - servers say in their own ways that the other end has gone; no harm to the app
            self._open = False
        finally:
            idle.set()
