"""`authguard transactions`: what waits for people, decided by an operator; who may write the store may decide."""

from __future__ import annotations

import json
from sys import maxsize
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import anyio
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
from authguard.core.outcomes import Reason
from authguard.core.snapshot import Keys
from authguard.factory import create_decryption_cipher
from authguard.ports import FIRST
from authguard.runtime.approvals import Approvals
from authguard.runtime.booking import limit_usages
from authguard.runtime.transaction_list import effective_record, list_transactions
from authguard.runtime.transactions import decrypt_request
from authguard.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authguard.core.snapshot import TransactionRecord
    from authguard.ports import Cipher
    from authguard.runtime.booking import LimitUsage

app = typer.Typer()

#: transactions that are shown at the most
MOST: Final = 100_000
#: of which so many are read at a time
PAGE: Final = 500

#: what is said instead of a request
UNREADABLE: Final = (
    "what was asked is sealed under another key, or is not what was sealed: "
    "set AUTHGUARD_ENCRYPTION_KEYS, or AUTHGUARD_PSEUDONYM_KEY, as the app has it"
)
TOO_LONG: Final = "what was asked is too long to be kept; it is known by its digest alone"

Named = Annotated[str, typer.Argument(help="The transaction's id, as `transactions list` and the reply show it.")]
ByOption = Annotated[
    list[str], typer.Option("--by", help="Who decides, as the log will name them; again for each person.")
]
Over = Annotated[
    list[str], typer.Option("--over", help="A limit that it may go over, as `transactions show` names it.")
]
ReasonOption = Annotated[
    str, typer.Option("--reason", callback=parse_reason, help="Why; it is kept with the transaction and in the log.")
]
State = Annotated[str, typer.Option("--state", help="Only those in this state, such as `held` or `in_doubt`.")]
Role = Annotated[str, typer.Option("--role", help="Only those that wait for this role.")]
Of = Annotated[str, typer.Option("--operation", help="Only those of this operation.")]
Whose = Annotated[str, typer.Option("--subject", help="Only those for this pseudonym, as the log names it.")]
After = Annotated[str, typer.Option("--after", help="Go on after this one, the last of the page before.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=MOST, help="At most so many, in the approvers' order.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Show each whole, one JSON document a line.")]


@app.command("list")
def listing(  # noqa: PLR0917 - a command's parts
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = "",
    state: State = "held",
    role: Role = "",
    operation: Of = "",
    subject: Whose = "",
    after: After = "",
    limit: Limit = 100,
    whole: JsonOption = False,
) -> None:
    """Show what stands in a state (`--state ''`: in any), in the approvers' order. Nothing is changed or recorded."""

    def tell(name: str, record: TransactionRecord, cipher: Cipher) -> None:
        typer.echo(_document(name, record, cipher) if whole else _told(name, record))

    filters = {"state": state, "role": role, "operation": operation, "subject": subject}
    anyio.run(_each, tell, policy, store, log, filters, after, limit)


@app.command("export")
def export(policy: PolicyOption = "", store: StoreOption = "", log: LogOption = "", state: State = "") -> None:
    """Write every transaction as one JSON document a line, without its first answer. Nothing is changed."""

    def tell(name: str, record: TransactionRecord, cipher: Cipher) -> None:
        typer.echo(_document(name, record, cipher))

    anyio.run(_each, tell, policy, store, log, {"state": state}, "", maxsize)


@app.command("show")
def show(transaction: Named, policy: PolicyOption = "", store: StoreOption = "", log: LogOption = "") -> None:
    """Show one transaction: where it stands, who decided, its digest, and the request as it is bound, escaped."""

    async def look() -> tuple[TransactionRecord, tuple[LimitUsage, ...]]:
        async with open_deployment(policy, store, log, records=False) as (repository, _):
            record = (await repository.load(Keys(transaction=transaction))).snapshot.transaction
            snapshot = (await repository.load(record.keys(transaction))).snapshot
            limits = limit_usages(repository.policy, snapshot, repository.clock.now(), transaction)
            return effective_record(repository, record), limits

    record, limits = anyio.run(look)
    if not record.version:
        _refuse(Reason.TRANSACTION_UNKNOWN)
    typer.echo(_told(transaction, record))
    typer.echo(f"digest {record.digest}")
    lines = decrypt_request(record, transaction, _cipher(policy, store, log))
    for line in lines or (UNREADABLE if record.request else TOO_LONG,):
        typer.echo(f"  {line}")
    for limit in limits:
        typer.echo(_limit(limit))
    for one in record.approvals:
        typer.echo(f"approved by {one.by} at {format_time(one.at)}: {one.note or 'no reason given'}")
    if record.by:
        typer.echo(f"decided by {record.by}: {record.note or 'no reason given'}")


@app.command("approve")
def approve(
    transaction: Named,
    *,
    by: ByOption,
    reason: ReasonOption,
    over: Over = [],  # noqa: B006 - read by typer, never changed
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = "",
) -> None:
    """Approve a held transaction: what it spends is booked, and whoever asked for it may then run it, once."""
    anyio.run(_act, transaction, "transaction.approved", by, reason, policy, store, log, over)


@app.command("deny")
def deny(
    transaction: Named,
    *,
    by: ByOption,
    reason: ReasonOption,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = "",
) -> None:
    """Deny a transaction that has not begun to run."""
    anyio.run(_act, transaction, "transaction.denied", by, reason, policy, store, log)


@app.command("settle")
def settle(
    transaction: Named,
    outcome: Annotated[Literal["done", "failed"], typer.Argument(help="What came of it, as you found out.")],
    *,
    by: ByOption,
    reason: ReasonOption,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = "",
) -> None:
    """Settle a transaction of which nobody knows whether it ran: it is never run again by itself."""
    event = {"done": "transaction.committed", "failed": "transaction.failed"}[outcome]
    anyio.run(_act, transaction, event, by, reason, policy, store, log)


async def _each(  # noqa: PLR0917 - a command's parts
    tell: Callable[[str, TransactionRecord, Cipher], None],
    policy: str,
    store: str,
    log: str,
    filters: dict[str, str],
    after: str,
    limit: int,
) -> None:
    """Tell of each that is found, a page at a time, so that no number of them is too many for the memory."""
    async with open_deployment(policy, store, log, records=False) as (repository, _):
        place, cipher = FIRST, _cipher(policy, store, log)
        if after:
            last = (await repository.load(Keys(transaction=after))).snapshot.transaction
            if not last.version:
                _refuse(Reason.TRANSACTION_UNKNOWN)
            place = (last.place, after)
        while limit:
            page = await list_transactions(repository, **filters, after=place, limit=min(limit, PAGE))
            for name, record in page:
                tell(name, record, cipher)
            if len(page) < min(limit, PAGE):
                break
            limit -= len(page)
            place = (page[-1][1].place, page[-1][0])


def _cipher(policy: str, store: str, log: str) -> Cipher:
    """Give what opens the requests as they were kept."""
    return create_decryption_cipher(Settings.resolve(policy, store=store, audit_log=log))


async def _act(  # noqa: PLR0917 - a command's parts
    transaction: str,
    event: str,
    by: list[str],
    reason: str,
    policy: str,
    store: str,
    log: str,
    over: Sequence[str] = (),
) -> None:
    names = parse_names(by)
    async with open_deployment(policy, store, log, records=True) as (repository, _):
        approvals = Approvals(repository, _cipher(policy, store, log))
        done = await approvals.decide_as_operator(transaction, event, names, reason, tuple(over))
        limits = await approvals.limit_usages(transaction) if done is Reason.LIMIT_EXCEEDED else ()
    for limit in limits:
        if limit.exceeded and not limit.tripped:
            print_error(f"{_limit(limit)}; add `--over {limit.limit}` where it may")
    if isinstance(done, Reason):
        _refuse(done)
    else:
        typer.echo(_told(transaction, done))


def _refuse(reason: Reason) -> None:
    print_error(reason.public)
    raise typer.Exit(FAILED)


def _told(name: str, record: TransactionRecord) -> str:
    wanted = f", {len(record.approvals)} of {record.count} {record.role}" if record.count else ""
    return f"{name} {record.operation} {record.state} since {format_time(record.entered)}{wanted}"


def _limit(limit: LimitUsage) -> str:
    """Tell where one limit stands."""
    unit = f" {limit.currency}" if limit.currency else " calls"
    window = f"in {limit.per:g} s by {limit.by}" if limit.per else "a call"
    marks = ", over the limit" * limit.exceeded + ", held for it" * limit.tripped
    return (
        f"limit {limit.limit}: {limit.most}{unit} {window}; "
        f"spent {limit.spent}, booked {limit.booked}, this {limit.cost}{marks}"
    )


def _document(name: str, record: TransactionRecord, cipher: Cipher) -> str:
    told: dict[str, Any] = {
        "transaction": name,
        "operation": record.operation,
        "state": record.state,
        "entered": record.entered,
        "created": record.created,
        "subject": record.subject,
        "digest": record.digest,
        "shown": decrypt_request(record, name, cipher),
        "role": record.role,
        "count": record.count,
        "approvals": [{"by": one.by, "at": one.at, "note": one.note, "over": one.over} for one in record.approvals],
        "tripped": record.tripped,
        "over": record.over,
        "by": record.by,
        "note": record.note,
        "status": record.status,
    }
    return json.dumps(told)
