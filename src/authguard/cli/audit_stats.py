"""`authguard audit stats`, `timeline` and `why`: what a log comes to, a session as a story, one record explained."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from authguard.audit.query.export import utc
from authguard.audit.query.search import Query, find_by_id, last
from authguard.audit.query.stats import collect_stats, ratio
from authguard.audit.query.timeline import tell
from authguard.cli.audit_options import LogOption, ReindexOption, SinceOption, UntilOption, open_log_index, parse_period
from authguard.cli.output import FAILED, print_error
from authguard.cli.reason_text import describe_reason
from authguard.cli.terminal import escape
from authguard.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.audit.query.stats import Stats

#: records of a session that are told
STORY_BOUND = 10_000


class Form(StrEnum):
    """How numbers are shown."""

    TEXT = "text"
    JSON = "json"


FormOption = Annotated[Form, typer.Option("--format", "-f", help="How it is shown.")]
PolicyOption = Annotated[str, typer.Option("--policy", help="The policy that decided; else AUTHGUARD_POLICY.")]


def stats(
    log: LogOption = None,
    *,
    since: SinceOption = "",
    until: UntilOption = "",
    form: FormOption = Form.TEXT,
    fresh: ReindexOption = False,
) -> None:
    """Count a period: the rate of each outcome and transition, failures and doubt, how long states last.

    Withdrawn records are not counted.
    """
    begin, end = parse_period(since, until)
    with open_log_index(log, fresh=fresh) as index:
        found = collect_stats(index, begin, end)
    if form is Form.JSON:
        typer.echo(json.dumps(as_builtins(found), indent=2))
        return
    for line in _told(found):
        typer.echo(escape(line))


def as_builtins(found: Stats) -> dict[str, Any]:
    """Give the numbers for other programs."""
    return {
        "since": found.since,
        "until": found.until,
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


def _told(found: Stats) -> Iterator[str]:
    if not found.kinds:
        yield "no record stands in this period"
        return
    yield f"from {utc(found.since)} to {utc(found.until)}"
    yield "records: " + ", ".join(f"{count:,} {kind}" for kind, count in sorted(found.kinds.items()))
    if found.void:
        yield f"withdrawn, and not counted: {found.void:,}, in all of the log"
    if found.unparsed_lines:
        yield f"lines that are no record: {found.unparsed_lines:,}; `authguard audit verify` tells where"
    yield from _rates("decisions", found.outcomes, found)
    yield from _rates("refused, or failed, without a decision", found.reasons, found)
    yield ""
    yield "of what was proved:"
    yield f"  {found.bad_credential_rate:7.2%} of the credentials sent were expired or rejected"
    verdicts = sum(found.verdicts.values())
    yield f"  {found.failure_rate:7.2%} of the verdicts on identity were failures ({verdicts:,} verdicts)"
    yield f"  {found.ambiguity_rate:7.2%} of them were doubt or contradiction"
    moves = {
        f"{machine}.{event}: {source} -> {dest}": count
        for (machine, event, source, dest), count in found.transitions.items()
    }
    yield from _rates("transitions", moves, found)
    if found.dwell_times:
        yield ""
        yield "time in a state, of stays that ended:"
    for (machine, state), stay in found.dwell_times.items():
        yield f"  {machine} {state}: mean {spoken(stay.mean)}, longest {spoken(stay.longest)} ({stay.count:,} stays)"


def _rates(title: str, counted: Mapping[str, int], found: Stats) -> Iterator[str]:
    if not counted:
        return
    whole = sum(counted.values())
    yield ""
    yield f"{title}: {whole:,}"
    for name, count in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        yield f"  {count:>9,}  {ratio(count, whole):7.2%}  {count / found.hours:>10,.1f} an hour  {name}"


def spoken(seconds: float) -> str:
    """Tell a length of time in one unit."""
    for size, unit in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def timeline(
    key: Annotated[str, typer.Argument(metavar="SESSION", help="A session's key, or as much as tells it.")],
    log: LogOption = None,
    *,
    since: SinceOption = "",
    until: UntilOption = "",
    fresh: ReindexOption = False,
) -> None:
    """Tell a session as a story, in plain words. Exit 1 where there is no such session."""
    begin, end = parse_period(since, until)
    with open_log_index(log, fresh=fresh) as index:
        try:
            found = last(index, Query(session=key, since=begin, until=end), STORY_BOUND)
        except LookupError as error:
            print_error(escape(str(error.args[0])))
            raise typer.Exit(FAILED) from None
        for line in tell(found):
            typer.echo(escape(line))


def why(
    record: Annotated[str, typer.Argument(metavar="ID", help="A record's id: the `instance` of a reply.")],
    log: LogOption = None,
    *,
    policy: PolicyOption = "",
    form: FormOption = Form.TEXT,
    everything: Annotated[bool, typer.Option("--all", help="Show every rule above the one that decided.")] = False,
    fresh: ReindexOption = False,
) -> None:
    """Explain one record: the rule, why none above it matched, the policy's line, what would have to change."""
    with open_log_index(log, fresh=fresh) as index:
        found = find_by_id(index, record)
    if not found:
        print_error(f"there is no record `{escape(record)}` in the log")
        raise typer.Exit(FAILED)
    one = found[0]
    if one.void:
        print_error("note: this record is void, it was withdrawn: another request was faster, and it was judged again")
    if not one.intact:
        print_error("note: the line does not have the hash that it states; `authguard audit verify` tells more")
    source = resolve_policy(policy)
    from authguard.cli.policy_explain import Form as ExplainForm  # noqa: PLC0415 - the workshop loads for this alone
    from authguard.cli.policy_explain import explain_record  # noqa: PLC0415
    from authguard.policy.compiler import load  # noqa: PLC0415

    if one.template.kind == "decision":
        explain_record(source, one.record, form=ExplainForm(form.value), everything=everything)
        return
    loaded = load(source)
    said = {"kind": one.template.kind, "at": utc(one.at), "reason": one.template.reason or one.template.act}
    said |= _meaning(str(said["reason"])) | _window(one.record)
    if one.template.machine in loaded.machines:
        machine = loaded.machines[one.template.machine]
        edge = machine.table.get((one.template.source, one.template.event))
        line = f"line:{one.template.machine}:{edge.line}" if edge else ""
        said = {
            "kind": "transition",
            "at": utc(one.at),
            "moved": f"{one.template.machine}.{one.template.event}: {one.template.source} -> {one.template.dest}",
            "cause": one.template.cause,
            "line": loaded.origins.get(line, "this policy has no such state or event"),
            "leads_to": edge.dest if edge else "",
            "decision": str(one.record.get("decision", "")),
        }
    if loaded.digest != one.template.policy:
        said["note"] = f"recorded under another policy, {one.template.policy[:12]}; explained under this one"
    if form is Form.JSON:
        typer.echo(json.dumps(said, indent=2))
        return
    for name, value in said.items():
        if value:
            typer.echo(f"{name.replace('_', ' ')}: {escape(value)}")


def _meaning(code: str) -> dict[str, str]:
    """Return what a reason means; nothing for what is none."""
    return {"means": describe_reason(code)} if describe_reason(code) else {}


def _window(record: Mapping[str, object]) -> dict[str, str]:
    """Return which requests a window's record covers, or counts; nothing for any other record."""
    if record.get("most"):
        return {"covers": f"at most {record['most']} requests without a proven caller, within one second"}
    if record.get("window"):
        return {"counts": f"{record.get('count', 0)} requests that the record {record['window']} covers"}
    return {}


def resolve_policy(given: str) -> str:
    """Choose the policy.

    Raises:
        SettingsError: none is named.
    """
    source = given or os.environ.get("AUTHGUARD_POLICY", "")
    if not source:
        raise SettingsError("there is no policy: name it with --policy, or set AUTHGUARD_POLICY")
    return source
