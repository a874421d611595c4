"""`authguard handoff`: list, take and close hand-off tickets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import anyio
import typer

from authguard.cli.identifier import refuse_filter, shorten
from authguard.cli.json_document import json_time, print_array, print_object
from authguard.cli.line_wrap import print_line
from authguard.cli.operator_session import open_deployment, parse_names
from authguard.cli.options import (
    ByOption,
    JsonOption,
    LimitOption,
    LogOption,
    PolicyOption,
    ReasonOption,
    SinceOption,
    StoreOption,
    UntilOption,
)
from authguard.cli.output import FAILED, print_error
from authguard.cli.period import parse_period
from authguard.cli.record_lookup import MAX_TICKETS, find_ticket
from authguard.cli.span import format_span
from authguard.cli.table import format_table, window_width
from authguard.cli.terminal import escape, format_time
from authguard.core.person_name import normalize_name
from authguard.runtime.handoff import NoTicket, StoreDesk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.core.policy import Policy
    from authguard.runtime.handoff import FiledTicket

HEADS: Final = ("id", "queue", "waits", "operation", "account", "verification", "taken by")

TicketArgument = Annotated[
    str, typer.Argument(help="Id of the ticket, or its start, from `handoff list` or the reply.")
]
QueueOption = Annotated[str, typer.Option("--queue", metavar="NAME", help="Only tickets of this queue.")]
Override = Annotated[
    bool, typer.Option("--override", help="Close a ticket that is open or taken by another person; the log records it.")
]


def show(
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    queue: QueueOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List the open and taken tickets; those that nobody took first, then the oldest. Change and record nothing.

    `--since` and `--until` say when they were opened; account and verification are as they were then.

    Examples:

        authguard handoff list

        authguard handoff list --queue fraud --since yesterday --json
    """

    async def load() -> tuple[list[FiledTicket], dict[str, str], float]:
        async with open_deployment(policy, store, log, records=False) as (repository, opened):
            tickets = await StoreDesk(opened).tickets(MAX_TICKETS)
            if queue and queue not in (known := _queues(repository.policy, tickets)):
                raise refuse_filter("--queue", queue, known)
            begin, end = parse_period(since, until)
            found = [one for one in tickets if queue in {"", one.ticket.queue} and begin <= one.ticket.opened <= end]
            found.sort(key=lambda one: (one.state != "open", one.ticket.opened, one.ticket.id))
            ids = [one.ticket.id for one in tickets]
            return found, shorten(ids, ids), repository.clock.now()

    found, short, now = anyio.run(load)
    if as_json:
        print_array([_document(one) for one in found[:limit]])
        return
    if not found:
        print_line("no ticket matches" if queue or since or until else "no ticket waits: the desk is empty")
        return
    opened = sum(one.state == "open" for one in found)
    summary = ", ".join(
        f"{count} {state}" for count, state in ((opened, "open"), (len(found) - opened, "taken")) if count
    )
    print_line(f"{len(found)} ticket{'s wait' if len(found) != 1 else ' waits'} for a person: {summary}")
    for line in format_table(HEADS, [_row(one, short, now) for one in found[:limit]], window_width()):
        print_line(line)
    if len(found) > limit:
        print_error(f"the first {limit} of {len(found)} are shown; --limit shows more")
    if opened:
        print_line(f"next: authguard handoff take {short[found[0].ticket.id]} --by NAME")
    else:
        print_line(f"next: authguard handoff close {short[found[0].ticket.id]} --by NAME --reason WHY")


def take(
    ticket: TicketArgument,
    *,
    by: ByOption,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a ticket. Exit 1 if another person has taken it.

    Examples:

        authguard handoff take adc9b1b0 --by Ines
    """
    anyio.run(_act, "take", ticket, by, "", policy, store, log, False, as_json)


def close(
    ticket: TicketArgument,
    *,
    by: ByOption,
    reason: ReasonOption,
    override: Override = False,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close a ticket that you took, after the customer was helped. The state of the customer does not change.

    Exit 1 if the ticket is open, or if another person has taken it.

    Examples:

        authguard handoff close adc9b1b0 --by Ines --reason "called the customer back"
    """
    anyio.run(_act, "close", ticket, by, reason, policy, store, log, override, as_json)


async def _act(
    act: Literal["take", "close"],
    ticket: str,
    by: str,
    note: str,
    policy: str,
    store: str,
    log: Path | None,
    override: bool,
    as_json: bool,
) -> None:
    """Record the act, then change the ticket; withdraw the record if the change is refused."""
    (name,) = parse_names([by])
    async with open_deployment(policy, store, log, records=True) as (repository, opened):
        desk, journal, now = StoreDesk(opened), repository.journal, repository.clock.now()
        of = (await find_ticket(opened, ticket, now)).ticket
        done = {"take": "taken", "close": "overridden" if override else "closed"}[act]
        record = journal.record_act(
            f"handoff.{done}", now, by=name, note=note, subject=of.subject, session=of.session, ticket=of.id
        )
        if act == "take":
            filed = await desk.take(of.id, name, now)
        else:
            filed = await desk.close(of.id, name, now, override=override)
        refusal = ("the ticket is closed",) if isinstance(filed, NoTicket) else _refusal(act, filed, name)
        if isinstance(filed, NoTicket) or refusal:
            journal.record_withdrawal((record,), now)
            for line in refusal:
                print_error(escape(line))
            raise typer.Exit(FAILED)
        if as_json:
            print_object(_document(filed))
            return
        print_line(
            escape(f"{of.id} is {filed.state} by {filed.by} since {format_time(filed.at)}: {of.operation}, {of.queue}")
        )
        if act == "take":
            print_line(f"next: authguard accounts show --ticket {of.id}")
            print_line(f"then: authguard handoff close {of.id} --by NAME --reason WHY")


def _refusal(act: Literal["take", "close"], filed: FiledTicket, name: str) -> tuple[str, ...]:
    """Return why the act was refused, and what to type; empty if it was done."""
    close_it = f"authguard handoff close {filed.ticket.id} --by NAME --reason WHY"
    if filed.state == "open":
        return (
            "the ticket has not been taken: take it first, or use --override",
            f"next: authguard handoff take {filed.ticket.id} --by NAME",
        )
    if normalize_name(filed.by) != normalize_name(name):
        taken = f"{filed.by} has taken it already, at {format_time(filed.at)}"
        if act == "take":
            return (f"{taken}: ask them first", f"next: {close_it} --override")
        return (f"{taken}: only they can close it, or use --override", f"next: {close_it} --override")
    return ()


def _queues(policy: Policy, tickets: Sequence[FiledTicket]) -> set[str]:
    """Return the queues of the policy and of the tickets."""
    return {one.queue for one in policy.fallbacks.values() if one.queue} | {one.ticket.queue for one in tickets}


def _row(filed: FiledTicket, short: dict[str, str], now: float) -> tuple[str, ...]:
    ticket = filed.ticket
    return (
        short[ticket.id],
        ticket.queue,
        format_span(now - ticket.opened),
        ticket.operation,
        ticket.states.get("account", ""),
        ticket.states.get("verification", ""),
        filed.by,
    )


def _document(filed: FiledTicket) -> dict[str, Any]:
    """Return the JSON of a ticket; its keys are stable."""
    ticket = filed.ticket
    return {
        "ticket": {
            "id": ticket.id,
            "queue": ticket.queue,
            "opened": json_time(ticket.opened),
            "operation": ticket.operation,
            "subject": ticket.subject,
            "account": ticket.account,
            "session": ticket.session,
            "states": dict(ticket.states),
            "assurance": {
                name: json_time(value) if isinstance(value, int | float) else value
                for name, value in ticket.assurance.items()
            },
            "decisions": [
                {"at": json_time(at), "operation": operation, "outcome": outcome, "record": record}
                for at, operation, outcome, record in ticket.decisions
            ],
            "record": ticket.record,
        },
        "state": filed.state,
        "by": filed.by,
        "at": json_time(filed.at),
    }
