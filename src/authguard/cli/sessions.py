"""`authguard sessions`: list, show, reset and end sessions.

A session is identified by its key, as in the log and in a hand-off ticket; the key does not reveal the subject.
"""

from __future__ import annotations

from heapq import nlargest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import anyio
import typer

from authguard.cli.identifier import refuse_filter, shorten
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
    SinceOption,
    StoreOption,
    SubjectOption,
    UntilOption,
)
from authguard.cli.output import print_error
from authguard.cli.period import parse_period
from authguard.cli.record_lookup import each_record, find_session
from authguard.cli.span import format_ago
from authguard.cli.subject import find_subject
from authguard.cli.table import format_fields, format_table, window_width
from authguard.cli.terminal import format_time
from authguard.cli.transaction_view import short_name
from authguard.core.snapshot import SessionRecord
from authguard.runtime import sign_out_delay
from authguard.runtime.transaction_list import effective_session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from authguard.core.policy import Policy

HEADS: Final = ("session", "state", "verification", "account", "last seen", "signed in")
SessionArgument = Annotated[
    str, typer.Argument(metavar="SESSION", help="Key of the session, or its start, as in the log or a ticket.")
]


def listing(
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    subject: SubjectOption = "",
    issuer: IssuerOption = "",
    state: Annotated[str, typer.Option("--state", help="Only sessions in this state, such as `active`.")] = "",
    since: SinceOption = "",
    until: UntilOption = "",
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List the sessions that were seen last, or those of one account. Change and record nothing.

    `--since` and `--until` say when they were last seen. `--state` is a state of the session or of its verification.

    Examples:

        authguard sessions list

        authguard sessions list --subject alice

        authguard sessions list --state active --since 2h -n 1000 --json
    """

    async def load() -> tuple[list[tuple[bytes, SessionRecord]], int, dict[bytes, str], float]:
        async with open_deployment(policy, store, log, records=False) as (repository, _):
            content = StoredContent(resolve_settings(policy, store, log), repository.policy)
            _require_state(repository.policy, state)
            begin, end = parse_period(since, until)
            account = b""
            if subject:
                account = (await find_subject(repository, content.naming(), subject, issuer)).key
            count, newest = 0, []
            async for key, stored in each_record(repository.store, "session"):
                if not isinstance(stored, SessionRecord) or account not in {b"", stored.account}:
                    continue
                record = effective_session(repository, stored)
                if begin <= record.last_seen <= end and state in {"", record.state, record.verification}:
                    count += 1
                    newest.append((record.last_seen, key, record))
                    if len(newest) > 2 * limit:  # keep the newest ones, so that memory stays bounded
                        newest = nlargest(limit, newest, key=lambda one: one[:2])
            newest = nlargest(limit, newest, key=lambda one: one[:2])
            names = {record.account: content.name_account(record.account) for _, _, record in newest if record.account}
            return [(key, record) for _, key, record in newest], count, names, repository.clock.now()

    found, count, names, now = anyio.run(load)
    if as_json:
        print_array([_document(key, record, names.get(record.account, "")) for key, record in found])
    elif not found:
        print_line("no session matches" if subject or state or since or until else "no session is stored")
    else:
        _print_list(found, count, names, now)


def _print_list(
    found: Sequence[tuple[bytes, SessionRecord]], count: int, names: Mapping[bytes, str], now: float
) -> None:
    print_line(f"{count} session{'s' * (count != 1)}, the last seen first")
    short = shorten([key.hex() for key, _ in found], ())
    rows = [
        (
            short[key.hex()],
            record.state,
            record.verification,
            short_name(names.get(record.account, "")),
            format_ago(record.last_seen, now),
            format_ago(record.signed_in, now),
        )
        for key, record in found
    ]
    for line in format_table(HEADS, rows, window_width()):
        print_line(line)
    if len(found) < count:
        print_error(f"the newest {len(found)} of {count} are shown; --limit shows more")
    print_line(f"next: authguard sessions show {rows[0][0]}")


def show(
    session: SessionArgument,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the current state of a session and its verification, with due timers. Change and record nothing.

    Examples:

        authguard sessions show 76e48676
    """

    async def load() -> tuple[bytes, SessionRecord, str, float]:
        async with open_deployment(policy, store, log, records=False) as (repository, _):
            content = StoredContent(resolve_settings(policy, store, log), repository.policy)
            key, record = await find_session(repository, session)
            return key, record, content.name_account(record.account) if record.account else "", repository.clock.now()

    key, record, name, now = anyio.run(load)
    if as_json:
        print_object(_document(key, record, name))
        return
    print_line(f"the session is {record.state} since {format_time(record.entered)}")
    print_line(f"  {key.hex()}")
    print_line(f"  {record.verification} since {format_time(record.verification_entered)}")
    print_line(f"  signed in at {format_time(record.signed_in)}, last seen at {format_time(record.last_seen)}")
    shown = [("account", name), ("channel", record.channel), ("last seen", format_ago(record.last_seen, now))]
    for line in format_fields(shown, window_width()):
        print_line(line)
    print_line(f"next: authguard sessions end {key.hex()} --by NAME --reason WHY")
    print_line(f"  or: authguard sessions reset {key.hex()} --by NAME --reason WHY")


def reset(
    session: SessionArgument,
    *,
    by: ByOption,
    reason: ReasonOption,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reset the verification of a session and the attempt counters of its account.

    Examples:

        authguard sessions reset 76e48676 --by Ines --reason "came to the branch with a passport"
    """
    key, record, name = anyio.run(_act, session, by, reason, policy, store, log, True)
    if as_json:
        print_object(_document(key, record, name))
    else:
        print_line(f"the session is {record.verification}")


def end(
    session: SessionArgument,
    *,
    by: ByOption,
    reason: ReasonOption,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a session: only a later sign-in opens it again.

    Examples:

        authguard sessions end 76e48676 --by Ines --reason "the phone was stolen"
    """
    key, record, name = anyio.run(_act, session, by, reason, policy, store, log, False)
    if as_json:
        print_object(_document(key, record, name))
    else:
        print_line(f"the session is {record.state}")


async def _act(
    session: str, by: str, reason: str, policy: str, store: str, log: Path | None, resets: bool
) -> tuple[bytes, SessionRecord, str]:
    (name,) = parse_names([by])
    async with open_staff_actions(policy, store, log, records=True) as (actions, repository):
        key, record = await find_session(repository, session)
        act = actions.reset if resets else actions.end_session
        after = await act(key, record.account, name, reason)
        if not resets:
            await sign_out_delay.wait_for_next_second(repository.clock, after)
        return key, after.session, actions.naming.account(record.account) if record.account else ""


def _require_state(policy: Policy, state: str) -> None:
    known = (*policy.machines["session"].spec.states, *policy.machines["verification"].spec.states)
    if state and state not in known:
        raise refuse_filter("--state", state, known)


def _document(session: bytes, record: SessionRecord, subject: str) -> dict[str, Any]:
    """Return the JSON of a session; its keys are stable."""
    return {
        "session": session.hex(),
        "account": record.account.hex(),
        "subject": subject,
        "state": record.state,
        "entered": json_time(record.entered),
        "signed_in": json_time(record.signed_in),
        "last_seen": json_time(record.last_seen),
        "verification": record.verification,
        "verification_entered": json_time(record.verification_entered),
        "channel": record.channel,
    }
