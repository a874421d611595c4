"""`authguard audit replay`: the recorded decisions under another policy, and what would have come out differently."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from authguard.asgi.endpoints import own_operations
from authguard.audit.query.replay import replay as run
from authguard.cli.audit_options import LogOption, ReindexOption, SinceOption, UntilOption, open_log_index, parse_period
from authguard.cli.audit_stats import Form, FormOption
from authguard.cli.output import INVALID
from authguard.cli.terminal import escape
from authguard.policy.compiler import load
from authguard.policy.diff.permissiveness import Direction
from authguard.settings import DEFAULT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.audit.query.replay import ReplayResult

#: differences that are told in text
SHOWN = 50
TAKEN = (
    "taken as recorded: what a token held (scope, assurance), limits, channels, who acted, and when timers fired;"
    " `authguard policy diff` compares those"
)


class FailOn(StrEnum):
    """Which differences fail the command."""

    LOOSER = "looser"
    STRICTER = "stricter"
    ANY = "any"


def replay(
    policy: Annotated[str, typer.Option("--policy", help="The other policy: a shipped name or a path.")],
    log: LogOption = None,
    *,
    since: SinceOption = "",
    until: UntilOption = "",
    form: FormOption = Form.TEXT,
    fail_on: Annotated[FailOn | None, typer.Option(help="Exit 3 when there is any such difference.")] = None,
    reindex: ReindexOption = False,
) -> None:
    """Run recorded decisions and transitions through another policy, and tell what would differ, the worst first.

    Exit 3 when the policy cannot be used, or as `--fail-on` asks.
    """
    begin, end = parse_period(since, until)
    loaded = load(policy)
    with open_log_index(log, reindex=reindex) as index:
        found = run(index, loaded, own_operations(DEFAULT_PREFIX), begin, end)
    if form is Form.JSON:
        typer.echo(json.dumps(_builtins(found), indent=2))
    else:
        for line in _told(found):
            typer.echo(escape(line))
    failing = [one for one in found.differences if fail_on in {FailOn.ANY, one.direction.value}]
    if failing or (fail_on is FailOn.ANY and (found.changed_transitions or found.not_replayable)):
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
            {"transition": told, "to": dest, "count": count, "ids": list(ids)}
            for (told, dest), (count, ids) in found.changed_transitions.items()
        ],
        "not_replayed": [
            {"why": told, "count": count, "ids": list(ids)} for told, (count, ids) in found.not_replayable.items()
        ],
    }


def _told(found: ReplayResult) -> Iterator[str]:
    differ = sum(one.count for one in found.differences)
    counted = f"{found.decisions:,} decisions and {found.transitions:,} transitions"
    if not (differ or found.changed_transitions or found.not_replayable):
        yield f"{counted} replayed: no difference"
    else:
        by = {way: sum(one.count for one in found.differences if one.direction is way) for way in Direction}
        yield f"{counted} replayed: {differ:,} decisions differ ({', '.join(f'{n:,} {way}' for way, n in by.items())})"
    for one in found.differences[:SHOWN]:
        names = "" if one.was != one.now else f" ({one.fallback_was} -> {one.fallback_now})"
        yield f"{one.direction}: {one.count:,} x {one.operation}: {one.was} -> {one.now}{names}"
        yield f"  rule {one.rule_was} -> {one.rule_now}; for instance {', '.join(one.ids)}"
    if len(found.differences) > SHOWN:
        yield f"and {len(found.differences) - SHOWN} more kinds of difference, which --format json tells"
    for (told, dest), (count, ids) in found.changed_transitions.items():
        yield f"moved otherwise: {count:,} x {told}, now to {dest}; for instance {', '.join(ids)}"
    for told, (count, ids) in found.not_replayable.items():
        yield f"not replayed: {count:,} x {told}; for instance {', '.join(ids)}"
    if not found.same_policy:
        yield TAKEN
