"""Which operation a request is judged as, or the reason why it is judged as none.

Rules of this file:
- What an operation names costs one look-up. Everything else here runs only for what none names.
- A path that merely resembles a named one is never judged as it: it is refused. The one exception is a single slash at
  the end, which frameworks redirect, unless both spellings are named.
- Guard and router have to see the same path. Where the app takes off a root path of its own that the policy does not
  name, what begins with it is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authguard.asgi.lookalike import Lookalikes
from authguard.asgi.operations import OperationIndex, is_plain, is_rooted, route_path, without
from authguard.core.outcomes import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authguard.core.facts import Operation

    Find = Callable[[str], Operation | None]


class Resolver:
    """Resolves requests for one guarded app; nothing changes after it was built."""

    __slots__ = ("_admits", "_app_root", "_http", "_index", "_own", "_root", "_sockets", "_unnamed")

    def __init__(
        self,
        operations: Sequence[Operation],
        otherwise: Operation,
        own: Sequence[Operation],
        *,
        admits: bool,
        root: str = "",
        app_root: str = "",
    ) -> None:
        """Index the operations.

        Args:
            operations: of the policy, in its order.
            otherwise: what the unnamed is judged as, where it is admitted.
            own: the guard's own operations, which come before the policy's.
            admits: whether the policy admits what nobody named.
            root: the root path that the policy names; empty for that of the server (ASGI's ``root_path``).
            app_root: the root path that the app sets by itself; empty for none.
        """
        every = (*own, *operations)
        self._index = OperationIndex(every, otherwise)
        self._own = own
        self._unnamed = otherwise
        self._admits = admits
        self._root = root
        self._app_root = app_root
        self._http = Lookalikes(one.match.path for one in every if not one.match.websocket)
        self._sockets = Lookalikes(one.match.websocket for one in every if one.match.websocket)

    def path(self, scope: dict[str, Any]) -> str:
        """Return the path by which operations are named: without the root path."""
        return without(scope["path"], self._root) if self._root else route_path(scope)

    def find(self, method: str, path: str, scope: dict[str, Any]) -> Operation | Reason:
        """Resolve an HTTP request.

        Args:
            method: as sent.
            path: of `path`.
            scope: of the request.

        Returns:
            The operation; or ``request-malformed`` for a method or a path that others may read differently,
            ``operation-unnamed`` where the policy says ``otherwise: deny``, ``path-lookalike`` for what the app's
            router may take for a named path.
        """
        found = self._index.find(method, path)
        if found is None or not is_rooted(scope):
            return Reason.REQUEST_MALFORMED
        if self._app_root and without(scope["path"], self._app_root) != path:
            return Reason.PATH_LOOKALIKE
        if found is not self._unnamed:
            return found
        return self._otherwise(path, lambda other: self._index.find(method, other), self._http)

    def find_socket(self, path: str, scope: dict[str, Any]) -> Operation | Reason:
        """Resolve a WebSocket's handshake, as `find` does a request."""
        if not is_plain(path) or not is_rooted(scope):
            return Reason.REQUEST_MALFORMED
        if self._app_root and without(scope["path"], self._app_root) != path:
            return Reason.PATH_LOOKALIKE
        found = self._index.find_socket(path)
        if found is not None and found is not self._unnamed:
            return found
        return self._otherwise(path, self._index.find_socket, self._sockets)

    def _otherwise(self, path: str, find: Find, named: Lookalikes) -> Operation | Reason:
        """Say what becomes of a path that no operation names."""
        other = path[:-1] if path.endswith("/") else f"{path}/"
        redirected = None if self._index.names(path) else find(other)
        # the guard's own endpoints are in no framework that redirects
        if redirected is not None and redirected is not self._unnamed and redirected not in self._own:
            return redirected
        if not self._admits:
            return Reason.OPERATION_UNNAMED
        return Reason.PATH_LOOKALIKE if named.resembles(path) else self._unnamed
