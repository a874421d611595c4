"""An issuer's keys over time: fetched once for all who wait, refreshed while nobody waits, kept in outages.

Rules:
- Whoever asks, one fetch is on its way at the most, and it belongs to nobody: a request that gives up cancels nothing.
- A name is unknown only after a fetch that began when a token with it had come: whoever signs with a key has published
  it. Made-up names share a few fetches (RFC 8725 3.10); beyond those nobody knows, and that is no verdict.
- When the last fetch failed, or brought no key at all, nobody knows what the issuer publishes now: an outage.
- Keys are refreshed before they are old; old ones wait for a fetch, unless the issuer is known to be down.
- Ages are measured on the clock that the requests bring; one that stepped back makes everything old, never young.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final

import anyio

from authguard.core.outcomes import Reason
from authguard.core.request import UNSEEN, Unseen
from authguard.credentials import concurrency
from authguard.credentials.jwk import DocumentVersion, Key, KeySet, PublishedKeys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


#: seconds by which a request's time may lie before another's without the clock having stepped back
CLOCK_TOLERANCE_S: Final = 1.0
#: a fetch that has not landed after this many times its time-out was lost with its event loop
LOST_AFTER_TIMEOUTS: Final = 4
#: unknown names that are remembered; a forgotten one costs another fetch and nothing else
MAX_UNKNOWN_NAMES: Final = 1_024
#: the part of their lifetime after which keys are fetched again while nobody waits
REFRESH_AT_FRACTION: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPolicy:
    """How often an issuer is asked for its keys.

    Attributes:
        timeout: seconds that a whole fetch may take, discovery included.
        refresh: seconds after which keys are fetched again, without anybody waiting, where the issuer does not say.
        least: seconds of freshness at the least, whatever the issuer says.
        most: seconds at the most; a key that is withdrawn serves no longer than that.
        cooldown: seconds after which one more fetch may be made for an unknown ``kid``.
        burst: such fetches at once, at the most.
        retry: seconds after a failed fetch before the next.
    """

    timeout: float = 1.5
    refresh: float = 300.0
    min_lifetime: float = 60.0
    max_lifetime: float = 900.0
    cooldown: float = 10.0
    burst: int = 3
    retry: float = 2.0


@dataclass(slots=True, eq=False)
class _Fetch:
    """One fetch on its way.

    Attributes:
        number: counts the fetches.
        scope: ends it, at its time-out or when called back.
        landed: set when it is over, however it ended.
        handle: keeps it alive.
    """

    number: int
    scope: anyio.CancelScope
    done: anyio.Event = field(default_factory=anyio.Event)
    handle: object = None


class JwksCache:
    """The keys of one issuer.

    Args:
        read: fetches and screens the keys, given the known version; may raise anything; ``None`` if `set_static`
            provides them.
        stale: seconds that known keys outlive an issuer that cannot be reached.
        pace: of fetching.

    Attributes:
        since: epoch seconds UTC; from then, ...
        due: ... and until then, what these keys verified counts without another look at them.
    """

    __slots__ = (
        "_attempted_at",
        "_budget",
        "_budget_at",
        "_completed",
        "_fetch",
        "_fetched_at",
        "_fresh_until",
        "_keys",
        "_last_failed",
        "_names",
        "_pace",
        "_read",
        "_stale",
        "_started",
        "_version",
        "due",
        "since",
    )

    def __init__(
        self, read: Callable[[DocumentVersion], Awaitable[PublishedKeys]] | None, stale: float, pace: RefreshPolicy
    ) -> None:
        self._read = read
        self._stale = max(stale, pace.retry)
        self._pace = pace
        self._keys = KeySet()
        self._version = DocumentVersion()
        self._fetch: _Fetch | None = None
        self._started = self._completed = 0
        #: unknown name -> how many fetches had begun when it first came
        self._names: OrderedDict[str | None, int] = OrderedDict()
        self._budget, self._budget_at = float(pace.burst), -inf
        self._fetched_at = self._attempted_at = self._fresh_until = -inf
        self._last_failed = True
        self.since = self.due = -inf

    def set_static(self, keys: KeySet) -> None:
        """Hold these keys for good."""
        self._keys = self._keys.replace_with(keys)
        self._last_failed = False
        self._fetched_at = self._attempted_at = self._fresh_until = self.due = inf

    def get_cached(self, name: str | None, algorithm: str, now: float) -> Key | Unseen:
        """Give the key that should have signed a token where that needs no look at the issuer now."""
        if self.since <= now < self.due:
            found = self._get(name, algorithm, now)
            if isinstance(found, Key):
                return found
        return UNSEEN

    async def find(self, name: str | None, algorithm: str, now: float) -> Key | Reason:
        """Find the key that should have signed a token, and fetch where it takes that.

        Args:
            name: the token's ``kid``, or ``None``.
            algorithm: the token's ``alg``.
            now: epoch seconds UTC.

        Returns:
            The key, or why there is none: ``KEYS_UNREACHABLE`` and ``KEYS_BUSY`` are no fault of the token, anything
            else is.
        """
        found = self._get(name, algorithm, now)
        if self._read is None:
            return found
        if found in (Reason.KEY_UNKNOWN, Reason.KEYS_UNREACHABLE):
            self._note_unknown(name, self._started)
        if found is Reason.KEYS_UNREACHABLE:
            if (
                self._fetch is None
                and self._attempted_at - CLOCK_TOLERANCE_S <= now < self._attempted_at + self._pace.retry
            ):
                return found
            found = await self._fetch_and_get(name, algorithm, now)
        elif not self.since <= now < self.due:
            is_old = not (self._last_failed or self.since <= now < self._fresh_until)
            fetch = self._start_fetch(now, wait=is_old)
            if is_old:
                await fetch.done.wait()
                found = self._get(name, algorithm, now)
        return await self._find_unknown(name, algorithm, now) if found is Reason.KEY_UNKNOWN else found

    async def close(self) -> None:
        """Call back the fetch that is on its way."""
        fetch = self._fetch
        if fetch is not None:
            fetch.scope.cancel()
            with anyio.move_on_after(self._pace.timeout):
                await fetch.done.wait()

    def _get(self, name: str | None, algorithm: str, now: float) -> Key | Reason:
        if now >= self._fetched_at + self._stale or not self._keys.keys:
            return Reason.KEYS_UNREACHABLE
        return self._keys.choose(name, algorithm)

    async def _fetch_and_get(self, name: str | None, algorithm: str, now: float) -> Key | Reason:
        """Wait for the fetch that is on its way, or for one of our own, and look again."""
        await self._start_fetch(now, wait=True).done.wait()
        return self._get(name, algorithm, now)

    async def _find_unknown(self, name: str | None, algorithm: str, now: float) -> Key | Reason:
        """Look for a name that the keys at hand do not have: with the issuer, where that has not been done."""
        noted = self._note_unknown(name, self._started)
        found: Key | Reason = Reason.KEY_UNKNOWN
        while found is Reason.KEY_UNKNOWN:
            if self._fetch is None and not self._may_fetch(noted, now):
                if self._last_failed:
                    return Reason.KEYS_UNREACHABLE
                return Reason.KEY_UNKNOWN if self._completed > noted else Reason.KEYS_BUSY
            before = self._completed
            found = await self._fetch_and_get(name, algorithm, now)
            if found is Reason.KEY_UNKNOWN and self._last_failed:
                return Reason.KEYS_UNREACHABLE
            if self._completed == before:  # closed meanwhile, or lost
                return Reason.KEYS_BUSY if found is Reason.KEY_UNKNOWN else found
            if self._completed > noted:
                break
        return found

    def _may_fetch(self, noted: int, now: float) -> bool:
        """Whether one more fetch may be made for an unknown name."""
        if self._last_failed:
            return not self._attempted_at - CLOCK_TOLERANCE_S <= now < self._attempted_at + self._pace.retry
        if self._completed > noted:
            return not self._attempted_at - CLOCK_TOLERANCE_S <= now < self._attempted_at + self._pace.cooldown
        elapsed = max(0.0, now - self._budget_at)
        self._budget = min(float(self._pace.burst), self._budget + elapsed / self._pace.cooldown)
        self._budget_at = now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True

    def _note_unknown(self, name: str | None, begun: int) -> int:
        """Remember when an unknown name first came, by the fetches begun before; forget the oldest."""
        noted = self._names.setdefault(name, begun)
        if len(self._names) > MAX_UNKNOWN_NAMES:
            self._names.popitem(last=False)
        return noted

    def _start_fetch(self, now: float, *, wait: bool) -> _Fetch:
        """Join the fetch that is on its way, or send one; meanwhile what is known serves, unless all have to wait."""
        if self._fetch is not None and now < self._attempted_at + LOST_AFTER_TIMEOUTS * self._pace.timeout:
            return self._fetch
        self._attempted_at = now
        self._started += 1
        self._fetched_at = min(self._fetched_at, now)  # where the clock stepped back, the time that is left begins anew
        if not wait:
            self._schedule(now + self._pace.timeout + self._pace.retry, now)
        scope = anyio.move_on_after(self._pace.timeout)
        self._fetch = fetch = _Fetch(self._started, scope)
        fetch.handle = concurrency.spawn(lambda: self._run_fetch(fetch, now))
        return fetch

    async def _run_fetch(self, fetch: _Fetch, now: float) -> None:
        published: PublishedKeys | None = None
        try:
            with suppress(Exception), fetch.scope:  # whatever went wrong, there are no keys: that is the event
                published = await self._read(self._version) if self._read is not None else None
        finally:
            if self._fetch is fetch:
                self._fetch = None
                self._apply(published, fetch.number, now)
            fetch.done.set()

    def _apply(self, published: PublishedKeys | None, number: int, now: float) -> None:
        keys = None if published is None else published.keys
        self._last_failed = published is None or (keys is None and not self._keys.keys)
        if published is None or self._last_failed:
            self._schedule(now + self._pace.retry, now)
            return
        if keys is not None:
            before, self._keys = self._keys, self._keys.replace_with(keys)
            for gone in before.keys:
                if gone.retired:  # the issuer has just said so
                    self._note_unknown(gone.name or None, number - 1)
            for key in keys.keys:
                self._names.pop(key.name, None)
        self._version = published.version
        self._fetched_at, self._completed = now, number
        lifetime = self._pace.refresh / REFRESH_AT_FRACTION
        if published.lifetime >= 0:
            lifetime = min(max(published.lifetime, self._pace.min_lifetime), self._pace.max_lifetime)
        self._fresh_until = now + lifetime
        self._schedule(now + min(lifetime * REFRESH_AT_FRACTION, self._stale / 2), now)

    def _schedule(self, until: float, now: float) -> None:
        """Need no look at the keys until then, or until they are too old to be used."""
        self.since = now - CLOCK_TOLERANCE_S
        self.due = min(until, self._fetched_at + self._stale)
