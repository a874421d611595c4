"""Computation of request bindings: small bodies inline, large ones in a worker thread, one at a time for each account.

Rules of this file:
- A body with more values than the policy's `budget.nodes` is refused before it is parsed.
- Work that could take over 2 ms does not run on the event loop. An account has one large body in the thread at a time,
  so that its bodies do not queue in front of those of others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from authguard.core.outcomes import Reason
from authguard.errors import BusyError
from authguard.evaluation import transactions
from authguard.evaluation.canonical import is_json
from authguard.formats.strict_json import exceeds_node_limit
from authguard.runtime.fair_worker import FairWorker

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.core.request import Principal
    from authguard.evaluation.request import AccessRequest, Body
    from authguard.evaluation.request_binding import RequestBinding
    from authguard.ports import Cipher, Ids

#: size of body and request target up to which a request is parsed, canonicalized and hashed in well under 2 ms
MAX_INLINE_BYTES: Final = 2_048
#: fields of a form up to which the same holds
MAX_INLINE_FIELDS: Final = 256


class RequestBinder:
    """Computes the bindings of requests."""

    __slots__ = ("_apart", "_cipher", "_ids", "_policy")

    def __init__(self, policy: Policy, ids: Ids, cipher: Cipher) -> None:
        """Store the parts; the first large body starts the thread."""
        self._policy = policy
        self._ids = ids
        self._cipher = cipher
        self._apart = FairWorker()

    def close(self) -> None:
        """End the thread."""
        self._apart.close()

    async def bind(self, request: AccessRequest, principal: Principal, body: Body) -> RequestBinding | Reason:
        """Compute the binding of a request after its body was read.

        Returns:
            The binding with the parsed body, or the reason why the body is not parsed.

        Raises:
            BusyError: the account's lock or the thread was not free within the policy's `budget.request`.
        """

        def work() -> RequestBinding | Reason:
            if is_json(body.content_type, body.form) and exceeds_node_limit(body.content, self._policy.budget.nodes):
                return Reason.BODY_TOO_COMPLEX
            return transactions.bind_request(request, principal, body, self._ids, self._policy.digest, self._cipher)

        is_small = len(body.content) + len(body.target) <= MAX_INLINE_BYTES
        if is_small and body.content.count(b"&") < MAX_INLINE_FIELDS:
            return work()
        try:
            with anyio.fail_after(self._policy.budget.request):
                return await self._apart.run(principal.account_key, work)
        except TimeoutError:
            raise BusyError("large bodies are being read; try again") from None
