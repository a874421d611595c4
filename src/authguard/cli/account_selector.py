"""Select the account of a command: by subject and issuer, or by ticket, session or transaction.

A subject is a name from the issuer; the other selectors are ids of the guard. Each has a separate option, so that
one is never read as the other.
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

#: most tickets that are searched for one id
MAX_TICKETS = 100_000

SubjectArgument = Annotated[str, typer.Argument(help="The subject of the account: `sub` in the tokens of its issuer.")]


@dataclass(frozen=True, slots=True)
class AccountSelector:
    """The selection of an account on the command line; exactly one of subject, ticket, session and transaction is set.

    Attributes:
        subject: name of the subject at its issuer.
        issuer: issuer of the subject; empty for the only issuer of the policy.
        ticket: id of a hand-off ticket.
        session: key of a session, hexadecimal.
        transaction: id of a transaction.
    """

    subject: str = ""
    issuer: str = ""
    ticket: str = ""
    session: str = ""
    transaction: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """The selected account.

    Attributes:
        key: result of `authguard.core.snapshot.account_key`.
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
        issuer = pick_issuer(repository.policy, asked.issuer)
        key, name = account_key(issuer, asked.subject), naming.subject(issuer, asked.subject)
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
    key, name, what = b"", "", ""
    if asked.ticket:
        what = "ticket"
        for filed in await StoreDesk(repository.store).tickets(MAX_TICKETS):
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
        print_error(f"there is no such {what}, or it has expired; nothing was changed")
        raise typer.Exit(FAILED)
    return key, name


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
        if word == filed.ticket.subject:
            return f": this is the pseudonym of ticket {filed.ticket.id}, use --ticket {filed.ticket.id}"
    if _session(word) and (await repository.load(Keys(session=_session(word)))).snapshot.session.version:
        return ": this is a session, use --session"
    if (await repository.load(Keys(transaction=word))).snapshot.transaction.version:
        return ": this is a transaction, use --transaction"
    return ""
