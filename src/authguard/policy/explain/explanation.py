"""What an explained decision tells: where things stand, which rule decided, and the nearest ways to be allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedValue:
    """One dimension of what is explained.

    Attributes:
        dimension: its name.
        value: the value that is explained.
        known: how it is known: ``given``, ``operation`` (settled by it), ``default`` (the answer depends on it) or
            ``any`` (not named, and the answer is the same for every value).
    """

    dimension: str
    value: str
    known: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRule:
    """A rule above the one that decided.

    Attributes:
        rule: as the log names it.
        origin: where it was written, ``file:line``.
        dimensions: those on which it did not match.
    """

    rule: str
    origin: str
    dimensions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One dimension that would have to change.

    Attributes:
        dimension: its name.
        now: its value.
        to: the values of which any would do.
        by: who can bring that about.
    """

    dimension: str
    now: str
    to: tuple[str, ...]
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One way to be allowed: the changes that together lead there.

    Attributes:
        outcome: ``allow`` or ``restrict``.
        rule: that would decide then.
        origin: where it was written.
        changes: in the order of the dimensions.
        path: the fewest events that lead all machines there together, each with who raises it; empty where no machine
            has to change, and where no events lead there.
    """

    outcome: str
    rule: str
    origin: str
    changes: tuple[Change, ...]
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision, explained.

    Attributes:
        policy: its name.
        digest: of the policy.
        operation: what is asked for; empty for one that the policy does not name.
        standing: every dimension, in order.
        rule: that decided, as the log names it.
        origin: where it was written, ``file:line``.
        when: dimension -> the values that the rule asks for; what it does not name takes any.
        fallback: its name.
        fallback_origin: where it was written; empty for ``allow``.
        outcome: what the caller gets.
        status: HTTP status; 0 where it is the app's own.
        say: (language, channel) -> words for the customer, where the policy has any.
        attempts: how often, within how many seconds, and what then; empty where nothing counts.
        passed: the rules above it, in order.
        ways: the nearest ways to be allowed; empty where the decision lets the app run, where nothing would do,
            or where it is undecided.
        more: ways of the same length beyond those in `ways`.
        undecided: whether the rules are too tangled to tell what would have to change.
        notes: what cannot be as it was given.
    """

    policy: str
    digest: str
    operation: str
    standing: tuple[ExplainedValue, ...]
    rule: str
    origin: str
    when: Mapping[str, tuple[str, ...]]
    fallback: str
    fallback_origin: str
    outcome: str
    status: int
    say: Mapping[tuple[str, str], str]
    attempts: tuple[int, float, str] | tuple[()]
    passed: tuple[SkippedRule, ...]
    ways: tuple[Remedy, ...]
    more: int
    undecided: bool
    notes: tuple[str, ...]
