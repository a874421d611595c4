"""Repetition of cached decisions: a request with one is recorded and answered without an evaluation.

Rules of this file:
- Nothing here suspends, so the checked versions are those at the time of the record.
- Only an evaluation can refuse for a failure; here, a failure means that the request must be evaluated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.request import Proven, Unseen
from authguard.errors import AuditError
from authguard.runtime.decision import Verdict
from authguard.runtime.decision_cache import CachedDecision, DecisionCache, cache_key
from authguard.runtime.request import NO_CREDENTIAL

if TYPE_CHECKING:
    from authguard.core.request import Credential
    from authguard.ports import Clock, CredentialValidator, Store
    from authguard.runtime.channel import ChannelFinder
    from authguard.runtime.journal import Journal
    from authguard.runtime.lifecycle import Lifecycle
    from authguard.runtime.refusal_window import RefusalWindows
    from authguard.runtime.request import AccessRequest


class CachedDecider:
    """Repeats decisions of a `DecisionCache`.

    Args:
        store: of the records.
        checker: of credentials.
        channels: finds the channel of a request.
        windows: of refusals.
        journal: the audit log.
        clock: the only source of time.
        lifecycle: tells whether the guard is open.

    Attributes:
        cache: the decisions that can be repeated.
    """

    __slots__ = (
        "_channels",
        "_checker",
        "_clock",
        "_error",
        "_journal",
        "_lifecycle",
        "_store",
        "_windows",
        "cache",
    )

    def __init__(
        self,
        *,
        store: Store,
        checker: CredentialValidator,
        channels: ChannelFinder,
        windows: RefusalWindows,
        journal: Journal,
        clock: Clock,
        lifecycle: Lifecycle,
    ) -> None:
        self._store = store
        self._checker = checker
        self._channels = channels
        self._windows = windows
        self._journal = journal
        self._clock = clock
        self._error: AuditError | None = None
        self.cache = DecisionCache()
        self._lifecycle = lifecycle

    def raise_pending_error(self) -> None:
        """Raise the error of the log that was met since the last call: the next evaluated request is refused for it.

        Raises:
            AuditError: a cached decision could not be recorded.
        """
        error, self._error = self._error, None
        if error is not None:
            raise error

    def decide(self, request: AccessRequest) -> Verdict | None:
        """Return a cached decision if evaluating could only repeat it; ``None`` if the request must be evaluated.

        An error of the log refuses the request that is evaluated next, which is this one. Any other error recurs in the
        evaluation.
        """
        if not self._lifecycle.is_open or not self._store.nonblocking_reads or request.evidence.transaction:
            return None
        try:
            return self._repeat(request)
        except AuditError as error:
            # a log that recovers before the evaluation must not hide that a record was lost
            self._error = error
        except Exception:  # noqa: BLE001, S110 - the error recurs in the evaluation, which refuses
            pass
        return None

    def _repeat(self, request: AccessRequest) -> Verdict | None:
        now = self._clock.now()
        operation = request.operation
        credential: Credential | Unseen = NO_CREDENTIAL
        if operation.risk != "public":
            credential = self._checker.get_cached(request.evidence, now)
        if isinstance(credential, Unseen):
            return None
        key = operation.identity
        if self._channels.declared:
            key = cache_key(operation, self._channels.find(request, credential))
        found: object = (
            credential.notes.get(key) if isinstance(credential, Proven) else self.cache.get_unproven(credential, key)
        )
        if not isinstance(found, CachedDecision) or now >= found.until:
            return None
        change = self._store.last_change(found.record_keys)
        if change != found.change or change < 0:
            if self._store.peek_versions(found.record_keys) != found.versions:
                return None
            found.change = change
        decision, record = found.decision, ""
        if not isinstance(credential, Proven):
            record = self._windows.cover_decision(credential, operation.name, decision.fallback.kind, now)
        if not record:
            record = self._journal.record_cached_decision(found.template, now, request)
        return Verdict(decision=decision, record=record, credential=credential, keys=found.keys, at=now, stored=found)
