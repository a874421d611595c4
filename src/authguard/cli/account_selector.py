"""Select the account of a command: by subject, or by ticket, session or transaction.

A subject is a name from the issuer or a pseudonym of the log; the other selectors are ids of the guard. Each has a
separate option, so that one is never read as the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from authguard.cli.output import FAILED, print_error
from authguard.cli.record_lookup import MAX_TICKETS, find_session, find_ticket, find_transaction
from authguard.cli.subject import find_subject
from authguard.core.record_keys import KEY_BYTES
from authguard.core.snapshot import AccountRecord, Keys
from authguard.runtime.handoff import StoreDesk
from authguard.runtime.transaction_list import effective_snapshot

if TYPE_CHECKING:
    from authguard.runtime.pseudonymizer import Pseudonymizer
    from authguard.runtime.state_repository import StateRepository

SubjectArgument = Annotated[
    str,
    typer.Argument(help="The issuer's name of a person (`sub`), or a pseudonym of the log, or its first 8 digits."),
]


class AccountSelector(Struct, frozen=True):
    """The selection of an account on the command line; exactly one of subject, ticket, session and transaction is set.

    Attributes:
        subject: name of the subject at its issuer, or a pseudonym.
        issuer: issuer of the subject; empty for any issuer of the policy.
        ticket: id of a hand-off ticket.
        session: key of a session, hexadecimal.
        transaction: id of a transaction.
    """

    subject: str = ""
    issuer: str = ""
    ticket: str = ""
    session: str = ""
    transaction: str = ""


class Account(Struct, frozen=True):
    """The selected account.

    Attributes:
        key: result of `authguard.core.record_keys.account_key`.
        name: pseudonym in the log; empty if it cannot be computed without the subject.
        record: the stored record.
    """

    key: bytes
    name: str
    record: AccountRecord


async def find_account(repository: StateRepository, naming: Pseudonymizer, asked: AccountSelector) -> Account:
    """Load the selected account.

    Raises:
        typer.BadParameter: not exactly one account is selected.
        typer.Exit: the ticket, session or transaction is unknown; the message has been printed.
    """
    selected = [word for word in (asked.subject, asked.ticket, asked.session, asked.transaction) if word]
    if len(selected) != 1:
        raise typer.BadParameter("select one account: a subject, --ticket, --session or --transaction")
    if asked.subject:
        named = await find_subject(repository, naming, asked.subject, asked.issuer)
        key, name = named.key, named.name
    else:
        key, name = await _resolve_id(repository, asked)
        name = naming.account(key) or name
    found = (await repository.load(Keys(account=key))).snapshot
    return Account(key, name, effective_snapshot(repository, found).account if found.account.version else found.account)


async def find_known_account(repository: StateRepository, naming: Pseudonymizer, asked: AccountSelector) -> Account:
    """Load the selected account, which must be in the store.

    Raises:
        typer.BadParameter: not exactly one account is selected.
        typer.Exit: the store has no such account; the message has been printed.
    """
    found = await find_account(repository, naming, asked)
    if not found.record.version:
        print_error(f"the store has no such account{await suggest_option(repository, asked.subject)}; nothing was done")
        raise typer.Exit(FAILED)
    return found


async def _resolve_id(repository: StateRepository, asked: AccountSelector) -> tuple[bytes, str]:
    """Return the key of the account and the subject name of the selected record."""
    if asked.ticket:
        ticket = (await find_ticket(repository.store, asked.ticket, repository.clock.now())).ticket
        return bytes.fromhex(ticket.account), ticket.subject
    if asked.transaction:
        _, transaction = await find_transaction(repository, asked.transaction)
        return transaction.account, transaction.subject
    _, session = await find_session(repository, asked.session)
    if not session.account:
        print_error("this session does not name its account: it was stored by an older version; name the subject")
        raise typer.Exit(FAILED)
    return session.account, ""


def _session(word: str) -> bytes:
    try:
        key = bytes.fromhex(word)
    except ValueError:
        key = b""
    return key if len(key) == KEY_BYTES else b""


async def suggest_option(repository: StateRepository, word: str) -> str:
    """Return a hint which option fits a word that is not a subject; empty if none does."""
    if not word:
        return ""
    for filed in await StoreDesk(repository.store).tickets(MAX_TICKETS):
        if word == filed.ticket.id:
            return ": this is a ticket, use --ticket"
    if _session(word) and (await repository.load(Keys(session=_session(word)))).snapshot.session.version:
        return ": this is a session, use --session"
    if (await repository.load(Keys(transaction=word))).snapshot.transaction.version:
        return ": this is a transaction, use --transaction"
    return ""
