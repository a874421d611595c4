"""What was decided a moment ago, and may be decided again without judging: same credential, same records, in time.

A plan is remembered only if nothing in it moved, was counted, bound or timed, so that judging again could only give the
same. It is good until the moment at which time alone would change it. Every use is recorded as a decision of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from authguard.core.facts import Proven
from authguard.core.outcomes import Outcome

if TYPE_CHECKING:
    from authguard.core.entries import Decided
    from authguard.core.facts import Credential, Operation
    from authguard.core.snapshot import Snapshot
    from authguard.policy.compiled import Policy
    from authguard.runtime.judge import Known, Plan
    from authguard.runtime.verdict import Ask, Verdict

#: decisions remembered at the most; when they are more, the older half is forgotten
REMEMBERED: Final = 65_536
#: outcomes whose reply does not depend on the moment
STEADY: Final = frozenset({Outcome.ALLOW, Outcome.RESTRICT, Outcome.CHALLENGE, Outcome.DENY})

Name = tuple[object, str, str]


class Recollection(msgspec.Struct, frozen=True, gc=False):
    """One decision that may be made again.

    Attributes:
        credential: the very value that was judged; another check gives another.
        places: of the records that it met.
        seen: what stood there.
        until: epoch seconds UTC at which time alone would change it.
        entry: its line in the log.
        verdict: its answer.
    """

    credential: Credential
    places: tuple[bytes, ...]
    seen: tuple[object, ...]
    until: float
    entry: Decided
    verdict: Verdict


class Recollections:
    """The decisions that may be made again, bounded."""

    __slots__ = ("_older", "_recent")

    def __init__(self) -> None:
        """Begin with none."""
        self._recent: dict[Name, Recollection] = {}
        self._older: dict[Name, Recollection] = {}

    def find(self, name: Name) -> Recollection | None:
        """Find a decision; ``None`` says that there is none, and is no verdict."""
        found = self._recent.get(name)
        if found is None:
            found = self._older.get(name)
            if found is not None:
                self.keep(name, found)
        return found

    def keep(self, name: Name, recollection: Recollection) -> None:
        """Remember a decision."""
        if len(self._recent) >= REMEMBERED // 2:
            self._older, self._recent = self._recent, {}
        self._recent[name] = recollection


def name_of(credential: Credential, operation: Operation, channel: str) -> Name:
    """Name what a decision was about: whose session or which lack of proof, what was asked, from where."""
    if isinstance(credential, Proven):
        return (credential.principal.session_key, operation.name, channel)
    return (credential.reason, operation.name, channel)


def is_repeatable(policy: Policy, ask: Ask, known: Known, plan: Plan, before: Snapshot) -> bool:
    """Whether judging again, with nothing changed, could only give the same plan."""
    return (
        plan.after is before
        and known.body is None
        and plan.fallback.kind in STEADY
        and not plan.fallback.attempts
        and not ask.operation.limits
        and not ask.operation.idempotency
        and not any(source.call for source in policy.accounts)
        and policy.durability.get(ask.operation.risk, "async") == "async"
    )


def good_until(policy: Policy, verdict: Verdict) -> float:
    """Tell when time alone would change a decision that moved nothing: a timer, an age, the write of an own act.

    Returns:
        Epoch seconds UTC; infinity for never.
    """
    until, _ = policy.timers.next_due(verdict.snapshot)
    principal, session = verdict.principal, verdict.snapshot.session
    if principal is None:
        return until
    if verdict.cell[-1] == "subject" and policy.counts_idle(session.state):
        until = min(until, session.last_seen + policy.coalesce)
    turns_stale = principal.auth_time + verdict.operation.max_age
    return min(until, turns_stale) if verdict.operation.max_age and turns_stale > verdict.at else until
