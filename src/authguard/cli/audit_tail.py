"""`authguard audit tail`: print the last lines of a log, and new lines as they are written."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from authguard.audit.verify.log_reader import LogReader, decode_line
from authguard.cli.output import FAILED, print_error
from authguard.cli.terminal import escape, format_record_line, require_log_access, resolve_log_path
from authguard.errors import AuditError
from authguard.file_access import Access, FileRole, describe_failure, find_obstacle
from authguard.settings import DEFAULT_LOG

if TYPE_CHECKING:
    from collections.abc import Iterable

#: seconds between two reads of a followed log
POLL_INTERVAL_S: Final = 0.5
#: most lines of `--lines`
MAX_LINES: Final = 10_000
_COLOURS: Final = {"decision": None, "transition": "cyan", "refusal": "yellow", "withdrawn": "yellow", "fault": "red"}

Log = Annotated[
    Path | None,
    typer.Argument(help=f"The log with all its chains; default: AUTHGUARD_AUDIT_LOG, or {DEFAULT_LOG}."),
]


def tail(
    path: Log = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, max=MAX_LINES, help="Number of lines.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Print new lines until interrupted.")] = False,
    raw: Annotated[bool, typer.Option("--json", help="Print the lines as stored.")] = False,
) -> None:
    """Print the last lines of all chains of a log, ordered by time, without verification."""
    log = require_log_access(resolve_log_path(path))
    reader = LogReader(log)
    shown = reader.read_last(lines)
    if not shown and not follow and not log.exists():
        print_error(f"there is no log at `{log}`: name one, or set AUTHGUARD_AUDIT_LOG")
        raise typer.Exit(FAILED)
    if not shown and log.exists() and find_obstacle(log, Access.READ):
        raise AuditError(describe_failure(FileRole.AUDIT_LOG, log, "read", Access.READ))
    _show(shown, raw)
    try:
        while follow:
            time.sleep(POLL_INTERVAL_S)
            _show(reader.read_new(), raw)
    except KeyboardInterrupt:
        raise typer.Exit from None


def _show(lines: Iterable[bytes], raw: bool) -> None:
    for line in lines:
        if raw:
            typer.echo(escape(line.decode("utf-8", "backslashreplace").rstrip("\n")))
        else:
            record = decode_line(line)
            typer.secho(format_record_line(record, line), fg=_COLOURS.get(str(record.get("kind")), "green"))
