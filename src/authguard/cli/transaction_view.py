"""Transactions for a person and as JSON: what an approver decides by, and the commands that decide."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from authguard.cli.json_document import json_time
from authguard.cli.span import format_ago, format_span, format_until
from authguard.cli.terminal import format_time
from authguard.core.approvers import count_places, format_approvers
from authguard.core.record_keys import account_key
from authguard.evaluation.approval import count_approved, open_places
from authguard.evaluation.booking import describe_tripped
from authguard.evaluation.transactions import UNMEASURED, decrypt_request
from authguard.runtime.held_amount import find_amount
from authguard.runtime.transaction_list import approvable_states, doubtful_states, lapse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from authguard.core.policy import Policy
    from authguard.core.snapshot import TransactionRecord
    from authguard.evaluation.booking import LimitUsage
    from authguard.ports import Cipher

HEADS: Final = ("id", "operation", "amount", "asked by", "waits", "lapses", "state", "approvals", "why held")
#: shown instead of a request
UNREADABLE: Final = (
    "the request is encrypted with another key, or was altered: "
    "set AUTHGUARD_ENCRYPTION_KEYS, or AUTHGUARD_PSEUDONYM_KEY, as for the app"
)
TOO_LONG: Final = "the request is too long to be stored; only its digest is known"
#: characters of a pseudonym in a list
SHORT_NAME: Final = 8
_PSEUDONYM_DIGITS: Final = 32
_DECIDE: Final = "--by NAME --reason WHY"


class TransactionView(Struct, frozen=True):
    """A transaction, with what an approver decides by.

    Attributes:
        id: whole.
        short: the id as a list shows it.
        record: with due timers applied.
        amount: decimal digits in major units; empty for none.
        currency: of the amount.
        lapses: epoch seconds UTC; infinity for never.
        actors: agents that act in it: their names in the policy, or pseudonyms.
        needs: `approval`, `settlement`, or empty if it waits for no person.
        missing: number of persons who still have to approve it.
        open: for each kind of its approvers, how many persons of that role alone could.
        tripped: limits that it was held for, in words.
    """

    id: str
    short: str
    record: TransactionRecord
    amount: str
    currency: str
    lapses: float
    actors: tuple[str, ...]
    needs: str
    missing: int = 0
    open: tuple[int, ...] = ()
    tripped: tuple[str, ...] = ()

    @property
    def sum(self) -> str:
        """The amount with its currency; empty for none."""
        return f"{self.amount} {self.currency}".strip()


def view_transaction(
    policy: Policy,
    transaction: str,
    record: TransactionRecord,
    cipher: Callable[[], Cipher],
    name_account: Callable[[bytes], str],
    short: str = "",
) -> TransactionView:
    """Build the view of a transaction.

    Args:
        policy: of the deployment.
        transaction: its id.
        record: with due timers applied.
        cipher: returns the cipher of stored requests.
        name_account: returns the pseudonym of an account's key.
        short: the id as a list shows it; default: whole.
    """
    known = {account_key(one.issuer, one.client): one.client for one in policy.agents}
    amount, currency = find_amount(policy, record, transaction, cipher)
    state = record.state
    needs = "approval" if state in approvable_states(policy) else ""
    return TransactionView(
        id=transaction,
        short=short or transaction,
        record=record,
        amount=amount,
        currency=currency,
        lapses=lapse_time(policy, record),
        actors=tuple(known.get(key) or name_account(key) or "an agent" for key in record.actors),
        needs="settlement" if state in doubtful_states(policy) else needs,
        missing=max(
            0, count_places(record.required) - count_approved(policy, record, record.required, record.approvals)
        ),
        open=open_places(policy, record),
        tripped=describe_tripped(policy, record),
    )


def row(view: TransactionView, now: float) -> tuple[str, ...]:
    """Return the values of a list, in the order of `HEADS`."""
    record = view.record
    return (
        view.short,
        record.operation,
        view.sum,
        format_requester(view),
        format_span(now - record.entered),
        format_until(view.lapses, now),
        spell(record.state),
        format_approvals(view) if view.needs == "approval" else "",
        explain_hold(view) if view.needs == "approval" else "",
    )


def spell(state: str) -> str:
    """Return a state in words: `in doubt`."""
    return state.replace("_", " ")


def short_name(name: str) -> str:
    """Return the start of a pseudonym; any other name is not cut."""
    is_pseudonym = len(name) == _PSEUDONYM_DIGITS and not set(name) - set("0123456789abcdef")
    return name[:SHORT_NAME] if is_pseudonym else name


def format_requester(view: TransactionView) -> str:
    """Return who asked, and through which agents."""
    through = f" via {', '.join(map(short_name, view.actors))}" if view.actors else ""
    return f"{short_name(view.record.subject)}{through}"


def format_approvals(view: TransactionView) -> str:
    """Return how many approvals count, of how many, and by which roles."""
    required = view.record.required
    count = count_places(required)
    if len(required) > 1:
        return f"{count - view.missing} of {count}: {format_approvers(required)}"
    return f"{count - view.missing} of {count} {required[0].role}".rstrip() if required else ""


def format_missing(view: TransactionView) -> str:
    """Return which approvals are missing: `2 approvals by officer and controller`."""
    kinds = [(kind, number) for kind, number in zip(view.record.required, view.open, strict=True) if number]
    roles = [f"{number} {one.role}" if number > 1 and len(kinds) > 1 else one.role for one, number in kinds]
    joint = " and " if sum(number for _, number in kinds) == view.missing else " or "
    noun = f"{view.missing} approval{'s' * (view.missing != 1)}"
    return f"{noun} by {joint.join(filter(None, roles)) or 'a person'}"


def explain_hold(view: TransactionView) -> str:
    """Return why a transaction was held."""
    record = view.record
    limits = [name for name in record.tripped if name != UNMEASURED]
    if limits:
        return f"over limit {', '.join(limits)}"
    if record.tripped:
        return "its amount could not be measured"
    if view.actors:
        return "an agent asks"
    return "the policy asks for an approval"


def verdict(view: TransactionView, now: float) -> str:
    """Return the verdict on a transaction in one sentence."""
    record, name = view.record, f"{view.record.operation} {view.sum}".strip()
    if view.needs == "settlement":
        return f"{name} is {spell(record.state)}: the app began it, and nobody knows whether it took effect"
    if view.needs == "approval":
        return f"{name} is {spell(record.state)}: it waits for {format_missing(view)}{_lapse(view, now)}"
    return f"{name} is {spell(record.state)}{_lapse(view, now)}"


def _lapse(view: TransactionView, now: float) -> str:
    return f", and lapses {format_until(view.lapses, now)}" if isfinite(view.lapses) else ""


def fields(view: TransactionView, now: float) -> list[tuple[str, str]]:
    """Return the names and values that one screen shows."""
    record = view.record
    by = f"by {record.by}: {record.note or 'no reason given'}" if record.by else ""
    return [
        ("transaction", view.id),
        ("operation", record.operation),
        ("amount", view.sum),
        ("asked by", record.subject),
        ("through", ", ".join(view.actors)),
        ("asked at", _time_and_distance(record.created, format_ago(record.created, now))),
        ("state", f"{spell(record.state)} since {format_time(record.entered)}"),
        ("lapses", _time_and_distance(view.lapses, format_until(view.lapses, now))),
        ("why held", explain_hold(view) if record.roles else ""),
        *(("over limit", line) for line in view.tripped),
        ("held by", record.hold),
        ("approvals", format_approvals(view)),
        *(
            ("approved", f"by {one.by} at {format_time(one.at)}: {one.note or 'no reason given'}")
            for one in record.approvals
        ),
        ("decided", by),
        ("app's status", str(record.status or "")),
        ("digest", record.digest),
    ]


def _time_and_distance(at: float, distance: str) -> str:
    return f"{format_time(at)}, {distance}" if at and isfinite(at) else ""


def commands(view: TransactionView, limits: Sequence[LimitUsage] = ()) -> Iterator[str]:
    """Return the commands that decide, ready to be completed with a name and a reason."""
    if view.needs == "settlement":
        yield f"next: authguard transactions settle {view.short} done {_DECIDE}"
        yield f"  or: authguard transactions settle {view.short} failed {_DECIDE}"
    elif view.needs == "approval":
        over = "".join(f" --over {limit.limit}" for limit in limits if limit.exceeded and not limit.tripped)
        yield f"next: authguard transactions approve {view.short} {_DECIDE}{over}"
        yield f"  or: authguard transactions deny {view.short} {_DECIDE}"


def remaining(limit: LimitUsage) -> str:
    """Return what is left of a limit before this transaction; decimal digits, negative if it is exceeded already."""
    used = Decimal(limit.spent) + Decimal(limit.booked) if limit.per else Decimal(0)
    return f"{Decimal(limit.most) - used:f}"


def format_limit(limit: LimitUsage) -> str:
    """Format the use of one limit, with what remains before this transaction."""
    unit = f" {limit.currency}" if limit.currency else " calls"
    window = f"in {format_span(limit.per)} by {limit.by}" if limit.per else "a call"
    marks = ", over the limit" * limit.exceeded + ", held for it" * limit.tripped
    return (
        f"limit {limit.limit}: {limit.most}{unit} {window}; spent {limit.spent}, booked {limit.booked},"
        f" remaining {remaining(limit)}, this {limit.cost}{marks}"
    )


def to_document(view: TransactionView, cipher: Callable[[], Cipher]) -> dict[str, Any]:
    """Return the JSON of a transaction; its keys are stable."""
    record = view.record
    return {
        "transaction": view.id,
        "operation": record.operation,
        "amount": view.amount,
        "currency": view.currency,
        "state": record.state,
        "needs": view.needs,
        "entered": json_time(record.entered),
        "created": json_time(record.created),
        "lapses": json_time(view.lapses),
        "subject": record.subject,
        "actors": list(view.actors),
        "session": record.session.hex(),
        "digest": record.digest,
        "shown": list(decrypt_request(record, view.id, cipher())) if record.request else list(record.shown),
        "role": ", ".join(sorted(record.roles)),
        "count": count_places(record.required),
        "hold": record.hold,
        "approvers": [
            {"role": one.role, "count": one.count, "acr": one.acr, "open": missing}
            for one, missing in zip(record.required, view.open, strict=True)
        ],
        "approvals": [
            {"by": one.by, "at": json_time(one.at), "reason": one.note, "over": list(one.over)}
            for one in record.approvals
        ],
        "held_for": explain_hold(view) if record.roles else "",
        "tripped": list(record.tripped),
        "over": list(record.over),
        "by": record.by,
        "reason": record.note,
        "status": record.status,
    }


def limit_document(limit: LimitUsage) -> dict[str, Any]:
    """Return the JSON of the use of one limit; its keys are stable."""
    return {
        "limit": limit.limit,
        "most": limit.most,
        "currency": limit.currency,
        "seconds": limit.per,
        "by": limit.by,
        "spent": limit.spent,
        "booked": limit.booked,
        "remaining": remaining(limit),
        "cost": limit.cost,
        "exceeded": limit.exceeded,
        "tripped": limit.tripped,
    }
