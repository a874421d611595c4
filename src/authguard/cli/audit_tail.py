"""`authguard audit tail`: print the last lines of a log, and new lines as they are written."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from authguard.audit.verify.log_reader import LogReader, decode_line
from authguard.cli.options import JsonOption, LogOption
from authguard.cli.output import FAILED, print_error
from authguard.cli.terminal import escape, format_record_line, require_log_access, resolve_log_path
from authguard.errors import AuditError
from authguard.file_access import Access, FileRole, describe_failure, find_obstacle

if TYPE_CHECKING:
    from collections.abc import Iterable

#: seconds between two reads of a followed log
POLL_INTERVAL_S: Final = 0.5
#: most lines of `--lines`
MAX_LINES: Final = 10_000
_COLOURS: Final = {"decision": None, "transition": "cyan", "refusal": "yellow", "withdrawn": "yellow", "fault": "red"}


def tail(
    log: LogOption = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=0, max=MAX_LINES, help="How many at most, the newest ones.")
    ] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until interrupted.")] = False,
    raw: JsonOption = False,
) -> None:
    """Print the last lines of all chains of a log, ordered by time, without verification."""
    path = require_log_access(resolve_log_path(log))
    reader = LogReader(path)
    shown = reader.read_last(limit)
    if not shown and not follow and not path.exists():
        print_error(f"there is no log at `{path}`: name one with --log, or set AUTHGUARD_AUDIT_LOG")
        raise typer.Exit(FAILED)
    if not shown and path.exists() and find_obstacle(path, Access.READ):
        raise AuditError(describe_failure(FileRole.AUDIT_LOG, path, "read", Access.READ))
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
