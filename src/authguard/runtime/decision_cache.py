"""Cache of repeatable decisions, keyed by credential, operation and channel.

A decision is cached only if it moved no machine, counted nothing, bound nothing and set no time limit. Evaluating it
again could only produce the same result. The last-activity time of a session may have been written with it. An entry
expires when the passing of time alone could change the decision. Each use is recorded as a separate decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from authguard.core.conditions import find_proof_time
from authguard.core.outcomes import Outcome
from authguard.core.request import NotProven, Proven
from authguard.errors import StoreError
from authguard.runtime.decision import UNREAD

if TYPE_CHECKING:
    from authguard.core.request import Credential, Operation
    from authguard.core.snapshot import Keys, Snapshot
    from authguard.policy.compiled_policy import Policy
    from authguard.records.chain import LineTemplate
    from authguard.runtime.decision import Decision, Verdict
    from authguard.runtime.request import AccessRequest, RequestFacts
    from authguard.runtime.state_repository import LoadedState, StateRepository

#: maximum number of entries for unproven requests; entries for proven ones are stored in the credential
MAX_ENTRIES: Final = 4_096
#: outcomes with replies that do not depend on the time
TIME_INDEPENDENT: Final = frozenset({Outcome.ALLOW, Outcome.RESTRICT, Outcome.CHALLENGE, Outcome.DENY})


class CachedDecision(msgspec.Struct, gc=False):
    """One decision that can be repeated.

    Attributes:
        record_keys: of the records that it used.
        versions: their versions.
        until: expiry, epoch seconds UTC.
        template: of its log line.
        decision: its result, without the states. The credential holds this entry, and the garbage collector tracks
            neither, so a reference back would never be freed.
        keys: of the records.
        repository: decodes the versions.
        change: number of the last change that may concern the records, as the store told when they were last compared;
            negative before.
    """

    record_keys: tuple[bytes, ...]
    versions: tuple[object, ...]
    until: float
    template: LineTemplate
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
    """Stores decisions in the checked credential, in its `notes`, or by the reason why there is none."""

    __slots__ = ("_decided", "_decisions", "_unproven")

    def __init__(self) -> None:
        """Start empty."""
        #: keyed by the reason's code, since hashing an enumeration member is slow
        self._unproven: dict[tuple[str, str, bytes], CachedDecision] = {}
        #: values that many entries share: the start of their log lines, and their decisions
        self._decided: dict[bytes, bytes] = {}
        self._decisions: dict[tuple[object, ...], Decision] = {}

    def get_unproven(self, credential: NotProven, key: bytes) -> CachedDecision | None:
        """Return the cached decision on a request without a proven credential; ``None`` for a cache miss.

        Args:
            credential: the result of the credential check.
            key: identity of the operation, and the channel.
        """
        return self._unproven.get((credential.condition, credential.reason.code, key))

    def store(self, credential: Credential, key: bytes, entry: CachedDecision) -> None:
        """Store a decision."""
        if isinstance(credential, Proven):
            credential.notes[key] = self._intern(entry)
            return
        if len(self._unproven) >= MAX_ENTRIES:
            self._unproven.clear()
        self._unproven[credential.condition, credential.reason.code, key] = entry

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
            self.store(
                verdict.credential,
                key,
                CachedDecision(
                    stored.record_keys, stored.versions, until, template, decision, verdict.keys, repository
                ),
            )

    def _intern(self, entry: CachedDecision) -> CachedDecision:
        """Return the entry with shared values for its log line and its decision, to save memory."""
        decision, template = entry.decision, entry.template
        for shared in (self._decided, self._decisions):
            if len(shared) >= MAX_ENTRIES:
                shared.clear()
        line = self._decided.setdefault(template.decided, template.decided)
        key = (decision.operation.identity, decision.cell, decision.events, decision.scopes, decision.channel)
        same = self._decisions.get(key)
        if same is None:  # the set of scopes belongs to the credential, which must be freed with it
            same = self._decisions[key] = replace(decision, token_scopes=frozenset(decision.scopes))
        shared_template = replace(template, decided=line)
        return replace(entry, template=shared_template, decision=same if same == decision else decision)


def cache_key(operation: Operation, channel: str) -> bytes:
    """Return the cache key; an operation's identity has a fixed length, so two pairs never share a key."""
    return operation.identity + channel.encode()


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
        and not request.operation.limits
        and not request.operation.idempotency
        and not policy.asks_directories
        and policy.durability.get(request.operation.risk, "async") == "async"
    )


def expires_at(policy: Policy, verdict: Verdict) -> float:
    """Return when time alone could change a decision: by a timer, an age, or a write of the last-activity time.

    Returns:
        Epoch seconds UTC; infinity for never.
    """
    decision, credential = verdict.decision, verdict.credential
    snapshot, max_age = decision.snapshot, decision.operation.max_age
    until, _ = policy.timers.next_due(snapshot)
    if isinstance(credential, NotProven):
        return until
    session = snapshot.session
    if decision.cell[-1] != "agent" and session.state in policy.idle_session_states:
        until = min(until, session.last_seen + policy.last_seen_tolerance)
    if not max_age:
        return until
    turns_stale = find_proof_time(credential.principal, snapshot) + max_age
    return min(until, turns_stale) if turns_stale > verdict.at else until
