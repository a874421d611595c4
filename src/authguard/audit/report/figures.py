"""The figures of a report as one JSON object, for monitoring: stable keys, ISO 8601 times, durations in seconds."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from authguard.audit.query.export import format_utc
from authguard.audit.report.data import GROUPS
from authguard.audit.report.markup import sort_counts
from authguard.audit.report.verdict import conclude, count_lines
from authguard.records.chain import ChainBreak

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.audit.report.data import Act, ReportContext, ReportData
    from authguard.audit.report.hold import HeldTransaction
    from authguard.audit.verify.result import ChainReport


def collect_figures(context: ReportContext, data: ReportData) -> dict[str, Any]:
    """Return the figures of a report as JSON values.

    Every object has the same keys in every report. A time or a duration that does not exist is ``null``. Lists are
    limited as in the page, and the counts beside them are complete.
    """
    conclusion = conclude(context, data)
    stats = data.stats
    return {
        "verdict": conclusion.verdict.value,
        "summary": f"{conclusion.opening} {conclusion.counts}",
        "why": list(conclusion.why),
        "next": list(conclusion.commands),
        "log": context.log,
        "since": _time(context.since),
        "until": _time(context.until),
        "first_record_at": None if data.is_empty else _time(stats.since),
        "last_record_at": None if data.is_empty else _time(stats.until),
        "log_first_at": _time(data.log_first),
        "log_last_at": _time(data.log_last),
        "made_at": _time(context.made),
        "made_by": context.by,
        "counts": _counts(data),
        "rates": {
            "decisions_per_hour": stats.decisions / stats.hours,
            "verification_failed": stats.failure_rate,
            "verification_ambiguous": stats.ambiguity_rate,
            "credentials_bad": stats.bad_credential_rate,
        },
        "integrity": _integrity(context),
        "reasons": [
            {
                "reason": one.reason,
                "result": one.result,
                "count": one.count,
                "meaning": context.describe_reason(one.reason),
                "cure": context.describe_cure(one.reason),
            }
            for one in data.reasons
        ],
        "denials": [
            {
                "rule": one.rule,
                "policy": one.policy,
                "outcome": one.outcome,
                "count": one.count,
                "operations": _counted("operation", one.operations),
            }
            for one in data.denials
        ],
        "outcomes": _counted("outcome", stats.outcomes),
        "operations": _operations(data),
        "records": _counted("kind", stats.kinds),
        "identity_verdicts": _counted("verdict", stats.verdicts),
        "credentials": _counted("condition", stats.credentials),
        "held": {
            "ends": [
                {"state": state, "count": one.count, "mean_s": one.mean, "longest_s": one.longest}
                for state, one in sorted(data.ends.items())
            ],
            "waiting": [_transaction(one) for one in data.waiting],
            "decided": [_transaction(one) for one in data.held],
        },
        "transitions": [
            {"machine": machine, "event": event, "source": source, "dest": dest, "count": count}
            for (machine, event, source, dest), count in sorted(stats.transitions.items())
        ],
        "dwell_times": [
            {"machine": machine, "state": state, "count": one.count, "mean_s": one.mean, "longest_s": one.longest}
            for (machine, state), one in stats.dwell_times.items()
        ],
        "acts": {
            "counts": _counted("act", data.acts),
            "by_people": [_act(one) for one in data.by_people],
            "by_system": [_act(one) for one in data.by_system],
        },
        "policies": [
            {
                "digest": one.digest,
                "first_at": _time(one.first),
                "last_at": _time(one.last),
                "count": one.count,
            }
            for one in data.in_force
        ],
        "timeline": {
            "width_s": data.width,
            "columns": [
                {"at": _time(one.at), **{group: one.decided[group] for group in reversed(GROUPS)}}
                for one in data.columns
            ],
        },
    }


def _counts(data: ReportData) -> dict[str, int]:
    stats = data.stats
    return {
        "decisions": stats.decisions,
        "refused": data.refused,
        "failed": data.failed,
        "held_transactions": data.held_transactions,
        "waiting_transactions": data.ends["held"].count if "held" in data.ends else 0,
        **{group: data.count_group(group) for group in reversed(GROUPS)},
        "refused_without_decision": stats.kinds.get("refusal", 0),
        "customers": data.participants.customers,
        "agents": data.participants.agents,
        "staff": data.participants.staff,
        "withdrawn_records": stats.void,
        "unparsed_lines": stats.unparsed_lines,
    }


def _integrity(context: ReportContext) -> dict[str, Any]:
    found = context.verification
    lines, signed = count_lines(context)
    return {
        "intact": found.ok,
        "signatures_verified": context.signed,
        "lines": lines,
        "signed_lines": signed,
        "unaccepted_notes": sum(1 for _ in found.unaccepted()),
        "caveat": context.caveat,
        "findings": [
            {
                "file": str(one.path),
                "line": one.broken.line,
                "violation": one.broken.violation.value,
                "message": one.broken.violation.message,
            }
            for one in found.findings
        ],
        "chains": [_chain(one, signed=context.signed) for one in found.chains],
    }


def _chain(one: ChainReport, *, signed: bool) -> dict[str, Any]:
    return {
        "file": str(one.path),
        "intact": not isinstance(one.result, ChainBreak),
        "lines": one.lines,
        "anchored_lines": one.ranges.anchored if signed else 0,
        "signed_lines": max(one.ranges.signed, one.ranges.anchored) if signed else 0,
        "retired_lines": one.retired[0],
        "newest_checkpoint_at": _time(one.ranges.at) if signed else None,
    }


def _operations(data: ReportData) -> list[dict[str, Any]]:
    by_name: dict[str, dict[str, int]] = {}
    for (operation, outcome), count in data.stats.operations.items():
        by_name.setdefault(operation, {})[outcome] = count
    return [
        {"operation": name, "count": sum(outcomes.values()), "outcomes": _counted("outcome", outcomes)}
        for name, outcomes in sorted(by_name.items())
    ]


def _counted(name: str, counts: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{name: key, "count": count} for key, count in sort_counts(counts)]


def _transaction(one: HeldTransaction) -> dict[str, Any]:
    return {
        "id": one.id,
        "state": one.state,
        "held_at": _time(one.at),
        "decided_at": _time(one.decided),
        "acts": list(one.people),
    }


def _act(one: Act) -> dict[str, Any]:
    return {"id": one.id, "at": _time(one.at), "act": one.act, "by": one.by, "note": one.note}


def _time(at: float) -> str | None:
    """Format a time; None for a time that does not exist: an open end, or 0."""
    return format_utc(at) if at and isfinite(at) else None
