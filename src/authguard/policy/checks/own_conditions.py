"""Checks of a policy's own conditions: their names are free, and their headers have no other meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.decision_table import DIMENSIONS
from authguard.policy.checks.credentials import find_header_conflict
from authguard.policy.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.draft import Draft

#: words with a meaning of their own in rules, invariants, fallbacks and scenarios
RESERVED: Final = frozenset(
    {
        *DIMENSIONS,
        *("operation", "channel", "outcome", "fallback", "phase", "expiry", "by_limit", "skip_phase"),
        *("after", "amount", "app", "approve", "ask", "at", "body", "context", "deny", "given", "idempotency"),
        *("idempotency_key", "name", "reason", "request", "states", "steps", "then", "times", "token", "when"),
    }
)


def check_condition_names(draft: Draft) -> Iterator[Problem]:
    """Check that no condition has the name of something else that rules, invariants or scenarios name."""
    flags = {flag.name for flag in getattr(draft, "flags", ())}
    for condition in draft.conditions:
        place = draft.place(f"conditions.{condition.name}", "conditions")
        if condition.name in RESERVED:
            message = f"`{condition.name}` is reserved, and cannot name a condition"
            yield Problem(code="name-reserved", place=place, message=message, advice="choose another name")
        elif condition.name in flags:
            message = f"`{condition.name}` is a flag too"
            yield Problem(code="duplicate-name", place=place, message=message, advice="choose another name")


def check_condition_headers(draft: Draft) -> Iterator[Problem]:
    """Check that no condition is read from a header with another meaning, such as one of the protocol."""
    for condition in draft.conditions:
        for key, header in (("header", condition.header), ("secret_header", condition.secret_header)):
            message = find_header_conflict(header)
            if header and message:
                place = draft.place(f"conditions.{condition.name}.from.{key}", f"conditions.{condition.name}")
                advice = "write a header that only your gateway sets, such as `X-Segment`"
                yield Problem(code="condition-source", place=place, message=message, advice=advice)
