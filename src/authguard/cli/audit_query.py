"""`authguard audit show`, `query` and `export`: find records through the index of the log."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec.structs import replace

from authguard.audit.query.export import format_csv, format_jsonl
from authguard.audit.query.search import Query, count_period, find, find_by_decision, last
from authguard.cli.audit_filter import check_filters
from authguard.cli.audit_options import (
    Form,
    FormOption,
    format_fields,
    format_record,
    open_log_index,
    print_records,
)
from authguard.cli.audit_person import complete_prefix, find_names, print_note, resolve_subjects
from authguard.cli.audit_selection import find_record
from authguard.cli.line_wrap import print_line
from authguard.cli.options import (
    IssuerOption,
    JsonOption,
    LimitOption,
    LogOption,
    OutputOption,
    PolicyOption,
    ReindexOption,
    SessionOption,
    SinceOption,
    StoreOption,
    SubjectOption,
    TransactionOption,
    UntilOption,
)
from authguard.cli.output import FAILED, print_error
from authguard.cli.period import parse_period
from authguard.cli.progress import MIN_RECORDS, progress_bar
from authguard.cli.terminal import escape
from authguard.core.outcomes import Outcome
from authguard.errors import SettingsError
from authguard.file_access import Access, FileRole, describe_failure
from authguard.policy.problem import did_you_mean
from authguard.pseudonym import KeyedPseudonyms
from authguard.pseudonym_factory import load_pseudonym_key
from authguard.records.entries import Entry
from authguard.records.peer import normalize_address
from authguard.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from authguard.audit.query.index import Index
    from authguard.audit.query.search import Match

#: records between two updates of the progress bar
PROGRESS_RECORDS: Final = 1_000
KINDS: Final = tuple(str(kind.__struct_config__.tag) for kind in Entry.__args__)
#: records shown by default
DEFAULT_LIMIT: Final = 100


def _option(words: str, *names: str) -> object:
    return typer.Option(*names, help=f"{words}; may be repeated.")


def show(
    record: Annotated[
        str,
        typer.Argument(metavar="ID", help="A record: its id, the first characters of it, or `instance` in a reply."),
    ],
    log: LogOption = None,
    reindex: ReindexOption = False,
    form: FormOption = Form.TEXT,
    as_json: JsonOption = False,
) -> None:
    """Show one record and the transitions that it caused. Exit 1 if there is no such record.

    Examples:

        authguard audit show ID

        authguard audit show ID --json
    """
    form = Form.JSON if as_json else form
    with open_log_index(log, reindex=reindex) as index:
        found = find_record(index, record)
        moved = find_by_decision(index, str(found[0].record.get("id", record)))
        if form is not Form.TEXT:
            print_records([*found, *moved], form)
            return
        if len(found) > 1:
            print_error(f"{len(found)} records have this id: one of them is forged, or a chain was copied")
        for one in found:
            _show(one)
        if moved:
            print_line("transitions:")
        for one in moved:
            print_line(f"  {format_record(one)}")


def _show(one: Match) -> None:
    print_line(format_record(one))
    for line in format_fields(one.record):
        print_line(line)
    states = one.template.states()
    if states:
        print_line("states:")
        print_line("  " + escape(", ".join(f"{name} {value}" for name, value in states.items())))
    intact = "hash of the line: correct" if one.intact else "hash of the line: WRONG"
    print_line(f"{intact}; run `authguard audit verify` to verify the chain")


def _peer_names(typed: str, store: str) -> Iterator[str]:
    """Yield the names that a client's address can have in a log; a hash is a name itself."""
    address = normalize_address(typed)
    yield address or typed
    if not address:
        return
    try:
        yield KeyedPseudonyms(load_pseudonym_key(Settings.resolve("unread", store=store))).peer(address)
    except SettingsError as error:
        print_error(f"note: only plain addresses are found: {escape(str(error))}")


def query(
    log: LogOption = None,
    *,
    since: SinceOption = "",
    until: UntilOption = "",
    state: Annotated[list[str] | None, _option("`session=expired`, or `expired`", "--state")] = None,
    event: Annotated[list[str] | None, _option("`session.revoked`, or `revoked`", "--event")] = None,
    outcome: Annotated[list[str] | None, _option("An outcome", "--outcome")] = None,
    rule: Annotated[list[str] | None, _option("`22:prove_identity`, `22` or `prove_identity`", "--rule")] = None,
    operation: Annotated[list[str] | None, _option("An operation", "--operation")] = None,
    channel: Annotated[list[str] | None, _option("A channel", "--channel")] = None,
    reason: Annotated[list[str] | None, _option("A reason's code", "--reason")] = None,
    kind: Annotated[list[str] | None, _option(f"A kind of record: {', '.join(KINDS)}", "--kind")] = None,
    session: SessionOption = "",
    transaction: TransactionOption = "",
    subject: SubjectOption = "",
    issuer: IssuerOption = "",
    policy: PolicyOption = "",
    store: StoreOption = "",
    peer: Annotated[list[str] | None, _option("A client's address, or its hash", "--peer")] = None,
    method: Annotated[list[str] | None, _option("An HTTP method, or `websocket`", "--method")] = None,
    path: Annotated[list[str] | None, _option("A path template", "--path")] = None,
    text: Annotated[str, typer.Option("--text", help="Text anywhere in a record, whatever the case.")] = "",
    form: FormOption = Form.TEXT,
    as_json: JsonOption = False,
    limit: LimitOption = DEFAULT_LIMIT,
    reindex: ReindexOption = False,
) -> None:
    """Find records by session, subject, time, state, event, outcome, rule, operation, channel, reason, kind and text.

    With `audit: {request: [peer, method, path]}` in the policy, also by these.

    A record must match every option that is given, and one of the values of a repeated option.
    A value that neither the log nor the policy knows is an error. Exit 1 if the log has no such session.

    Examples:

        authguard audit query --since 2h --outcome deny --outcome handoff

        authguard audit query --subject alice --json

        authguard audit query --kind act --limit 20
    """
    begin, end = parse_period(since, until)
    _known("--outcome", outcome or (), tuple(Outcome))
    _known("--kind", kind or (), KINDS)
    names = find_names(subject, issuer, policy, store) if subject else None
    if names:
        print_note(names)
    asked = Query(
        since=begin,
        until=end,
        kinds=tuple(kind or ()),
        states=tuple(state or ()),
        events=tuple(event or ()),
        outcomes=tuple(outcome or ()),
        rules=tuple(rule or ()),
        operations=tuple(operation or ()),
        channels=tuple(channel or ()),
        reasons=tuple(reason or ()),
        session=session,
        peers=tuple(name for one in peer or () for name in _peer_names(one, store)),
        methods=tuple(method or ()),
        paths=tuple(path or ()),
        text=text,
    )
    with open_log_index(log, reindex=reindex) as index:
        check_filters(index, asked, policy)
        try:
            asked = replace(
                asked,
                subjects=resolve_subjects(index, names, subject) or names.names if names else (),
                transaction=_complete_transaction(index, transaction),
            )
        except LookupError as error:
            print_error(str(error.args[0]))
            raise typer.Exit(FAILED) from None
        _print_found(index, asked, Form.JSON if as_json else form, limit)


def _complete_transaction(index: Index, typed: str) -> str:
    """Return the whole id of a transaction; raise `LookupError` if the log has none, or several."""
    found = complete_prefix(index, ("transact",), typed.rpartition(":")[2], "transactions") if typed else ("",)
    if not found:
        raise LookupError(f"the log has no record of the transaction `{escape(typed)}`")
    return found[0]


def _known(option: str, typed: list[str] | tuple[str, ...], known: tuple[str, ...]) -> None:
    for one in typed:
        if one not in known:
            raise typer.BadParameter(
                f"`{escape(one)}` is unknown; {escape(did_you_mean(one, known))}", param_hint=option
            )


def _print_found(index: Index, asked: Query, form: Form, limit: int) -> None:
    try:
        found = last(index, asked, limit + 1)
    except LookupError as error:
        print_error(escape(str(error.args[0])))
        raise typer.Exit(FAILED) from None
    if not print_records(found[-limit:], form):
        print_error("no record matches")
    if len(found) > limit:
        print_error(f"only the newest {limit} records are shown; --limit shows more")


class Exported(StrEnum):
    """Export formats."""

    CSV = "csv"
    JSONL = "jsonl"


def export(
    log: LogOption = None,
    *,
    form: Annotated[Exported, typer.Option("--format", help="Output format.")] = Exported.CSV,
    as_json: JsonOption = False,
    since: SinceOption = "",
    until: UntilOption = "",
    output: OutputOption = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=0, help="How many records, the oldest first; 0 for all.")
    ] = 0,
    reindex: ReindexOption = False,
) -> None:
    """Export the records of a period as CSV or JSON lines, oldest first; withdrawn records are marked void.

    A CSV cell that a spreadsheet could read as a formula is prefixed with an apostrophe. `--json` means JSON lines.

    Examples:

        authguard audit export --since yesterday -o records.csv

        authguard audit export --json --limit 100
    """
    form = Exported.JSONL if as_json else form
    begin, end = parse_period(since, until)
    with open_log_index(log, reindex=reindex) as index:
        total = count_period(index, begin, end)
        tally = ExportTally(min(total, limit) if limit else total)
        found = islice(find(index, Query(since=begin, until=end), newest=False), limit or None)
        with progress_bar("writing the records", min_steps=MIN_RECORDS, counts=True) as progress:
            counted = tally.count(found, progress)
            _write(format_csv(counted) if form is Exported.CSV else format_jsonl(counted), output)
    if output is not None:
        print_error(f"wrote {tally.records} record{'' if tally.records == 1 else 's'} to {escape(str(output))}")
    if tally.altered:
        print_error(
            f"note: {tally.altered} of them do not have the hash that their line states, and are marked as not intact:"
            " run `authguard audit verify`"
        )


class ExportTally:
    """Count of exported records.

    Attributes:
        records: number so far.
        altered: number of those whose line does not have the hash that it states.
    """

    def __init__(self, total: int) -> None:
        """Store the number of records that will be exported."""
        self.records = 0
        self.altered = 0
        self._total = total

    def count(self, found: Iterable[Match], progress: Callable[[int, int], None]) -> Iterator[Match]:
        """Yield the records; count them and report the progress."""
        for one in found:
            self.records += 1
            self.altered += not one.intact
            if self.records % PROGRESS_RECORDS == 0:
                progress(self.records, self._total)
            yield one


def _write(texts: Iterable[str], output: Path | None) -> None:
    if output is None:
        sys.stdout.writelines(texts)
        return
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.writelines(texts)
    except OSError as error:
        print_error(describe_failure(FileRole.OUTPUT, output, "written", Access.WRITE, error))
        raise typer.Exit(FAILED) from None
