"""Text and JSON of the explanation of a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from authguard.asgi.customer_text import DEFAULT_TEXTS
from authguard.core.events import MACHINES
from authguard.core.outcomes import ADMITTING, Outcome
from authguard.policy.schema.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.policy.explain.explanation import Explanation, Remedy

#: rules before the decisive rule that are shown without `--all`
MAX_SKIPPED_SHOWN: Final = 12
_WHY: Final = {
    "given": "given",
    "operation": "fixed by the operation",
    "default": "not given; the decision depends on it",
}


def format_json(found: Explanation, notes: Sequence[str]) -> str:
    """Format an explanation as one JSON object."""
    return msgspec.json.format(msgspec.json.encode(to_builtins(found, notes)), indent=2).decode()


def to_builtins(found: Explanation, notes: Sequence[str]) -> dict[str, Any]:
    """Return an explanation as values of JSON."""
    built: dict[str, Any] = msgspec.to_builtins(found)
    built["say"] = [
        {"language": language, "channel": channel, "text": text} for (language, channel), text in found.say.items()
    ]
    built["notes"] = [*notes, *found.notes]
    return built


def format_text(found: Explanation, notes: Sequence[str], *, everything: bool) -> Iterator[str]:
    """Format an explanation as lines: the outcome, the rule, the values, the rules before it, and the changes needed.

    Args:
        found: the explanation.
        notes: notes on the request, printed before those of the explanation.
        everything: whether to list all rules before the decisive rule.
    """
    here = {one.dimension: one.value for one in found.values}
    named = found.operation or f"a {here['risk']} {here['effect']}"
    yield f"{found.outcome}: {named}, under policy {found.policy} ({found.digest[:12]})"
    yield from (f"note: {note}" for note in (*notes, *found.notes))
    yield ""
    yield from format_rule(found)
    yield ""
    yield "Values:"
    for known, words in _WHY.items():
        values = ", ".join(f"{one.dimension} {one.value}" for one in found.values if one.known == known)
        if values:
            yield f"  {values} ({words})"
    if any(one.known == "any" for one in found.values):
        names = ", ".join(one.dimension for one in found.values if one.known == "any")
        yield f"  {names}: any (the decision is the same)"
    yield ""
    yield from format_skipped(found, everything=everything)
    yield from format_remedies(found)


def format_rule(found: Explanation) -> Iterator[str]:
    """Format the rule that decided, and what the caller gets."""
    conditions = "; ".join(f"{name} {' or '.join(values)}" for name, values in found.when.items()) or "always"
    yield f"Rule {found.rule} ({found.origin}) decided: {conditions}."
    yield from _format_reply(found)


def _format_reply(found: Explanation) -> Iterator[str]:
    status = f"HTTP {found.status}" if found.status else "the app's own status"
    origin = f" ({found.fallback_origin})" if found.fallback_origin else ""
    named = "" if found.fallback == "allow" else f", fallback {found.fallback}{origin}"
    yield f"The caller gets: {found.outcome}, {status}{named}."
    words = found.say or {("", "default"): DEFAULT_TEXTS.get(Outcome(found.outcome), "")}
    for (language, channel), text in words.items():
        if text:
            where = " ".join(part for part in (language, "" if channel == "default" else channel) if part)
            yield f'  says{f" ({where})" if where else ""}: "{text}"'
    if found.attempts:
        times, per, then = found.attempts
        yield f"  {times} times in {format_duration(per)} for each customer and operation, then {then}"


def format_skipped(found: Explanation, *, everything: bool) -> Iterator[str]:
    """Format the rules before the one that decided, each with what did not match."""
    if not found.skipped:
        yield "It is the first rule."
        return
    yield f"The {len(found.skipped)} rules before it did not decide:"
    shown = found.skipped if everything else found.skipped[-MAX_SKIPPED_SHOWN:]
    if len(shown) < len(found.skipped):
        yield f"  {len(found.skipped) - len(shown)} more; --all shows them"
    for skipped in shown:
        yield f"  {skipped.rule} ({skipped.origin}): {skipped.why}"


def format_remedies(found: Explanation) -> Iterator[str]:
    """Format the nearest changes that permit the request, each with the events that lead there."""
    if Outcome(found.outcome) in ADMITTING and not found.remedies:
        return
    yield ""
    if found.undecided:
        yield "The changes needed are undecided: the search for them reached its limit."
        return
    if not found.remedies:
        yield "No events and changes of the request were found that lead to an admission."
        return
    if any(one.known == "any" for one in found.values):
        defaults = ", ".join(f"{one.dimension} {one.value}" for one in found.values if one.known == "any")
        yield f"To be allowed, with {defaults}:"
    else:
        yield "To be allowed:"
    for number, remedy in enumerate(found.remedies, 1):
        yield from _format_remedy(number, remedy)
    if found.more:
        yield f"  and {found.more} more with as few changes"


def _format_remedy(number: int, remedy: Remedy) -> Iterator[str]:
    yield f"  {number}. {remedy.outcome}, by rule {remedy.rule} ({remedy.origin}):"
    for change in remedy.changes:
        by = (
            "" if change.dimension in MACHINES and remedy.path else f", by {change.by}"
        )  # the path shows it for machines
        yield f"     {change.dimension}: {change.now} -> {' or '.join(change.to)}{by}"
    if remedy.path:
        yield "     shortest sequence of events:"
        yield from (f"       {step}" for step in remedy.path)
