"""Resolver: maps a request to its operation, or to the reason for a refusal.

Rules of this file:
- A named operation costs one lookup. All other checks run only for unnamed paths.
- A path that only resembles a named one is refused. The one exception is a single trailing slash, which frameworks
  redirect, unless both spellings are named or are routes of the app.
- Guard and router must see the same path. If the app strips a root path that the policy does not name, requests with
  that prefix are refused. If the app routes by host, an operation must name that host to match.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from authguard.core.outcomes import Reason
from authguard.evaluation.host import is_normalized_host, is_unambiguous, matches_host, read_host
from authguard.evaluation.lookalike import LookalikeIndex
from authguard.evaluation.operation_index import OperationIndex, has_consistent_root, route_path, strip_root

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Sequence

    from authguard.core.request import Operation

    Find = Callable[[str], Operation | None]


class Handshake:
    """The type of `HANDSHAKE`, the method of a WebSocket handshake; no caller can send an object."""


HANDSHAKE: Final = Handshake()


class Resolver:
    """Resolves the requests of one guarded app; immutable except for the hosts of the app."""

    __slots__ = (
        *("_admits", "_app_hosts", "_app_root", "_by_hosts", "_exact", "_exact_sockets", "_has_both", "_hosted"),
        *("_hosts", "_http", "_index", "_own", "_patterns", "_root", "_sockets", "_unnamed"),
    )

    def __init__(
        self,
        operations: Sequence[Operation],
        otherwise: Operation,
        own: Sequence[Operation],
        *,
        admits: bool,
        hosts: frozenset[str] = frozenset(),
        root: str = "",
        app_root: str = "",
        has_both: Callable[[str, str, str], bool] = lambda _method, _path, _other: False,
    ) -> None:
        """Index the operations.

        Args:
            operations: of the policy, in its order.
            otherwise: the operation of unnamed requests, if the policy admits them.
            own: the operations of the guard, which precede those of the policy.
            admits: whether the policy admits unnamed requests.
            hosts: accepted hosts; empty for any.
            root: root path in the policy; empty for that of the server (ASGI's ``root_path``).
            app_root: root path that the app sets for itself; empty for none.
            has_both: whether the app has separate routes for two paths and a method; an empty method is a handshake.
        """
        every = (*own, *operations)
        self._index = OperationIndex(every, otherwise)
        self._own = own
        self._unnamed = otherwise
        self._admits = admits
        self._root = root
        self._app_root = app_root
        self._hosts = hosts
        self._has_both = has_both
        self._patterns = tuple(sorted(frozenset[str]().union(*(one.hosts for one in operations))))
        self._app_hosts: tuple[re.Pattern[str], ...] = ()
        self._hosted = bool(hosts or self._patterns)
        # a made-up label represents all hosts below a domain that are not listed themselves
        representatives = ["", *(one.replace("*", "\0") for one in self._patterns)]
        self._by_hosts = {
            listed: OperationIndex([one for one in every if not one.hosts or one.hosts & set(listed)], otherwise)
            for listed in {self._listed(host) for host in representatives}
        }
        self._http = LookalikeIndex(one.match.path for one in every if not one.match.websocket)
        self._sockets = LookalikeIndex(one.match.websocket for one in every if one.match.websocket)

        self._index_exact()

    def _index_exact(self) -> None:
        """Index what `find` and `find_socket` return for a literal path without looking at the rest of a request."""
        is_indexed = not (self._hosted or self._root or self._app_root)
        unnamed = self._unnamed
        exact, sockets = (self._index.exact, self._index.exact_sockets) if is_indexed else ({}, {})
        self._exact = {key: found for key, found in exact.items() if found is not unnamed}
        self._exact_sockets = {path: found for path, found in sockets.items() if found is not unnamed}

    def set_app_hosts(self, hosts: Sequence[re.Pattern[str]]) -> None:
        """Set the hosts that the app routes, as Starlette's ``Host`` does.

        Args:
            hosts: patterns of host names.
        """
        self._app_hosts = tuple(hosts)
        self._hosted = bool(self._hosts or self._patterns or hosts)
        self._index_exact()

    def _listed(self, host: str) -> tuple[str, ...]:
        return tuple(one for one in self._patterns if matches_host((one,), host))

    def path(self, scope: dict[str, Any]) -> str:
        """Return the path that operations are matched with: without the root path."""
        return strip_root(scope["path"], self._root) if self._root else route_path(scope)

    def find_exact(self, scope: dict[str, Any]) -> Operation | None:
        """Resolve an HTTP request to a literal path in one lookup; ``None`` if `find` has to resolve it."""
        return None if scope.get("root_path") else self._exact.get((scope["method"], scope["path"]))

    def find(self, method: str, path: str, scope: dict[str, Any]) -> Operation | Reason:
        """Resolve an HTTP request.

        Args:
            method: as sent.
            path: from `path`.
            scope: of the request.

        Returns:
            The operation; or ``request-malformed`` for a method or a path that others may read in another way,
            ``operation-unnamed`` with ``otherwise: deny`` in the policy, ``path-lookalike`` for a path that the app's
            router may treat as a named one, ``host-misdirected`` for another host.
        """
        if self._hosted:
            return self._resolve_hosted(method, path, scope)
        found = self._index.find(method, path)
        if found is None or found is self._unnamed or self._app_root or not has_consistent_root(scope):
            return self._resolve(self._index, method, path, scope)
        return found

    def find_exact_socket(self, scope: dict[str, Any]) -> Operation | None:
        """Resolve a handshake to a literal path in one lookup; ``None`` if `find_socket` has to resolve it."""
        return None if scope.get("root_path") else self._exact_sockets.get(scope["path"])

    def find_socket(self, path: str, scope: dict[str, Any]) -> Operation | Reason:
        """Resolve a WebSocket handshake; see `find`."""
        return (self._resolve_hosted if self._hosted else partial(self._resolve, self._index))(HANDSHAKE, path, scope)

    def _resolve_hosted(self, method: str | Handshake, path: str, scope: dict[str, Any]) -> Operation | Reason:
        """Resolve with the host; ``host-misdirected`` if it is not listed, or if the operation is for another host."""
        host = read_host(scope)
        if not is_unambiguous(scope) or (self._hosts and not matches_host(self._hosts, host)):
            return Reason.HOST_MISDIRECTED
        if not is_normalized_host(scope) and self._is_host_specific(host.rstrip(".")):
            return Reason.HOST_MISDIRECTED
        found = self._resolve(self._by_hosts.get(self._listed(host), self._by_hosts[()]), method, path, scope)
        if isinstance(found, Reason) or found is self._unnamed:
            elsewhere = self._resolve(self._index, method, path, scope) if self._patterns else found
            return found if isinstance(elsewhere, Reason) or elsewhere is self._unnamed else Reason.HOST_MISDIRECTED
        routed = self._is_routed(host)
        named = matches_host(found.hosts, host) or self._hosts == {host} or found in self._own
        return Reason.HOST_MISDIRECTED if routed and not named else found

    def _is_routed(self, host: str) -> bool:
        return any(pattern.match(host) for pattern in self._app_hosts)

    def _is_host_specific(self, host: str) -> bool:
        return bool(self._listed(host)) or self._is_routed(host)

    def _resolve(
        self, index: OperationIndex, method: str | Handshake, path: str, scope: dict[str, Any]
    ) -> Operation | Reason:
        find: Find = index.find_socket if isinstance(method, Handshake) else partial(index.find, method)
        found = find(path)
        if found is None or not has_consistent_root(scope):
            return Reason.REQUEST_MALFORMED
        if self._app_root and strip_root(scope["path"], self._app_root) != path:
            return Reason.PATH_LOOKALIKE
        if found is not self._unnamed:
            return found
        if isinstance(method, Handshake):
            return self._resolve_unnamed("", path, find, self._sockets)
        return self._resolve_unnamed(method, path, find, self._http)

    def _resolve_unnamed(self, method: str, path: str, find: Find, named: LookalikeIndex) -> Operation | Reason:
        other = path[:-1] if path.endswith("/") else f"{path}/"
        redirected = None if self._index.has_path(path) else find(other)
        # no framework redirects to the guard's endpoints
        is_named = redirected is not None and redirected is not self._unnamed and redirected not in self._own
        # a separate route of the app is not covered by the other operation, even if the policy fails to name it
        if redirected is not None and is_named and not self._has_both(method, path, other):
            return redirected
        # a view that ignores the method would perform the operation that is named for another method of this path
        if not self._admits or (named is self._http and self._index.has_http_path(path)):
            return Reason.OPERATION_UNNAMED
        return Reason.PATH_LOOKALIKE if named.resembles(path) else self._unnamed
