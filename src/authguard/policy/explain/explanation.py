"""Data classes of an explained decision: dimension values, skipped rules and remedies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping


class ExplainedValue(Struct, frozen=True, kw_only=True):
    """The value of one dimension in an explained decision.

    Attributes:
        dimension: name of the dimension.
        value: the value used for the decision.
        known: source of the value: ``given``, ``operation`` (fixed by the operation), ``default`` (not given, and the
            decision depends on it) or ``any`` (not given, and the decision is the same for every value).
    """

    dimension: str
    value: str
    known: str


class SkippedRule(Struct, frozen=True, kw_only=True):
    """A rule before the decisive rule.

    Attributes:
        rule: name of the rule in the log.
        origin: source position, ``file:line``.
        dimensions: the dimensions on which it did not match.
        skipped_by: the rule that skipped the rest of its phase, which may be the rule itself; empty for none.
    """

    rule: str
    origin: str
    dimensions: tuple[str, ...] = ()
    skipped_by: str = ""

    @property
    def why(self) -> str:
        """Why it did not decide."""
        if not self.skipped_by:
            return ", ".join(self.dimensions)
        return "skips its phase" if self.skipped_by == self.rule else f"left out by {self.skipped_by}"


class Change(Struct, frozen=True, kw_only=True):
    """A required change of one dimension.

    Attributes:
        dimension: name of the dimension.
        now: the current value.
        to: the values that permit the request.
        by: the party that can cause the change.
    """

    dimension: str
    now: str
    to: tuple[str, ...]
    by: str


class Remedy(Struct, frozen=True, kw_only=True):
    """Changes that together permit the request.

    Attributes:
        outcome: ``allow`` or ``restrict``.
        rule: the rule that would decide.
        origin: source position of that rule, ``file:line``.
        changes: required changes, in the order of the dimensions.
        path: the shortest sequence of events to the required states, each with the party that raises it; empty if no
            machine must change, or if no events lead there.
    """

    outcome: str
    rule: str
    origin: str
    changes: tuple[Change, ...]
    path: tuple[str, ...]


class Explanation(Struct, frozen=True, kw_only=True):
    """An explained decision.

    Attributes:
        policy: name of the policy.
        digest: digest of the policy.
        operation: name of the requested operation; empty for an unnamed operation.
        values: all dimensions, in order.
        rule: name of the decisive rule in the log.
        origin: source position of the rule, ``file:line``.
        when: dimension -> values that the rule matches; a missing dimension matches any value.
        fallback: name of the fallback.
        fallback_origin: source position of the fallback; empty for ``allow``.
        outcome: outcome for the caller.
        status: HTTP status; 0 if the app sets it.
        say: (language, channel) -> text for the customer, if the policy has one.
        attempts: (count, seconds, next fallback); empty if attempts are not counted.
        skipped: the rules before the decisive rule, in order.
        remedies: the nearest changes that permit the request; empty if the decision admits it, if no change permits
            it, or if the search is undecided.
        more: number of further remedies with as few changes.
        undecided: whether the rules are too complex for the search within its budget.
        notes: given values that cannot occur.
    """

    policy: str
    digest: str
    operation: str
    values: tuple[ExplainedValue, ...]
    rule: str
    origin: str
    when: Mapping[str, tuple[str, ...]]
    fallback: str
    fallback_origin: str
    outcome: str
    status: int
    say: Mapping[tuple[str, str], str]
    attempts: tuple[int, float, str] | tuple[()]
    skipped: tuple[SkippedRule, ...]
    remedies: tuple[Remedy, ...]
    more: int
    undecided: bool
    notes: tuple[str, ...]
