"""`authguard accounts`: list, show, reinstate and sign out accounts.

An account is identified by its subject, or through a ticket, a session or a transaction.
"""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, Annotated, Any, Final

import anyio
import typer

from authguard.cli.account_selector import Account, AccountSelector, SubjectArgument, find_account, find_known_account
from authguard.cli.identifier import MIN_SHOWN, refuse_filter
from authguard.cli.json_document import json_time, print_array, print_object
from authguard.cli.line_wrap import print_line
from authguard.cli.next_command import quote_value
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
    SinceOption,
    StoreOption,
    TicketOption,
    TransactionOption,
    UntilOption,
)
from authguard.cli.output import print_error
from authguard.cli.period import parse_period
from authguard.cli.record_lookup import each_record
from authguard.cli.span import format_span
from authguard.cli.table import format_table, window_width
from authguard.cli.terminal import escape, format_time
from authguard.core.snapshot import AccountRecord
from authguard.policy.render.yaml_document import scalar
from authguard.runtime import sign_out_delay
from authguard.runtime.journal import sanitize_text
from authguard.runtime.transaction_list import effective_account

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.core.policy import Policy

HEADS: Final = ("subject", "state", "for", "sources", "roles")
#: value of `--state` for every state but those of a customer in good standing
NOT_NORMAL: Final = "not-normal"
ANY: Final = "any"
Unseen = Annotated[bool, typer.Option("--unseen", help="Accept an account that the store does not have.")]


def listing(
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    state: Annotated[
        str, typer.Option("--state", help="Only accounts in this state, such as `locked`; `not-normal` or `any`.")
    ] = NOT_NORMAL,
    since: SinceOption = "",
    until: UntilOption = "",
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List the accounts that are not normal, the last changed first. Change and record nothing.

    `--since` and `--until` say when they came into their state.

    Examples:

        authguard accounts list

        authguard accounts list --state locked --since yesterday --json
    """

    async def load() -> tuple[list[Account], int, float]:
        async with open_deployment(policy, store, log, records=False) as (repository, _):
            content = StoredContent(resolve_settings(policy, store, log), repository.policy)
            begin, end = parse_period(since, until)
            states = _states(repository.policy, state)
            count, newest = 0, []
            async for key, stored in each_record(repository.store, "account"):
                record = effective_account(repository, stored) if isinstance(stored, AccountRecord) else None
                if record is not None and record.state in states and begin <= record.entered <= end:
                    count += 1
                    newest.append((record.entered, key, record))
                    if len(newest) > 2 * limit:  # keep the newest ones, so that memory stays bounded
                        newest = nlargest(limit, newest, key=lambda one: one[:2])
            newest = nlargest(limit, newest, key=lambda one: one[:2])
            found = [Account(key, content.name_account(key), record) for _, key, record in newest]
            return found, count, repository.clock.now()

    found, count, now = anyio.run(load)
    if as_json:
        print_array([_document(one) for one in found])
    elif not found:
        summary = {NOT_NORMAL: "in a state other than normal", ANY: "stored"}.get(state, state)
        print_line(f"no account is {summary}{' in this period' if since or until else ''}")
    else:
        _print_list(found, count, now)


def _states(policy: Policy, state: str) -> frozenset[str]:
    """Return the states that a value of `--state` means."""
    machine, initial = policy.machines["account"], policy.initial["account"]
    if state == ANY:
        return frozenset(machine.spec.states)
    if state == NOT_NORMAL:
        return frozenset(machine.spec.states) - {initial, machine.table[initial, "reinstated"].dest}
    if state not in machine.spec.states:
        raise refuse_filter("--state", state, [*machine.spec.states, NOT_NORMAL, ANY])
    return frozenset({state})


def _print_list(found: Sequence[Account], count: int, now: float) -> None:
    print_line(f"{count} account{'s' * (count != 1)}, the last changed first")
    rows = [
        (
            one.name or f"account {one.key.hex()[:MIN_SHOWN]}",
            one.record.state,
            format_span(now - one.record.entered),
            ", ".join(sorted(one.record.reports or {})),
            ", ".join(sanitize_text(role) for role in one.record.roles),
        )
        for one in found
    ]
    for line in format_table(HEADS, rows, window_width()):
        print_line(line)
    if len(found) < count:
        print_error(f"the newest {len(found)} of {count} are shown; --limit shows more")
    if found[0].name:
        print_line(escape(f"next: authguard accounts show {found[0].name}"))


def show(
    subject: SubjectArgument = "",
    issuer: IssuerOption = "",
    ticket: TicketOption = "",
    session: SessionOption = "",
    transaction: TransactionOption = "",
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the state of an account, its age and the last report of each source. Change and record nothing.

    Examples:

        authguard accounts show alice

        authguard accounts show --ticket adc9b1b0
    """

    async def load() -> Account:
        async with open_staff_actions(policy, store, log, records=False) as (actions, repository):
            return await find_account(
                repository, actions.naming, AccountSelector(subject, issuer, ticket, session, transaction)
            )

    found = anyio.run(load)
    if as_json:
        print_object(_document(found))
        return
    for line in _format_account(found.name, found.record):
        print_line(line)


def reinstate(
    subject: SubjectArgument = "",
    *,
    by: ByOption,
    reason: ReasonOption,
    issuer: IssuerOption = "",
    ticket: TicketOption = "",
    session: SessionOption = "",
    transaction: TransactionOption = "",
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reinstate an account: earlier reports of its state are ignored, later reports count.

    Exit 1 if the store has no such account.

    Examples:

        authguard accounts reinstate alice --by Ines --reason "came to the branch with a passport"
    """
    (name,) = parse_names([by])

    async def act() -> Account:
        async with open_staff_actions(policy, store, log, records=True) as (actions, repository):
            asked = AccountSelector(subject, issuer, ticket, session, transaction)
            found = await find_known_account(repository, actions.naming, asked)
            after = await actions.reinstate(found.key, found.name, name, reason)
            return Account(found.key, found.name, after.account)

    done = anyio.run(act)
    if as_json:
        print_object(_document(done))
    else:
        print_line(f"the account is {done.record.state}")


def sign_out(
    subject: SubjectArgument = "",
    *,
    by: ByOption,
    reason: ReasonOption,
    issuer: IssuerOption = "",
    ticket: TicketOption = "",
    session: SessionOption = "",
    transaction: TransactionOption = "",
    unseen: Unseen = False,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """End all sessions of an account, also unknown ones: a sign-in from before now is no longer accepted.

    Exit 1 if the store has no such account, unless `--unseen` is given.

    Examples:

        authguard accounts sign-out alice --by Ines --reason "the phone was stolen"
    """
    (name,) = parse_names([by])

    async def act() -> Account:
        async with open_staff_actions(policy, store, log, records=True) as (actions, repository):
            asked = AccountSelector(subject, issuer, ticket, session, transaction)
            found = await (find_account if unseen else find_known_account)(repository, actions.naming, asked)
            after = await actions.sign_out(found.key, found.name, name, reason)
            await sign_out_delay.wait_for_next_second(repository.clock, after)
            return Account(found.key, found.name, after.account)

    done = anyio.run(act)
    if as_json:
        print_object(_document(done))
    else:
        print_line(f"no sign-in from before {format_time(done.record.not_before)} is accepted")


def _format_account(pseudonym: str, record: AccountRecord) -> Iterator[str]:
    seen = f" since {format_time(record.entered)}" if record.version else ": the store does not have it"
    yield f"the account is {record.state}{seen}"
    if pseudonym:
        yield f"  {pseudonym}"
    for source, report in sorted((record.reports or {}).items()):
        yield f"  {source} reported {report.state} at {format_time(report.at)}"
        for one in report.delegations:
            yield f"    {one.actor.hex()} may act for {', '.join(sanitize_text(name) for name in one.names)}"
    if record.decided:
        yield f"  reinstated by staff at {format_time(record.decided)}; earlier reports are ignored"
    if record.not_before:
        yield f"  no sign-in from before {format_time(record.not_before)} is accepted"
    for name, tally in sorted((record.tallies or {}).items()):
        yield f"  {tally.count} attempts at {name} since {format_time(tally.since)}"
    if record.roles:
        yield f"  roles: {', '.join(sanitize_text(scalar(role)) for role in record.roles)}"
    if record.version and record.state != "normal" and (name := quote_value(pseudonym)):
        yield f"next: authguard accounts reinstate {name} --by NAME --reason WHY"


def _document(account: Account) -> dict[str, Any]:
    """Return the JSON of an account; its keys are stable."""
    record = account.record
    return {
        "account": account.key.hex(),
        "subject": account.name,
        "seen": bool(record.version),
        "state": record.state,
        "entered": json_time(record.entered),
        "reported": json_time(record.reported),
        "reinstated": json_time(record.decided),
        "not_before": json_time(record.not_before),
        "reports": {
            source: {
                "state": report.state,
                "at": json_time(report.at),
                "delegations": [{"actor": each.actor.hex(), "for": list(each.names)} for each in report.delegations],
            }
            for source, report in (record.reports or {}).items()
        },
        "attempts": {
            name: {"count": tally.count, "since": json_time(tally.since)}
            for name, tally in (record.tallies or {}).items()
        },
        "roles": list(record.roles),
    }
