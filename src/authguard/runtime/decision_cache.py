"""What was decided a moment ago, and may be decided again without judging: same credential, same records, in time.

A plan is remembered only if nothing in it moved, was counted, bound or timed, so that judging again could only give the
same; a session's last own act may have been written with it. It is good until the moment at which time alone would
change it. Every use is recorded as a decision of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from authguard.core.outcomes import Outcome
from authguard.core.request import NotProven, Proven

if TYPE_CHECKING:
    from authguard.core.chain import LineTemplate
    from authguard.core.request import Credential
    from authguard.core.snapshot import Snapshot
    from authguard.policy.compiled_policy import Policy
    from authguard.runtime.access import AccessRequest, Verdict
    from authguard.runtime.decision_point import Plan, RequestFacts

#: lacks of proof remembered at the most, each for an operation; what is proven keeps its own notes
MAX_ENTRIES: Final = 4_096
#: outcomes whose reply does not depend on the moment
TIME_INDEPENDENT: Final = frozenset({Outcome.ALLOW, Outcome.RESTRICT, Outcome.CHALLENGE, Outcome.DENY})


class CachedDecision(msgspec.Struct, frozen=True, gc=False):
    """One decision that may be made again.

    Attributes:
        places: of the records that it met.
        seen: what stood there.
        until: epoch seconds UTC at which time alone would change it.
        stencil: its line in the log, but for what differs each time.
        verdict: its answer, but for the credential: that one keeps this, and the garbage collector looks into neither,
            so that the two would keep each other for ever.
    """

    places: tuple[bytes, ...]
    seen: tuple[object, ...]
    until: float
    template: LineTemplate
    verdict: Verdict


class DecisionCache:
    """Where decisions are remembered: with the very credential that was judged, or with the way in which it lacks."""

    __slots__ = ("_decided", "_scopes", "_unproven")

    def __init__(self) -> None:
        """Begin with none."""
        #: by the code of the reason, and not by the reason: an enumeration's member is slow to hash
        self._unproven: dict[tuple[str, str, bytes], CachedDecision] = {}
        #: what many remembered decisions hold is held once: the beginnings of their lines, and their scopes
        self._decided: dict[bytes, bytes] = {}
        self._scopes: dict[tuple[str, ...], tuple[tuple[str, ...], frozenset[str]]] = {}

    def find(self, credential: Credential, about: bytes) -> CachedDecision | None:
        """Find a decision; ``None`` says that there is none, and is no verdict.

        Args:
            credential: the very value that was judged; another check gives another, with notes of its own.
            about: identity of the operation, and the channel.
        """
        if isinstance(credential, NotProven):
            return self._unproven.get((credential.condition, credential.reason.code, about))
        found = credential.notes.get(about)
        return found if isinstance(found, CachedDecision) else None

    def keep(self, credential: Credential, about: bytes, recollection: CachedDecision) -> None:
        """Remember a decision."""
        if isinstance(credential, Proven):
            credential.notes[about] = self._intern(recollection)
            return
        if len(self._unproven) >= MAX_ENTRIES:
            self._unproven.clear()
        self._unproven[credential.condition, credential.reason.code, about] = recollection

    def _intern(self, recollection: CachedDecision) -> CachedDecision:
        """Share what decisions on other customers hold too: with many of them, memory is what a request waits for."""
        verdict, template = recollection.verdict, recollection.template
        for shared in (self._decided, self._scopes):
            if len(shared) >= MAX_ENTRIES:
                shared.clear()
        decided = self._decided.setdefault(template.decided, template.decided)
        scopes, token_scopes = self._scopes.setdefault(verdict.scopes, (verdict.scopes, frozenset(verdict.scopes)))
        return replace(
            recollection,
            template=replace(template, decided=decided),
            verdict=replace(verdict, scopes=scopes, token_scopes=token_scopes),
        )


def is_last_seen_only(before: Snapshot, after: Snapshot) -> bool:
    """Whether a step only wrote the session's last own act, of which no decision hears but by its timers."""
    return (
        after.service is before.service
        and after.account is before.account
        and after.transaction is before.transaction
        and replace(before.session, last_seen=after.session.last_seen) == after.session
    )


def is_repeatable(policy: Policy, request: AccessRequest, facts: RequestFacts, plan: Plan, before: Snapshot) -> bool:
    """Whether judging again, with nothing changed, could only give the same plan."""
    return (
        (plan.after is before or is_last_seen_only(before, plan.after))
        and not facts.has_body
        and plan.fallback.kind in TIME_INDEPENDENT
        and not plan.fallback.attempts
        and not request.operation.limits
        and not request.operation.idempotency
        and not any(not source.claim for source in policy.accounts)
        and policy.durability.get(request.operation.risk, "async") == "async"
    )


def expires_at(policy: Policy, verdict: Verdict) -> float:
    """Tell when time alone would change a decision that moved nothing: a timer, an age, the write of an own act.

    Returns:
        Epoch seconds UTC; infinity for never.
    """
    until, _ = policy.timers.next_due(verdict.snapshot)
    principal, session = verdict.principal, verdict.snapshot.session
    if principal is None:
        return until
    if verdict.cell[-1] != "agent" and policy.has_idle_timer(session.state):
        until = min(until, session.last_seen + policy.last_seen_tolerance)
    turns_stale = principal.auth_time + verdict.operation.max_age
    return min(until, turns_stale) if verdict.operation.max_age and turns_stale > verdict.at else until
