"""Which operation a request is judged as, or the reason why it is judged as none.

Rules of this file:
- What an operation names costs one look-up. Everything else here runs only for what none names.
- A path that merely resembles a named one is never judged as it. The one exception is a single slash at the end, which
  frameworks redirect, unless both spellings are named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authguard.asgi.operations import OperationIndex, is_plain, route_path
from authguard.core.outcomes import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authguard.core.facts import Operation

    Find = Callable[[str], Operation | None]


class Resolver:
    """Resolves requests for one guarded app; nothing changes after it was built."""

    __slots__ = ("_admits", "_index", "_own", "_unnamed")

    def __init__(
        self, operations: Sequence[Operation], otherwise: Operation, own: Sequence[Operation], *, admits: bool
    ) -> None:
        """Index the operations.

        Args:
            operations: of the policy, in its order.
            otherwise: what the unnamed is judged as, where it is admitted.
            own: the guard's own operations, which come before the policy's.
            admits: whether the policy admits what nobody named.
        """
        self._index = OperationIndex((*own, *operations), otherwise)
        self._own = own
        self._unnamed = otherwise
        self._admits = admits

    @staticmethod
    def path(scope: dict[str, Any]) -> str:
        """Return the path that the app's router sees."""
        return route_path(scope)

    def find(self, method: str, path: str) -> Operation | Reason:
        """Resolve an HTTP request.

        Args:
            method: as sent.
            path: of `path`.

        Returns:
            The operation; or ``request-malformed`` for a method or a path that others may read differently, and
            ``operation-unnamed`` where the policy says ``otherwise: deny``.
        """
        found = self._index.find(method, path)
        if found is None:
            return Reason.REQUEST_MALFORMED
        if found is not self._unnamed:
            return found
        return self._otherwise(path, lambda other: self._index.find(method, other))

    def find_socket(self, path: str) -> Operation | Reason:
        """Resolve a WebSocket's handshake, as `find` does a request."""
        if not is_plain(path):
            return Reason.REQUEST_MALFORMED
        found = self._index.find_socket(path)
        if found is not None and found is not self._unnamed:
            return found
        return self._otherwise(path, self._index.find_socket)

    def _otherwise(self, path: str, find: Find) -> Operation | Reason:
        """Say what becomes of a path that no operation names."""
        other = path[:-1] if path.endswith("/") else f"{path}/"
        redirected = None if self._index.names(path) else find(other)
        # the guard's own endpoints are in no framework that redirects
        if redirected is not None and redirected is not self._unnamed and redirected not in self._own:
            return redirected
        return self._unnamed if self._admits else Reason.OPERATION_UNNAMED
