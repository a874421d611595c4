"""Context of a request that its record states besides its headers: the active span's trace, and the client's address.

Rule: nothing here costs a request anything if the policy records no address and the process does no tracing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from authguard import active_span
from authguard.records.peer import normalize_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.request import Evidence

#: maximum number of addresses whose names in the log are cached
MAX_CACHED_PEERS: Final = 4_096


class RequestContext:
    """Adds the context to the evidence of requests."""

    __slots__ = ("_is_traced", "_name", "_records_peer")

    def __init__(self, peer_name: Callable[[str], str], *, records_peer: bool) -> None:
        """Look whether the process has loaded OpenTelemetry.

        Args:
            peer_name: address of a client -> its name in the log.
            records_peer: whether the policy records the clients' addresses.
        """
        self._is_traced = active_span.is_loaded()
        self._records_peer = records_peer
        self._name = lru_cache(maxsize=MAX_CACHED_PEERS)(lambda host: _name_peer(host, peer_name))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to add to any request."""
        return not (self._is_traced or self._records_peer)

    def add(self, evidence: Evidence, scope: dict[str, Any]) -> Evidence:
        """Return the evidence with the active span's trace id if no header has one, and with the client's address.

        Args:
            evidence: from the headers.
            scope: of type ``http`` or ``websocket``.
        """
        trace = evidence.trace
        if self._is_traced and not trace:
            trace = active_span.active_trace_id()
        client = scope.get("client") if self._records_peer else None
        peer = self._name(client[0]) if client and isinstance(client[0], str) else ""
        return replace(evidence, trace=trace, peer=peer) if trace or peer else evidence


def _name_peer(host: str, peer_name: Callable[[str], str]) -> str:
    """Return the name of a client; empty if it is no address, since a proxy can put any text in its place."""
    address = normalize_address(host)
    return peer_name(address) if address else ""
