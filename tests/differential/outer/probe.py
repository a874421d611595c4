"""A middleware outside the guard that records what it sees of one connection, and a server that drives an app.

The same app is served with and without the guard. What the probe records must be equal, except for `GUARD_KEYS`.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

    Message = MutableMapping[str, Any]
    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: set by the probe, read by handlers
FROM_OUTSIDE: Final[ContextVar[str]] = ContextVar("from_outside", default="unset")
#: set by handlers and dependencies, read by the probe
FROM_INSIDE: Final[ContextVar[str]] = ContextVar("from_inside", default="unset")
#: keys that the guard sets in the scope and in its state; the guide names them
GUARD_KEYS: Final = frozenset({"user", "auth"})
GUARD_STATE: Final = "authguard"
#: what handlers and background tasks write down, in order
EVENTS: Final[list[str]] = []
#: a patient bound on one connection
SECONDS: Final = 60


@dataclass
class Seen:
    """What the probe saw of one connection.

    Attributes:
        scope: its scope after the app has ended.
        state: the request state after the app has ended.
        at_messages: for each message of the app, its type and what the scope named at that time.
        sent: the messages of the app.
        error: the exception that the app raised.
        inside: the context variable that handlers set, after the app has ended.
        events: what handlers wrote down.
    """

    scope: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    at_messages: list[Any] = field(default_factory=list)
    sent: list[Any] = field(default_factory=list)
    error: Any = None
    inside: str = ""
    events: list[str] = field(default_factory=list)


class Probe:
    """The outer middleware."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.seen = Seen()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        seen = self.seen = Seen()
        EVENTS.clear()
        FROM_OUTSIDE.set("set outside")
        FROM_INSIDE.set("unset")
        scope["state"]["outer"] = "set outside"
        scope["outer"] = "set outside"

        async def watched(message: Message) -> None:
            named = sorted(scope.keys() - GUARD_KEYS)
            seen.at_messages.append((message["type"], named, describe(scope.get("path_params"))))
            seen.sent.append(describe(dict(message)))
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except BaseException as error:
            seen.error = describe_error(error)
            raise
        finally:
            seen.scope = {key: describe(value) for key, value in scope.items() if key not in {*GUARD_KEYS, "state"}}
            seen.state = {key: describe(value) for key, value in scope["state"].items() if key != GUARD_STATE}
            seen.inside = FROM_INSIDE.get()
            seen.events = list(EVENTS)


def describe(value: Any, depth: int = 0) -> Any:
    """Describe a value so that two descriptions can be compared: data by its value, an object by its type and name."""
    if value is None or isinstance(value, str | bytes | int | float | bool):
        return value
    if isinstance(value, dict) and depth < 4:
        return {str(key): describe(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple) and depth < 4:
        return [describe(inner, depth + 1) for inner in value]
    named = [getattr(value, name, None) for name in ("__qualname__", "name", "path")]
    return (type(value).__qualname__, *(one for one in named if isinstance(one, str)))


def describe_error(error: BaseException) -> Any:
    """Describe an exception, its cause and the exceptions of its group."""
    inner = [describe_error(one) for one in error.exceptions] if isinstance(error, BaseExceptionGroup) else []
    return (type(error).__qualname__, str(error), inner, error.__cause__ and describe_error(error.__cause__))


@dataclass(frozen=True)
class Call:
    """One connection.

    Attributes:
        path: of the request.
        method: of the request; empty for a WebSocket.
        messages: of the client; then it waits for the end, and disconnects.
        leaves: whether the client disconnects without waiting for the end.
        headers: of the request, besides its credential.
    """

    path: str
    method: str = "GET"
    messages: tuple[dict[str, Any], ...] = ({"type": "http.request", "body": b"", "more_body": False},)
    leaves: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()


def body(*parts: bytes) -> tuple[dict[str, Any], ...]:
    """Return the messages of a body in parts."""
    last = len(parts) - 1
    return tuple({"type": "http.request", "body": part, "more_body": place < last} for place, part in enumerate(parts))


SOCKET: Final = (
    {"type": "websocket.connect"},
    {"type": "websocket.receive", "text": "hello"},
    {"type": "websocket.disconnect", "code": 1001},
)


async def serve(app: Any, calls: Sequence[Call], token: str) -> list[Seen]:
    """Serve connections within one lifespan; return what the probe saw of each.

    Args:
        app: behind a new probe.
        calls: the connections, one after the other.
        token: access token of all of them.
    """
    probe = Probe(app)
    seen: list[Seen] = []
    state: dict[str, Any] = {}
    async with anyio.create_task_group() as group:
        stopping, started, stopped = anyio.Event(), anyio.Event(), anyio.Event()

        async def receive() -> Message:
            if not started.is_set() and not state.get("asked"):
                state["asked"] = True
                return {"type": "lifespan.startup"}
            await stopping.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message: Message) -> None:
            (started if "startup" in message["type"] else stopped).set()

        lifespan: dict[str, Any] = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}
        group.start_soon(_lifespan, probe, lifespan, receive, send, started, stopped)
        await started.wait()
        for call in calls:
            with anyio.fail_after(SECONDS):
                await _connect(probe, call, token, state)
            seen.append(probe.seen)
        stopping.set()
        await stopped.wait()
    return seen


async def _lifespan(  # noqa: PLR0917 - the channels and their ends
    app: App, scope: Scope, receive: Receive, send: Send, started: anyio.Event, stopped: anyio.Event
) -> None:
    """Run the lifespan; an app without one raises, and is served all the same, as servers do."""
    try:
        await app(scope, receive, send)
    except (AssertionError, NotImplementedError, ValueError):
        pass
    finally:
        started.set()
        stopped.set()


async def _connect(app: App, call: Call, token: str, state: dict[str, Any]) -> None:
    ended = anyio.Event()
    messages = iter(call.messages)
    scope: dict[str, Any] = {
        "type": "http" if call.method else "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "http" if call.method else "ws",
        "server": ("agent.test", 80),
        "client": ("192.0.2.7", 4711),
        "root_path": "",
        "path": call.path,
        "raw_path": call.path.encode(),
        "query_string": b"q=1",
        "headers": [
            (b"host", b"agent.test"),
            (b"content-type", b"application/json"),
            (b"authorization", b"Bearer " + token.encode()),
            *call.headers,
        ],
        "extensions": {},
        # a server passes a shallow copy of the lifespan's state (ASGI, lifespan protocol)
        "state": {key: value for key, value in state.items() if key != "asked"},
    }
    if call.method:
        scope["method"] = call.method
    else:
        scope["subprotocols"] = []

    async def receive() -> Message:
        for message in messages:
            return dict(message)
        if not call.leaves:
            await ended.wait()
        return {"type": "http.disconnect"} if call.method else {"type": "websocket.disconnect", "code": 1001}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            ended.set()

    try:
        await app(scope, receive, send)
    except (Exception, BaseExceptionGroup):  # noqa: BLE001 - a server logs what an app raises; the probe recorded it
        return
