"""Text of an answer about one record: the verdict first, then why, then what to type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.asgi.customer_text import DEFAULT_TEXTS
from authguard.cli.terminal import escape, format_time
from authguard.core.outcomes import ADMITTING, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.cli.audit_answer import Answer
    from authguard.policy.explain.explanation import Explanation, Remedy

#: digits of a key or pseudonym that are shown
KEY_DIGITS: Final = 8
#: rules before the decisive rule that are shown
MAX_SKIPPED_SHOWN: Final = 12
#: ways to be allowed that are shown
MAX_REMEDIES_SHOWN: Final = 3
#: value of the condition `actor` -> who acted; an agent by default
_ACTED: Final = {"representative": "representative", "stranger": "stranger"}
_REQUEST: Final = ("channel", "peer", "method", "path", "trace_id")


def format_answer(answer: Answer, person: str, *, everything: bool) -> Iterator[str]:
    """Yield the lines of an answer, escaped.

    Args:
        answer: the answer.
        person: name of the subject as typed; empty if unknown.
        everything: whether to show the rules before the decisive rule.
    """
    for line in (
        _headline(answer, person),
        *(f"note: {note}" for note in answer.notes),
        *_why(answer),
        *(_skipped(answer.explanation) if everything and answer.explanation else ()),
        *_remedies(answer),
        *_next(answer),
    ):
        yield escape(line)


def _headline(answer: Answer, person: str) -> str:
    outcome = answer.text("outcome") or answer.reason
    status = answer.record.get("status")
    parts = [f"{answer.verdict}: {outcome}" if outcome else answer.verdict]
    parts += [f"HTTP {status}"] if status else []
    parts += [f"at {format_time(answer.at)}"]
    if answer.kind in {"decision", "refusal", "fault"}:
        operation = answer.text("operation") or "a request"
        parts += [f"{operation} of {_who(answer, person)}"]
    if actor := answer.text("actor"):
        parts += [f"by the {_ACTED.get(answer.conditions.get('actor', ''), 'agent')} {actor[:KEY_DIGITS]}"]
    return ", ".join(parts)


def _who(answer: Answer, person: str) -> str:
    subject, session = answer.text("subject"), answer.text("session")
    if not subject and not session:
        return "a caller who proved no identity"
    named = person or subject[:KEY_DIGITS] or "nobody"
    return f"{named}'s session {session[:KEY_DIGITS]}" if session else named


def _why(answer: Answer) -> Iterator[str]:
    found = answer.explanation
    if answer.because:
        yield f"because {'; '.join(answer.because)}"
    if answer.means:
        claim = f", claim `{answer.text('claim')}`" if answer.text("claim") else ""
        yield f"  reason {answer.reason}{claim}: {answer.means}"
    for cause in answer.causes:
        by = f" by {cause.by}" if cause.by else f" by {cause.cause}" if cause.cause else ""
        note = f', "{cause.note}"' if cause.note else ""
        yield f"  {cause.machine} {cause.state} since {format_time(cause.at)}: {cause.event}{by}{note}"
    if found:
        when = "; ".join(f"{name} {' or '.join(values)}" for name, values in found.when.items()) or "always"
        yield f"  rule {found.rule} ({found.origin}): {when}"
    if answer.states:
        yield "  states: " + ", ".join(f"{name} {value}" for name, value in answer.states.items())
        yield "  request: " + ", ".join(f"{name} {value}" for name, value in answer.conditions.items())
    yield from (f"  limit {limit}" for limit in answer.limits)
    if found:
        yield from _reply(found)
    if answer.line:
        yield f"  line: {answer.line}" + (f", leads to: {answer.leads_to}" if answer.leads_to else "")
    if sent := ", ".join(f"{name} {answer.text(name)}" for name in _REQUEST if answer.text(name)):
        yield f"  sent: {sent}"
    ids = [f"record {answer.text('id')}"]
    ids += [f"{name} {answer.text(name)}" for name in ("transaction", "ticket", "decision") if answer.text(name)]
    name, digest = answer.policy
    yield f"  {', '.join(ids)}, policy {name} ({digest[:12]})"


def _reply(found: Explanation) -> Iterator[str]:
    status = f"HTTP {found.status}" if found.status else "the app's own status"
    words = found.say or {("", "default"): DEFAULT_TEXTS.get(Outcome(found.outcome), "")}
    texts = [f'"{text}"' for text in words.values() if text]
    yield f"  the caller got: {found.outcome}, {status}{', ' + texts[0] if texts else ''}"
    if found.attempts:
        times, _, then = found.attempts
        yield f"  after {times} attempts: {then}"


def _skipped(found: Explanation) -> Iterator[str]:
    if not found.skipped:
        yield "it is the first rule"
        return
    yield f"the {len(found.skipped)} rules before it did not decide:"
    for skipped in found.skipped:
        yield f"  {skipped.rule} ({skipped.origin}): {skipped.why}"


def _remedies(answer: Answer) -> Iterator[str]:
    found = answer.explanation
    if found is None:
        return
    if answer.approvers:
        yield f"who may approve: {answer.approvers}"
    if Outcome(found.outcome) in ADMITTING and not found.remedies:
        return
    if found.undecided:
        yield "to be allowed: undecided, the rules are too complex for the limit"
    elif not found.remedies:
        yield "to be allowed: no change permits this operation"
    else:
        yield "to be allowed:"
        for remedy in found.remedies[:MAX_REMEDIES_SHOWN]:
            yield from _remedy(remedy)
        if more := found.more + len(found.remedies[MAX_REMEDIES_SHOWN:]):
            yield f"  and {more} more ways with as few changes (--json lists {len(found.remedies)})"


def _remedy(remedy: Remedy) -> Iterator[str]:
    for change in remedy.changes:
        by = f", by {change.by}" if change.by else ""
        yield f"  {change.dimension}: {change.now} -> {' or '.join(change.to)}{by}"
    if remedy.path:
        yield f"    through {', then '.join(remedy.path)}"


def _next(answer: Answer) -> Iterator[str]:
    if answer.remedy:
        yield f"what to do: {answer.remedy}"
    for number, command in enumerate(answer.commands):
        yield f"{'next:' if number == 0 else '  or:'} {command}"
