"""Which operation a request is judged as, or the reason why it is judged as none.

Rules of this file:
- What an operation names costs one look-up. Everything else here runs only for what none names.
- A path that merely resembles a named one is never judged as it: it is refused. The one exception is a single slash at
  the end, which frameworks redirect, unless both spellings are named or are routes of the app's own.
- Guard and router have to see the same path. Where the app takes off a root path of its own that the policy does not
  name, what begins with it is refused. Where it routes a host by itself, only an operation that names the host is met.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from authguard.asgi.host import is_normalized_host, is_unambiguous, matches_host, read_host
from authguard.asgi.lookalike import LookalikeIndex
from authguard.asgi.operation_index import OperationIndex, has_consistent_root, route_path, strip_root
from authguard.core.outcomes import Reason

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Sequence

    from authguard.core.request import Operation

    Find = Callable[[str], Operation | None]


class Handshake:
    """What stands in place of a method for a WebSocket; no caller can send an object."""


HANDSHAKE: Final = Handshake()


class Resolver:
    """Resolves requests for one guarded app; all that changes is what is learnt of the app's hosts."""

    __slots__ = (
        *("_admits", "_app_hosts", "_app_root", "_by_hosts", "_hosted", "_hosts", "_http", "_index", "_own"),
        *("_has_both", "_patterns", "_root", "_sockets", "_unnamed"),
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
        has_both: Callable[[str, str, str], bool] = lambda _method, _path, _serve_other: False,
    ) -> None:
        """Index the operations.

        Args:
            operations: of the policy, in its order.
            otherwise: what the unnamed is judged as, where it is admitted.
            own: the guard's own operations, which come before the policy's.
            admits: whether the policy admits what nobody named.
            hosts: that a request may name; empty for any.
            root: the root path that the policy names; empty for that of the server (ASGI's ``root_path``).
            app_root: the root path that the app sets by itself; empty for none.
            has_both: whether the app routes two paths by themselves, by a method; an empty one is a handshake's.
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
        # a made-up label stands for all hosts below a domain that are not listed themselves
        met = ["", *(one.replace("*", "\0") for one in self._patterns)]
        self._by_hosts = {
            listed: OperationIndex([one for one in every if not one.hosts or one.hosts & set(listed)], otherwise)
            for listed in {self._listed(host) for host in met}
        }
        self._http = LookalikeIndex(one.match.path for one in every if not one.match.websocket)
        self._sockets = LookalikeIndex(one.match.websocket for one in every if one.match.websocket)

    def set_app_hosts(self, hosts: Sequence[re.Pattern[str]]) -> None:
        """Learn which hosts the app routes by itself, as Starlette's ``Host`` does.

        Args:
            hosts: patterns of host names.
        """
        self._app_hosts = tuple(hosts)
        self._hosted = bool(self._hosts or self._patterns or hosts)

    def _listed(self, host: str) -> tuple[str, ...]:
        return tuple(one for one in self._patterns if matches_host((one,), host))

    def path(self, scope: dict[str, Any]) -> str:
        """Return the path by which operations are named: without the root path."""
        return strip_root(scope["path"], self._root) if self._root else route_path(scope)

    def find(self, method: str, path: str, scope: dict[str, Any]) -> Operation | Reason:
        """Resolve an HTTP request.

        Args:
            method: as sent.
            path: of `path`.
            scope: of the request.

        Returns:
            The operation; or ``request-malformed`` for a method or a path that others may read differently,
            ``operation-unnamed`` where the policy says ``otherwise: deny``, ``path-lookalike`` for what the app's
            router may take for a named path, ``host-misdirected`` for another host.
        """
        if self._hosted:
            return self._resolve_hosted(method, path, scope)
        found = self._index.find(method, path)
        if found is None or found is self._unnamed or self._app_root or not has_consistent_root(scope):
            return self._resolve(self._index, method, path, scope)
        return found

    def find_socket(self, path: str, scope: dict[str, Any]) -> Operation | Reason:
        """Resolve a WebSocket's handshake, as `find` does a request."""
        return (self._resolve_hosted if self._hosted else partial(self._resolve, self._index))(HANDSHAKE, path, scope)

    def _resolve_hosted(self, method: str | Handshake, path: str, scope: dict[str, Any]) -> Operation | Reason:
        """Resolve by the host too: ``host-misdirected`` where it is not listed, or what it asks for is another's."""
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
        """Whether the app routes a host by itself."""
        return any(pattern.match(host) for pattern in self._app_hosts)

    def _is_host_specific(self, host: str) -> bool:
        """Whether an operation or a route of the app's own is for this host."""
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
        """Say what becomes of a path that no operation names."""
        other = path[:-1] if path.endswith("/") else f"{path}/"
        redirected = None if self._index.has_path(path) else find(other)
        # the guard's own endpoints are in no framework that redirects
        is_named = redirected is not None and redirected is not self._unnamed and redirected not in self._own
        # a route of the app's own is no other operation's, whoever forgot to name it
        if redirected is not None and is_named and not self._has_both(method, path, other):
            return redirected
        # a view that ignores the method would do what another method of this path is named for
        if not self._admits or (named is self._http and self._index.has_http_path(path)):
            return Reason.OPERATION_UNNAMED
        return Reason.PATH_LOOKALIKE if named.resembles(path) else self._unnamed
