"""`authguard transactions`: list, show and decide transactions; write access to the store is the authority."""

from __future__ import annotations

import json
from pathlib import Path
from sys import maxsize
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import anyio
import typer

from authguard.cli.operator_session import open_deployment, parse_names
from authguard.cli.options import (
    JsonOption,
    LimitOption,
    LogOption,
    PersonsOption,
    PolicyOption,
    ReasonOption,
    StoreOption,
    SubjectOption,
)
from authguard.cli.output import FAILED, print_error
from authguard.cli.terminal import format_time
from authguard.core.outcomes import Reason
from authguard.core.snapshot import Keys
from authguard.deployment_keys import create_decryption_cipher
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

#: most transactions of `--limit`
MAX_LISTED: Final = 100_000
#: transactions read from the store per page
PAGE_SIZE: Final = 500

#: shown instead of a request
UNREADABLE: Final = (
    "the request is encrypted with another key, or was altered: "
    "set AUTHGUARD_ENCRYPTION_KEYS, or AUTHGUARD_PSEUDONYM_KEY, as for the app"
)
TOO_LONG: Final = "the request is too long to be stored; only its digest is known"

TransactionArgument = Annotated[
    str, typer.Argument(help="Id of the transaction, from `transactions list` or the reply.")
]
OverOption = Annotated[
    list[str],
    typer.Option("--over", help="Name of a limit that may be exceeded, from `transactions show`; may be repeated."),
]
StateOption = Annotated[
    str, typer.Option("--state", help="Only transactions in this state, such as `held` or `in_doubt`.")
]
RoleOption = Annotated[str, typer.Option("--role", help="Only transactions that wait for this role.")]
OperationOption = Annotated[str, typer.Option("--operation", help="Only transactions of this operation.")]
AfterOption = Annotated[
    str, typer.Option("--after", help="Continue after this transaction, the last of the previous page.")
]


def listing(
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    state: StateOption = "held",
    role: RoleOption = "",
    operation: OperationOption = "",
    subject: SubjectOption = "",
    after: AfterOption = "",
    limit: LimitOption = 100,
    whole: JsonOption = False,
) -> None:
    """List transactions in a state, or in any with `--state ''`, in approval order. Change and record nothing."""

    def write(name: str, record: TransactionRecord, cipher: Cipher) -> None:
        typer.echo(_document(name, record, cipher) if whole else _format_transaction(name, record))

    filters = {"state": state, "role": role, "operation": operation, "subject": subject}
    anyio.run(_each, write, policy, store, log, filters, after, limit)


def export(policy: PolicyOption = "", store: StoreOption = "", log: LogOption = None, state: StateOption = "") -> None:
    """Export transactions as lines of JSON, without their stored responses. Change nothing."""

    def write(name: str, record: TransactionRecord, cipher: Cipher) -> None:
        typer.echo(_document(name, record, cipher))

    anyio.run(_each, write, policy, store, log, {"state": state}, "", maxsize)


def show(
    transaction: TransactionArgument, policy: PolicyOption = "", store: StoreOption = "", log: LogOption = None
) -> None:
    """Show one transaction: its state, decisions, digest, limits and bound request, escaped."""

    async def load() -> tuple[TransactionRecord, tuple[LimitUsage, ...]]:
        async with open_deployment(policy, store, log, records=False) as (repository, _):
            record = (await repository.load(Keys(transaction=transaction))).snapshot.transaction
            snapshot = (await repository.load(record.keys(transaction))).snapshot
            limits = limit_usages(repository.policy, snapshot, repository.clock.now(), transaction)
            return effective_record(repository, record), limits

    record, limits = anyio.run(load)
    if not record.version:
        _refuse(Reason.TRANSACTION_UNKNOWN)
    typer.echo(_format_transaction(transaction, record))
    typer.echo(f"digest {record.digest}")
    lines = decrypt_request(record, transaction, _cipher(policy, store, log))
    for line in lines or (UNREADABLE if record.request else TOO_LONG,):
        typer.echo(f"  {line}")
    for limit in limits:
        typer.echo(_format_limit(limit))
    for one in record.approvals:
        typer.echo(f"approved by {one.by} at {format_time(one.at)}: {one.note or 'no reason given'}")
    if record.by:
        typer.echo(f"decided by {record.by}: {record.note or 'no reason given'}")


def approve(
    transaction: TransactionArgument,
    *,
    by: PersonsOption,
    reason: ReasonOption,
    over: OverOption = [],  # noqa: B006 - read by typer, never changed
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
) -> None:
    """Approve a held transaction: its amount is booked, and the requester may run it once."""
    anyio.run(_act, transaction, "transaction.approved", by, reason, policy, store, log, over)


def deny(
    transaction: TransactionArgument,
    *,
    by: PersonsOption,
    reason: ReasonOption,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
) -> None:
    """Deny a transaction that has not started."""
    anyio.run(_act, transaction, "transaction.denied", by, reason, policy, store, log)


def settle(
    transaction: TransactionArgument,
    outcome: Annotated[Literal["done", "failed"], typer.Argument(help="The result, as established by investigation.")],
    *,
    by: PersonsOption,
    reason: ReasonOption,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
) -> None:
    """Settle a transaction in doubt as done or failed; it never runs again automatically."""
    event = {"done": "transaction.committed", "failed": "transaction.failed"}[outcome]
    anyio.run(_act, transaction, event, by, reason, policy, store, log)


async def _each(
    write: Callable[[str, TransactionRecord, Cipher], None],
    policy: str,
    store: str,
    log: Path | None,
    filters: dict[str, str],
    after: str,
    limit: int,
) -> None:
    """Write each matching transaction; read them in pages to bound memory."""
    async with open_deployment(policy, store, log, records=False) as (repository, _):
        place, cipher = FIRST, _cipher(policy, store, log)
        if after:
            last = (await repository.load(Keys(transaction=after))).snapshot.transaction
            if not last.version:
                _refuse(Reason.TRANSACTION_UNKNOWN)
            place = (last.place, after)
        while limit:
            page = await list_transactions(repository, **filters, after=place, limit=min(limit, PAGE_SIZE))
            for name, record in page:
                write(name, record, cipher)
            if len(page) < min(limit, PAGE_SIZE):
                break
            limit -= len(page)
            place = (page[-1][1].place, page[-1][0])


def _cipher(policy: str, store: str, log: Path | None) -> Cipher:
    """Return the cipher that decrypts stored requests."""
    return create_decryption_cipher(Settings.resolve(policy, store=store, audit_log=log))


async def _act(
    transaction: str,
    event: str,
    by: list[str],
    reason: str,
    policy: str,
    store: str,
    log: Path | None,
    over: Sequence[str] = (),
) -> None:
    names = parse_names(by)
    async with open_deployment(policy, store, log, records=True) as (repository, _):
        approvals = Approvals(repository, _cipher(policy, store, log))
        done = await approvals.decide_as_operator(transaction, event, names, reason, tuple(over))
        limits = await approvals.limit_usages(transaction) if done is Reason.LIMIT_EXCEEDED else ()
    for limit in limits:
        if limit.exceeded and not limit.tripped:
            print_error(f"{_format_limit(limit)}; add `--over {limit.limit}` to permit it")
    if isinstance(done, Reason):
        _refuse(done)
    else:
        typer.echo(_format_transaction(transaction, done))


def _refuse(reason: Reason) -> None:
    print_error(reason.public)
    raise typer.Exit(FAILED)


def _format_transaction(name: str, record: TransactionRecord) -> str:
    wanted = f", {len(record.approvals)} of {record.count} {record.role}" if record.count else ""
    return f"{name} {record.operation} {record.state} since {format_time(record.entered)}{wanted}"


def _format_limit(limit: LimitUsage) -> str:
    """Format the use of one limit."""
    unit = f" {limit.currency}" if limit.currency else " calls"
    window = f"in {limit.per:g} s by {limit.by}" if limit.per else "a call"
    marks = ", over the limit" * limit.exceeded + ", held for it" * limit.tripped
    return (
        f"limit {limit.limit}: {limit.most}{unit} {window}; "
        f"spent {limit.spent}, booked {limit.booked}, this {limit.cost}{marks}"
    )


def _document(name: str, record: TransactionRecord, cipher: Cipher) -> str:
    document: dict[str, Any] = {
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
    return json.dumps(document)
