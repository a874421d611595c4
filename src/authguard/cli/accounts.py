"""`authguard accounts`: show, reinstate and sign out accounts.

An account is identified by issuer and subject, or through a ticket, a session or a transaction.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer

from authguard.cli.account_selector import Account, AccountSelector, SubjectArgument, find_account, find_known_account
from authguard.cli.operator_session import open_staff_actions, parse_names
from authguard.cli.options import (
    ByOption,
    IssuerOption,
    JsonOption,
    LogOption,
    PolicyOption,
    ReasonOption,
    SessionOption,
    StoreOption,
    TicketOption,
    TransactionOption,
)
from authguard.cli.terminal import format_time
from authguard.policy.render.yaml_document import scalar
from authguard.runtime import sign_out_delay
from authguard.runtime.journal import sanitize_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.snapshot import AccountRecord

Unseen = Annotated[bool, typer.Option("--unseen", help="Accept an account that the store does not have.")]


def show(
    subject: SubjectArgument = "",
    issuer: IssuerOption = "",
    ticket: TicketOption = "",
    session: SessionOption = "",
    transaction: TransactionOption = "",
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    whole: JsonOption = False,
) -> None:
    """Show the state of an account, its age and the last report of each source. Change and record nothing."""

    async def load() -> Account:
        async with open_staff_actions(policy, store, log, records=False) as (actions, repository):
            return await find_account(
                repository, actions.naming, AccountSelector(subject, issuer, ticket, session, transaction)
            )

    found = anyio.run(load)
    if whole:
        typer.echo(_document(found))
    else:
        for line in _format_account(found.name, found.record):
            typer.echo(line)


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
    log: LogOption = None,
) -> None:
    """Reinstate an account: earlier reports of its state are ignored, later reports count.

    Exit 1 if the store has no such account.
    """
    (name,) = parse_names([by])

    async def act() -> str:
        async with open_staff_actions(policy, store, log, records=True) as (actions, repository):
            asked = AccountSelector(subject, issuer, ticket, session, transaction)
            found = await find_known_account(repository, actions.naming, asked)
            return (await actions.reinstate(found.key, found.name, name, reason)).account.state

    typer.echo(f"the account is {anyio.run(act)}")


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
    log: LogOption = None,
) -> None:
    """End all sessions of an account, also unknown ones: a sign-in from before now is no longer accepted.

    Exit 1 if the store has no such account, unless `--unseen` is given.
    """
    (name,) = parse_names([by])

    async def act() -> float:
        async with open_staff_actions(policy, store, log, records=True) as (actions, repository):
            asked = AccountSelector(subject, issuer, ticket, session, transaction)
            found = await (find_account if unseen else find_known_account)(repository, actions.naming, asked)
            after = await actions.sign_out(found.key, found.name, name, reason)
            await sign_out_delay.wait_for_next_second(repository.clock, after)
            return after.account.not_before

    typer.echo(f"no sign-in from before {format_time(anyio.run(act))} is accepted")


def _format_account(pseudonym: str, record: AccountRecord) -> Iterator[str]:
    seen = f"since {format_time(record.entered)}" if record.version else "not in the store"
    yield f"{pseudonym} {record.state}, {seen}"
    for source, report in sorted((record.reports or {}).items()):
        yield f"  {source} reported {report.state} at {format_time(report.at)}"
        for one in report.delegations:
            yield f"    {one.actor.hex()} may act for {', '.join(sanitize_text(name) for name in one.names)}"
    if record.decided:
        yield f"  reinstated by staff at {format_time(record.decided)}; earlier reports are ignored"
    if record.not_before:
        yield f"  no sign-in from before {format_time(record.not_before)} is accepted"
    for name, tally in sorted((record.tallies or {}).items()):
        yield f"  {tally.count} attempts at {name} since {format_time(tally.since)}"
    if record.roles:
        yield f"  roles: {', '.join(sanitize_text(scalar(role)) for role in record.roles)}"


def _document(account: Account) -> str:
    record = account.record
    document: dict[str, Any] = {
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
                "state": report.state,
                "at": report.at,
                "delegations": [{"actor": each.actor.hex(), "for": each.names} for each in report.delegations],
            }
            for source, report in (record.reports or {}).items()
        },
        "attempts": {
            name: {"count": tally.count, "since": tally.since} for name, tally in (record.tallies or {}).items()
        },
        "roles": list(record.roles),
    }
    return json.dumps(document)
