"""`authguard audit stats`: counts, rates and state durations of a period."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from authguard.audit.query.export import format_utc
from authguard.audit.query.stats import collect_stats, ratio
from authguard.cli.audit_options import open_log_index
from authguard.cli.line_wrap import print_lines
from authguard.cli.options import JsonOption, LogOption, ReindexOption, SinceOption, UntilOption
from authguard.cli.period import parse_period
from authguard.cli.terminal import format_time
from authguard.core.outcomes import ADMITTING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.audit.query.stats import Stats


def stats(
    log: LogOption = None,
    *,
    since: SinceOption = "",
    until: UntilOption = "",
    as_json: JsonOption = False,
    reindex: ReindexOption = False,
) -> None:
    """Print statistics of a period: rates of outcomes, transitions and failed verifications, and time in each state.

    Withdrawn records are not counted.

    Examples:

        authguard audit stats --since yesterday

        authguard audit stats --json
    """
    begin, end = parse_period(since, until)
    with open_log_index(log, reindex=reindex) as index:
        found = collect_stats(index, begin, end)
        if as_json:
            typer.echo(json.dumps(as_builtins(found), indent=2))
        else:
            print_lines(_format_stats(found))


def as_builtins(found: Stats) -> dict[str, Any]:
    """Return the statistics as JSON values."""
    return {
        "since": format_utc(found.since) if found.kinds else "",
        "until": format_utc(found.until) if found.kinds else "",
        "void": found.void,
        "not_records": found.unparsed_lines,
        "records": dict(found.kinds),
        "outcomes": dict(found.outcomes),
        "operations": [
            {"operation": operation, "outcome": outcome, "count": count}
            for (operation, outcome), count in sorted(found.operations.items())
        ],
        "rules": dict(found.rules),
        "transitions": [
            {"machine": machine, "event": event, "source": source, "dest": dest, "count": count}
            for (machine, event, source, dest), count in sorted(found.transitions.items())
        ],
        "rates": {
            "verification_failed": found.failure_rate,
            "verification_ambiguous": found.ambiguity_rate,
            "credentials_bad": found.bad_credential_rate,
        },
        "reasons": dict(found.reasons),
        "stays": [
            {"machine": machine, "state": state, "count": stay.count, "mean": stay.mean, "longest": stay.longest}
            for (machine, state), stay in found.dwell_times.items()
        ],
    }


def _format_stats(found: Stats) -> Iterator[str]:
    if not found.kinds:
        yield "no records in this period"
        return
    whole = sum(found.outcomes.values())
    refused = sum(count for name, count in found.outcomes.items() if name not in ADMITTING)
    failed = sum(found.reasons.values())
    yield f"{refused:,} of {whole:,} decisions were not admitted; {failed:,} requests had no decision"
    yield f"from {format_time(found.since)} to {format_time(found.until)}"
    yield "records: " + ", ".join(f"{count:,} {kind}" for kind, count in sorted(found.kinds.items()))
    if found.void:
        yield f"withdrawn, not counted: {found.void:,} in the whole log"
    if found.unparsed_lines:
        yield f"lines that are not records: {found.unparsed_lines:,}; run `authguard audit verify` to locate them"
    yield from _rates("refused or failed without a decision", found.reasons, found)
    yield from _rates("decisions", found.outcomes, found)
    yield ""
    yield "proofs:"
    yield f"  {found.bad_credential_rate:7.2%} of the credentials sent were expired or rejected"
    verdicts = sum(found.verdicts.values())
    yield f"  {found.failure_rate:7.2%} of the identity verdicts were failures ({verdicts:,} verdicts)"
    yield f"  {found.ambiguity_rate:7.2%} of them were ambiguous or contradictory"
    moves = {
        f"{machine}.{event}: {source} -> {dest}": count
        for (machine, event, source, dest), count in found.transitions.items()
    }
    yield from _rates("transitions", moves, found)
    if found.dwell_times:
        yield ""
        yield "time in each state, for completed stays:"
    for (machine, state), stay in found.dwell_times.items():
        mean, longest = format_duration(stay.mean), format_duration(stay.longest)
        yield f"  {machine} {state}: mean {mean}, longest {longest} ({stay.count:,} stay{'s' * (stay.count != 1)})"


def _rates(title: str, counted: Mapping[str, int], found: Stats) -> Iterator[str]:
    if not counted:
        return
    whole = sum(counted.values())
    yield ""
    yield f"{title}: {whole:,}"
    # failures before successes, then by number
    for name, count in sorted(counted.items(), key=lambda item: (item[0] in ADMITTING, -item[1], item[0])):
        yield f"  {count:>9,}  {ratio(count, whole):7.2%}  {count / found.hours:>10,.1f} an hour  {name}"


def format_duration(seconds: float) -> str:
    """Format seconds in the largest fitting unit."""
    for size, unit in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"
