"""Parse `--since` and `--until` of commands that read a period."""

from __future__ import annotations

import typer

from authguard.audit.query.timeparse import parse_time
from authguard.cli.local_zone import local_zone
from authguard.cli.terminal import escape, format_time
from authguard.clock import SystemClock


def parse_period(since: str, until: str) -> tuple[float, float]:
    """Parse `--since` and `--until` into epoch seconds.

    Raises:
        typer.BadParameter: a time cannot be parsed, or the period is empty.
    """
    now = SystemClock().now()
    ends = []
    for typed, hint, otherwise in ((since, "--since", float("-inf")), (until, "--until", float("inf"))):
        try:
            ends.append(parse_time(typed, now, local_zone(), end=hint == "--until") if typed else otherwise)
        except ValueError as error:
            raise typer.BadParameter(escape(str(error)), param_hint=hint) from None
    if ends[0] > now:
        raise typer.BadParameter(f"{format_time(ends[0])} is in the future", param_hint="--since")
    if ends[0] > ends[1]:
        raise typer.BadParameter("--until is before --since", param_hint="--until")
    return ends[0], ends[1]
