"""A peer built from parts: PyJWT with a token cache, a step of `transitions`, a chained structlog line.

It is as fast as these parts allow: pure ASGI, one machine instead of five, no model per session, one bound logger,
orjson, one write per line, before the app runs. The encoder is an argument, so that this file needs no other package.
"""

from __future__ import annotations

import os
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import jwt
import structlog
from starlette.responses import PlainTextResponse
from transitions import Machine

from benchmarks.peers import decode

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from pathlib import Path

    from transitions.core import TransitionConfigDict

    from benchmarks.world import App, Scope

    Encode = Callable[[Any], bytes]

TRANSITIONS: Final[list[TransitionConfigDict]] = [
    {"trigger": "accepted", "source": ["absent", "active"], "dest": "active"},
    {"trigger": "idled", "source": "active", "dest": "idle"},
    {"trigger": "aged", "source": ["active", "idle"], "dest": "expired"},
    {"trigger": "revoked", "source": "*", "dest": "revoked"},
]


class _Cursor:
    """A throw-away model: where one session stands."""

    __slots__ = ("state",)

    def __init__(self, state: str) -> None:
        self.state = state


class _Write:
    """A structlog logger that hands each line to the kernel."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def info(self, line: bytes) -> None:
        """Write a line."""
        os.write(self._fd, line + b"\n")


class _Chain:
    """The last processor: the line names the hash of the one before."""

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._head = "0" * 64

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> bytes:
        event["prev"] = self._head
        line = self._encode(event)
        self._head = sha256(line).hexdigest()
        return line


class Stitched:
    """The middleware."""

    def __init__(self, app: App, key: Any, path: Path, encode: Encode) -> None:  # noqa: ANN401 - PyJWT takes any key
        self._app = app
        self._key = key
        self._known: dict[bytes, dict[str, Any]] = {}
        self._sessions: dict[str, str] = {}
        self._machine: Final = Machine(
            model=None,
            states=["absent", "active", "idle", "expired", "revoked"],
            initial="absent",
            transitions=TRANSITIONS,
            auto_transitions=False,
        )
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._log: Final = structlog.wrap_logger(
            _Write(fd),
            processors=[structlog.processors.TimeStamper(), _Chain(encode)],
            wrapper_class=structlog.make_filtering_bound_logger(20),
            cache_logger_on_first_use=True,
        ).bind()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own types
        """Check the token, step the machine, write the record, and run the app."""
        claims = self._claims(scope)
        if claims is None:
            await PlainTextResponse("sign in", 401, {"www-authenticate": "Bearer"})(scope, receive, send)
            return
        session = claims["sid"]
        before = self._sessions.get(session, "absent")
        cursor = _Cursor(before)
        self._machine.events["accepted"].trigger(cursor)
        self._sessions[session] = cursor.state
        self._log.info(
            "decided",
            operation="chat",
            subject=claims["sub"],
            session=session,
            source=before,
            dest=cursor.state,
            outcome="allow",
        )
        await self._app(scope, receive, send)

    def _claims(self, scope: Scope) -> dict[str, Any] | None:
        header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        claims = self._known.get(header)
        if claims is None:
            scheme, _, token = header.partition(b" ")
            if scheme.lower() != b"bearer":
                return None
            try:
                claims = decode(token.decode("ascii"), self._key)
            except (jwt.PyJWTError, UnicodeDecodeError):
                return None
            self._known[header] = claims
        if time.time() >= claims["exp"]:
            del self._known[header]
            return None
        return claims
