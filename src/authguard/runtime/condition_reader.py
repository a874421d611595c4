"""Conditions of the policy's own that a header, a response or a call brings, read for each request.

Rules of this file:
- A header counts only with the gateway's secret, and once.
- A call is begun before the account sources are asked, and only for an operation whose answers depend on it.
- Whatever is not known within the policy's budget is ``unavailable``; nothing here raises but cancellation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
from msgspec.structs import replace

from authguard.core.own_conditions import UNAVAILABLE, read_label
from authguard.core.request import Proven
from authguard.evaluation.extra_values import asked_conditions
from authguard.runtime.gateway import is_gateway_proven

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.policy import Policy
    from authguard.core.request import Credential, Operation
    from authguard.evaluation.request import AccessRequest, RequestFacts
    from authguard.ports import ConditionSource, PendingValue


class ConditionReader:
    """Reads what requests bring.

    Args:
        policy: declares the conditions.
        sources: condition -> what it asks, of those with a ``call``.
        secrets: condition -> secrets of its gateway, of those with a header.

    Attributes:
        has_headers: whether a condition is read from a header; without one `read_headers` need not be called.
        is_idle: whether no condition is brought, so that nothing here need be called.
    """

    __slots__ = ("_headers", "_policy", "_responses", "_secrets", "_sources", "has_headers", "is_idle")

    def __init__(
        self, policy: Policy, sources: Mapping[str, ConditionSource], secrets: Mapping[str, tuple[bytes, ...]]
    ) -> None:
        used = policy.own_conditions
        self._policy = policy
        self._sources = sources
        self._secrets = secrets
        self._headers = tuple(one for one in used if one.header)
        self._responses = tuple(one for one in used if one.pointer)
        self.has_headers: Final = bool(self._headers)
        self.is_idle: Final = not (self._headers or self._responses or any(one.call for one in used))

    def read_headers(self, request: AccessRequest) -> dict[str, str]:
        """Return the value of each condition that is read from a header."""
        evidence, found = request.evidence, {}
        for one in self._headers:
            is_proven = is_gateway_proven(evidence, one.secret_header, self._secrets.get(one.name, ()))
            found[one.name] = read_label(one, evidence.headers.get(one.header) if is_proven else None)
        return found

    def start(self, operation: Operation, credential: Credential, now: float) -> dict[str, PendingValue]:
        """Begin the calls that the operation's answers depend on, without waiting; none for an unproven caller."""
        if not isinstance(credential, Proven):
            return {}
        asked = asked_conditions(self._policy, operation)
        return {one.name: self._sources[one.name].start(credential.principal, now) for one in asked}

    async def complete(
        self, request: AccessRequest, facts: RequestFacts, pending: Mapping[str, PendingValue]
    ) -> RequestFacts:
        """Return the facts with what the request brings.

        Args:
            request: the request.
            facts: with the responses of the account sources.
            pending: from `start`.
        """
        brought = self.read_headers(request)
        for one in self._responses:
            brought[one.name] = UNAVAILABLE
            for status in facts.statuses.values():
                for pointer, label in status.labels:
                    if pointer == one.pointer:
                        brought[one.name] = read_label(one, label)
        for name, value in pending.items():
            brought[name] = UNAVAILABLE
            with anyio.move_on_after(self._policy.budget.request):
                brought[name] = await value.wait()
        return replace(facts, brought=brought)
