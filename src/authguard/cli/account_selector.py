"""Which account a command means: a subject of an issuer, or whoever a ticket, a session or a transaction is for.

A name that a caller chose and an id that the guard made are never taken for each other: each has an option of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from authguard.cli.operator_session import pick_issuer
from authguard.cli.output import FAILED, print_error
from authguard.core.snapshot import KEY_BYTES, AccountRecord, Keys, account_key
from authguard.runtime.handoff import StoreDesk
from authguard.runtime.transaction_list import effective_snapshot

if TYPE_CHECKING:
    from authguard.runtime.pseudonymizer import Pseudonymizer
    from authguard.runtime.state_repository import StateRepository

#: tickets that are looked through for one id
MOST = 100_000

SubjectArgument = Annotated[str, typer.Argument(help="The account's subject: the `sub` that its issuer gives it.")]
TicketOption = Annotated[
    str, typer.Option("--ticket", help="Instead of a subject: whom this ticket is for, by its id.")
]
SessionOption = Annotated[
    str, typer.Option("--session", help="Instead of a subject: whose session this is, by its key.")
]
TransactionOption = Annotated[
    str, typer.Option("--transaction", help="Instead of a subject: who asked for this transaction, by its id.")
]


@dataclass(frozen=True, slots=True)
class AccountSelector:
    """How a command named an account; all but one are empty.

    Attributes:
        subject: as its issuer names it.
        issuer: of the subject; empty for the only one.
        ticket: id of a hand-off.
        session: key, hexadecimal.
        transaction: id.
    """

    subject: str = ""
    issuer: str = ""
    ticket: str = ""
    session: str = ""
    transaction: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """The account that a command means.

    Attributes:
        key: from `authguard.core.snapshot.account_key`.
        name: as the log names it; empty where only its subject would tell.
        record: as stored.
    """

    key: bytes
    name: str
    record: AccountRecord


async def find_account(repository: StateRepository, naming: Pseudonymizer, asked: AccountSelector) -> Account:
    """Find the account that a command means.

    Raises:
        typer.BadParameter: none is named, or several are.
        typer.Exit: the ticket, session or transaction is unknown; that was said.
    """
    ways = [word for word in (asked.subject, asked.ticket, asked.session, asked.transaction) if word]
    if len(ways) != 1:
        raise typer.BadParameter("name one account: a subject, or --ticket, --session or --transaction")
    if asked.subject:
        issuer = pick_issuer(repository.policy, asked.issuer)
        key, name = account_key(issuer, asked.subject), naming.subject(issuer, asked.subject)
    else:
        key, name = await _led_to(repository, asked)
        name = naming.account(key) or name
    found = (await repository.load(Keys(account=key))).snapshot
    return Account(key, name, effective_snapshot(repository, found).account if found.account.version else found.account)


async def find_known_account(repository: StateRepository, naming: Pseudonymizer, asked: AccountSelector) -> Account:
    """Find an account that was seen here, as `find_account`.

    Raises:
        typer.BadParameter: none is named, or several are.
        typer.Exit: nobody of that name was ever seen here; that was said.
    """
    found = await find_account(repository, naming, asked)
    if not found.record.version:
        print_error(
            f"no such account was ever seen here{await suggest_option(repository, asked.subject)}; nothing was done"
        )
        raise typer.Exit(FAILED)
    return found


async def _led_to(repository: StateRepository, asked: AccountSelector) -> tuple[bytes, str]:
    """Give the account's key and the name that stands there."""
    key, name, what = b"", "", ""
    if asked.ticket:
        what = "ticket"
        for filed in await StoreDesk(repository.store).tickets(MOST):
            if filed.ticket.id == asked.ticket:
                key, name = bytes.fromhex(filed.ticket.account), filed.ticket.subject
    elif asked.session:
        what = "session"
        key = (await repository.load(Keys(session=_session(asked.session)))).snapshot.session.account
    else:
        what = "transaction"
        record = (await repository.load(Keys(transaction=asked.transaction))).snapshot.transaction
        key, name = record.account, record.subject
    if not key:
        print_error(f"there is no such {what}, or it is over and was forgotten; nothing was done")
        raise typer.Exit(FAILED)
    return key, name


def _session(word: str) -> bytes:
    try:
        key = bytes.fromhex(word)
    except ValueError:
        key = b""
    return key if len(key) == KEY_BYTES else b""


async def suggest_option(repository: StateRepository, word: str) -> str:
    """Say what else a word is that is nobody's name."""
    if not word:
        return ""
    for filed in await StoreDesk(repository.store).tickets(MOST):
        if word == filed.ticket.id:
            return ": that is a ticket, say --ticket"
        if word == filed.ticket.subject:
            return f": that is the pseudonym on the ticket {filed.ticket.id}, say --ticket {filed.ticket.id}"
    if _session(word) and (await repository.load(Keys(session=_session(word)))).snapshot.session.version:
        return ": that is a session, say --session"
    if (await repository.load(Keys(transaction=word))).snapshot.transaction.version:
        return ": that is a transaction, say --transaction"
    return ""
