"""`authguard audit replay`: evaluate recorded decisions under another policy and report the differences."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from authguard.asgi.endpoints import own_operations
from authguard.audit.query.replay import replay as run
from authguard.cli.audit_options import open_log_index
from authguard.cli.line_wrap import print_lines
from authguard.cli.options import (
    JsonOption,
    LogOption,
    PolicyOption,
    ReindexOption,
    SinceOption,
    UntilOption,
    require_policy,
)
from authguard.cli.output import INVALID
from authguard.cli.period import parse_period
from authguard.core.policy_parts import digest_parts
from authguard.policy.compiler import load
from authguard.policy.diff.permissiveness import Direction
from authguard.settings import DEFAULT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.audit.query.replay_result import ReplayResult

#: kinds of differences in the text report
MAX_SHOWN = 50
SAME_REQUESTS = (
    "the requests and events are those of the log; what customers and the app would have done otherwise is not in it"
)


class FailOn(StrEnum):
    """Differences that make the command exit with 3."""

    LOOSER = "looser"
    STRICTER = "stricter"
    ANY = "any"


def replay(
    policy: PolicyOption = "",
    log: LogOption = None,
    *,
    since: SinceOption = "",
    until: UntilOption = "",
    as_json: JsonOption = False,
    fail_on: Annotated[
        FailOn | None, typer.Option(help="Exit 3 if there is such a difference, or an undetermined request.")
    ] = None,
    was: Annotated[
        str, typer.Option(metavar="POLICY", help="Policy that a log was recorded under, if it does not hold its parts.")
    ] = "",
    reindex: ReindexOption = False,
) -> None:
    """Run recorded requests through another policy; print the differences, the most permissive first.

    A request of which the log does not hold enough is undetermined, with the reason. Exit 3 if the policy is not valid,
    or if `--fail-on` matches: an undetermined request could be any difference.

    Examples:

        authguard audit replay --policy policy.yaml

        authguard audit replay --policy policy.yaml --since yesterday --fail-on looser --json
    """
    begin, end = parse_period(since, until)
    loaded = load(require_policy(policy))
    recorded = {older.digest: digest_parts(older) for older in ([load(was)] if was else [])}
    with open_log_index(log, reindex=reindex) as index:
        found = run(index, loaded, own_operations(DEFAULT_PREFIX), begin, end, recorded)
        if as_json:
            typer.echo(json.dumps(_builtins(found), indent=2))
        else:
            print_lines(_format_result(found))
        failing = [one for one in found.differences if fail_on in {FailOn.ANY, one.direction.value}]
        if failing or (fail_on and found.undetermined) or (fail_on is FailOn.ANY and found.changed_transitions):
            raise typer.Exit(INVALID)


def _builtins(found: ReplayResult) -> dict[str, Any]:
    return {
        "decisions": found.decisions,
        "transitions": found.transitions,
        "same_policy": found.same_policy,
        "differences": [
            {
                "direction": one.direction.value,
                "operation": one.operation,
                "was": {"outcome": one.was, "fallback": one.fallback_was, "rule": one.rule_was},
                "now": {"outcome": one.now, "fallback": one.fallback_now, "rule": one.rule_now},
                "count": one.count,
                "ids": list(one.ids),
            }
            for one in found.differences
        ],
        "moved_otherwise": [
            {"transition": transition, "to": dest, "count": count, "ids": list(ids)}
            for (transition, dest), (count, ids) in found.changed_transitions.items()
        ],
        "undetermined": [
            {"operation": one.operation, "was": one.was, "why": one.why, "count": one.count, "ids": list(one.ids)}
            for one in found.undetermined
        ],
    }


def _format_result(found: ReplayResult) -> Iterator[str]:
    differ = sum(one.count for one in found.differences)
    counted = f"{found.decisions:,} decisions and {found.transitions:,} transitions"
    unknown = sum(one.count for one in found.undetermined)
    if not (differ or found.changed_transitions or unknown):
        yield f"{counted} replayed: no difference"
    else:
        by = {way: sum(one.count for one in found.differences if one.direction is way) for way in Direction}
        ways = ", ".join(f"{n:,} {way}" for way, n in by.items())
        yield f"{counted} replayed: {differ:,} decisions differ ({ways}), {unknown:,} requests are undetermined"
    for one in found.differences[:MAX_SHOWN]:
        names = "" if one.was != one.now else f" ({one.fallback_was} -> {one.fallback_now})"
        yield f"{one.direction}: {one.count:,} x {one.operation}: {one.was} -> {one.now}{names}"
        yield f"  rule {one.rule_was} -> {one.rule_now}; for example {', '.join(one.ids)}"
    if len(found.differences) > MAX_SHOWN:
        yield f"and {len(found.differences) - MAX_SHOWN} more kinds of differences; --json shows all"
    for (transition, dest), (count, ids) in found.changed_transitions.items():
        yield f"transition differs: {count:,} x {transition}, now to {dest}; for example {', '.join(ids)}"
    for unknown_one in found.undetermined[:MAX_SHOWN]:
        operation = unknown_one.operation or "no operation"
        yield f"undetermined: {unknown_one.count:,} x {operation}, was {unknown_one.was}: {unknown_one.why}"
        yield f"  for example {', '.join(unknown_one.ids)}"
    if len(found.undetermined) > MAX_SHOWN:
        yield f"and {len(found.undetermined) - MAX_SHOWN} more kinds of undetermined requests; --json shows all"
    if not found.same_policy:
        yield SAME_REQUESTS
