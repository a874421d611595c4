"""`authguard accounts`: where an account stands and who said so; a person lifts its state, or signs it out everywhere.

An account is its issuer and its subject; a ticket, a session and a transaction lead to it too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer

from authguard.cli.account_selector import (
    Account,
    AccountSelector,
    SessionOption,
    SubjectArgument,
    TicketOption,
    TransactionOption,
    find_account,
    find_known_account,
)
from authguard.cli.operator_session import (
    ByOption,
    IssuerOption,
    JsonOption,
    LogOption,
    PolicyOption,
    ReasonOption,
    StoreOption,
    open_staff_actions,
    parse_names,
)
from authguard.cli.terminal import format_time
from authguard.runtime import sign_out_delay
from authguard.runtime.journal import sanitize_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.snapshot import AccountRecord

app = typer.Typer()

Unseen = Annotated[bool, typer.Option("--unseen", help="Also an account that was never seen here.")]


@app.command("show")
def show(  # noqa: PLR0917 - a command's parts
    subject: SubjectArgument = "",
    issuer: IssuerOption = "",
    ticket: TicketOption = "",
    session: SessionOption = "",
    transaction: TransactionOption = "",
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = "",
    whole: JsonOption = False,
) -> None:
    """Show where an account stands, since when, and what each source last said. Nothing is changed or recorded."""

    async def look() -> Account:
        async with open_staff_actions(policy, store, log, records=False) as (lifts, repository):
            return await find_account(
                repository, lifts.naming, AccountSelector(subject, issuer, ticket, session, transaction)
            )

    found = anyio.run(look)
    if whole:
        typer.echo(_document(found))
    else:
        for line in _told(found.name, found.record):
            typer.echo(line)


@app.command("reinstate")
def reinstate(
    subject: SubjectArgument = "",
    *,
    by: ByOption,
    reason: ReasonOption,
    issuer: IssuerOption = "",
    ticket: TicketOption = "",
    session: SessionOption = "",
    transaction: TransactionOption = "",
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = "",
) -> None:
    """Lift an account's state: what was reported before counts no more, what is reported later does.

    Exit 1 where no such account was ever seen here.
    """
    (name,) = parse_names([by])

    async def act() -> str:
        async with open_staff_actions(policy, store, log, records=True) as (lifts, repository):
            asked = AccountSelector(subject, issuer, ticket, session, transaction)
            found = await find_known_account(repository, lifts.naming, asked)
            return (await lifts.reinstate(found.key, found.name, name, reason)).account.state

    typer.echo(f"the account is {anyio.run(act)}")


@app.command("sign-out")
def sign_out(
    subject: SubjectArgument = "",
    *,
    by: ByOption,
    reason: ReasonOption,
    issuer: IssuerOption = "",
    ticket: TicketOption = "",
    session: SessionOption = "",
    transaction: TransactionOption = "",
    unseen: Unseen = False,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = "",
) -> None:
    """End every session of an account, those never seen here too: no sign-in from before now is taken again.

    Exit 1 where no such account was ever seen here, unless `--unseen` is said.
    """
    (name,) = parse_names([by])

    async def act() -> float:
        async with open_staff_actions(policy, store, log, records=True) as (lifts, repository):
            asked = AccountSelector(subject, issuer, ticket, session, transaction)
            found = await (find_account if unseen else find_known_account)(repository, lifts.naming, asked)
            after = await lifts.sign_out(found.key, found.name, name, reason)
            await sign_out_delay.wait_for_next_second(repository.clock, after)
            return after.account.not_before

    typer.echo(f"no sign-in from before {format_time(anyio.run(act))} is taken")


def _told(pseudonym: str, record: AccountRecord) -> Iterator[str]:
    seen = f"since {format_time(record.entered)}" if record.version else "never seen here"
    yield f"{pseudonym} {record.state}, {seen}"
    for source, report in sorted((record.reports or {}).items()):
        yield f"  {source} said {report.state} at {format_time(report.at)}"
        for one in report.delegations:
            yield f"    {one.actor.hex()} may act for {', '.join(sanitize_text(name) for name in one.names)}"
    if record.decided:
        yield f"  a person reinstated it at {format_time(record.decided)}; earlier reports count no more"
    if record.not_before:
        yield f"  no sign-in from before {format_time(record.not_before)} is taken"
    for name, tally in sorted((record.tallies or {}).items()):
        yield f"  {tally.count} attempts at {name} since {format_time(tally.since)}"
    if record.roles:
        yield f"  roles: {', '.join(record.roles)}"


def _document(account: Account) -> str:
    record = account.record
    told: dict[str, Any] = {
        "account": account.key.hex(),
        "subject": account.name,
        "seen": bool(record.version),
        "state": record.state,
        "entered": record.entered,
        "reported": record.reported,
        "reinstated": record.decided,
        "not_before": record.not_before,
        "reports": {
            source: {
                "state": one.state,
                "at": one.at,
                "mandates": [{"actor": each.actor.hex(), "for": each.names} for each in one.delegations],
            }
            for source, one in (record.reports or {}).items()
        },
        "attempts": {name: {"count": one.count, "since": one.since} for name, one in (record.tallies or {}).items()},
        "roles": list(record.roles),
    }
    return json.dumps(told)
