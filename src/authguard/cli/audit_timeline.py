"""`authguard audit timeline`: the events of one session, in order."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from authguard.audit.query.search import Query, last
from authguard.audit.query.timeline import format_timeline
from authguard.cli.audit_options import open_log_index
from authguard.cli.options import LogOption, ReindexOption, SinceOption, UntilOption
from authguard.cli.output import FAILED, print_error
from authguard.cli.period import parse_period
from authguard.cli.terminal import escape, format_time_ms

#: most records of a session that a timeline shows
MAX_RECORDS: Final = 10_000


def timeline(
    key: Annotated[str, typer.Argument(metavar="SESSION", help="A session's key, or its first digits.")],
    log: LogOption = None,
    *,
    since: SinceOption = "",
    until: UntilOption = "",
    reindex: ReindexOption = False,
) -> None:
    """Print the timeline of a session. Exit 1 if the log has no such session."""
    begin, end = parse_period(since, until)
    with open_log_index(log, reindex=reindex) as index:
        try:
            found = last(index, Query(session=key, since=begin, until=end), MAX_RECORDS)
        except LookupError as error:
            print_error(escape(str(error.args[0])))
            raise typer.Exit(FAILED) from None
        for line in format_timeline(found, format_time_ms):
            typer.echo(escape(line))
