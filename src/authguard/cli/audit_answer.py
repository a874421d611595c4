"""The answer to "why was this request decided as it was": facts of one record, as a value and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from authguard.audit.query.export import format_utc
from authguard.cli.audit_cause import find_causes
from authguard.cli.condition_text import describe_condition, describe_limit
from authguard.cli.next_command import list_commands
from authguard.cli.reason_cure import describe_cure
from authguard.cli.reason_text import describe_reason
from authguard.cli.recorded_decision import explain_record
from authguard.core.approvers import format_approvers
from authguard.core.decision_table import DIMENSIONS, PROVEN_CREDENTIALS
from authguard.core.events import MACHINES
from authguard.core.outcomes import Outcome, Reason
from authguard.records.fields import FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.audit.query.index import Index
    from authguard.audit.query.search import Match
    from authguard.cli.audit_cause import StateCause
    from authguard.core.policy import Policy
    from authguard.policy.explain.explanation import Explanation

#: outcome -> verdict; any other outcome is "refused"
_VERDICTS: Final = {
    Outcome.ALLOW.value: "admitted",
    Outcome.RESTRICT.value: "admitted with fewer permissions",
    Outcome.REPEAT.value: "answered with its first response",
    Outcome.HOLD.value: "held for an approval",
}
#: dimensions that a rule may name without being the cause of a refusal
_FIXED: Final = frozenset({"risk", "effect"})
#: dimensions whose value alone does not refuse a request: dimension -> that value
_HARMLESS: Final = {
    "service": "live",
    "account": "normal",
    "session": "active",
    "transaction": "none",
    "credential": "good",
    "scope": "granted",
    "assurance": "met",
    "limit": "within",
    "channel_change": "same",
}


class Answer(Struct, frozen=True, kw_only=True):
    """What is known about one record.

    Attributes:
        record: the members of the line.
        kind: kind of the record.
        at: epoch seconds UTC.
        verdict: what happened to the request, or what the record is.
        because: causes in words, the deciding ones first.
        reason: closed code; empty for none.
        means: meaning of the reason.
        remedy: what to do about the reason.
        explanation: of a decision under the policy; `None` for other kinds.
        states: machine -> state in the decision.
        conditions: condition -> value in the decision.
        causes: transitions that led to the deciding states.
        limits: limits of the operation in words, if one is exceeded.
        approvers: who may approve; empty if nobody needs to.
        line: of the policy: where the transition is declared.
        leads_to: state to which the policy leads, for a transition.
        commands: what can be typed next.
        notes: differences between the record and the policy, and limits of the answer.
        policy: name and digest of the policy.
        void: whether the record was withdrawn.
        intact: whether the line has the hash that it contains.
    """

    record: Mapping[str, Any]
    kind: str
    at: float
    verdict: str
    because: tuple[str, ...] = ()
    reason: str = ""
    means: str = ""
    remedy: str = ""
    explanation: Explanation | None = None
    states: Mapping[str, str] = field(default_factory=dict)
    conditions: Mapping[str, str] = field(default_factory=dict)
    causes: tuple[StateCause, ...] = ()
    limits: tuple[str, ...] = ()
    approvers: str = ""
    line: str = ""
    leads_to: str = ""
    commands: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    policy: tuple[str, str] = ("", "")
    void: bool = False
    intact: bool = True

    def text(self, member: str) -> str:
        """Return a member of the record as text; empty if it has none."""
        return str(self.record.get(member, ""))


def build_answer(index: Index, one: Match, policy: Policy, source: str, person: str) -> Answer:
    """Build the answer about a record.

    Args:
        index: of the log.
        one: the record.
        policy: compiled policy.
        source: value of `--policy`.
        person: name of the subject at its issuer; empty if unknown.

    Raises:
        typer.Exit: the policy lacks a state of the record; the message has been printed.
    """
    if one.template.kind == "decision" and len(one.template.cell) == len(DIMENSIONS):
        return _decision(index, one, policy, source, person)
    return _transition(one, policy) if one.template.kind == "transition" else _other(one, policy)


def _decision(index: Index, one: Match, policy: Policy, source: str, person: str) -> Answer:
    record, template = one.record, one.template
    found, notes = explain_record(policy, record)
    values = template.states()
    operation = next((each for each in policy.all_operations if each.name == found.operation), None)
    blocking = _blocking(found, values)
    hold = policy.fallbacks.get(template.fallback)
    over = values.get("limit", "within") != "within" or "limit" in blocking
    return Answer(
        record=record,
        kind=template.kind,
        at=one.at,
        verdict=_VERDICTS.get(template.outcome, "refused"),
        because=tuple(describe_condition(name, values[name], operation) for name in _deciding(found, blocking, values)),
        reason=template.reason,
        means=describe_reason(template.reason),
        remedy="" if template.reason == Reason.DECIDED.code else describe_cure(template.reason),
        explanation=found,
        states={name: values[name] for name in MACHINES},
        conditions={name: value for name, value in values.items() if name not in MACHINES},
        causes=tuple(find_causes(index, one, [name for name in blocking if name in MACHINES])),
        limits=tuple(describe_limit(limit) for limit in operation.limits) if operation and over else (),
        approvers=format_approvers(hold.approvers) if hold and hold.kind is Outcome.HOLD and hold.approvers else "",
        commands=tuple(list_commands(policy, source, record, values, frozenset(blocking), person)),
        notes=tuple(note for note in notes if not note.startswith("reason ")),
        policy=(policy.name, policy.digest),
        void=one.void,
        intact=one.intact,
    )


def _blocking(found: Explanation, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the dimensions that would have to change, or else those on which the rule decided."""
    changes = found.remedies[0].changes if found.remedies else ()
    changed = tuple(one.dimension for one in changes if one.dimension in values)
    return changed or tuple(name for name in found.when if name not in _FIXED)


def _deciding(found: Explanation, blocking: tuple[str, ...], values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the dimensions that explain a refusal to a person, those of the rule first."""
    if values["credential"] not in PROVEN_CREDENTIALS:
        return ("credential",)  # without one there is neither a session nor a scope
    named = (*(name for name in found.when if name not in _FIXED), *blocking)
    return tuple(dict.fromkeys(name for name in named if _HARMLESS.get(name) != values[name])) or blocking


def _transition(one: Match, policy: Policy) -> Answer:
    template = one.template
    edge = None
    if template.machine in policy.machines:
        edge = policy.machines[template.machine].table.get((template.source, template.event))
    place = f"line:{template.machine}:{edge.line}" if edge else f"flag:{template.machine}"
    origin = policy.origins.get(place, "")
    what = f"the {template.machine}" if template.machine in MACHINES else f"the flag {template.machine}"
    return Answer(
        record=one.record,
        kind=template.kind,
        at=one.at,
        verdict=f"changed: {what} went from {template.source} to {template.dest}",
        because=(f"event {template.machine}.{template.event}, cause {template.cause}",),
        line=origin or "this policy has no such state or event",
        leads_to=edge.dest if edge else "",
        notes=_policy_note(one, policy),
        policy=(policy.name, policy.digest),
        void=one.void,
        intact=one.intact,
    )


def _other(one: Match, policy: Policy) -> Answer:
    record, template = one.record, one.template
    words = {"refusal": "refused without a decision", "fault": "refused: a part of the guard failed"}
    verdict = words.get(template.kind, template.act or f"a record of the kind {template.kind}")
    return Answer(
        record=record,
        kind=template.kind,
        at=one.at,
        verdict=f"{verdict}, by {record['by']}" if template.kind == "act" and record.get("by") else verdict,
        because=_window(record),
        reason=template.reason,
        means=describe_reason(template.reason) if template.reason else "",
        remedy=describe_cure(template.reason) if template.reason else "",
        notes=(*_policy_note(one, policy), *_cell_note(one)),
        policy=(policy.name, policy.digest),
        void=one.void,
        intact=one.intact,
    )


def _cell_note(one: Match) -> tuple[str, ...]:
    if one.template.kind != "decision":
        return ()
    return (
        f"no writer of this version wrote this decision: it has {len(one.template.cell)} of {len(DIMENSIONS)} values",
    )


def _policy_note(one: Match, policy: Policy) -> tuple[str, ...]:
    if one.template.policy in {policy.digest, ""}:
        return ()
    return (f"recorded under another policy, {one.template.policy[:12]}; explained under this one",)


def _window(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the requests that a window record covers or counts; empty for other records."""
    if record.get("most"):
        return (f"this record covers at most {record['most']} requests without a proven caller, within one second",)
    if record.get("window"):
        return (f"this record counts {record.get('count', 0)} requests that the record {record['window']} covers",)
    if record.get("where"):
        return (f"{record['where']}: {record.get('error', '')}",)
    return ()


#: members of a record that an answer repeats in JSON: each text that has no key of its own there
_MEMBERS: Final = tuple(
    dict.fromkeys(one.name for one in FIELDS if one.type is str and one.name not in {"id", "reason", "rule", "policy"})
)


def to_builtins(answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON values; every kind of record has the same keys."""
    found = answer.explanation
    return {
        "verdict": answer.verdict,
        "kind": answer.kind,
        "id": answer.text("id"),
        "at": format_utc(answer.at),
        **{name: answer.text(name) for name in _MEMBERS},
        "status": int(answer.record.get("status") or (found.status if found else 0)),
        "because": list(answer.because),
        "reason": answer.reason,
        "means": answer.means,
        "remedy": answer.remedy,
        "rule": found.rule if found else "",
        "origin": found.origin if found else answer.line,
        "when": {name: list(values) for name, values in found.when.items()} if found else {},
        "states": dict(answer.states),
        "conditions": dict(answer.conditions),
        "causes": [
            {
                "machine": one.machine,
                "state": one.state,
                "at": format_utc(one.at),
                "event": one.event,
                "cause": one.cause,
                "by": one.by,
                "note": one.note,
                "id": one.record,
            }
            for one in answer.causes
        ],
        "limits": list(answer.limits),
        "approvers": answer.approvers,
        "leads_to": answer.leads_to,
        "says": [
            {"language": language, "channel": channel, "text": text}
            for (language, channel), text in (found.say if found else {}).items()
        ],
        "skipped": [
            {
                "rule": one.rule,
                "origin": one.origin,
                "dimensions": list(one.dimensions),
                "skipped_by": one.skipped_by,
            }
            for one in (found.skipped if found else ())
        ],
        "to_be_allowed": [
            {
                "outcome": one.outcome,
                "rule": one.rule,
                "origin": one.origin,
                "changes": [
                    {"dimension": each.dimension, "now": each.now, "to": list(each.to), "by": each.by}
                    for each in one.changes
                ],
                "path": list(one.path),
            }
            for one in (found.remedies if found else ())
        ],
        "undecided": bool(found and found.undecided),
        "next": list(answer.commands),
        "notes": list(answer.notes),
        "policy": answer.policy[0],
        "policy_digest": answer.policy[1],
        "recorded_policy_digest": answer.text("policy"),
        "void": answer.void,
        "intact": answer.intact,
    }
