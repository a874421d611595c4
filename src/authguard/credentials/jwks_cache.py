"""Cache of the keys of one issuer: single-flight fetches, refresh in the background, use of known keys in outages.

Rules:
- At most one fetch is in flight, and all callers share it (`authguard.outbound.single_flight`).
- A ``kid`` is unknown only after a fetch that began after its token arrived: an issuer publishes a key before it uses
  it. Made-up names share a few fetches (RFC 8725 3.10); beyond those the result is ``KEYS_BUSY``.
- If the last fetch failed, or returned no key, the keys of the issuer are unknown: an outage, or a misconfiguration.
- Keys are refreshed before they are stale. A request with stale keys waits for a fetch, unless the last one failed.
- Ages are measured by the clock of the requests. After a step back of that clock all keys are stale.
"""

from __future__ import annotations

from collections import OrderedDict
from math import inf
from typing import TYPE_CHECKING, Final

import anyio
from msgspec import Struct

from authguard.core.outcomes import Reason
from authguard.core.request import UNSEEN, Unseen
from authguard.credentials.issuer_error import KeysUnreachableError, KeysUnusableError
from authguard.credentials.jwk import DocumentVersion, Key, KeySet, PublishedKeys
from authguard.outbound.single_flight import Call, SingleFlight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


#: seconds by which the times of two requests may be out of order without a step back of the clock
CLOCK_TOLERANCE_S: Final = 1.0
#: maximum number of unknown names; a name that was evicted costs another fetch
MAX_UNKNOWN_NAMES: Final = 1_024
#: fraction of the lifetime of keys after which they are refreshed in the background
REFRESH_AT_FRACTION: Final = 0.8


class RefreshPolicy(Struct, frozen=True, kw_only=True):
    """How often the keys of an issuer are fetched.

    Attributes:
        timeout: seconds for a whole fetch, including discovery.
        refresh: seconds after which keys are refreshed in the background if the response has no lifetime.
        min_lifetime: lower bound of the lifetime in seconds.
        max_lifetime: upper bound in seconds; a withdrawn key is used no longer than that.
        cooldown: seconds after which one more fetch for an unknown ``kid`` is allowed.
        burst: maximum number of such fetches in a row.
        retry: seconds between a failed fetch and the next.
    """

    timeout: float = 1.5
    refresh: float = 300.0
    min_lifetime: float = 60.0
    max_lifetime: float = 900.0
    cooldown: float = 10.0
    burst: int = 3
    retry: float = 2.0


class KeysFailure(Struct, frozen=True):
    """Why the last fetch returned no keys.

    Attributes:
        reason: ``KEYS_UNREACHABLE`` or ``KEYS_UNUSABLE``.
        problem: closed code of a misconfiguration; empty for an outage.
        message: for the log.
    """

    reason: Reason
    problem: str = ""
    message: str = ""

    @property
    def change(self) -> tuple[Reason, bool, str]:
        """What is reported when it changes; the words of one outage may alternate, and are left out."""
        return self.reason, bool(self.message), self.message if self.problem else ""

    @classmethod
    def of(cls, error: Exception) -> KeysFailure:
        """Build the failure of a fetch that raised; an unexpected error counts as an outage."""
        if isinstance(error, KeysUnusableError):
            return cls(Reason.KEYS_UNUSABLE, error.problem, str(error))
        message = str(error) if isinstance(error, KeysUnreachableError) else type(error).__name__
        return cls(Reason.KEYS_UNREACHABLE, "", message)


#: key of the only call of a `SingleFlight`
_KEYS: Final = "keys"
NOT_FETCHED: Final = KeysFailure(Reason.KEYS_UNREACHABLE)
NO_FAILURE: Final = KeysFailure(Reason.DECIDED)
_FAILURES: Final = frozenset({Reason.KEYS_UNREACHABLE, Reason.KEYS_UNUSABLE})


class JwksCache:
    """The keys of one issuer.

    Args:
        read: fetches and checks the keys, given the known version; may raise anything; ``None`` if `set_static`
            provides them.
        stale: seconds for which known keys are used while the issuer is unreachable.
        policy: how often keys are fetched.
        on_change: called when the failure or the ignored keys change, after `failure` and `keys` were set.

    Attributes:
        keys: the known keys; those of an outage are used until they are too old.
        failure: why the last fetch failed: `NO_FAILURE` if it did not, `NOT_FETCHED` before the first.
        since: epoch seconds UTC from which results of these keys need no new check.
        due: epoch seconds UTC until which they need none.
    """

    __slots__ = (
        "_attempted_at",
        "_budget",
        "_budget_at",
        "_completed",
        "_fetched_at",
        "_flight",
        "_fresh_until",
        "_names",
        "_on_change",
        "_policy",
        "_read",
        "_stale",
        "_started",
        "_version",
        "due",
        "failure",
        "keys",
        "since",
    )

    def __init__(
        self,
        read: Callable[[DocumentVersion], Awaitable[PublishedKeys]] | None,
        stale: float,
        policy: RefreshPolicy,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._read = read
        self._stale = max(stale, policy.retry)
        self._policy = policy
        self._on_change = on_change
        self.keys = KeySet()
        self.failure = NOT_FETCHED
        self._version = DocumentVersion()
        self._flight: SingleFlight[str, None] = SingleFlight(1)
        self._started = self._completed = 0
        #: unknown name -> number of fetches that had started when it first arrived
        self._names: OrderedDict[str | None, int] = OrderedDict()
        self._budget, self._budget_at = float(policy.burst), -inf
        self._fetched_at = self._attempted_at = self._fresh_until = -inf
        self.since = self.due = -inf

    def set_static(self, keys: KeySet) -> None:
        """Set keys that never expire."""
        self.keys = self.keys.replace_with(keys)
        self.failure = NO_FAILURE
        self._fetched_at = self._attempted_at = self._fresh_until = self.due = inf
        self._on_change()

    def prefetch(self, now: float) -> None:
        """Start the first fetch, without waiting for it."""
        if self._read is not None and not self._started:
            self._start_fetch(now, wait=True)

    def get_cached(self, name: str | None, algorithm: str, now: float) -> tuple[Key, ...] | Unseen:
        """Return the keys that may have signed a token if the cached keys need no check; never waits."""
        if self.since <= now < self.due:
            found = self._get(name, algorithm, now)
            if not isinstance(found, Reason):
                return found
        return UNSEEN

    async def find(self, name: str | None, algorithm: str, now: float) -> tuple[Key, ...] | Reason:
        """Find the keys that may have signed a token; fetch keys if necessary.

        Args:
            name: the token's ``kid``, or ``None``.
            algorithm: the token's ``alg``.
            now: epoch seconds UTC.

        Returns:
            The keys, from `KeySet.choose`, or why there is none. With ``KEYS_UNREACHABLE``,
            ``KEYS_UNUSABLE`` and ``KEYS_BUSY`` the token is neither valid nor invalid; any other reason refuses it.
        """
        found = self._get(name, algorithm, now)
        if self._read is None:
            return found
        has_failed = found in _FAILURES
        if has_failed or found is Reason.KEY_UNKNOWN:
            self._note_unknown(name, self._started)
        if has_failed:
            if (
                self._flight.find(_KEYS) is None
                and self._attempted_at - CLOCK_TOLERANCE_S <= now < self._attempted_at + self._policy.retry
            ):
                return found
            found = await self._fetch_and_get(name, algorithm, now)
        elif not self.since <= now < self.due:
            is_old = not (self._has_failed or self.since <= now < self._fresh_until)
            fetch = self._start_fetch(now, wait=is_old)
            if is_old:
                await fetch.done.wait()
                found = self._get(name, algorithm, now)
        return await self._find_unknown(name, algorithm, now) if found is Reason.KEY_UNKNOWN else found

    async def close(self) -> None:
        """Cancel the fetch in flight; its end says nothing about the issuer."""
        await self._flight.close(self._policy.timeout)

    def _get(self, name: str | None, algorithm: str, now: float) -> tuple[Key, ...] | Reason:
        if now >= self._fetched_at + self._stale or not self.keys.keys:
            return self.failure.reason if self._has_failed else Reason.KEYS_UNREACHABLE
        return self.keys.choose(name, algorithm)

    @property
    def _has_failed(self) -> bool:
        return self.failure is not NO_FAILURE

    async def _fetch_and_get(self, name: str | None, algorithm: str, now: float) -> tuple[Key, ...] | Reason:
        await self._start_fetch(now, wait=True).done.wait()
        return self._get(name, algorithm, now)

    async def _find_unknown(self, name: str | None, algorithm: str, now: float) -> tuple[Key, ...] | Reason:
        """Find a name that the cached keys lack; fetch unless a fetch since its arrival has answered already."""
        noted = self._note_unknown(name, self._started)
        found: tuple[Key, ...] | Reason = Reason.KEY_UNKNOWN
        while found is Reason.KEY_UNKNOWN:
            if self._flight.find(_KEYS) is None and not self._may_fetch(noted, now):
                if self._has_failed:
                    return self.failure.reason
                return Reason.KEY_UNKNOWN if self._completed > noted else Reason.KEYS_BUSY
            before = self._completed
            found = await self._fetch_and_get(name, algorithm, now)
            if found is Reason.KEY_UNKNOWN and self._has_failed:
                return self.failure.reason
            if self._completed == before:  # the fetch was cancelled
                return Reason.KEYS_BUSY if found is Reason.KEY_UNKNOWN else found
            if self._completed > noted:
                break
        return found

    def _may_fetch(self, noted: int, now: float) -> bool:
        if self._has_failed:
            return not self._attempted_at - CLOCK_TOLERANCE_S <= now < self._attempted_at + self._policy.retry
        if self._completed > noted:
            return not self._attempted_at - CLOCK_TOLERANCE_S <= now < self._attempted_at + self._policy.cooldown
        elapsed = max(0.0, now - self._budget_at)
        self._budget = min(float(self._policy.burst), self._budget + elapsed / self._policy.cooldown)
        self._budget_at = now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True

    def _note_unknown(self, name: str | None, started: int) -> int:
        """Return how many fetches had started when an unknown name first arrived; store it if it is new."""
        noted = self._names.setdefault(name, started)
        if len(self._names) > MAX_UNKNOWN_NAMES:
            self._names.popitem(last=False)
        return noted

    def _start_fetch(self, now: float, *, wait: bool) -> Call[None]:
        """Join the fetch in flight, or start one; without `wait`, the cached keys are used in the meantime."""
        fetch = self._flight.find(_KEYS)
        if fetch is not None:
            return fetch
        self._attempted_at = now
        self._started += 1
        self._fetched_at = min(self._fetched_at, now)  # after a step back of the clock the remaining time starts again
        if not wait:
            self._schedule(now + self._policy.timeout + self._policy.retry, now)
        number = self._started
        return self._flight.start(_KEYS, lambda: self._run_fetch(number, now))

    async def _run_fetch(self, number: int, now: float) -> None:
        published: PublishedKeys | KeysFailure = KeysFailure(
            Reason.KEYS_UNREACHABLE, "", f"no response within {self._policy.timeout:g} s"
        )
        with anyio.move_on_after(self._policy.timeout):
            try:
                published = await self._read(self._version) if self._read is not None else published
            except Exception as error:  # noqa: BLE001 - whatever fails, known keys are used, or none
                published = KeysFailure.of(error)
        if number == self._started:  # else a fetch on another event loop is newer
            self._apply(published, number, now)

    def _apply(self, published: PublishedKeys | KeysFailure, number: int, now: float) -> None:
        """Store the result of a fetch, and report a change."""
        before = (self.failure.change, self.keys.ignored)
        if isinstance(published, KeysFailure):
            self.failure = published
            self._schedule(now + self._policy.retry, now)
        else:
            self._store(published, number, now)
        if before != (self.failure.change, self.keys.ignored):
            self._on_change()

    def _store(self, published: PublishedKeys, number: int, now: float) -> None:
        keys = published.keys
        self.failure = NO_FAILURE if published.problem is None else KeysFailure.of(published.problem)
        if keys is not None:
            before, self.keys = self.keys, self.keys.replace_with(keys)
            for old in before.keys:
                if old.retired:  # the fetch is proof that the issuer no longer publishes it
                    self._note_unknown(old.name or None, number - 1)
            for key in keys.keys:
                self._names.pop(key.name, None)
        # a set without a usable key is requested again in full, so that it is checked again
        self._version = published.version if published.problem is None else DocumentVersion()
        self._fetched_at, self._completed = now, number
        lifetime = self._policy.refresh / REFRESH_AT_FRACTION
        if published.lifetime >= 0:
            lifetime = min(max(published.lifetime, self._policy.min_lifetime), self._policy.max_lifetime)
        self._fresh_until = now + lifetime
        self._schedule(now + min(lifetime * REFRESH_AT_FRACTION, self._stale / 2), now)

    def _schedule(self, until: float, now: float) -> None:
        """Set the time until which the keys need no check, at most until they are too old to be used."""
        self.since = now - CLOCK_TOLERANCE_S
        self.due = min(until, self._fetched_at + self._stale)
