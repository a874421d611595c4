"""`authguard audit explain`: why one recorded decision, transition or refusal came out as it did."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Final

import typer

from authguard.audit.query.export import format_utc
from authguard.audit.query.search import find_by_id
from authguard.cli.audit_options import open_log_index
from authguard.cli.options import JsonOption, LogOption, PolicyOption, ReindexOption, require_policy
from authguard.cli.output import FAILED, print_error
from authguard.cli.reason_cure import describe_cure
from authguard.cli.reason_text import describe_reason
from authguard.cli.terminal import escape, format_time_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

#: members of a refusal or a fault that identify the request
_REQUEST_MEMBERS: Final = ("peer", "method", "path", "trace_id")


def explain(
    record: Annotated[str, typer.Argument(metavar="ID", help="Id of a record: `instance` in a reply.")],
    log: LogOption = None,
    *,
    policy: PolicyOption = "",
    as_json: JsonOption = False,
    everything: Annotated[bool, typer.Option("--all", help="Show all rules before the rule that decided.")] = False,
    reindex: ReindexOption = False,
) -> None:
    """Explain one record: its rule, the rules before it, the policy line and the changes needed to be allowed.

    Exit 1 if the log has no such record.
    """
    with open_log_index(log, reindex=reindex) as index:
        found = find_by_id(index, record)
    if not found:
        print_error(f"there is no record `{escape(record)}` in the log")
        raise typer.Exit(FAILED)
    one = found[0]
    if one.void:
        print_error(
            "note: this record was withdrawn and is void: a concurrent request was saved first,"
            " and this one was decided again"
        )
    if not one.intact:
        print_error("note: the hash of this line is wrong; run `authguard audit verify`")
    source = require_policy(policy)
    from authguard.cli.policy_explain import Form as ExplainForm  # noqa: PLC0415 - import the policy tools for this command only
    from authguard.cli.policy_explain import explain_record  # noqa: PLC0415
    from authguard.policy.compiler import load  # noqa: PLC0415

    if one.template.kind == "decision":
        explain_record(
            source, one.record, form=ExplainForm.JSON if as_json else ExplainForm.TEXT, everything=everything
        )
        return
    loaded = load(source)
    at = format_utc(one.at) if as_json else format_time_ms(one.at)
    fields = {"kind": one.template.kind, "at": at, "reason": one.template.reason or one.template.act}
    fields |= _meaning(str(fields["reason"])) | _window(one.record)
    fields |= {name: str(one.record[name]) for name in _REQUEST_MEMBERS if one.record.get(name)}
    if one.template.machine in loaded.machines:
        machine = loaded.machines[one.template.machine]
        edge = machine.table.get((one.template.source, one.template.event))
        line = f"line:{one.template.machine}:{edge.line}" if edge else ""
        fields = {
            "kind": "transition",
            "at": at,
            "moved": f"{one.template.machine}.{one.template.event}: {one.template.source} -> {one.template.dest}",
            "cause": one.template.cause,
            "line": loaded.origins.get(line, "this policy has no such state or event"),
            "leads_to": edge.dest if edge else "",
            "decision": str(one.record.get("decision", "")),
        }
    if loaded.digest != one.template.policy:
        fields["note"] = f"recorded under another policy, {one.template.policy[:12]}; explained under this one"
    if as_json:
        typer.echo(json.dumps(fields, indent=2))
        return
    for name, value in fields.items():
        if value:
            typer.echo(f"{name.replace('_', ' ')}: {escape(value)}")


def _meaning(code: str) -> dict[str, str]:
    """Return the meaning of a reason and its remedy; empty for an unknown code, and where the table decided."""
    return {"means": describe_reason(code), "remedy": describe_cure(code)} if describe_reason(code) else {}


def _window(record: Mapping[str, object]) -> dict[str, str]:
    """Return the requests that a window record covers or counts; empty for other records."""
    if record.get("most"):
        return {"covers": f"at most {record['most']} requests without a proven caller, within one second"}
    if record.get("window"):
        return {"counts": f"{record.get('count', 0)} requests that the record {record['window']} covers"}
    return {}
