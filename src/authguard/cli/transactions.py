"""`authguard transactions list`, `show` and `export`: what waits for a person, and what to decide by."""

from __future__ import annotations

from heapq import nsmallest
from typing import TYPE_CHECKING, Annotated, Final

import anyio
import typer

from authguard.cli.identifier import refuse_filter
from authguard.cli.json_document import print_array, print_json_line, print_object
from authguard.cli.line_wrap import print_line
from authguard.cli.operator_session import StoredContent, open_deployment, resolve_settings
from authguard.cli.options import (
    IssuerOption,
    JsonOption,
    LimitOption,
    LogOption,
    OperationOption,
    PolicyOption,
    SinceOption,
    StoreOption,
    SubjectOption,
    UntilOption,
)
from authguard.cli.output import print_error
from authguard.cli.period import parse_period
from authguard.cli.record_lookup import find_transaction, shorten_transactions
from authguard.cli.subject import find_pseudonym
from authguard.cli.table import format_fields, format_table, window_width
from authguard.cli.terminal import escape
from authguard.cli.transaction_view import (
    HEADS,
    TOO_LONG,
    UNREADABLE,
    TransactionView,
    commands,
    fields,
    format_limit,
    limit_document,
    row,
    spell,
    to_document,
    verdict,
    view_transaction,
)
from authguard.evaluation.booking import limit_usages
from authguard.evaluation.transactions import decrypt_request
from authguard.ports import FIRST
from authguard.runtime.transaction_list import approvable_states, doubtful_states, lapse_time, list_transactions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from authguard.core.policy import Policy
    from authguard.core.snapshot import TransactionRecord
    from authguard.evaluation.booking import LimitUsage
    from authguard.runtime.state_repository import StateRepository

#: transactions read from the store per page
PAGE_SIZE: Final = 500
#: values of `--state` that are no state of the machine
WAITING: Final = "waiting"
ANY: Final = "any"

TransactionArgument = Annotated[
    str, typer.Argument(help="Id of the transaction, or its start, from `transactions list` or the reply.")
]
StateOption = Annotated[
    str,
    typer.Option("--state", help="Only transactions in this state, such as `held`; `waiting` for a person, or `any`."),
]
RoleOption = Annotated[str, typer.Option("--role", help="Only transactions that wait for this role.")]


def listing(
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    state: StateOption = WAITING,
    role: RoleOption = "",
    operation: OperationOption = "",
    subject: SubjectOption = "",
    issuer: IssuerOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List the transactions that wait for a person, held or in doubt; those in doubt first, then what lapses first.

    `--since` and `--until` say when they began to wait. Change and record nothing.

    Examples:

        authguard transactions list

        authguard transactions list --state in_doubt --json

        authguard transactions list --state any --since 2h --operation refund
    """

    async def load() -> tuple[list[TransactionView], int, float, Policy]:
        async with open_deployment(policy, store, log, records=False) as (repository, _):
            content = StoredContent(resolve_settings(policy, store, log), repository.policy)
            pseudonym = await find_pseudonym(repository, content, subject, issuer) if subject else ""
            filters = {"role": role, "operation": operation, "subject": pseudonym}
            waited = parse_period(since, until)
            count, found = 0, []
            async for one in _each(repository, _states(repository.policy, state), filters, waited):
                count += 1
                found.append(one)
                if len(found) > 2 * limit + PAGE_SIZE:  # keep the first ones, so that memory stays bounded
                    found = nsmallest(limit, found, key=lambda each: _order(repository.policy, each))
            found = nsmallest(limit, found, key=lambda each: _order(repository.policy, each))
            if not found:
                await _require_known(repository, filters)
            short = await shorten_transactions(repository.store, [name for name, _ in found])
            views = [
                view_transaction(
                    repository.policy, name, record, content.cipher, content.name_account, short=short[name]
                )
                for name, record in found
            ]
            if as_json:
                print_array([to_document(view, content.cipher) for view in views])
            return views, count, repository.clock.now(), repository.policy

    views, count, now, compiled = anyio.run(load)
    if not as_json:
        filtered = bool(role or operation or subject or since or until)
        _print_list(views, count, now, "" if state == ANY else state, compiled, filtered=filtered)


def export(
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    state: StateOption = ANY,
    since: SinceOption = "",
    until: UntilOption = "",
    as_json: JsonOption = False,
) -> None:
    """Export transactions as JSON Lines, without their stored responses; `--json` is the only form.

    `--since` and `--until` say when they came into their state. Change and record nothing.

    Examples:

        authguard transactions export --since yesterday

        authguard transactions export --state in_doubt
    """
    del as_json  # the output is JSON Lines in any case

    async def write() -> None:
        async with open_deployment(policy, store, log, records=False) as (repository, _):
            content = StoredContent(resolve_settings(policy, store, log), repository.policy)
            waited = parse_period(since, until)
            async for name, record in _each(repository, _states(repository.policy, state), {}, waited):
                view = view_transaction(repository.policy, name, record, content.cipher, content.name_account)
                print_json_line(to_document(view, content.cipher))

    anyio.run(write)


def show(
    transaction: TransactionArgument,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show all that is needed to decide on a transaction, with the commands that decide. Change and record nothing.

    Examples:

        authguard transactions show 3f2a91c4

        authguard transactions show 3f2a91c4 --json
    """

    async def load() -> tuple[TransactionView, tuple[LimitUsage, ...], float, StoredContent]:
        async with open_deployment(policy, store, log, records=False) as (repository, opened):
            content = StoredContent(resolve_settings(policy, store, log), repository.policy)
            name, record = await find_transaction(repository, transaction)
            snapshot = (await repository.load(record.keys(name))).snapshot
            short = (await shorten_transactions(opened, [name]))[name]
            view = view_transaction(repository.policy, name, record, content.cipher, content.name_account, short=short)
            now = repository.clock.now()
            return view, limit_usages(repository.policy, snapshot, now, name), now, content

    view, limits, now, content = anyio.run(load)
    if as_json:
        print_object(
            to_document(view, content.cipher)
            | {"limits": [limit_document(one) for one in limits], "next": list(commands(view, limits))}
        )
        return
    print_line(escape(verdict(view, now)))
    for line in format_fields(fields(view, now), window_width()):
        print_line(line)
    record = view.record
    lines = decrypt_request(record, view.id, content.cipher()) if record.request else record.shown
    print_line("request:")
    for line in lines or (UNREADABLE if record.request else TOO_LONG,):
        print_line(f"  {line}")
    if limits:
        print_line("limits:")
    for one in limits:
        print_line(f"  {format_limit(one)}")
    for line in commands(view, limits):
        print_line(line)


def _states(policy: Policy, state: str) -> tuple[str, ...]:
    """Return the states that a value of `--state` means, or raise `BadParameter` for an unknown one."""
    if state in {"", ANY}:
        return ("",)
    if state == WAITING:
        return (*doubtful_states(policy), *approvable_states(policy))
    known = policy.machines["transaction"].spec.states
    if state not in known:
        raise refuse_filter("--state", state, [*known, WAITING, ANY])
    return (state,)


async def _each(
    repository: StateRepository, states: Sequence[str], filters: dict[str, str], period: tuple[float, float]
) -> AsyncIterator[tuple[str, TransactionRecord]]:
    """Yield each matching transaction with its id; read them in pages to bound memory."""
    for state in states:
        place = FIRST
        while True:
            page = await list_transactions(repository, state=state, **filters, after=place, limit=PAGE_SIZE)
            for name, record in page:
                if period[0] <= record.entered <= period[1]:
                    yield name, record
            if len(page) < PAGE_SIZE:
                break
            place = (page[-1][1].place, page[-1][0])


def _order(policy: Policy, one: tuple[str, TransactionRecord]) -> tuple[bool, float, float, str]:
    """Return the key of the order: what is in doubt, then what lapses first, then what waits longest."""
    name, record = one
    return record.state not in doubtful_states(policy), lapse_time(policy, record), record.entered, name


async def _require_known(repository: StateRepository, filters: dict[str, str]) -> None:
    """Raise `BadParameter` for a role or operation that neither the policy nor a stored transaction has."""
    policy = repository.policy
    known = {
        "operation": {one.name for one in (*policy.operations, policy.otherwise)},
        "role": {one.role for fallback in policy.fallbacks.values() for one in fallback.approvers},
    }
    for name, values in known.items():
        typed = filters[name]
        if typed and typed not in values:
            stored = await list_transactions(
                repository,
                state="",
                role=typed if name == "role" else "",
                operation=typed if name == "operation" else "",
                limit=1,
            )
            if not stored:
                raise refuse_filter(f"--{name}", typed, values)


def _print_list(
    views: Sequence[TransactionView], count: int, now: float, state: str, policy: Policy, *, filtered: bool
) -> None:
    matching = " that matches" if filtered else ""
    if not views:
        what = "waits for you" if state == WAITING else f"is {spell(state)}" if state else "is stored"
        print_line(f"no transaction{matching} {what}")
        return
    print_line(_headline(views, count, state, policy))
    for line in format_table(HEADS, [row(view, now) for view in views], window_width()):
        print_line(line)
    if len(views) < count:
        print_error(f"the first {len(views)} of {count} are shown; --limit shows more")
    for needs in ("settlement", "approval"):
        first = next((view for view in views if view.needs == needs), None)
        if first is not None:
            print_line(next(commands(first)))


def _headline(views: Sequence[TransactionView], count: int, state: str, policy: Policy) -> str:
    noun = f"{count} transaction{'s' * (count != 1)}"
    if state != WAITING:
        return f"{noun} {'is' if count == 1 else 'are'} {spell(state)}" if state else noun
    parts = {one: sum(view.record.state == one for view in views) for one in _states(policy, WAITING)}
    summary = ", ".join(f"{number} {spell(one)}" for one, number in parts.items() if number)
    return f"{noun} wait{'s' * (count == 1)} for you{f': {summary}' if len(views) == count else ''}"
