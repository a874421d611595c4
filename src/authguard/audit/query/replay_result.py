"""Result of a replay: what differs, what cannot be determined, and how many records were replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.policy.diff.permissiveness import ORDER, Direction
from authguard.policy.diff.permissiveness import outcome as direction_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.outcomes import Reason

#: ids that are stored for each difference
MAX_IDS: Final = 5
#: outcome of a request that is refused before a decision
REFUSED: Final = "refused"
_RANK: Final = {outcome.value: rank for rank, outcome in enumerate(ORDER)}


class ReplayedDecision(Struct, frozen=True):
    """Result of a policy for a recorded decision.

    Attributes:
        outcome: one of the eleven, or `REFUSED`; empty if it is undetermined.
        fallback: name of the fallback, or the code why it was refused.
        rule: as the log names it.
        problem: why the outcome is undetermined; else empty.
    """

    outcome: str
    fallback: str
    rule: str = ""
    problem: str = ""

    @classmethod
    def unknown(cls, problem: str) -> ReplayedDecision:
        """Return an undetermined result."""
        return cls("", "", "", problem)

    @classmethod
    def refused(cls, reason: Reason) -> ReplayedDecision:
        """Return the result of a request that is refused before a decision."""
        return cls(REFUSED, reason.code)


class Difference(Struct, frozen=True, kw_only=True):
    """Decisions that the other policy would make differently.

    Attributes:
        operation: of the requests.
        was: recorded outcome.
        now: outcome of the other policy; `REFUSED` if the request is refused before a decision.
        fallback_was: recorded fallback.
        fallback_now: fallback of the other policy, or the code why the request is refused.
        rule_was: recorded rule.
        rule_now: rule of the other policy.
        count: number of decisions.
        ids: ids of some of them.
    """

    operation: str
    was: str
    now: str
    fallback_was: str
    fallback_now: str
    rule_was: str
    rule_now: str
    count: int
    ids: tuple[str, ...]

    @property
    def direction(self) -> Direction:
        """Whether the other policy is looser, stricter, or has other texts here."""
        if self.now == REFUSED:
            return Direction.STRICTER
        known = self.was in _RANK and self.was != self.now
        return direction_of(self.was, self.now) if known else Direction.CHANGED

    @property
    def sort_key(self) -> tuple[int, int, int]:
        """Sort key, worst first: looser by distance, then stricter by distance, then the rest; then by count."""
        order = (Direction.LOOSER, Direction.STRICTER, Direction.CHANGED).index(self.direction)
        return order, -abs(_RANK.get(self.was, 0) - _RANK.get(self.now, 0)), -self.count


class Undetermined(Struct, frozen=True, kw_only=True):
    """Requests of which the log does not hold enough to say what the other policy decides.

    Attributes:
        operation: of the requests; empty if none was matched.
        was: recorded outcome; `REFUSED` for requests without a decision.
        why: what is missing.
        count: number of requests.
        ids: ids of some of them.
    """

    operation: str
    was: str
    why: str
    count: int
    ids: tuple[str, ...]


class ReplayResult(Struct, frozen=True, kw_only=True):
    """Result of a replay.

    Attributes:
        decisions: number of recorded decisions that were not withdrawn.
        differences: worst first.
        undetermined: the most first.
        transitions: number of recorded transitions.
        changed_transitions: (``machine.event: source -> dest``, new destination) -> count, and some ids.
        same_policy: whether all records were made under this policy.
    """

    decisions: int
    differences: tuple[Difference, ...]
    undetermined: tuple[Undetermined, ...]
    transitions: int
    changed_transitions: Mapping[tuple[str, str], tuple[int, tuple[str, ...]]]
    same_policy: bool
