"""`authguard accounts`: where an account stands and who said so; a person lifts its state, or signs it out everywhere.

Nothing here is looked up by a name: an account is its issuer and its subject, and one never seen is told alike.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer

from authguard.cli.operating import (
    Issuer,
    LogOption,
    PolicyOption,
    StoreOption,
    Who,
    Whole,
    Why,
    lifting,
    moment,
    named,
    pick_issuer,
)
from authguard.core.snapshot import Keys, account_key
from authguard.runtime.journal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.snapshot import AccountRecord

app = typer.Typer()

Subject = Annotated[str, typer.Argument(help="The account's subject: the `sub` that its issuer gives it.")]


@app.command("show")
def show(  # noqa: PLR0917 - a command's parts
    subject: Subject,
    issuer: Issuer = "",
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = "",
    whole: Whole = False,
) -> None:
    """Show where an account stands, since when, and what each source last said. Nothing is changed or recorded."""

    async def look() -> tuple[str, str, AccountRecord]:
        async with lifting(policy, store, log, records=False) as (lifts, standing):
            chosen = pick_issuer(standing.policy, issuer)
            key = account_key(chosen, subject)
            found = (await standing.load(Keys(account=key))).snapshot.account
            return key.hex(), lifts.pseudonym(chosen, subject), found

    account, pseudonym, record = anyio.run(look)
    if whole:
        typer.echo(_document(account, pseudonym, record))
    else:
        for line in _told(pseudonym, record):
            typer.echo(line)


@app.command("reinstate")
def reinstate(
    subject: Subject,
    *,
    by: Who,
    reason: Why,
    issuer: Issuer = "",
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = "",
) -> None:
    """Lift an account's state: what was reported before counts no more, what is reported later does."""
    (name,) = named([by])

    async def act() -> str:
        async with lifting(policy, store, log, records=True) as (lifts, standing):
            chosen = pick_issuer(standing.policy, issuer)
            return (await lifts.reinstate(chosen, subject, name, reason)).account.state

    typer.echo(f"the account is {anyio.run(act)}")


@app.command("sign-out")
def sign_out(
    subject: Subject,
    *,
    by: Who,
    reason: Why,
    issuer: Issuer = "",
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = "",
) -> None:
    """End every session of an account, those never seen here too: no sign-in from before now is taken again."""
    (name,) = named([by])

    async def act() -> float:
        async with lifting(policy, store, log, records=True) as (lifts, standing):
            chosen = pick_issuer(standing.policy, issuer)
            return (await lifts.sign_out(chosen, subject, name, reason)).account.not_before

    typer.echo(f"no sign-in from before {moment(anyio.run(act))} is taken")


def _told(pseudonym: str, record: AccountRecord) -> Iterator[str]:
    seen = f"since {moment(record.entered)}" if record.version else "never seen here"
    yield f"{pseudonym} {record.state}, {seen}"
    for source, report in sorted((record.reports or {}).items()):
        yield f"  {source} said {report.state} at {moment(report.at)}"
        for mandate in report.mandates:
            yield f"    {mandate.actor.hex()} may act for {', '.join(printable(name) for name in mandate.names)}"
    if record.decided:
        yield f"  a person reinstated it at {moment(record.decided)}; earlier reports count no more"
    if record.not_before:
        yield f"  no sign-in from before {moment(record.not_before)} is taken"
    for name, tally in sorted((record.tallies or {}).items()):
        yield f"  {tally.count} attempts at {name} since {moment(tally.since)}"
    if record.roles:
        yield f"  roles: {', '.join(record.roles)}"


def _document(account: str, pseudonym: str, record: AccountRecord) -> str:
    told: dict[str, Any] = {
        "account": account,
        "subject": pseudonym,
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
                "mandates": [{"actor": each.actor.hex(), "for": each.names} for each in one.mandates],
            }
            for source, one in (record.reports or {}).items()
        },
        "attempts": {name: {"count": one.count, "since": one.since} for name, one in (record.tallies or {}).items()},
        "roles": list(record.roles),
    }
    return json.dumps(told)
