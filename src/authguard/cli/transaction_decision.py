"""`authguard transactions approve`, `deny` and `settle`; write access to the store is the authority."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import anyio
import typer

from authguard.cli.identifier import refuse_filter
from authguard.cli.json_document import print_object
from authguard.cli.line_wrap import print_line
from authguard.cli.operator_session import StoredContent, open_deployment, parse_names, resolve_settings
from authguard.cli.options import (
    JsonOption,
    LogOption,
    PersonsOption,
    PolicyOption,
    ReasonOption,
    StoreOption,
)
from authguard.cli.output import FAILED, UNAUTHORISED, print_error
from authguard.cli.record_lookup import find_transaction, shorten_transactions
from authguard.cli.span import format_until
from authguard.cli.terminal import escape, format_time
from authguard.cli.transaction_view import (
    TransactionView,
    commands,
    format_approvals,
    format_limit,
    format_missing,
    spell,
    to_document,
    view_transaction,
)
from authguard.cli.transactions import TransactionArgument
from authguard.core.outcomes import Reason
from authguard.core.person_name import normalize_name
from authguard.core.record_keys import account_key
from authguard.evaluation.booking import known_limits
from authguard.runtime.approvals import Approvals
from authguard.runtime.transaction_list import effective_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.core.policy import Policy
    from authguard.core.snapshot import TransactionRecord
    from authguard.evaluation.booking import LimitUsage

OverOption = Annotated[
    list[str],
    typer.Option("--over", help="Name of a limit that may be exceeded, from `transactions show`; may be repeated."),
]
APPROVED = "transaction.approved"
DENIED = "transaction.denied"


def approve(
    transaction: TransactionArgument,
    *,
    by: PersonsOption,
    reason: ReasonOption,
    over: OverOption = [],  # noqa: B006 - read by typer, never changed
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a held transaction: its amount is booked, and the requester may run it once.

    Exit 1 if it does not wait for an approval, and 5 if a person of `--by` asked for it.

    Examples:

        authguard transactions approve 3f2a91c4 --by Ines --reason "called the customer back"

        authguard transactions approve 3f2a91c4 --by Ines --by Omar --reason "two of us checked" --over daily
    """
    anyio.run(_act, transaction, APPROVED, by, reason, policy, store, log, tuple(over), as_json)


def deny(
    transaction: TransactionArgument,
    *,
    by: PersonsOption,
    reason: ReasonOption,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deny a transaction that has not started.

    Examples:

        authguard transactions deny 3f2a91c4 --by Ines --reason "the customer did not ask for this"
    """
    anyio.run(_act, transaction, DENIED, by, reason, policy, store, log, (), as_json)


def settle(
    transaction: TransactionArgument,
    outcome: Annotated[Literal["done", "failed"], typer.Argument(help="The result, as established by investigation.")],
    *,
    by: PersonsOption,
    reason: ReasonOption,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Settle a transaction in doubt as done or failed; it never runs again automatically.

    Examples:

        authguard transactions settle 3f2a91c4 done --by Omar --reason "the bank has booked it"
    """
    event = {"done": "transaction.committed", "failed": "transaction.failed"}[outcome]
    anyio.run(_act, transaction, event, by, reason, policy, store, log, (), as_json)


async def _act(
    transaction: str,
    event: str,
    by: list[str],
    reason: str,
    policy: str,
    store: str,
    log: Path | None,
    over: tuple[str, ...],
    as_json: bool,
) -> None:
    names = parse_names(by)
    async with open_deployment(policy, store, log, records=True) as (repository, opened):
        content = StoredContent(resolve_settings(policy, store, log), repository.policy)
        name, before = await find_transaction(repository, transaction)
        short = (await shorten_transactions(opened, [name]))[name]

        def view_of(record: TransactionRecord) -> TransactionView:
            return view_transaction(repository.policy, name, record, content.cipher, content.name_account, short)

        _require_limits(repository.policy, before, over)
        if event == APPROVED:
            _refuse_involved(repository.policy, view_of(before), names)
        approvals = Approvals(repository, content.cipher())
        done = await approvals.decide_as_operator(name, event, names, reason, over)
        now = repository.clock.now()
        if isinstance(done, Reason):
            limits = await approvals.limit_usages(name) if done is Reason.LIMIT_EXCEEDED else ()
            for line in _explain_refusal(view_of(before), event, done, limits):
                print_error(escape(line))
            raise typer.Exit(FAILED)
        after = view_of(effective_record(repository, done))
        if as_json:
            print_object(to_document(after, content.cipher))
            return
        for line in _report(before, after, names, now):
            print_line(escape(line))


def _require_limits(policy: Policy, record: TransactionRecord, over: Sequence[str]) -> None:
    """Raise `BadParameter` for a name that is no limit of the operation."""
    known = known_limits(policy, record)
    for one in over:
        if one not in known:
            raise refuse_filter("--over", one, known)


def _refuse_involved(policy: Policy, view: TransactionView, names: Sequence[str]) -> None:
    """Exit if a person of `--by` is the requester or an actor of the transaction, by their name at an issuer."""
    record = view.record
    involved = {record.account, *record.actors}
    for name in names:
        if any(account_key(issuer, name) in involved for issuer in policy.issuers):
            print_error(f"{escape(name)} asked for this transaction, and cannot approve it; nothing was changed")
            print_error(f"another person{_of_roles(record)} can:")
            print_error(next(commands(view)))
            raise typer.Exit(UNAUTHORISED)


def _of_roles(record: TransactionRecord) -> str:
    return f" of role {' or '.join(f'`{role}`' for role in sorted(record.roles))}" if record.roles else ""


def _report(before: TransactionRecord, after: TransactionView, names: Sequence[str], now: float) -> Iterator[str]:
    """Return what a decision did, and what follows."""
    record, what = after.record, f"{after.short} {after.record.operation} {after.sum}".strip()
    if after.needs != "approval":
        who = ", ".join(one.by for one in record.approvals) or record.by
        lapse = f"; the requester can run it until {format_time(after.lapses)}" if after.lapses != float("inf") else ""
        yield f"{what} is {spell(record.state)} by {who}{lapse}"
        return
    yield f"{what} is still {spell(record.state)}: {format_approvals(after)}"
    given = {normalize_name(one.by) for one in before.approvals}
    again = [name for name in names if normalize_name(name) in given]
    if again:
        yield f"{', '.join(again)} had approved it already, and counts once"
    yield f"it needs {format_missing(after)} more, each of another person, {_deadline(after, now)}"
    yield next(commands(after))


def _deadline(view: TransactionView, now: float) -> str:
    until = format_until(view.lapses, now)
    return f"before it lapses {until}" if until else "at any time"


def _explain_refusal(view: TransactionView, event: str, reason: Reason, limits: Sequence[LimitUsage]) -> Iterator[str]:
    """Return why a decision was refused, and what to type instead."""
    word = _verb(event)
    if reason is Reason.LIMIT_EXCEEDED:
        yield f"{view.short} was not {word}: it would exceed a limit, which every approver has to accept by name"
        for one in limits:
            if one.exceeded and not one.tripped:
                yield f"  {format_limit(one)}; add `--over {one.limit}` to permit it"
        yield from commands(view, limits)
    elif reason is Reason.POLICY_CHANGED:
        yield f"{view.short} was not {word}: it was requested under another policy, so that nobody can approve it"
        yield "the customer has to ask again; until then it can be denied"
        yield next(line for line in commands(view) if "deny" in line).replace("  or:", "next:")
    elif reason is Reason.SESSION_CHANGED:
        yield f"{view.short} was not {word}: the session that requested it has ended"
        yield "the customer has to ask again; until then it can be denied"
        yield next(line for line in commands(view) if "deny" in line).replace("  or:", "next:")
    elif reason is Reason.TRANSACTION_OVER:
        yield f"{view.short} was not {word}: {_state_of(view)}; nothing was changed"
        yield from list(commands(view)) or [f"next: authguard transactions show {view.short}"]
    else:
        yield f"{view.short} was not {word}: {reason.public}; nothing was changed"
        yield f"next: authguard transactions show {view.short}"


def _verb(event: str) -> str:
    return {APPROVED: "approved", DENIED: "denied"}.get(event, "settled")


def _state_of(view: TransactionView) -> str:
    """Return the state of a transaction that does not wait for a decision, with who brought it there, and when."""
    record, at = view.record, format_time(view.record.entered)
    if view.needs == "settlement":
        return "it is in doubt, so that it can only be settled"
    if view.needs == "approval":
        return f"it is not in doubt: it is {spell(record.state)} and waits for an approval"
    if record.by:
        return f"it is already {spell(record.state)} since {at}, by {record.by}: {record.note or 'no reason given'}"
    if record.approvals and record.state == "approved":
        return f"{', '.join(one.by for one in record.approvals)} approved it at {at}, and it waits for the requester"
    states = {
        "lapsed": f"it lapsed at {at}, and the customer has to ask again",
        "running": f"the app runs it since {at}; if no answer comes, it is in doubt, and can be settled then",
    }
    return states.get(record.state, f"it does not wait for this decision: it is {spell(record.state)} since {at}")
