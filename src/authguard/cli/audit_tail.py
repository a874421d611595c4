"""`authguard audit tail`: the last lines of a log, and those that come."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from authguard.audit.verify.log_reader import LogReader, decode_line
from authguard.cli.output import FAILED, print_error
from authguard.cli.terminal import escape, format_record_line, resolve_log_path
from authguard.settings import DEFAULT_LOG

if TYPE_CHECKING:
    from collections.abc import Iterable

#: seconds between looks at a log that is followed
POLL: Final = 0.5
#: most lines that are asked for at once
LINES_BOUND: Final = 10_000
_COLOURS: Final = {"decision": None, "transition": "cyan", "refusal": "yellow", "withdrawn": "yellow", "fault": "red"}

Log = Annotated[
    Path | None,
    typer.Argument(help=f"The log; else AUTHGUARD_AUDIT_LOG, else {DEFAULT_LOG}. Chains beside it are read too."),
]


def tail(
    path: Log = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, max=LINES_BOUND, help="How many lines.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as lines come, until interrupted.")] = False,
    raw: Annotated[bool, typer.Option("--json", help="Show the lines as they stand in the log.")] = False,
) -> None:
    """Show the last lines of a log, of all its chains, by time. They are shown, not verified."""
    log = resolve_log_path(path)
    reader = LogReader(log)
    shown = reader.read_last(lines)
    if not shown and not follow and not log.exists():
        print_error(f"there is no log at `{log}`: name one, or set AUTHGUARD_AUDIT_LOG")
        raise typer.Exit(FAILED)
    _show(shown, raw)
    try:
        while follow:
            time.sleep(POLL)
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
