"""Cache of repeatable decisions, keyed by credential, operation, channel, and what headers bring.

A decision is cached only if it moved no machine, counted nothing, bound nothing and set no time limit. Evaluating it
again could only produce the same result. The last-activity time of a session may have been written with it. An entry
expires when the passing of time alone could change the decision. Each use is recorded as a separate decision.
"""

from __future__ import annotations

from math import floor, inf
from typing import TYPE_CHECKING, Final

from msgspec.structs import force_setattr, replace

from authguard.core.conditions import find_proof_time
from authguard.core.decision_table import DIMENSIONS
from authguard.core.outcomes import Outcome, Reason
from authguard.core.own_conditions import next_clock_change
from authguard.core.request import NotProven
from authguard.errors import StoreError
from authguard.evaluation.decision import UNREAD
from authguard.evaluation.extra_values import asked_conditions
from authguard.evaluation.flags import next_expiry
from authguard.records.chain import LineTemplate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.core.policy import Policy
    from authguard.core.request import Credential, Operation
    from authguard.core.snapshot import Keys, Snapshot
    from authguard.evaluation.decision import Decision, Verdict
    from authguard.evaluation.request import AccessRequest, RequestFacts
    from authguard.runtime.state_repository import LoadedState, StateRepository

#: maximum number of entries for unproven requests; entries for proven ones are stored in the credential
MAX_ENTRIES: Final = 4_096
#: outcomes with replies that do not depend on the time
TIME_INDEPENDENT: Final = frozenset({Outcome.ALLOW, Outcome.RESTRICT, Outcome.CHALLENGE, Outcome.DENY})
_ACTOR: Final = DIMENSIONS.index("actor")
#: actors besides the subject: their requests do not show that the person is present
_OTHERS: Final = frozenset({"agent", "representative"})


class CachedDecision(LineTemplate, frozen=True, gc=False):
    """One decision that can be repeated, with the template of its log line.

    Few objects are touched to repeat it: among many credentials, each costs as much as a hundred bytes of copying.

    Attributes:
        key: from `cache_key`.
        record_keys: of the records that it used.
        versions: their versions.
        until: expiry, epoch seconds UTC.
        decision: its result, without the states. The credential holds this entry, and the garbage collector tracks
            neither, so a reference back would never be freed.
        keys: of the records.
        repository: decodes the versions.
        change: number of the last change that may concern the records, as the store told when they were last compared;
            negative before. It is the only field that is set again.
    """

    key: bytes
    record_keys: tuple[bytes, ...]
    versions: tuple[object, ...]
    until: float
    decision: Decision
    keys: Keys
    repository: StateRepository
    change: int = -1

    def read_snapshot(self) -> Snapshot:
        """Decode the states that the decision was made on, for a reply or an app that reads them.

        Raises:
            StoreError: a record is damaged.
        """
        return self.repository.decode(self.record_keys, self.versions)


class DecisionCache:
    """Stores decisions in the checked credential, or by the reason why there is none."""

    __slots__ = ("_decided", "_decisions", "_times", "_unproven")

    def __init__(self) -> None:
        """Start empty."""
        #: keyed by the reason's code, since hashing an enumeration member is slow
        self._unproven: dict[tuple[str, str, bytes], CachedDecision] = {}
        #: values that many entries share: the start of their log lines, their decisions, and their expiry
        self._times: dict[float, float] = {}
        self._decided: dict[bytes, bytes] = {}
        self._decisions: dict[tuple[object, ...], Decision] = {}

    def get(self, credential: Credential, key: bytes) -> object:
        """Return the cached decision; ``None`` for a cache miss, which is not a refusal.

        Args:
            credential: the result of the credential check; a new check has a new cache.
            key: from `cache_key`.
        """
        if isinstance(credential, NotProven):
            return self._unproven.get((credential.condition, credential.reason.code, key))
        first = credential.first
        if isinstance(first, CachedDecision) and first.key == key:
            return first
        return None if credential.others is None else credential.others.get(key)

    def store(self, credential: Credential, entry: CachedDecision) -> None:
        """Store a decision."""
        if isinstance(credential, NotProven):
            if len(self._unproven) >= MAX_ENTRIES:
                self._unproven.clear()
            self._unproven[credential.condition, credential.reason.code, entry.key] = entry
            return
        # values that entries share, to save memory; up to a second too early, so that there is one time for each second
        decision, until = entry.decision, float(floor(entry.until)) if entry.until < inf else inf
        for shared in (self._decided, self._decisions, self._times):
            if len(shared) >= MAX_ENTRIES:
                shared.clear()
        values = (decision.cell, tuple(decision.context.items()))
        key = (decision.operation.identity, values, decision.events, decision.scopes, decision.channel)
        same = self._decisions.get(key)
        if same is None:  # the set of scopes belongs to the credential, which must be freed with it
            same = self._decisions[key] = replace(decision, token_scopes=frozenset(decision.scopes))
        entry = replace(
            entry,
            decided=self._decided.setdefault(entry.decided, entry.decided),
            until=self._times.setdefault(until, until),
            decision=same if same == decision else decision,
        )
        first = credential.first
        if not isinstance(first, CachedDecision) or first.key == entry.key:
            force_setattr(credential, "first", entry)
        elif credential.others is None:
            force_setattr(credential, "others", {entry.key: entry})
        else:
            credential.others[entry.key] = entry

    def store_saved(
        self, repository: StateRepository, verdict: Verdict, key: bytes, before: LoadedState, template: LineTemplate
    ) -> None:
        """Store a decision with the stored versions of its records; skip it if they cannot be read.

        Args:
            repository: of the records.
            verdict: the decision, saved.
            key: from `cache_key`.
            before: the records as they were loaded for the decision.
            template: of its log line.
        """
        stored: LoadedState | None = before
        if verdict.decision.snapshot is not before.snapshot:
            try:
                stored = repository.reload_after_save(before, verdict.decision.snapshot)
            except StoreError:
                return
        if stored is not None:
            decision = replace(verdict.decision, snapshot=UNREAD)
            until = expires_at(repository.policy, verdict)
            entry = CachedDecision(
                decided=template.decided,
                about=template.about,
                key=key,
                record_keys=stored.record_keys,
                versions=stored.versions,
                until=until,
                decision=decision,
                keys=verdict.keys,
                repository=repository,
            )
            self.store(verdict.credential, entry)


def cache_key(operation: Operation, channel: str, headers: Sequence[str] = ()) -> bytes:
    """Return the cache key: two different requests never share one.

    Args:
        operation: its identity has a fixed length.
        channel: of the request; a name, or empty.
        headers: values of the conditions that headers bring, in order; names.
    """
    return operation.identity + "".join([channel, *(f",{value}" for value in headers)]).encode()


def is_last_seen_only(before: Snapshot, after: Snapshot) -> bool:
    """Return whether a step changed only the session's last-activity time, on which decisions depend only by timers."""
    return (
        after.service is before.service
        and after.account is before.account
        and after.transaction is before.transaction
        and replace(before.session, last_seen=after.session.last_seen) == after.session
    )


def is_repeatable(
    policy: Policy, request: AccessRequest, facts: RequestFacts, decision: Decision, before: Snapshot
) -> bool:
    """Return whether evaluating again without changes could only produce the same decision."""
    return (
        (decision.snapshot is before or is_last_seen_only(before, decision.snapshot))
        and not facts.has_body
        and decision.fallback.kind in TIME_INDEPENDENT
        and not decision.fallback.attempts
        and decision.reason is not Reason.ATTEMPTS_SPENT  # until the window of the attempts ends, which no timer tells
        and not request.operation.limits
        and not request.operation.idempotency
        and not policy.asks_directories
        # a call answers for its own maximum age
        and not (policy.asked_conditions and asked_conditions(policy, request.operation))
        and request.operation.risk not in policy.waiting_risks
    )


def expires_at(policy: Policy, verdict: Verdict) -> float:
    """Return when time alone could change a decision: by a timer, a clock, an age, or a write of the last activity.

    Returns:
        Epoch seconds UTC; infinity for never.
    """
    decision, credential = verdict.decision, verdict.credential
    snapshot, max_age = decision.snapshot, decision.operation.max_age
    until, _ = policy.timers.next_due(snapshot)
    if policy.own_conditions:
        until = min(until, next_clock_change(policy.own_conditions, verdict.at))
    if isinstance(credential, NotProven):
        return until
    if policy.flags:
        until = min(until, next_expiry(policy.flags, snapshot, verdict.keys, verdict.at))
    session = snapshot.session
    if decision.cell[_ACTOR] not in _OTHERS and session.state in policy.idle_session_states:
        until = min(until, session.last_seen + policy.last_seen_tolerance)
    if not max_age:
        return until
    turns_stale = find_proof_time(credential.principal, snapshot) + max_age
    return min(until, turns_stale) if turns_stale > verdict.at else until
