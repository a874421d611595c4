"""The endpoints for transactions: whoever asked polls and withdraws, approvers list, see, approve and deny (WIRE 5).

Each walks through the table first: `self` for whoever asked, `staff` for whoever decides. A transaction that one may
not see looks like one that does not exist.
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
    from collections.abc import Awaitable, Callable, Mapping

    from authguard.asgi.endpoint_request import EndpointRequest
    from authguard.core.snapshot import TransactionRecord

#: transactions that one listing shows at the most
MAX_LISTED: Final = 200
#: what a listing may be asked for
LIST_PARAMETERS: Final = frozenset({"state", "operation", "subject", "limit", "after"})
#: bytes of a query that is read
MAX_QUERY_BYTES: Final = 1_024


class DecisionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a decision on a transaction takes.

    Attributes:
        reason: why; kept with the transaction and in the log.
    """

    reason: str = ""


class ApprovalBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an approval takes.

    Attributes:
        reason: why; kept with the transaction and in the log.
        over: limits that it may go over, by name, beside those that it was held for.
    """

    reason: str = ""
    over: tuple[str, ...] = ()


async def _get(request: EndpointRequest) -> Reply | Reason:
    """Whoever asked polls for the state; an approver sees what was asked, as it is bound."""
    name, principal = _path_segment(request.path, 1), request.verdict.principal
    if principal is None:
        return Reason.TRANSACTION_UNKNOWN
    found = await request.enforcer.approvals.get(principal, name)
    if isinstance(found, Reason):
        return found
    if found.account == principal.account_key:
        return json_reply(200, {"transaction": name, "operation": found.operation, "state": found.state})
    limits = await request.enforcer.approvals.limit_usages(name)
    return json_reply(200, _render(request, name, found) | {"limits": [asdict(figure) for figure in limits]})


async def _list(request: EndpointRequest) -> Reply | Reason:
    """An approver sees what waits for one of their roles, in a fair order, page by page."""
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
    if after == FIRST and state in request.enforcer.policy.machines["transaction"].spec.states:
        await request.enforcer.hold_queue.sweep(state, MAX_SWEPT_ON_LIST)
    found = await request.enforcer.approvals.list_decidable(
        principal,
        state=state,
        operation=wanted.get("operation", ""),
        subject=wanted.get("subject", ""),
        after=after,
        limit=count,
    )
    more = {"next": f"{found[-1][1].place!r}_{found[-1][0]}"} if found and len(found) == count else {}
    # a full page takes a fifth of a second to decrypt and render
    rendered = await to_thread.run_sync(lambda: [_render(request, name, record) for name, record in found])
    return json_reply(200, more | {"transactions": rendered})


def _parse_cursor(typed: str) -> tuple[float, str] | None:
    """Read where a list goes on, as its last page named it in `next`; ``None`` for what no page named."""
    if not typed:
        return FIRST
    created, _, name = typed.partition("_")
    try:
        moment = float(created)
    except ValueError:
        return None
    return (moment, name) if isfinite(moment) and name else None


async def _approve(request: EndpointRequest) -> Reply | Reason:
    """An approver says yes, and to which limits it may go over."""
    body = await request.parse_body(ApprovalBody)
    if isinstance(body, Reason):
        return body
    if not has_letters(body.reason):
        return Reason.BODY_MALFORMED
    name = _path_segment(request.path, 2)
    return _decision_reply(
        name, await request.enforcer.approvals.approve(request.verdict, name, body.reason, body.over)
    )


async def _deny(request: EndpointRequest) -> Reply | Reason:
    """An approver says no."""
    return await _decide(request, request.enforcer.approvals.deny, demands_reason=True)


async def _withdraw(request: EndpointRequest) -> Reply | Reason:
    """Whoever asked takes it back."""
    return await _decide(request, request.enforcer.approvals.withdraw)


async def _decide(
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


def _decision_reply(name: str, record: TransactionRecord | Reason) -> Reply | Reason:
    if isinstance(record, Reason):
        return record
    return json_reply(200, {"transaction": name, "state": record.state, "approvals": len(record.approvals)})


def _path_segment(path: str, place: int) -> str:
    return path.rsplit("/", place)[-place]


def _render(request: EndpointRequest, name: str, record: TransactionRecord) -> dict[str, Any]:
    """Tell an approver of a transaction: what was asked word for word, and nobody by name."""
    return {
        "transaction": name,
        "operation": record.operation,
        "state": record.state,
        "subject": record.subject,
        "agent": bool(record.actors),
        "created": record.created,
        "digest": record.digest,
        "shown": request.enforcer.approvals.render_request(name, record),
        "approvers": {"role": record.role, "count": record.count},
        "approvals": [{"by": one.by, "at": one.at, "note": one.note, "over": one.over} for one in record.approvals],
        "note": record.note,
        "tripped": record.tripped,
    }


#: operation -> what answers it
ENDPOINTS: Final[Mapping[str, Callable[[EndpointRequest], Awaitable[Reply | Reason]]]] = {
    "authguard.transaction": _get,
    "authguard.transaction.withdraw": _withdraw,
    "authguard.transaction.approve": _approve,
    "authguard.transaction.deny": _deny,
    "authguard.transactions": _list,
}


def own_operations(prefix: str) -> tuple[Operation, ...]:
    """Give the operations on transactions."""
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
