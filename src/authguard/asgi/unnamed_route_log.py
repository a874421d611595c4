"""What a developer is told of the app's own routes that no operation names: once an hour each, and never a raw path.

Raw paths hold personal data, and scanners ask for thousands. A template of the app's own router holds neither, and
there are only so many.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from authguard.app_log import warn_unmapped_route
from authguard.asgi.app import list_routes
from authguard.asgi.operation_index import OperationIndex
from authguard.core.request import Match, Operation

if TYPE_CHECKING:
    from authguard.ports import Clock

#: seconds between two notices of one route
NOTICE_INTERVAL_S: Final = 3_600.0
#: routes of an app that are remembered
MAX_ROUTES: Final = 10_000
_CONVERTOR: Final = re.compile(r":(?!path\})\w+\}")
_PARTIAL: Final = re.compile(r"[^/]*\{[^/]*")
_WHOLE: Final = re.compile(r"\{\w+(:path)?\}")
_NONE: Final = Operation(name="")


class UnnamedRouteLog:
    """Tells of unnamed routes; keeps when each was told last."""

    __slots__ = ("_app", "_clock", "_index", "_last_warned")

    def __init__(self, app: Any, clock: Clock) -> None:  # noqa: ANN401 - any object can be an ASGI app
        """Keep the app; it is looked at when something unnamed first comes.

        Args:
            app: the guarded app.
            clock: the only source of time.
        """
        self._app = app
        self._clock = clock
        self._index: OperationIndex | None = None
        self._last_warned: dict[str, float] = {}

    def warn(self, method: str, path: str) -> None:
        """Tell of the route that a refused request would have met, if it is one of the app's own.

        Args:
            method: of the request; empty for a WebSocket's handshake.
            path: as the app's router sees it.
        """
        found = self.route(method, path)
        if found is _NONE:
            return
        now = self._clock.now()
        if abs(now - self._last_warned.get(found.name, float("-inf"))) >= NOTICE_INTERVAL_S:
            self._last_warned[found.name] = now
            match = found.match
            what = f"websocket: '{match.websocket}'" if match.websocket else f"path: '{match.path}', method: {method}"
            line = f"- {{name: ..., match: {{{what}}}, risk: ..., effect: ...}}"
            warn_unmapped_route(found.name, f"add to `operations`: {line}")

    def has_both(self, method: str, path: str, other: str) -> bool:
        """Whether the app routes two paths by themselves, so that it redirects neither to the other.

        Args:
            method: as for `warn`.
            path: asked for.
            other: the same with or without a slash at its end.
        """
        found = (self.route(method, path), self.route(method, other))
        return _NONE not in found and found[0] is not found[1]

    def route(self, method: str, path: str) -> Operation:
        """Return the app's own route for a request, as an operation; one without a name where there is none."""
        if self._index is None:
            try:
                routes = list_routes(self._app)[:MAX_ROUTES]
            except Exception:  # noqa: BLE001 - an app's own objects; to look at them must not undo a refusal
                routes = []
            self._index = OperationIndex([_as_operation(*one) for one in routes], _NONE)
        return (self._index.find(method, path) if method else self._index.find_socket(path)) or _NONE


def _as_operation(template: str, method: str, is_socket: bool) -> Operation:  # noqa: FBT001 - a row of `list_routes`
    """Write a route as the operation that would name it; a segment with a parameter in it is a parameter."""
    plain = _CONVERTOR.sub("}", template)
    path = _PARTIAL.sub(lambda found: found[0] if _WHOLE.fullmatch(found[0]) else "{part}", plain)
    if is_socket:
        return Operation(name=f"WebSocket {template}", match=Match(websocket=path))
    return Operation(name=f"{method or 'any'} {template}", match=Match(path=path, method=method))
