"""Warnings for the developer about routes of the app that no operation names: once an hour each, without raw paths.

Raw paths contain personal data, and scanners request thousands of them. The route templates of the app contain none,
and are limited in number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from authguard.app_log import warn_unmapped_route
from authguard.asgi.app import list_routes
from authguard.core.request import Match, Operation
from authguard.evaluation.operation_index import OperationIndex

if TYPE_CHECKING:
    from authguard.ports import Clock

#: seconds between two warnings about one route
NOTICE_INTERVAL_S: Final = 3_600.0
#: maximum number of routes of an app
MAX_ROUTES: Final = 10_000
_CONVERTOR: Final = re.compile(r":(?!path\})\w+\}")
_PARTIAL: Final = re.compile(r"[^/]*\{[^/]*")
_WHOLE: Final = re.compile(r"\{\w+(:path)?\}")
_NONE: Final = Operation(name="")


class UnnamedRouteLog:
    """Logs unnamed routes, each at most once in `NOTICE_INTERVAL_S`."""

    __slots__ = ("_app", "_clock", "_index", "_last_warned")

    def __init__(self, app: Any, clock: Clock) -> None:  # noqa: ANN401 - any object can be an ASGI app
        """Store the app; its routes are listed at the first unnamed request.

        Args:
            app: the guarded app.
            clock: the source of time.
        """
        self._app = app
        self._clock = clock
        self._index: OperationIndex | None = None
        self._last_warned: dict[str, float] = {}

    def warn(self, method: str, path: str) -> None:
        """Log the route that a refused request would have reached, if the app has one.

        Args:
            method: of the request; empty for a WebSocket handshake.
            path: as the app's router sees it.
        """
        found = self.find_route(method, path)
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
        """Return whether the app has separate routes for two paths, so that it redirects neither to the other.

        Args:
            method: as for `warn`.
            path: of the request.
            other: the same path with or without a trailing slash.
        """
        found = (self.find_route(method, path), self.find_route(method, other))
        return _NONE not in found and found[0] is not found[1]

    def find_route(self, method: str, path: str) -> Operation:
        """Return the app's route for a request as an operation; one with an empty name if there is none."""
        if self._index is None:
            try:
                routes = list_routes(self._app)[:MAX_ROUTES]
            except Exception:  # noqa: BLE001 - objects of the app may raise, which must not change the refusal
                routes = []
            self._index = OperationIndex([_as_operation(*one) for one in routes], _NONE)
        return (self._index.find(method, path) if method else self._index.find_socket(path)) or _NONE


def _as_operation(template: str, method: str, is_socket: bool) -> Operation:  # noqa: FBT001 - a row of `list_routes`
    """Return the operation that would name a route; a segment that contains a parameter becomes a parameter."""
    plain = _CONVERTOR.sub("}", template)
    path = _PARTIAL.sub(lambda found: found[0] if _WHOLE.fullmatch(found[0]) else "{part}", plain)
    if is_socket:
        return Operation(name=f"WebSocket {template}", match=Match(websocket=path))
    return Operation(name=f"{method or 'any'} {template}", match=Match(path=path, method=method))
