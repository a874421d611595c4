"""Checks of a policy's own conditions: their names are free, and their headers have no other meaning."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from authguard.core.decision_table import DIMENSIONS
from authguard.policy.checks.credentials import find_header_conflict
from authguard.policy.checks.table import follow_then
from authguard.policy.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.decision_table import Rule
    from authguard.policy.draft import Draft

#: words with a meaning of their own in rules, invariants, fallbacks and scenarios
RESERVED: Final = frozenset(
    {
        *DIMENSIONS,
        *("operation", "channel", "outcome", "fallback", "phase", "expiry", "by_limit", "skip_phase"),
        *("after", "amount", "app", "approve", "ask", "at", "body", "context", "deny", "given", "idempotency_key"),
        *("idempotency_key", "name", "reason", "request", "states", "steps", "then", "times", "token", "when"),
    }
)


def check_condition_names(draft: Draft) -> Iterator[Problem]:
    """Check that no condition has the name of something else that rules, invariants or scenarios name."""
    flags = {flag.name for flag in draft.flags}
    for condition in draft.conditions:
        place = draft.place(f"conditions.{condition.name}", "conditions")
        if condition.name in RESERVED:
            message = f"`{condition.name}` is reserved, and cannot name a condition"
            yield Problem(code="name-reserved", place=place, message=message, advice="choose another name")
        elif condition.name in flags:
            message = f"`{condition.name}` is a flag too"
            yield Problem(code="duplicate-name", place=place, message=message, advice="choose another name")


def check_retry_expiry(draft: Draft) -> Iterator[Problem]:
    """Check that time ends something that the rule of a ``retry: {after: expiry}`` names."""
    waiting = {name for name, one in draft.fallbacks.items() if one.until_expiry}
    for rule in draft.rules:
        for name in waiting.intersection(follow_then(draft, rule.do)):
            if not _ends_by_time(draft, rule):
                message = f"`{name}` waits for `expiry`, and nothing that `when` names ends by time"
                advice = "name a flag that expires, with `set`, or a condition of a `time_zone`; or write `after: 1h`"
                place = draft.place(f"decisions[{rule.index}]", "decisions")
                yield Problem(code="retry-expiry", place=place, message=message, advice=advice)
    if draft.on_fault in waiting:
        message = f"`on_fault` is `{draft.on_fault}`, which waits for `expiry`: a fault of the guard has no rule"
        place = draft.place("on_fault")
        yield Problem(code="retry-expiry", place=place, message=message, advice="name one with `after: 30s`")


def _ends_by_time(draft: Draft, rule: Rule) -> bool:
    """Return whether a rule names some values of a clock, but not all, or a set flag that expires."""
    clocks = {one.name: set(one.values) for one in draft.conditions if one.hours is not None}
    if any(name in clocks and clocks[name] - values for name, values in rule.when.items()):
        return True
    expiring = {one.name for one in draft.flags if one.expires < inf}
    return any(name in expiring and values == {"set"} for name, values in rule.when.items())


def check_condition_headers(draft: Draft) -> Iterator[Problem]:
    """Check that no condition is read from a header with another meaning, such as one of the protocol."""
    for condition in draft.conditions:
        for key, header in (("header", condition.header), ("secret_header", condition.secret_header)):
            message = find_header_conflict(header)
            if header and message:
                place = draft.place(f"conditions.{condition.name}.from.{key}", f"conditions.{condition.name}")
                advice = "write a header that only your gateway sets, such as `X-Segment`"
                yield Problem(code="condition-source", place=place, message=message, advice=advice)
