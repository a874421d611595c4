"""`authguard handoff`: who waits for a person, and how far people have come with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

import anyio
import msgspec
import typer

from authguard.cli.operator_session import (
    LogOption,
    PolicyOption,
    StoreOption,
    open_deployment,
    parse_names,
    parse_reason,
)
from authguard.cli.output import FAILED, print_error
from authguard.cli.terminal import format_time
from authguard.core.person_name import normalize_name
from authguard.runtime.handoff import NoTicket, StoreDesk

if TYPE_CHECKING:
    from authguard.runtime.handoff import FiledTicket

app = typer.Typer()

#: tickets that are shown, and looked through, at the most
MOST: Final = 100_000

TicketArgument = Annotated[str, typer.Argument(help="The ticket's id, as `handoff list` and the reply show it.")]
ByOption = Annotated[str, typer.Option("--by", help="Who it is, as the log will name them.")]
NoteOption = Annotated[str, typer.Option("--note", callback=parse_reason, help="What was done; it goes to the log.")]
Override = Annotated[
    bool, typer.Option("--override", help="Close what nobody took, or somebody else did; the log says so.")
]


@app.command("list")
def show(
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = "",
    whole: Annotated[bool, typer.Option("--json", help="Show each ticket whole, one JSON document a line.")] = False,
) -> None:
    """Show who waits or is being helped, whoever has waited the longest first. Nothing is changed or recorded."""

    async def look() -> tuple[FiledTicket, ...]:
        async with open_deployment(policy, store, log, records=False) as (_, opened):
            return await StoreDesk(opened).tickets(MOST)

    for filed in anyio.run(look):
        typer.echo(msgspec.json.encode(filed).decode("ascii", "backslashreplace") if whole else _told(filed))


@app.command("take")
def take(
    ticket: TicketArgument, *, by: ByOption, policy: PolicyOption = "", store: StoreOption = "", log: LogOption = ""
) -> None:
    """Take a ticket: whoever takes it first keeps it. Exit 1 where somebody else has it."""
    anyio.run(_act, "take", ticket, by, "", policy, store, log)


@app.command("close")
def close(
    ticket: TicketArgument,
    *,
    by: ByOption,
    note: NoteOption,
    override: Override = False,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = "",
) -> None:
    """Close a ticket that you took: the customer was helped. What their machines say is not changed by it.

    Exit 1 where nobody took it, or somebody else did.
    """
    anyio.run(_act, "close", ticket, by, note, policy, store, log, override)


async def _act(  # noqa: PLR0917 - a command's parts
    act: Literal["take", "close"],
    ticket: str,
    by: str,
    note: str,
    policy: str,
    store: str,
    log: str,
    override: bool = False,
) -> None:
    """Record, then change; what another did first is withdrawn from the record."""
    (name,) = parse_names([by])
    async with open_deployment(policy, store, log, records=True) as (repository, opened):
        desk, journal, now = StoreDesk(opened), repository.journal, repository.clock.now()
        found = next((filed for filed in await desk.tickets(MOST) if filed.ticket.id == ticket), None)
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
        trouble = "the ticket is closed" if isinstance(filed, NoTicket) else _trouble(act, filed, name)
        if isinstance(filed, NoTicket) or trouble:
            journal.record_withdrawal((record,), now)
            print_error(trouble)
            raise typer.Exit(FAILED)
        typer.echo(_told(filed))


def _trouble(act: Literal["take", "close"], filed: FiledTicket, name: str) -> str:
    """Say why it could not be done; nothing where it was."""
    if filed.state == "open":
        return "nobody has taken the ticket: take it first, or say --override"
    if normalize_name(filed.by) != normalize_name(name):
        return f"{filed.by} has taken it already" + (": let them close it, or say --override" if act == "close" else "")
    return ""


def _told(filed: FiledTicket) -> str:
    ticket = filed.ticket
    how = f"{filed.state} by {filed.by}" if filed.by else filed.state
    states = " ".join(f"{machine}={state}" for machine, state in ticket.states.items())
    return f"{ticket.id} {ticket.queue} {how} since {format_time(filed.at)}: {ticket.operation}, {states}"
