"""Options and helpers of the commands that query the audit log."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from authguard.audit.query.export import format_csv, format_json
from authguard.audit.query.index import open_index
from authguard.cli.line_wrap import print_line
from authguard.cli.output import FAILED, print_error
from authguard.cli.progress import progress_bar
from authguard.cli.terminal import escape, format_record_line, require_log_access, resolve_log_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authguard.audit.query.index import Index
    from authguard.audit.query.search import Match


class Form(StrEnum):
    """Output formats of records."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


FormOption = Annotated[Form, typer.Option("--format", help="Output format.")]


@contextmanager
def open_log_index(log: Path | None, *, reindex: bool = False, partial: bool = False) -> Iterator[Index]:
    """Open the up-to-date index of a log; print a note if it had to be rebuilt.

    Args:
        log: the option's value.
        reindex: whether to rebuild the index first.
        partial: whether the command succeeds although a file of the log cannot be read.

    Raises:
        typer.Exit: at the end, a file of the log could not be read, so that records may be missing.
        AuditError: the log does not exist, or cannot be read.
    """
    with (
        progress_bar("reading the log") as progress,
        open_index(require_log_access(resolve_log_path(log)), fresh=reindex, progress=progress) as index,
    ):
        if index.unkept_reason:
            print_error(f"note: the log's index is temporary: {escape(index.unkept_reason)}")
        if index.rebuild_reason:
            print_error(f"note: the index was rebuilt: {escape(index.rebuild_reason)}; run `authguard audit verify`")
        for name, why in index.unreadable:
            print_error(
                f"note: `{escape(name)}` cannot be read now ({why}): records that are not in the index are missing;"
                " give this user access to it, or restore it"
            )
        yield index
        if index.unreadable and not partial:
            raise typer.Exit(FAILED)


def print_records(found: Iterable[Match], form: Form) -> int:
    """Print records; return their number."""
    count = 0

    def counted() -> Iterator[Match]:
        nonlocal count
        for one in found:
            count += 1
            if not one.intact:
                print_error(f"record `{escape(str(one.record.get('id', '?')))}` has a wrong hash")
            yield one

    if form is Form.TEXT:
        for one in counted():
            print_line(format_record(one))
    else:
        for text in format_json(counted()) if form is Form.JSON else format_csv(counted()):
            sys.stdout.write(text)
    return count


def format_record(one: Match) -> str:
    """Format a record as one line."""
    return f"{format_record_line(one.record, one.line)}{' VOID: withdrawn' if one.void else ''}"


def format_fields(record: dict[str, Any]) -> Iterator[str]:
    """Format every member of a record, one line each."""
    for name, value in record.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield f"  {escape(name):<12} {escape(shown)}"
