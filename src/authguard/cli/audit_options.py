"""What the commands that ask a log share: the log and its index opened, times read, words of a record shown."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from authguard.audit.query.export import format_csv, format_json, utc
from authguard.audit.query.index import open_index
from authguard.audit.query.timeparse import FORMS, parse_time
from authguard.cli.output import print_error
from authguard.cli.progress import progress_bar
from authguard.cli.terminal import escape, format_record_line, resolve_log_path
from authguard.clock import SystemClock
from authguard.settings import DEFAULT_LOG

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authguard.audit.query.index import Index
    from authguard.audit.query.search import Match

LogOption = Annotated[
    Path | None, typer.Option("--log", help=f"The log; else AUTHGUARD_AUDIT_LOG, else {DEFAULT_LOG}.")
]
ReindexOption = Annotated[bool, typer.Option("--reindex", help="Rebuild the log's index first.")]
SinceOption = Annotated[str, typer.Option("--since", help=f"From when: {FORMS}. UTC.".replace("`", ""))]
UntilOption = Annotated[str, typer.Option("--until", help="Until when, in the same forms; a day counts whole.")]


class Form(StrEnum):
    """How records are shown."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


FormOption = Annotated[Form, typer.Option("--format", "-f", help="How it is shown.")]


@contextmanager
def open_log_index(log: Path | None, *, reindex: bool = False) -> Iterator[Index]:
    """Open the index of a log, in step with it, and say so where it had to be made anew for a reason.

    Raises:
        AuditError: there is no log, or it cannot be read.
    """
    with (
        progress_bar("reading the log") as progress,
        open_index(resolve_log_path(log), fresh=reindex, progress=progress) as index,
    ):
        if index.rebuild_reason:
            print_error(
                f"note: the index was made anew: {escape(index.rebuild_reason)}; `authguard audit verify` tells more"
            )
        for name, why in index.unreadable:
            print_error(
                f"note: `{escape(name)}` cannot be read now ({why}): records that were not indexed yet are left out"
            )
        yield index


def parse_period(since: str, until: str) -> tuple[float, float]:
    """Read the ends of a period.

    Raises:
        typer.BadParameter: one cannot be read.
    """
    now = SystemClock().now()
    ends = []
    for typed, hint, otherwise in ((since, "--since", float("-inf")), (until, "--until", float("inf"))):
        try:
            ends.append(parse_time(typed, now, end=hint == "--until") if typed else otherwise)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint=hint) from None
    if ends[0] > now:
        raise typer.BadParameter(f"{utc(ends[0])} lies in the future, and the log ends before it", param_hint="--since")
    if ends[0] > ends[1]:
        raise typer.BadParameter("the end lies before the beginning", param_hint="--until")
    return ends[0], ends[1]


def print_records(found: Iterable[Match], form: Form) -> int:
    """Show records; give how many there were."""
    count = 0

    def counted() -> Iterator[Match]:
        nonlocal count
        for one in found:
            count += 1
            if not one.intact:
                print_error(f"record `{escape(str(one.record.get('id', '?')))}` does not have the hash that it states")
            yield one

    if form is Form.TEXT:
        for one in counted():
            typer.echo(format_record(one))
    else:
        for text in format_json(counted()) if form is Form.JSON else format_csv(counted()):
            sys.stdout.write(text)
    return count


def format_record(one: Match) -> str:
    """Tell a record in one line."""
    return f"{format_record_line(one.record, one.line)}{' VOID: it was withdrawn' if one.void else ''}"


def format_fields(record: dict[str, Any]) -> Iterator[str]:
    """Tell every member of a record, a line each."""
    for name, value in record.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield f"  {escape(name):<12} {escape(shown)}"
