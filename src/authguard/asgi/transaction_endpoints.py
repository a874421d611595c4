"""Endpoints for transactions: the customer polls and withdraws; approvers list, inspect, approve and deny (WIRE 5).

Each is decided by the table first: with `risk: self` for the customer, with `risk: staff` for approvers. A transaction
that the caller may not see looks like an unknown one.
"""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec
from anyio import to_thread

from authguard.asgi.reply import Reply, json_reply
from authguard.core.outcomes import Reason
from authguard.core.person_name import has_letters
from authguard.core.request import Match, Operation
from authguard.ports import FIRST
from authguard.runtime.hold_queue import MAX_SWEPT_ON_LIST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from authguard.asgi.endpoint_request import EndpointRequest
    from authguard.core.snapshot import TransactionRecord
    from authguard.runtime.approvals import Approvals
    from authguard.runtime.hold_queue import HoldQueue

#: maximum number of transactions on one page
MAX_LISTED: Final = 200
#: accepted query parameters of a list
LIST_PARAMETERS: Final = frozenset({"state", "operation", "subject", "limit", "after"})
#: maximum length of a query
MAX_QUERY_BYTES: Final = 1_024


class DecisionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a decision on a transaction.

    Attributes:
        reason: stored with the transaction and in the log.
    """

    reason: str = ""


class ApprovalBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of an approval.

    Attributes:
        reason: stored with the transaction and in the log.
        over: names of limits that may be exceeded, in addition to those that caused the hold.
    """

    reason: str = ""
    over: tuple[str, ...] = ()


class TransactionEndpoints:
    """The endpoints, with what they call.

    Args:
        approvals: decisions of people on transactions.
        hold_queue: of held transactions.
        states: of the transaction machine.
    """

    __slots__ = ("_approvals", "_hold_queue", "_states")

    def __init__(self, approvals: Approvals, hold_queue: HoldQueue, states: Sequence[str]) -> None:
        self._approvals = approvals
        self._hold_queue = hold_queue
        self._states = frozenset(states)

    async def get(self, request: EndpointRequest) -> Reply | Reason:
        """Return the state to the customer, or the bound request to an approver."""
        name, principal = _path_segment(request.path, 1), request.verdict.principal
        if principal is None:
            return Reason.TRANSACTION_UNKNOWN
        found = await self._approvals.get(principal, name)
        if isinstance(found, Reason):
            return found
        if found.account == principal.account_key:
            return json_reply(200, {"transaction": name, "operation": found.operation, "state": found.state})
        limits = await self._approvals.limit_usages(name)
        return json_reply(200, self._render(name, found) | {"limits": [asdict(figure) for figure in limits]})

    async def list_page(self, request: EndpointRequest) -> Reply | Reason:
        """Return a page of the transactions that wait for a role of the approver, in a fair order."""
        principal, body = request.verdict.principal, await request.access_request.read_body()
        target = getattr(body, "target", b"")
        query = target.partition(b"?")[2]
        if principal is None or len(query) > MAX_QUERY_BYTES:
            return Reason.REQUEST_MALFORMED
        wanted = dict(parse_qsl(query.decode("latin-1")))
        limit, after = wanted.get("limit", str(MAX_LISTED)), _parse_cursor(wanted.get("after", ""))
        if wanted.keys() - LIST_PARAMETERS or not (limit.isascii() and limit.isdigit()) or after is None:
            return Reason.REQUEST_MALFORMED
        count = min(int(limit[:9]), MAX_LISTED)
        state = wanted.get("state", "held")
        if after == FIRST and state in self._states:
            await self._hold_queue.sweep(state, MAX_SWEPT_ON_LIST)
        found = await self._approvals.list_decidable(
            principal,
            state=state,
            operation=wanted.get("operation", ""),
            subject=wanted.get("subject", ""),
            after=after,
            limit=count,
        )
        more = {"next": f"{found[-1][1].place!r}_{found[-1][0]}"} if found and len(found) == count else {}
        # to decrypt and render a full page takes a fifth of a second
        rendered = await to_thread.run_sync(lambda: [self._render(name, record) for name, record in found])
        return json_reply(200, more | {"transactions": rendered})

    async def approve(self, request: EndpointRequest) -> Reply | Reason:
        """Approve a transaction, possibly over further limits."""
        body = await request.parse_body(ApprovalBody)
        if isinstance(body, Reason):
            return body
        if not has_letters(body.reason):
            return Reason.BODY_MALFORMED
        name = _path_segment(request.path, 2)
        return _decision_reply(name, await self._approvals.approve(request.verdict, name, body.reason, body.over))

    async def deny(self, request: EndpointRequest) -> Reply | Reason:
        """Deny a transaction."""
        return await self._decide(request, self._approvals.deny, demands_reason=True)

    async def withdraw(self, request: EndpointRequest) -> Reply | Reason:
        """Withdraw a transaction of the caller."""
        return await self._decide(request, self._approvals.withdraw)

    async def _decide(
        self,
        request: EndpointRequest,
        decide: Callable[..., Awaitable[TransactionRecord | Reason]],
        *,
        demands_reason: bool = False,
    ) -> Reply | Reason:
        body = await request.parse_body(DecisionBody)
        if isinstance(body, Reason):
            return body
        if demands_reason and not has_letters(body.reason):
            return Reason.BODY_MALFORMED
        name = _path_segment(request.path, 2)
        return _decision_reply(name, await decide(request.verdict, name, body.reason))

    def _render(self, name: str, record: TransactionRecord) -> dict[str, Any]:
        """Render a transaction for an approver: the exact request, without names of persons."""
        return {
            "transaction": name,
            "operation": record.operation,
            "state": record.state,
            "subject": record.subject,
            "agent": bool(record.actors),
            "created": record.created,
            "digest": record.digest,
            "shown": self._approvals.render_request(name, record),
            "held_by": record.hold,
            "held_for": self._approvals.describe_tripped(record),
            "approvers": [
                {"role": one.role, "count": one.count, "acr": one.acr, "open": missing}
                for one, missing in zip(record.required, self._approvals.open_places(record), strict=True)
            ],
            "approvals": [{"by": one.by, "at": one.at, "note": one.note, "over": one.over} for one in record.approvals],
            "note": record.note,
            "tripped": record.tripped,
        }


def _parse_cursor(text: str) -> tuple[float, str] | None:
    """Parse the position after a page, from the page's `next`; ``None`` if it is invalid."""
    if not text:
        return FIRST
    created, _, name = text.partition("_")
    try:
        moment = float(created)
    except ValueError:
        return None
    return (moment, name) if isfinite(moment) and name else None


def _decision_reply(name: str, record: TransactionRecord | Reason) -> Reply | Reason:
    if isinstance(record, Reason):
        return record
    return json_reply(200, {"transaction": name, "state": record.state, "approvals": len(record.approvals)})


def _path_segment(path: str, place: int) -> str:
    return path.rsplit("/", place)[-place]


#: operation -> its endpoint
ENDPOINTS: Final[Mapping[str, Callable[[TransactionEndpoints, EndpointRequest], Awaitable[Reply | Reason]]]] = {
    "authguard.transaction": TransactionEndpoints.get,
    "authguard.transaction.withdraw": TransactionEndpoints.withdraw,
    "authguard.transaction.approve": TransactionEndpoints.approve,
    "authguard.transaction.deny": TransactionEndpoints.deny,
    "authguard.transactions": TransactionEndpoints.list_page,
}


def own_operations(prefix: str) -> tuple[Operation, ...]:
    """Return the operations on transactions."""
    place = f"{prefix}/transactions/{{id}}"
    return (
        Operation(name="authguard.transaction", match=Match(path=place, method="GET"), risk="self", effect="read"),
        Operation(
            name="authguard.transaction.withdraw",
            match=Match(path=f"{place}/withdraw", method="POST"),
            risk="self",
            effect="write",
        ),
        *(
            Operation(
                name=f"authguard.transaction.{act}",
                match=Match(path=f"{place}/{act}", method="POST"),
                risk="staff",
                effect="write",
            )
            for act in ("approve", "deny")
        ),
        Operation(
            name="authguard.transactions",
            match=Match(path=f"{prefix}/transactions", method="GET"),
            risk="staff",
            effect="read",
        ),
    )
