"""What an app writes down of itself: each time that it was reached, which handler ran, and what that handler read.

The ledger stands between guard and app. Handlers call `note`, in whichever thread or task their framework runs them.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

_NOTE: Final[ContextVar[Any]] = ContextVar("note")
#: seconds in which whatever runs has to end; a reply to somebody who has left may wait for ever in some servers
IDLE_TIMEOUT_S: Final = 20
#: names the request; the tests give each its own
ID: Final = b"x-request-id"


def note(route: str, document: object = None) -> None:
    """Note that a handler runs.

    Args:
        route: which.
        document: what it read, as its framework gave it: `amount` and `currency` are looked for.
    """
    find: Any = getattr(document, "get", lambda name: getattr(document, name, None))
    _NOTE.get()({"route": route, "amount": _text(find("amount")), "currency": _text(find("currency"))})


def _text(value: object) -> str | None:
    return None if value is None else str(value)


class Ledger:
    """Writes a line for each connection that reaches the app it wraps.

    Args:
        app: the guarded app.
        path: of the ledger.
    """

    def __init__(self, app: Any, path: Path) -> None:
        self._app = app
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        guard = (scope.get("state") or {}).get("authguard")
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        noted = False
        line = {
            "id": next((value for name, value in headers if name == ID.decode()), ""),
            "record": guard.record_id if guard else "",
            "operation": guard.operation if guard else "",
            "method": scope.get("method", "WEBSOCKET"),
            "path": scope["path"],
            "headers": [name for name, _ in headers],
        }

        def write(ran: dict[str, Any]) -> None:
            nonlocal noted
            noted = True
            os.write(self._file, json.dumps({**line, "ran": [ran]}).encode() + b"\n")

        _NOTE.set(write)
        self._open += 1
        self._idle.clear()
        try:
            await self._app(scope, receive, send)
        finally:
            if not noted:
                os.write(self._file, json.dumps({**line, "ran": []}).encode() + b"\n")
            self._open -= 1
            if not self._open:
                self._idle.set()

    async def idle(self) -> None:
        """Wait until nothing runs any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE_TIMEOUT_S):
                await self._idle.wait()
