"""`authguard handoff`: list, take and close hand-off tickets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import anyio
import msgspec
import typer

from authguard.cli.operator_session import open_deployment, parse_names
from authguard.cli.options import ByOption, JsonOption, LogOption, PolicyOption, ReasonOption, StoreOption
from authguard.cli.output import FAILED, print_error
from authguard.cli.terminal import format_time
from authguard.core.person_name import normalize_name
from authguard.runtime.handoff import NoTicket, StoreDesk

if TYPE_CHECKING:
    from authguard.runtime.handoff import FiledTicket

#: most tickets that are listed or searched
MAX_TICKETS: Final = 100_000

TicketArgument = Annotated[str, typer.Argument(help="Id of the ticket, from `handoff list` or the reply.")]
Override = Annotated[
    bool, typer.Option("--override", help="Close a ticket that is open or taken by another person; the log records it.")
]


def show(
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    whole: JsonOption = False,
) -> None:
    """List open and taken tickets, the oldest first. Change and record nothing."""

    async def load() -> tuple[FiledTicket, ...]:
        async with open_deployment(policy, store, log, records=False) as (_, opened):
            return await StoreDesk(opened).tickets(MAX_TICKETS)

    for filed in anyio.run(load):
        typer.echo(msgspec.json.encode(filed).decode("ascii", "backslashreplace") if whole else _format_ticket(filed))


def take(
    ticket: TicketArgument, *, by: ByOption, policy: PolicyOption = "", store: StoreOption = "", log: LogOption = None
) -> None:
    """Take a ticket. Exit 1 if another person has taken it."""
    anyio.run(_act, "take", ticket, by, "", policy, store, log)


def close(
    ticket: TicketArgument,
    *,
    by: ByOption,
    reason: ReasonOption,
    override: Override = False,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
) -> None:
    """Close a ticket that you took, after the customer was helped. The state of the customer does not change.

    Exit 1 if the ticket is open, or if another person has taken it.
    """
    anyio.run(_act, "close", ticket, by, reason, policy, store, log, override)


async def _act(
    act: Literal["take", "close"],
    ticket: str,
    by: str,
    note: str,
    policy: str,
    store: str,
    log: Path | None,
    override: bool = False,
) -> None:
    """Record the act, then change the ticket; withdraw the record if the change is refused."""
    (name,) = parse_names([by])
    async with open_deployment(policy, store, log, records=True) as (repository, opened):
        desk, journal, now = StoreDesk(opened), repository.journal, repository.clock.now()
        found = next((filed for filed in await desk.tickets(MAX_TICKETS) if filed.ticket.id == ticket), None)
        if found is None:
            print_error("there is no such ticket: it was closed, or never opened")
            raise typer.Exit(FAILED)
        done = {"take": "taken", "close": "overridden" if override else "closed"}[act]
        of = found.ticket
        record = journal.record_act(
            f"handoff.{done}", now, by=name, note=note, subject=of.subject, session=of.session, ticket=of.id
        )
        if act == "take":
            filed = await desk.take(ticket, name, now)
        else:
            filed = await desk.close(ticket, name, now, override=override)
        refusal = "the ticket is closed" if isinstance(filed, NoTicket) else _refusal(act, filed, name)
        if isinstance(filed, NoTicket) or refusal:
            journal.record_withdrawal((record,), now)
            print_error(refusal)
            raise typer.Exit(FAILED)
        typer.echo(_format_ticket(filed))


def _refusal(act: Literal["take", "close"], filed: FiledTicket, name: str) -> str:
    """Return why the act was refused; empty if it was done."""
    if filed.state == "open":
        return "the ticket has not been taken: take it first, or use --override"
    if normalize_name(filed.by) != normalize_name(name):
        return f"{filed.by} has taken it already" + (
            ": only they can close it, or use --override" if act == "close" else ""
        )
    return ""


def _format_ticket(filed: FiledTicket) -> str:
    ticket = filed.ticket
    how = f"{filed.state} by {filed.by}" if filed.by else filed.state
    states = " ".join(f"{machine}={state}" for machine, state in ticket.states.items())
    return f"{ticket.id} {ticket.queue} {how} since {format_time(filed.at)}: {ticket.operation}, {states}"
