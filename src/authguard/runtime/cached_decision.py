"""Repetition of cached decisions: a request with one is recorded and answered without an evaluation.

Rules of this file:
- Nothing here suspends, so the checked versions are those at the time of the record.
- Only an evaluation can refuse for a failure; here, a failure means that the request must be evaluated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import force_setattr

from authguard.core.request import UNSEEN, Proven, Unseen
from authguard.errors import AuditError
from authguard.evaluation.decision import Verdict
from authguard.evaluation.request import NO_CREDENTIAL
from authguard.runtime.decision_cache import CachedDecision, DecisionCache, cache_key

if TYPE_CHECKING:
    from authguard.core.request import Credential
    from authguard.evaluation.request import AccessRequest
    from authguard.ports import Clock, CredentialValidator, Store
    from authguard.runtime.channel import ChannelFinder
    from authguard.runtime.condition_reader import ConditionReader
    from authguard.runtime.journal import Journal
    from authguard.runtime.lifecycle import Lifecycle
    from authguard.runtime.refusal_window import RefusalWindows


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """No decision is cached: what was learned about the request, so that the evaluation need not look again.

    Attributes:
        credential: result of the look-up of the credential.
        is_checked: whether the credential was looked up.
        error: of the log, for which the request is refused; ``None`` for none.
    """

    credential: Credential | Unseen = UNSEEN
    is_checked: bool = False
    error: AuditError | None = None


#: nothing was learned
MISSED: Final = Missed()
#: no result is cached for the credential
UNSEEN_CREDENTIAL: Final = Missed(is_checked=True)


class CachedDecider:
    """Repeats decisions of a `DecisionCache`.

    Args:
        store: of the records.
        checker: of credentials.
        channels: finds the channel of a request.
        conditions: reads what headers bring.
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
        "_conditions",
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
        conditions: ConditionReader,
        windows: RefusalWindows,
        journal: Journal,
        clock: Clock,
        lifecycle: Lifecycle,
    ) -> None:
        self._store = store
        self._checker = checker
        self._channels = channels
        self._conditions = conditions
        self._windows = windows
        self._journal = journal
        self._clock = clock
        self.cache = DecisionCache()
        self._lifecycle = lifecycle

    def decide(self, request: AccessRequest) -> Verdict | Missed:
        """Return a cached decision if evaluating could only repeat it, else what the evaluation starts from.

        An error of the log refuses the request, also if the log recovers before the evaluation. Any other error recurs
        in the evaluation.
        """
        if not self._lifecycle.is_open or not self._store.nonblocking_reads or request.evidence.transaction:
            return MISSED
        try:
            return self._repeat(request)
        except AuditError as error:
            return Missed(error=error)
        except Exception:  # noqa: BLE001 - the error recurs in the evaluation, which refuses
            return MISSED

    def _repeat(self, request: AccessRequest) -> Verdict | Missed:
        now = self._clock.now()
        operation = request.operation
        credential: Credential | Unseen = NO_CREDENTIAL
        if operation.risk != "public":
            credential = self._checker.get_cached(request.evidence, now)
        if isinstance(credential, Unseen):
            return UNSEEN_CREDENTIAL
        key = operation.identity
        if self._channels.declared or self._conditions.has_headers:
            headers = tuple(self._conditions.read_headers(request).values())
            key = cache_key(operation, self._channels.find(request, credential), headers)
        found = self.cache.get(credential, key)
        if not isinstance(found, CachedDecision) or now >= found.until:
            return Missed(credential=credential, is_checked=True)
        change = self._store.last_change(found.record_keys)
        if change != found.change or change < 0:
            if self._store.peek_versions(found.record_keys) != found.versions:
                return Missed(credential=credential, is_checked=True)
            force_setattr(found, "change", change)
        decision, record = found.decision, ""
        if not isinstance(credential, Proven):
            record = self._windows.cover_decision(credential, decision, now)
        if not record:
            record = self._journal.record_cached_decision(found, now, request)
        return Verdict(decision=decision, record=record, credential=credential, keys=found.keys, at=now, stored=found)
