"""`authguard audit explain`: why a request was refused, or why one record came out as it did."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from authguard.audit.query.search import Query
from authguard.cli.audit_filter import check_filters
from authguard.cli.audit_options import open_log_index
from authguard.cli.audit_person import find_names, print_note
from authguard.cli.audit_selection import Selector, find_record, parse_at, select_refusal, shorten
from authguard.cli.line_wrap import print_lines
from authguard.cli.options import (
    AtOption,
    IssuerOption,
    JsonOption,
    LogOption,
    PolicyOption,
    ReindexOption,
    SessionOption,
    SinceOption,
    StoreOption,
    SubjectOption,
    TransactionOption,
    UntilOption,
    require_policy,
)
from authguard.cli.output import FAILED, print_error
from authguard.cli.period import parse_period
from authguard.cli.terminal import escape, format_time
from authguard.clock import SystemClock
from authguard.core.outcomes import Outcome
from authguard.policy.problem import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.audit.query.index import Index
    from authguard.audit.query.search import Match
    from authguard.cli.audit_selection import Selected

#: most ids of other refusals that are listed
MAX_IDS: Final = 5


def explain(
    record: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A record: its id, the first characters of it, or `instance` of a reply; default: the newest refusal.",
        ),
    ] = "",
    *,
    at: AtOption = "",
    subject: SubjectOption = "",
    issuer: IssuerOption = "",
    session: SessionOption = "",
    transaction: TransactionOption = "",
    operation: Annotated[
        list[str] | None, typer.Option("--operation", metavar="NAME", help="An operation; may be repeated.")
    ] = None,
    outcome: Annotated[
        list[str] | None, typer.Option("--outcome", metavar="OUTCOME", help="An outcome; may be repeated.")
    ] = None,
    since: SinceOption = "",
    until: UntilOption = "",
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
    everything: Annotated[bool, typer.Option("--all", help="Show the rules before the rule that decided.")] = False,
    reindex: ReindexOption = False,
) -> None:
    """Explain why a customer was refused, or why one record was decided as it was.

    The answer has the verdict, the causes, what would lead to being allowed, and what to type. Options select the
    newest refusal, or with --at the nearest one. Exit 1 if the log has no such record.

    Examples:

        authguard audit explain --subject alice --at 14:03

        authguard audit explain urn:authguard:record:01a22ac94eb2e259f936d2b800000008

        authguard audit explain --operation refund --outcome hold
    """
    chosen = (at, subject, session, transaction, *(operation or ()), *(outcome or ()), since, until)
    if record and any(chosen):
        raise typer.BadParameter("give an id, or options that select a refusal, not both", param_hint="ID")
    for one in outcome or ():
        if one not in tuple(Outcome):
            hint = did_you_mean(one, tuple(Outcome))
            raise typer.BadParameter(f"`{escape(one)}` is unknown; {hint}", param_hint="--outcome")
    begin, end = parse_period(since, until)
    minute = parse_at(at, SystemClock().now()) if at else None
    source = require_policy(policy)
    names = find_names(subject, issuer, source, store) if subject else None
    asked = Selector(
        person=subject,
        session=session,
        transaction=transaction,
        operations=tuple(operation or ()),
        outcomes=tuple(outcome or ()),
        since=begin,
        until=end,
    )
    with open_log_index(log, reindex=reindex) as index:
        if names:
            print_note(names)
        if record:
            found = find_record(index, record)
            if len(found) > 1:
                print_error(f"{len(found)} records have this id: one of them is forged, or a chain was copied")
            _print(index, found[0], source, "", None, as_json=as_json, everything=everything)
            return
        if operation:
            check_filters(index, Query(operations=asked.operations), source)
        try:
            selected = select_refusal(index, asked, names, minute)
        except LookupError as error:
            print_error(str(error.args[0]))
            raise typer.Exit(FAILED) from None
        if selected is None:
            print_error(
                f"the log has no refusal{asked.words}; `authguard audit query` lists what it has, and"
                " --at TIME finds requests without a proven caller"
            )
            raise typer.Exit(FAILED)
        person = "" if names and len(names.names) == 1 else subject
        _print(index, selected.match, source, person, selected, as_json=as_json, everything=everything)


def _print(
    index: Index, one: Match, source: str, person: str, selected: Selected | None, *, as_json: bool, everything: bool
) -> None:
    """Print the answer about a record, and what is near it."""
    from authguard.cli.audit_answer import build_answer, to_builtins  # noqa: PLC0415 - only a found record needs it
    from authguard.cli.audit_answer_text import format_answer  # noqa: PLC0415
    from authguard.policy.compiler import load  # noqa: PLC0415

    if one.void:
        print_error(
            "note: this record was withdrawn and is void: a concurrent request was saved first,"
            " and this one was decided again"
        )
    if not one.intact:
        print_error("note: the hash of this line is wrong; run `authguard audit verify`")
    own = "" if selected and selected.is_unproven else person
    answer = build_answer(index, one, load(source), source, own)
    if as_json:
        typer.echo(json.dumps(to_builtins(answer) | _near_builtins(selected), indent=2))
        return
    lines = list(format_answer(answer, own, everything=everything))
    if selected and selected.is_unproven:
        whose = f"`{escape(person)}`" if person else "the person or session"
        lines.insert(0, f"no refusal of {whose} is near that time; this caller proved no identity, and may be anyone:")
    print_lines((*lines, *(_near_lines(index, selected) if selected else ())))


def _near_builtins(selected: Selected | None) -> dict[str, Any]:
    near, unproven = (selected.near, selected.unproven) if selected else ((), ())
    return {
        "may_be_anyone": bool(selected and selected.is_unproven),
        "near": [str(one.record.get("id", "")) for one in near],
        "near_unproven": [str(one.record.get("id", "")) for one in unproven],
    }


def _near_lines(index: Index, selected: Selected) -> Iterator[str]:
    """Yield the number, times and ids of other refusals near the record."""
    own = "the person's nearest refusal" if selected.is_unproven else "other refusals near that time"
    for words, found in ((own, selected.near), ("near that time, without a proven caller", selected.unproven)):
        if not found:
            continue
        times = " to ".join(dict.fromkeys(format_time(one.at) for one in (found[0], found[-1])))
        ids = [escape(shorten(index, str(one.record.get("id", "?")))) for one in found[-MAX_IDS:]]
        more = f" and {len(found) - MAX_IDS} more" if len(found) > MAX_IDS else ""
        yield f"{words}: {len(found)}, {times}: {', '.join(ids)}{more} (authguard audit explain ID)"
