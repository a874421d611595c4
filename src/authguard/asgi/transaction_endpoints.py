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

from authguard.asgi.reply import Reply, plain
from authguard.core.outcomes import Reason
from authguard.core.people import says_something
from authguard.core.request import Match, Operation
from authguard.ports import FIRST
from authguard.runtime.hold_queue import SWEPT_WHEN_LISTED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from authguard.asgi.endpoint_request import Call
    from authguard.core.snapshot import TransactionRecord

#: transactions that one listing shows at the most
LISTED: Final = 200
#: what a listing may be asked for
ASKED: Final = frozenset({"state", "operation", "subject", "limit", "after"})
#: bytes of a query that is read
QUERY_BOUND: Final = 1_024


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a decision on a transaction takes.

    Attributes:
        reason: why; kept with the transaction and in the log.
    """

    reason: str = ""


class Yes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an approval takes.

    Attributes:
        reason: why; kept with the transaction and in the log.
        over: limits that it may go over, by name, beside those that it was held for.
    """

    reason: str = ""
    over: tuple[str, ...] = ()


async def _see(call: Call) -> Reply | Reason:
    """Whoever asked polls for the state; an approver sees what was asked, as it is bound."""
    name, principal = _named(call.path, 1), call.verdict.principal
    if principal is None:
        return Reason.TRANSACTION_UNKNOWN
    found = await call.enforcer.approvals.see(principal, name)
    if isinstance(found, Reason):
        return found
    if found.account == principal.account_key:
        return plain(200, {"transaction": name, "operation": found.operation, "state": found.state})
    limits = await call.enforcer.approvals.figures(name)
    return plain(200, _told(call, name, found) | {"limits": [asdict(figure) for figure in limits]})


async def _list(call: Call) -> Reply | Reason:
    """An approver sees what waits for one of their roles, in a fair order, page by page."""
    principal, body = call.verdict.principal, await call.request.read_body()
    target = getattr(body, "target", b"")
    query = target.partition(b"?")[2]
    if principal is None or len(query) > QUERY_BOUND:
        return Reason.REQUEST_MALFORMED
    wanted = dict(parse_qsl(query.decode("latin-1")))
    limit, after = wanted.get("limit", str(LISTED)), _after(wanted.get("after", ""))
    if wanted.keys() - ASKED or not (limit.isascii() and limit.isdigit()) or after is None:
        return Reason.REQUEST_MALFORMED
    count = min(int(limit[:9]), LISTED)
    state = wanted.get("state", "held")
    if after == FIRST and state in call.enforcer.policy.machines["transaction"].spec.states:
        await call.enforcer.queue.sweep(state, SWEPT_WHEN_LISTED)
    found = await call.enforcer.approvals.listed(
        principal,
        state=state,
        operation=wanted.get("operation", ""),
        subject=wanted.get("subject", ""),
        after=after,
        limit=count,
    )
    more = {"next": f"{found[-1][1].place!r}_{found[-1][0]}"} if found and len(found) == count else {}
    # a full page takes a fifth of a second to decrypt and render
    told = await to_thread.run_sync(lambda: [_told(call, name, record) for name, record in found])
    return plain(200, more | {"transactions": told})


def _after(typed: str) -> tuple[float, str] | None:
    """Read where a list goes on, as its last page named it in `next`; ``None`` for what no page named."""
    if not typed:
        return FIRST
    created, _, name = typed.partition("_")
    try:
        moment = float(created)
    except ValueError:
        return None
    return (moment, name) if isfinite(moment) and name else None


async def _approve(call: Call) -> Reply | Reason:
    """An approver says yes, and to which limits it may go over."""
    word = await call.read(Yes)
    if isinstance(word, Reason):
        return word
    if not says_something(word.reason):
        return Reason.BODY_MALFORMED
    name = _named(call.path, 2)
    return _decided(name, await call.enforcer.approvals.approve(call.verdict, name, word.reason, word.over))


async def _deny(call: Call) -> Reply | Reason:
    """An approver says no."""
    return await _decide(call, call.enforcer.approvals.deny, demands_reason=True)


async def _withdraw(call: Call) -> Reply | Reason:
    """Whoever asked takes it back."""
    return await _decide(call, call.enforcer.approvals.withdraw)


async def _decide(
    call: Call, decide: Callable[..., Awaitable[TransactionRecord | Reason]], *, demands_reason: bool = False
) -> Reply | Reason:
    word = await call.read(Word)
    if isinstance(word, Reason):
        return word
    if demands_reason and not says_something(word.reason):
        return Reason.BODY_MALFORMED
    name = _named(call.path, 2)
    return _decided(name, await decide(call.verdict, name, word.reason))


def _decided(name: str, record: TransactionRecord | Reason) -> Reply | Reason:
    if isinstance(record, Reason):
        return record
    return plain(200, {"transaction": name, "state": record.state, "approvals": len(record.approvals)})


def _named(path: str, place: int) -> str:
    return path.rsplit("/", place)[-place]


def _told(call: Call, name: str, record: TransactionRecord) -> dict[str, Any]:
    """Tell an approver of a transaction: what was asked word for word, and nobody by name."""
    return {
        "transaction": name,
        "operation": record.operation,
        "state": record.state,
        "subject": record.subject,
        "agent": bool(record.actors),
        "created": record.created,
        "digest": record.digest,
        "shown": call.enforcer.approvals.shown(name, record),
        "approvers": {"role": record.role, "count": record.count},
        "approvals": [{"by": one.by, "at": one.at, "note": one.note, "over": one.over} for one in record.approvals],
        "note": record.note,
        "tripped": record.tripped,
    }


#: operation -> what answers it
ENDPOINTS: Final[Mapping[str, Callable[[Call], Awaitable[Reply | Reason]]]] = {
    "authguard.transaction": _see,
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
