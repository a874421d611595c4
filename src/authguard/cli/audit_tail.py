"""`authguard audit tail`: print the last lines of a log, and new lines as they are written."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from authguard.audit.segment_file import list_chains
from authguard.audit.verify.log_reader import LogReader, decode_line
from authguard.cli.options import JsonOption, LogOption, SinceOption, UntilOption
from authguard.cli.output import FAILED, INTERRUPTED, OK, print_error
from authguard.cli.terminal import escape, format_record_line, require_log_access, resolve_log_path
from authguard.errors import AuditError
from authguard.file_access import Access, FileRole, describe_failure, find_obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

#: seconds between two reads of a followed log
POLL_INTERVAL_S: Final = 0.5
#: most lines of `--limit`
MAX_LINES: Final = 10_000
_COLOURS: Final = {"decision": None, "transition": "cyan", "refusal": "yellow", "withdrawn": "yellow", "fault": "red"}


def tail(
    log: LogOption = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=0, max=MAX_LINES, help="How many at most, the newest ones.")
    ] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until interrupted.")] = False,
    since: SinceOption = "",
    until: UntilOption = "",
    as_json: JsonOption = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print the lines as they are stored, byte for byte, to verify them again.")
    ] = False,
) -> None:
    """Print the last lines of all chains of a log, ordered by time, without verification.

    Examples:

        authguard audit tail -n 5

        authguard audit tail --since 10m --json

        authguard audit tail --limit 1 --raw
    """
    if raw and as_json:
        raise typer.BadParameter("--json and --raw are two forms: choose one", param_hint="--raw")
    if follow and until:
        raise typer.BadParameter("what is written from now on has no end", param_hint="--until")
    period = (float("-inf"), float("inf"))
    if since or until:
        from authguard.cli.period import parse_period  # noqa: PLC0415 - most calls have no period

        period = parse_period(since, until)
    path = require_log_access(resolve_log_path(log))
    reader = LogReader(path)
    shown = reader.read_last(limit, *period)
    if not shown and not follow:
        _explain_nothing(path, limited=bool(since or until or not limit))
    write = _write_raw if raw else _write_json if as_json else _write_text
    try:
        _show(shown, write)
        while follow:
            time.sleep(POLL_INTERVAL_S)
            _show(reader.read_new(), write)
    except KeyboardInterrupt:
        raise typer.Exit(OK if follow else INTERRUPTED) from None


def _explain_nothing(path: Path, *, limited: bool) -> None:
    """Say why nothing is shown.

    Raises:
        AuditError: the log cannot be read.
        typer.Exit: there is no log.
    """
    if not any(list_chains(path)):
        print_error(f"there is no log at `{escape(str(path))}`: name one with --log, or set AUTHGUARD_AUDIT_LOG")
        raise typer.Exit(FAILED)
    if path.exists() and find_obstacle(path, Access.READ):
        raise AuditError(describe_failure(FileRole.AUDIT_LOG, path, "read", Access.READ))
    print_error("no record in this period" if limited else "the log has no record")


def _show(lines: Iterable[bytes], write: Callable[[bytes], None]) -> None:
    for line in lines:
        write(line)


def _write_raw(line: bytes) -> None:
    """Write a line as it is stored; on a terminal, escape what could control it."""
    if sys.stdout.isatty():
        typer.echo(escape(line.decode("utf-8", "backslashreplace").rstrip("\n")))
    else:
        typer.echo(line, nl=False)


def _write_json(line: bytes) -> None:
    """Write a record as a JSON object with an ISO time; a line that is no record has its text."""
    import json  # noqa: PLC0415 - text needs none

    from authguard.audit.query.export import format_utc  # noqa: PLC0415

    record = decode_line(line)
    if "kind" in record:
        typer.echo(json.dumps({**record, "at": format_utc(record.get("at"))}))
    else:
        typer.echo(json.dumps({"kind": "not_a_record", "line": line.decode("utf-8", "backslashreplace").rstrip("\n")}))


def _write_text(line: bytes) -> None:
    record = decode_line(line)
    colour = None if os.environ.get("NO_COLOR") else _COLOURS.get(str(record.get("kind")), "green")
    text = format_record_line(record, line)
    typer.echo(typer.style(text, fg=colour) if colour else text)
