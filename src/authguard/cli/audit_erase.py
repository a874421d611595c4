"""`authguard audit erase`: make the records of one subject anonymous by destroying the key of the pseudonym."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import typer

from authguard.audit.query.search import Query, find
from authguard.cli.account_selector import AccountSelector, SubjectArgument, find_account, suggest_option
from authguard.cli.audit_options import open_log_index
from authguard.cli.line_wrap import print_line
from authguard.cli.operator_session import open_deployment, parse_names, require_access
from authguard.cli.options import (
    IssuerOption,
    JsonOption,
    LogOption,
    PersonsOption,
    PolicyOption,
    ReasonOption,
    SessionOption,
    StoreOption,
    TicketOption,
    TransactionOption,
    YesOption,
)
from authguard.cli.output import FAILED, print_error
from authguard.cli.prompt import require_confirmation, require_terminal_unless
from authguard.cli.terminal import escape, format_time_ms
from authguard.clock import SystemClock
from authguard.core.record_keys import account_key, session_key
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
    from collections.abc import Iterator

    from authguard.cli.account_selector import Account
    from authguard.core.policy import Policy
    from authguard.runtime.state_repository import StateRepository

ACT: Final = "subject.erased"
#: transactions renamed per page
PAGE_SIZE: Final = 500


def erase(
    subject: SubjectArgument = "",
    *,
    by: PersonsOption,
    reason: ReasonOption,
    issuer: IssuerOption = "",
    ticket: TicketOption = "",
    session: SessionOption = "",
    transaction: TransactionOption = "",
    yes: YesOption = False,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase one subject: the records stay in the log, but can no longer be attributed to the subject.

    The key of the pseudonym is destroyed; the log records the erasure without the subject. Pending transactions and
    tickets get the new pseudonym. Exit 1 if the subject is unknown, or if other records can still be attributed.

    Examples:

        authguard audit erase alice --by dana --reason 'request 4711' --yes
    """
    require_terminal_unless(yes=yes)
    names = ", ".join(parse_names(by))
    settings = Settings.resolve(policy, store=store, audit_log=log)
    require_access(settings.store, writes=True)  # before anything is asked
    declared = load(settings.policy)
    asked = AccountSelector(subject, issuer, ticket, session, transaction)
    keys = _keys(settings, declared)

    async def load_account() -> tuple[Account, str]:
        async with open_deployment(policy, store, log, records=False, loaded=declared) as (repository, _):
            await require_same_pseudonyms(repository.store, keys.check)
            found = await find_account(repository, keys, asked)
            return found, await suggest_option(repository, asked.subject)

    account, hint = anyio.run(load_account)
    known = keys.get_info(account.key)
    count = _count(settings, known.pseudonym)
    older = _count(settings, KeyedPseudonyms(load_pseudonym_key(settings)).account(account.key)) if known.since else 0
    if not (count or older or account.record.version):
        print_error(f"neither the log nor the store has this subject{hint}; nothing was changed")
        raise typer.Exit(FAILED)
    require_confirmation(f"{count} records will be permanently anonymous. Continue? (y/n)", yes=yes)

    async def record() -> None:
        async with open_deployment(policy, store, log, records=True, loaded=declared) as (repository, _):
            repository.journal.record_act(ACT, repository.clock.now(), by=names, note=reason)

    # closing the log signs the record and syncs it to disk; destroy the key only after that
    keys.erase(account.key, SystemClock().now(), lambda: anyio.run(record))

    async def rename() -> None:
        async with open_deployment(policy, store, log, records=True, loaded=declared) as (repository, _):
            await _rename(repository, account.key, known.pseudonym, keys.account(account.key))

    anyio.run(rename)
    left = []
    if older:
        left.append(
            f"{older} records from before {format_time_ms(known.since)} have a pseudonym of the deployment's"
            " shared key: they stay attributable until they are retired (`audit: {retention: ...}`)"
        )
    home = next((one for one in declared.issuers if account_key(one, subject) == account.key), "")
    if home:
        left += _list_guessable(settings, declared, home, subject)
    else:
        print_error("note: give the issuer's name as SUBJECT to check whether session keys in the log can be guessed")
    if as_json:
        typer.echo(json.dumps({"verdict": "erased", "records": count, "still_attributable": left}, indent=2))
    else:
        print_line(
            f"erased: {count} records can no longer be attributed to the subject;"
            " the log records that a subject was erased"
        )
        for message in left:
            print_error(message)
    if left:
        raise typer.Exit(FAILED)


def _keys(settings: Settings, policy: Policy) -> ErasablePseudonyms:
    """Return the pseudonym keys of the deployment; raise `SettingsError` if the pseudonyms share one key."""
    if policy.audit.subjects == "plain":
        raise SettingsError(
            "the policy writes plain subject names (`audit: {subjects: plain}`): there is no key to destroy"
        )
    found = None if settings.pseudonym_key else create_pseudonyms(settings, plain=False)
    if not isinstance(found, ErasablePseudonyms):
        raise SettingsError(
            f"there are no keys of single pseudonyms next to `{settings.store}`: AUTHGUARD_PSEUDONYM_KEY is one key for"
            " all subjects; without that variable the app creates the key file when it starts"
        )
    return found


def _count(settings: Settings, pseudonym: str) -> int:
    with open_log_index(Path(settings.audit_log), partial=True) as index:
        return sum(1 for _ in find(index, Query(subjects=(pseudonym,))))


async def _rename(repository: StateRepository, account: bytes, old: str, new: str) -> None:
    """Replace the old pseudonym of an account in stored transactions and tickets."""
    place = FIRST
    while page := await repository.store.transactions(subject=old, after=place, limit=PAGE_SIZE):
        place = (page[-1][1].place, page[-1][0])
        for name, record in page:
            if record.account == account:
                await repository.change(
                    record.keys(name),
                    lambda evaluation: evaluation.update_record("transaction", subject=new),
                    subject=new,
                )
    await StoreDesk(repository.store).rename(account.hex(), new)


def _list_guessable(settings: Settings, policy: Policy, issuer: str, subject: str) -> Iterator[str]:
    """Yield a message for each session key in the log that can be computed from the subject."""
    for client in ("", *sorted(agent.client for agent in policy.agents if agent.issuer == issuer)):
        key = session_key(issuer, subject, client, "").hex()
        with open_log_index(Path(settings.audit_log)) as index:
            count = index.db.execute("SELECT count(*) FROM record WHERE session = ?", (key,)).fetchone()[0]
        if count:
            shown = f" with `{escape(client)}`" if client else ""
            yield (
                f"{count} records have a session key{shown} without a `sid` of the issuer: it can be computed from a"
                " guessed subject until the records are retired"
            )
