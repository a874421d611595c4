"""Text and JSON of an explained request: its operation, what each need found, the decision and the ways out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from authguard.audit.query.export import format_utc
from authguard.cli.explanation_text import format_remedies, format_rule, format_skipped, to_builtins
from authguard.cli.reason_text import describe_reason
from authguard.core.outcomes import Reason
from authguard.policy.explain.near_match import describe_match

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.cli.sent_request import Question
    from authguard.core.policy import Policy
    from authguard.policy.explain.sent_request import SentExplanation

#: outcome of a request that is refused before the decision table
REFUSED = "refused"


def format_json(policy: Policy, question: Question, found: SentExplanation | None, at: float) -> str:
    """Format an explained request as one JSON object."""
    operation = question.operation
    reason = found.reason if found else question.refused.code
    built: dict[str, Any] = {
        "policy": policy.name,
        "digest": policy.digest,
        "request": question.line,
        "at": format_utc(at),
        "operation": operation.name if operation else "",
        "match": describe_match(operation) if operation else "",
        "near": msgspec.to_builtins(question.near),
        "outcome": found.decision.outcome if found and found.decision else REFUSED,
        "reason": reason,
        "claim": found.claim if found else "",
        "status": _status(question, found),
        "unchecked": question.unchecked,
        "supposed": list(found.supposed) if found else [],
        "needs": msgspec.to_builtins(found.needs) if found else [],
        "decision": to_builtins(found.decision, ()) if found and found.decision else None,
    }
    return msgspec.json.format(msgspec.json.encode(built), indent=2).decode()


def _status(question: Question, found: SentExplanation | None) -> int:
    if found is None:
        return question.refused.status
    return found.decision.status if found.decision else found.status


def format_text(
    policy: Policy, question: Question, found: SentExplanation | None, *, command: str, everything: bool
) -> Iterator[str]:
    """Format an explained request as lines.

    Args:
        policy: that decided.
        question: the request as it was read.
        found: the explanation; ``None`` for a request that is refused before its credential is read.
        command: that says more of the token; empty for none.
        everything: whether to list all rules before the rule that decided.
    """
    decision = found.decision if found else None
    outcome = decision.outcome if decision else REFUSED
    yield f"{outcome}: {question.line}, under policy {policy.name} ({policy.digest[:12]})"
    if question.unchecked:
        yield f"note: {question.unchecked}"
    if found and found.supposed:
        yield f"note: supposed: {'; '.join(found.supposed)}"
    yield ""
    yield from _format_match(question)
    if found is None or decision is None:
        yield from _format_refusal(question, found, command)
        return
    if found.needs:
        yield "What it needs, and what was found:"
    for need in found.needs:
        source = f" ({need.source})" if need.source else ""
        yield f"  {'yes' if need.met else 'NO '}  {need.need}{source}: {need.found}"
    if found.reason != Reason.DECIDED.code:
        yield from _format_reason(found, command)
    states = {one.dimension: one.value for one in decision.values}
    named = ", ".join(f"{machine} {states[machine]}" for machine in policy.initial)
    yield f"States: {named}."
    yield ""
    yield from format_rule(decision)
    yield ""
    yield from format_skipped(decision, everything=everything)
    yield from format_remedies(decision)


def _format_match(question: Question) -> Iterator[str]:
    operation = question.operation
    if operation is None:
        yield "No operation takes this request."
    else:
        yield (
            f"It is the operation {operation.name} ({operation.risk} {operation.effect}), which takes"
            f" {describe_match(operation)}."
        )
    for near in question.near:
        yield f"  nearly: {near.operation} ({near.match}): {near.differs}"


def _format_refusal(question: Question, found: SentExplanation | None, command: str) -> Iterator[str]:
    """Format a refusal before the decision table."""
    reason = found.reason if found else question.refused.code
    yield f"It is refused before the decision table: {reason}, HTTP {_status(question, found)}."
    if text := describe_reason(reason):
        yield f"  {text}"
    if found and found.claim:
        yield from _format_reason(found, command)
    if question.operation is None and question.refused is Reason.OPERATION_UNNAMED:
        where = f"websocket: {question.path}" if question.method == "websocket" else ""
        where = where or f"path: {question.path}, method: {question.method}"
        yield f"  To be decided, name it under `operations`: {{name: ..., match: {{{where}}}, ...}}"


def _format_reason(found: SentExplanation, command: str) -> Iterator[str]:
    claim = f", claim `{found.claim}`" if found.claim else ""
    yield f"Reason: {found.reason}{claim}: {describe_reason(found.reason) or 'see the rule'}"
    if command and found.credential not in {"good", "undated"}:
        yield f"  next: {command}"
