"""`authguard audit erase`: forget one subject, by destroying the key that leads from their name to their records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import anyio
import typer

from authguard.audit.query.search import Query, find
from authguard.cli.account_selector import (
    AccountSelector,
    SessionOption,
    TicketOption,
    TransactionOption,
    find_account,
    suggest_option,
)
from authguard.cli.audit_options import open_log_index
from authguard.cli.operator_session import (
    LogOption,
    PolicyOption,
    StoreOption,
    open_deployment,
    parse_names,
    parse_reason,
    pick_issuer,
)
from authguard.cli.output import FAILED, print_error
from authguard.cli.terminal import escape, format_time_ms
from authguard.clock import SystemClock
from authguard.core.snapshot import Keys, session_key
from authguard.erasable_pseudonym import ErasablePseudonyms
from authguard.errors import SettingsError
from authguard.policy.compiler import load
from authguard.ports import FIRST
from authguard.pseudonym import KeyedPseudonyms
from authguard.pseudonym_factory import create_pseudonyms, load_pseudonym_key
from authguard.runtime.handoff import StoreDesk
from authguard.runtime.pseudonymizer import require_same_pseudonyms
from authguard.settings import Settings

if TYPE_CHECKING:
    from authguard.cli.account_selector import Account
    from authguard.policy.compiled_policy import Policy
    from authguard.runtime.state_repository import StateRepository

ACT: Final = "subject.erased"
#: transactions that are renamed at a time
PAGE: Final = 500


def erase(
    subject: Annotated[str, typer.Option("--subject", help="Who: as the issuer names them.")] = "",
    *,
    by: Annotated[list[str], typer.Option("--by", help="Who orders it; again for each further person.")],
    note: Annotated[
        str, typer.Option("--note", callback=parse_reason, help="Why; it goes to the log, so name nobody in it.")
    ],
    issuer: Annotated[str, typer.Option("--issuer", help="Whose subject; else the only issuer's.")] = "",
    ticket: TicketOption = "",
    session: SessionOption = "",
    transaction: TransactionOption = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: it cannot be undone.")] = False,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = "",
) -> None:
    """Forget one subject: their records stay in the log, and nobody can tell any more whose they are.

    The key of their pseudonym is destroyed, and that is recorded without saying whose it was. What waits for them in
    the store gets their new name. Exit 1 where nobody of that name is known, or where records still lead to them.
    """
    names = ", ".join(parse_names(by))
    settings = Settings.resolve(policy, store=store, audit_log=log)
    declared = load(settings.policy)
    asked = AccountSelector(subject, issuer, ticket, session, transaction)
    keys = _keys(settings, declared)

    async def look() -> tuple[Account, str]:
        async with open_deployment(policy, store, log, records=False) as (repository, _):
            await require_same_pseudonyms(repository.store, keys.check)
            found = await find_account(repository, keys, asked)
            return found, await suggest_option(repository, asked.subject)

    account, hint = anyio.run(look)
    known = keys.look_up(account.key)
    count = _count(settings, known.pseudonym)
    older = _count(settings, KeyedPseudonyms(load_pseudonym_key(settings)).account(account.key)) if known.since else 0
    if not (count or older or account.record.version):
        print_error(f"nobody of that name is in the log or in the store{hint}; nothing was done")
        raise typer.Exit(FAILED)
    if not yes:
        typer.confirm(f"{count} records will never be told to be theirs again. Go on?", abort=True)

    async def record() -> None:
        async with open_deployment(policy, store, log, records=True) as (repository, _):
            repository.journal.record_act(ACT, repository.clock.now(), by=names, note=note)

    # closing the log signs the record and brings it to the disk; only then is the key destroyed
    keys.erase(account.key, SystemClock().now(), lambda: anyio.run(record))

    async def rename() -> None:
        async with open_deployment(policy, store, log, records=True) as (repository, _):
            await _rename(repository, account.key, known.pseudonym, keys.account(account.key))

    anyio.run(rename)
    typer.echo(
        f"forgotten: {count} records cannot be told to be theirs any more; the log says that somebody was forgotten"
    )
    if older:
        print_error(
            f"{older} records from before {format_time_ms(known.since)} name them by the deployment's key, which is"
            " everybody's: they go when their time is over (`audit: {retention: ...}`)"
        )
    guessable = subject and _is_guessable(settings, declared, pick_issuer(declared, issuer), subject)
    if not subject:
        print_error("note: name them with --subject to be told whether session keys in the log can be guessed")
    if older or guessable:
        raise typer.Exit(FAILED)


def _keys(settings: Settings, policy: Policy) -> ErasablePseudonyms:
    """Open the keys of the deployment's names.

    Raises:
        SettingsError: names are no pseudonyms here, or have no keys of their own.
    """
    if not policy.pseudonymous:
        raise SettingsError(
            "the policy writes subjects by their names (`audit: {subjects: plain}`): no key leads to them"
        )
    found = None if settings.pseudonym_key else create_pseudonyms(settings, plain=False)
    if not isinstance(found, ErasablePseudonyms):
        raise SettingsError(
            f"there are no keys of single names beside `{settings.store}`: under AUTHGUARD_PSEUDONYM_KEY one key names"
            " everybody; without that variable the app makes the file when it starts"
        )
    return found


def _count(settings: Settings, pseudonym: str) -> int:
    with open_log_index(Path(settings.audit_log)) as index:
        return sum(1 for _ in find(index, Query(subjects=(pseudonym,))))


async def _rename(repository: StateRepository, account: bytes, old: str, new: str) -> None:
    """Replace the old name where the store has it beside the account: in transactions and tickets.

    Raises:
        AuditError, StoreError: a timer that was due could not be recorded, or one could not be saved.
    """
    place = FIRST
    while page := await repository.store.transactions(subject=old, after=place, limit=PAGE):
        place = (page[-1][1].place, page[-1][0])
        for name, record in page:
            if record.account == account:
                await repository.change(
                    Keys(transaction=name),
                    lambda evaluation: evaluation.update_record("transaction", subject=new),
                    subject=new,
                )
    await StoreDesk(repository.store).rename(account.hex(), new)


def _is_guessable(settings: Settings, policy: Policy, issuer: str, subject: str) -> bool:
    """Tell whether records name a session whose key can be computed from the subject alone; give whether any does."""
    found = False
    for client in ("", *sorted(agent.client for agent in policy.agents if agent.issuer == issuer)):
        key = session_key(issuer, subject, client, "").hex()
        with open_log_index(Path(settings.audit_log)) as index:
            count = index.db.execute("SELECT count(*) FROM record WHERE session = ?", (key,)).fetchone()[0]
        if count:
            found = True
            shown = f" with `{escape(client)}`" if client else ""
            print_error(
                f"{count} records name a session{shown} to which the issuer gave no `sid`: whoever guesses the subject"
                " can compute its key; they go when their time is over"
            )
    return found
