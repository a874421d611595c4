"""`authguard flags`: list, set and clear the flags of accounts, sessions and payees.

The account of a flag is selected as in `authguard accounts`. A payee is named as in a request: every spelling is one.
"""

from __future__ import annotations

from heapq import nlargest
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, Final

import anyio
import typer
from msgspec import Struct

from authguard.cli.account_selector import AccountSelector, SubjectArgument, find_account
from authguard.cli.identifier import MIN_SHOWN, refuse_filter
from authguard.cli.json_document import json_time, print_array, print_object
from authguard.cli.line_wrap import print_line
from authguard.cli.operator_session import (
    StoredContent,
    open_deployment,
    open_staff_actions,
    parse_names,
    resolve_settings,
)
from authguard.cli.options import (
    ByOption,
    IssuerOption,
    JsonOption,
    LimitOption,
    LogOption,
    PolicyOption,
    ReasonOption,
    SessionOption,
    StoreOption,
    SubjectOption,
    TicketOption,
    TransactionOption,
)
from authguard.cli.output import print_error
from authguard.cli.record_lookup import each_record, find_session
from authguard.cli.span import format_span
from authguard.cli.subject import find_subject
from authguard.cli.table import format_table, window_width
from authguard.cli.terminal import format_time
from authguard.core import flags
from authguard.core.amount import UnreadableValueError
from authguard.core.flags import Flag
from authguard.core.snapshot import AccountRecord, SessionRecord
from authguard.runtime.flag_actions import FlagActions, FlagOwner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.core.policy import Policy
    from authguard.ports import RecordKind
    from authguard.runtime.pseudonymizer import Pseudonymizer
    from authguard.runtime.state_repository import StateRepository

HEADS: Final = ("flag", "by", "subject", "session", "set for", "until")
FlagArgument = Annotated[str, typer.Argument(metavar="FLAG", help="Name of a flag of the policy.")]
PayeeOption = Annotated[str, typer.Option("--payee", metavar="TEXT", help="The payee, for a flag kept by payee.")]


class SetFlag(Struct, frozen=True):
    """A flag that is set.

    Attributes:
        flag: of the policy.
        owner: whose flag.
        until: when it expires, epoch seconds UTC; infinite for never.
    """

    flag: Flag
    owner: FlagOwner
    until: float

    @property
    def since(self) -> float:
        """Time of its last setting; 0 for a flag that never expires, of which the time is not needed."""
        return self.until - self.flag.expires if self.until < inf else 0.0


def listing(
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    subject: SubjectOption = "",
    issuer: IssuerOption = "",
    payee: PayeeOption = "",
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List the flags that are set, those that expire last first. Change and record nothing.

    Flags kept by payee are listed for the payee of `--payee` only, since the store does not hold the names of payees.

    Examples:

        authguard flags list

        authguard flags list --subject alice --json

        authguard flags list --payee DE89370400440532013000
    """

    async def load() -> tuple[list[SetFlag], float]:
        async with open_deployment(policy, store, log, records=False) as (repository, _):
            content = StoredContent(resolve_settings(policy, store, log), repository.policy)
            account = b""
            if subject:
                account = (await find_subject(repository, content.naming(), subject, issuer)).key
            if payee:
                found = await _list_of_payee(repository, account, payee, content)
            else:
                found = await _list_stored(repository, account, limit)
            newest = nlargest(limit, found, key=lambda one: one.until)
            named = [
                SetFlag(one.flag, _with_name(one.owner, content.name_account(one.owner.account)), one.until)
                if one.owner.account
                else one
                for one in newest
            ]
            return named, repository.clock.now()

    found, now = anyio.run(load)
    if as_json:
        print_array([_document(one) for one in found])
    elif not found:
        print_line("no flag is set" + (" for them" if subject or payee else ""))
    else:
        for line in _format_list(found, now):
            print_line(line)


async def _list_stored(repository: StateRepository, account: bytes, limit: int) -> list[SetFlag]:
    """Return the flags of accounts and of sessions that are set now, those that expire last."""
    found: list[SetFlag] = []
    kinds: tuple[tuple[RecordKind, str], ...] = (("account", flags.SUBJECT), ("session", flags.SESSION))
    for kind, by in kinds:
        declared = [flag for flag in repository.policy.flags if flag.by == by]
        if not declared:
            continue
        async for key, record in each_record(repository.store, kind):
            if not isinstance(record, AccountRecord | SessionRecord):
                continue
            owner = FlagOwner(account=key) if kind == "account" else FlagOwner(account=_account(record), session=key)
            if account not in {b"", owner.account}:
                continue
            for flag in declared:
                until = flags.find_expiry(flag, record.ledger, repository.clock.now())
                if until:
                    found.append(SetFlag(flag, owner, until))
            if len(found) > 2 * limit:  # keep bounded memory
                found = nlargest(limit, found, key=lambda one: one.until)
    return found


def _account(record: AccountRecord | SessionRecord) -> bytes:
    return record.account if isinstance(record, SessionRecord) else b""


async def _list_of_payee(
    repository: StateRepository, account: bytes, payee: str, content: StoredContent
) -> list[SetFlag]:
    actions, found = FlagActions(repository, content.naming()), []
    for flag in repository.policy.flags:
        owner = FlagOwner(account=account if flag.by == flags.SUBJECT_PAYEE else b"", payee=payee)
        if owner.fits(flag):
            until = await _require_payee(actions, flag, owner)
            if until:
                found.append(SetFlag(flag, owner, until))
    return found


async def _require_payee(actions: FlagActions, flag: Flag, owner: FlagOwner) -> float:
    try:
        return await actions.find_expiry(flag, owner)
    except UnreadableValueError:
        raise typer.BadParameter("a payee has a letter or a digit, and at most 256 characters") from None


def _with_name(owner: FlagOwner, name: str) -> FlagOwner:
    return FlagOwner(account=owner.account, session=owner.session, payee=owner.payee, subject=name)


def _format_list(found: Sequence[SetFlag], now: float) -> Iterator[str]:
    yield f"{len(found)} flag{'s' * (len(found) != 1)} set"
    rows = [
        (
            one.flag.name,
            one.flag.by,
            one.owner.subject or one.owner.account.hex()[:MIN_SHOWN],
            one.owner.session.hex()[:MIN_SHOWN],
            format_span(now - one.since) if one.since else "",
            format_time(one.until) if one.until < inf else "cleared by a person",
        )
        for one in found
    ]
    yield from format_table(HEADS, rows, window_width())


def set_flag(
    flag: FlagArgument,
    subject: SubjectArgument = "",
    *,
    by: ByOption,
    reason: ReasonOption,
    issuer: IssuerOption = "",
    ticket: TicketOption = "",
    session: SessionOption = "",
    transaction: TransactionOption = "",
    payee: PayeeOption = "",
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set a flag from now on, until its time has passed or a person clears it.

    Examples:

        authguard flags set fraud_hold alice --by Ines --reason "the card was reported stolen"

        authguard flags set payee_watched --payee DE89370400440532013000 --by Ines --reason "mule account"
    """
    asked = AccountSelector(subject, issuer, ticket, session, transaction)
    done = anyio.run(_act, flag, asked, payee, True, by, reason, policy, store, log)
    if as_json:
        print_object(_document(done))
    else:
        print_line(f"{done.flag.name} is set" + (f" until {format_time(done.until)}" if done.until < inf else ""))


def clear(
    flag: FlagArgument,
    subject: SubjectArgument = "",
    *,
    by: ByOption,
    reason: ReasonOption,
    issuer: IssuerOption = "",
    ticket: TicketOption = "",
    session: SessionOption = "",
    transaction: TransactionOption = "",
    payee: PayeeOption = "",
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Clear a flag before its time has passed.

    Examples:

        authguard flags clear iban_changed alice --by Ines --reason "confirmed at the branch"
    """
    asked = AccountSelector(subject, issuer, ticket, session, transaction)
    done = anyio.run(_act, flag, asked, payee, False, by, reason, policy, store, log)
    if as_json:
        print_object(_document(done))
    else:
        print_line(f"{done.flag.name} is clear")


async def _act(
    name: str,
    asked: AccountSelector,
    payee: str,
    sets: bool,
    by: str,
    reason: str,
    policy: str,
    store: str,
    log: Any,  # noqa: ANN401 - as its option
) -> SetFlag:
    (person,) = parse_names([by])
    async with open_staff_actions(policy, store, log, records=True) as (staff, repository):
        flag = _find_flag(repository.policy, name)
        actions = FlagActions(repository, staff.naming)
        owner = await _find_owner(repository, staff.naming, flag, asked, payee)
        try:
            await actions.change(flag, owner, sets=sets, by=person, why=reason)
        except UnreadableValueError:
            raise typer.BadParameter("a payee has a letter or a digit, and at most 256 characters") from None
        until = await actions.find_expiry(flag, owner)
    if not sets and until:
        print_error("another change set it again at the same time")
    return SetFlag(flag, owner, until)


def _find_flag(policy: Policy, name: str) -> Flag:
    found = next((flag for flag in policy.flags if flag.name == name), None)
    if found is None:
        raise refuse_filter("FLAG", name, [flag.name for flag in policy.flags])
    return found


async def _find_owner(
    repository: StateRepository, naming: Pseudonymizer, flag: Flag, asked: AccountSelector, payee: str
) -> FlagOwner:
    if (flag.by in flags.PAYEE_DIMENSIONS) != bool(payee):
        raise typer.BadParameter(f"`{flag.name}` is kept by {flag.by}: {'name' if not payee else 'leave out'} --payee")
    if flag.by == flags.PAYEE:
        return FlagOwner(payee=payee)
    if flag.by == flags.SESSION:
        if not asked.session:
            raise typer.BadParameter(f"`{flag.name}` is kept by session: name it with --session")
        key, record = await find_session(repository, asked.session)
        return FlagOwner(account=record.account, session=key, subject=naming.account(record.account))
    found = await find_account(repository, naming, asked)
    return FlagOwner(account=found.key, payee=payee, subject=found.name)


def _document(one: SetFlag) -> dict[str, Any]:
    """Return the JSON of a flag; its keys are stable."""
    return {
        "flag": one.flag.name,
        "by": one.flag.by,
        "set": bool(one.until),
        "account": one.owner.account.hex(),
        "subject": one.owner.subject,
        "session": one.owner.session.hex(),
        "expires": json_time(one.until) if 0 < one.until < inf else None,
    }
