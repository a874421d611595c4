"""Find an account by its subject: the issuer's name of a person, or a pseudonym of the log, or its start.

Rules:
- A text that is the name of one person and the start of another one's pseudonym is refused, because a customer may have
  chosen a name that looks like a pseudonym. `--issuer` says that it is a name.
- A pseudonym needs at least `MIN_DIGITS` digits: a shorter text is far more probably a mistyped name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer
from msgspec import Struct

from authguard.cli.identifier import MAX_CANDIDATES, is_hex, refuse_ambiguous, refuse_filter
from authguard.cli.output import USAGE, print_error
from authguard.cli.record_lookup import MAX_TICKETS
from authguard.cli.terminal import escape, format_time
from authguard.core.record_keys import KEY_BYTES, account_key
from authguard.core.snapshot import AccountRecord, Keys
from authguard.runtime.handoff import StoreDesk
from authguard.runtime.transaction_list import list_transactions

if TYPE_CHECKING:
    from authguard.cli.operator_session import StoredContent
    from authguard.core.policy import Policy
    from authguard.runtime.pseudonymizer import Pseudonymizer
    from authguard.runtime.state_repository import StateRepository

MIN_DIGITS: Final = 8
#: accounts read from the store per page, and the most that are searched for a pseudonym
PAGE_SIZE: Final = 500
MAX_SEARCHED: Final = 100_000
HEADS: Final = ("pseudonym", "state", "since")


class FoundSubject(Struct, frozen=True):
    """An account that a person named.

    Attributes:
        key: from `authguard.core.record_keys.account_key`.
        name: pseudonym in the log; the plain name if the log has names.
        seen: whether the store has the account.
    """

    key: bytes
    name: str
    seen: bool


async def find_subject(repository: StateRepository, naming: Pseudonymizer, typed: str, issuer: str) -> FoundSubject:
    """Find an account by a name or a pseudonym.

    A name that the store does not know is an account that was never seen, of the only or the given issuer.

    Raises:
        typer.BadParameter: the issuer is unknown, or is needed.
        typer.Exit: several accounts match; the message has been printed.
    """
    issuers = issuer_names(repository.policy, issuer)
    known = [(one, key) for one in issuers if (await _load(repository, key := account_key(one, typed))).version]
    if len(known) > 1:
        raise typer.BadParameter(
            f"`{escape(typed)}` is known at {', '.join(one for one, _ in known)}: name one", param_hint="--issuer"
        )
    digits = typed.strip().lower()
    is_pseudonym = is_hex(digits) and MIN_DIGITS <= len(digits) <= 2 * KEY_BYTES
    if known:
        ((home, key),) = known
        name = naming.subject(home, typed)
        if is_pseudonym and not issuer and set(await _find_by_pseudonym(repository, naming, digits)) - {name}:
            raise typer.BadParameter(
                f"`{escape(typed)}` is the name of one person, and the pseudonym of another begins so: give `--issuer"
                f" {home}` for the name, or select the other with --session, --ticket or --transaction"
            )
        return FoundSubject(key, name, seen=True)
    if is_pseudonym:
        found = await _find_by_pseudonym(repository, naming, digits)
        if len(found) > 1:
            rows = [(name, record.state, format_time(record.entered)) for name, (_, record) in found.items()]
            raise refuse_ambiguous(typed, "pseudonyms", HEADS, rows, is_complete=len(found) <= MAX_CANDIDATES)
        for name, (key, record) in found.items():
            return FoundSubject(key, name, seen=bool(record.version))
    if len(issuers) > 1:
        raise typer.BadParameter(f"name one of {', '.join(issuers)}", param_hint="--issuer")
    return FoundSubject(account_key(issuers[0], typed), naming.subject(issuers[0], typed), seen=False)


async def find_pseudonym(repository: StateRepository, content: StoredContent, typed: str, issuer: str) -> str:
    """Return the pseudonym that a filter by subject means.

    Raises:
        typer.BadParameter: neither the store nor a transaction has this subject, or the issuer is needed.
        typer.Exit: several accounts match; the message has been printed.
    """
    if await list_transactions(repository, state="", subject=typed, limit=1):
        return typed
    found = await find_subject(repository, content.naming(), typed, issuer)
    if not found.seen and not await list_transactions(repository, state="", subject=found.name, limit=1):
        print_error(
            f"`{escape(typed)}` is unknown for --subject: give the issuer's name of a person whom the app has seen, or"
            f" at least {MIN_DIGITS} digits of a pseudonym of the log"
        )
        raise typer.Exit(USAGE)
    return found.name


def issuer_names(policy: Policy, issuer: str) -> tuple[str, ...]:
    """Return the given issuer, or all issuers of the policy.

    Raises:
        typer.BadParameter: the policy does not have the issuer.
    """
    if issuer and issuer not in policy.issuers:
        raise refuse_filter("--issuer", issuer, policy.issuers)
    return (issuer,) if issuer else tuple(policy.issuers)


async def _load(repository: StateRepository, key: bytes) -> AccountRecord:
    return (await repository.load(Keys(account=key))).snapshot.account


async def _find_by_pseudonym(
    repository: StateRepository, naming: Pseudonymizer, digits: str
) -> dict[str, tuple[bytes, AccountRecord]]:
    """Return the accounts whose pseudonym starts with these digits: those with tickets, then those in the store."""
    found: dict[str, tuple[bytes, AccountRecord]] = {}
    for filed in await StoreDesk(repository.store).tickets(MAX_TICKETS):
        if filed.ticket.subject.startswith(digits):
            key = bytes.fromhex(filed.ticket.account)
            found[filed.ticket.subject] = key, await _load(repository, key)
    first, searched = b"", 0
    while len(found) <= MAX_CANDIDATES:
        page = await repository.store.records("account", first=first, limit=PAGE_SIZE)
        for key, record in page:
            name = naming.account(key)
            if name.startswith(digits) and isinstance(record, AccountRecord):
                found[name] = key, record
        searched += len(page)
        if len(page) < PAGE_SIZE or (len(digits) == 2 * KEY_BYTES and found):
            break
        if searched >= MAX_SEARCHED:
            print_error(
                f"note: only {searched:,} accounts were searched for the pseudonym: the issuer's name finds any"
            )
            break
        first = page[-1][0] + b"\0"
    return found
