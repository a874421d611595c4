"""`authguard audit timeline`: the events of one session, of one person across sessions, or of one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from authguard.audit.query.search import Query, last
from authguard.audit.query.timeline import describe_record, format_timeline
from authguard.cli.audit_options import open_log_index
from authguard.cli.audit_person import complete_prefix, find_names, print_note, resolve_subjects
from authguard.cli.line_wrap import print_lines
from authguard.cli.options import (
    IssuerOption,
    JsonOption,
    LogOption,
    PolicyOption,
    ReindexOption,
    SinceOption,
    StoreOption,
    SubjectOption,
    TransactionOption,
    UntilOption,
)
from authguard.cli.output import FAILED, print_error
from authguard.cli.period import parse_period
from authguard.cli.terminal import escape, format_time, format_time_ms

if TYPE_CHECKING:
    from authguard.audit.query.index import Index
    from authguard.audit.query.search import Match

#: most records that a timeline shows
MAX_RECORDS: Final = 10_000


def timeline(
    key: Annotated[
        str, typer.Argument(metavar="SESSION", help="A session's key, or its first digits; or use an option.")
    ] = "",
    *,
    subject: SubjectOption = "",
    issuer: IssuerOption = "",
    transaction: TransactionOption = "",
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    since: SinceOption = "",
    until: UntilOption = "",
    as_json: JsonOption = False,
    reindex: ReindexOption = False,
) -> None:
    """Print what happened in a session, to one person across sessions, or to one transaction, in order.

    Exit 1 if the log has no such session, person or transaction.

    Examples:

        authguard audit timeline --subject alice

        authguard audit timeline --subject alice --since 2h --json

        authguard audit timeline --transaction 9860d89f
    """
    given = [one for one in (key, subject, transaction) if one]
    if len(given) != 1:
        raise typer.BadParameter("name one session, --subject or --transaction", param_hint="SESSION")
    begin, end = parse_period(since, until)
    names = find_names(subject, issuer, policy, store) if subject else None
    with open_log_index(log, reindex=reindex) as index:
        subjects: tuple[str, ...] = ()
        try:
            if names:
                print_note(names)
                subjects = _require(resolve_subjects(index, names, subject), subject)
            asked = Query(
                session=_complete(index, "session", key, "sessions"),
                transaction=_complete(index, "transact", transaction, "transactions"),
                subjects=subjects,
                since=begin,
                until=end,
            )
        except LookupError as error:
            print_error(str(error.args[0]))
            raise typer.Exit(FAILED) from None
        found = last(index, asked, MAX_RECORDS)
        if as_json:
            import json  # noqa: PLC0415 - text needs none

            typer.echo(json.dumps([_to_builtins(one) for one in found], indent=2))
        else:
            print_lines(format_timeline(found, format_time_ms))
        _print_gaps(index, asked, found)


def _require(subjects: tuple[str, ...], typed: str) -> tuple[str, ...]:
    """Return the names of a person; raise `LookupError` if the log has none of them."""
    if not subjects:
        raise LookupError(f"the log has no record of `{escape(typed)}`: check the spelling and --issuer")
    return subjects


def _complete(index: Index, column: str, typed: str, what: str) -> str:
    """Return the whole key of a session or transaction."""
    if not typed:
        return ""
    found = complete_prefix(index, (column,), typed.rpartition(":")[2], what)
    if not found:
        raise LookupError(f"there is no {what[:-1]} that begins with `{escape(typed)}` in the log")
    return found[0]


def _to_builtins(one: Match) -> dict[str, Any]:
    from authguard.audit.query.export import format_utc  # noqa: PLC0415 - only JSON needs it

    record = one.record
    members = ("id", "kind", "subject", "session", "transaction", "operation", "outcome", "reason", "decision")
    return {
        "at": format_utc(one.at),
        **{name: str(record.get(name, "")) for name in members},
        "words": describe_record(one),
        "void": one.void,
    }


def _print_gaps(index: Index, asked: Query, found: list[Match]) -> None:
    """Print what this list cannot have."""
    if not found:
        print_error("no record in this period")
    if len(found) == MAX_RECORDS:
        print_error(f"only the newest {MAX_RECORDS} records are shown: --since and --until show others")
    first = index.db.execute("SELECT min(at) FROM record").fetchone()[0]
    print_error(
        f"not in this list: what happened before the log's first line ({format_time(first or 0)}), events that changed"
        " no state, and requests whose caller proved no identity"
        + (" (`authguard audit explain --subject NAME --at TIME` finds those)" if asked.subjects else "")
    )
