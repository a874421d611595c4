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
from authguard.credentials.jwk import Key, KeySet, Published, Version

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


#: seconds by which a request's time may lie before another's without the clock having stepped back
SLACK: Final = 1.0
#: a fetch that has not landed after this many times its time-out was lost with its event loop
LOST: Final = 4
#: unknown names that are remembered; a forgotten one costs another fetch and nothing else
NAMES: Final = 1_024
#: the part of their lifetime after which keys are fetched again while nobody waits
AHEAD: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
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
    least: float = 60.0
    most: float = 900.0
    cooldown: float = 10.0
    burst: int = 3
    retry: float = 2.0


@dataclass(slots=True, eq=False)
class _Flight:
    """One fetch on its way.

    Attributes:
        number: counts the fetches.
        scope: ends it, at its time-out or when called back.
        landed: set when it is over, however it ended.
        handle: keeps it alive.
    """

    number: int
    scope: anyio.CancelScope
    landed: anyio.Event = field(default_factory=anyio.Event)
    handle: object = None


class Keyring:
    """The keys of one issuer.

    Args:
        read: fetches and screens them, given the version that is known, raising whatever it likes; ``None`` where `fix`
            gives them.
        stale: seconds that known keys outlive an issuer that cannot be reached.
        pace: of fetching.

    Attributes:
        since: epoch seconds UTC; from then, ...
        due: ... and until then, what these keys verified counts without another look at them.
    """

    __slots__ = (
        "_answered",
        "_begun",
        "_flight",
        "_fresh_until",
        "_good_at",
        "_keys",
        "_last_failed",
        "_names",
        "_pace",
        "_read",
        "_spare",
        "_spare_at",
        "_stale",
        "_tried_at",
        "_version",
        "due",
        "since",
    )

    def __init__(self, read: Callable[[Version], Awaitable[Published]] | None, stale: float, pace: Pace) -> None:
        self._read = read
        self._stale = max(stale, pace.retry)
        self._pace = pace
        self._keys = KeySet()
        self._version = Version()
        self._flight: _Flight | None = None
        self._begun = self._answered = 0
        #: unknown name -> how many fetches had begun when it first came
        self._names: OrderedDict[str | None, int] = OrderedDict()
        self._spare, self._spare_at = float(pace.burst), -inf
        self._good_at = self._tried_at = self._fresh_until = -inf
        self._last_failed = True
        self.since = self.due = -inf

    def fix(self, keys: KeySet) -> None:
        """Hold these keys for good."""
        self._keys = self._keys.succeed(keys)
        self._last_failed = False
        self._good_at = self._tried_at = self._fresh_until = self.due = inf

    def at_hand(self, name: str | None, algorithm: str, now: float) -> Key | Unseen:
        """Give the key that should have signed a token where that needs no look at the issuer now."""
        if self.since <= now < self.due:
            found = self._look(name, algorithm, now)
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
        found = self._look(name, algorithm, now)
        if self._read is None:
            return found
        if found in (Reason.KEY_UNKNOWN, Reason.KEYS_UNREACHABLE):
            self._note(name, self._begun)
        if found is Reason.KEYS_UNREACHABLE:
            if self._flight is None and self._tried_at - SLACK <= now < self._tried_at + self._pace.retry:
                return found
            found = await self._fetch(name, algorithm, now)
        elif not self.since <= now < self.due:
            is_old = not (self._last_failed or self.since <= now < self._fresh_until)
            flight = self._set_out(now, wait=is_old)
            if is_old:
                await flight.landed.wait()
                found = self._look(name, algorithm, now)
        return await self._seek(name, algorithm, now) if found is Reason.KEY_UNKNOWN else found

    async def close(self) -> None:
        """Call back the fetch that is on its way."""
        flight = self._flight
        if flight is not None:
            flight.scope.cancel()
            with anyio.move_on_after(self._pace.timeout):
                await flight.landed.wait()

    def _look(self, name: str | None, algorithm: str, now: float) -> Key | Reason:
        if now >= self._good_at + self._stale or not self._keys.keys:
            return Reason.KEYS_UNREACHABLE
        return self._keys.choose(name, algorithm)

    async def _fetch(self, name: str | None, algorithm: str, now: float) -> Key | Reason:
        """Wait for the fetch that is on its way, or for one of our own, and look again."""
        await self._set_out(now, wait=True).landed.wait()
        return self._look(name, algorithm, now)

    async def _seek(self, name: str | None, algorithm: str, now: float) -> Key | Reason:
        """Look for a name that the keys at hand do not have: with the issuer, where that has not been done."""
        noted = self._note(name, self._begun)
        found: Key | Reason = Reason.KEY_UNKNOWN
        while found is Reason.KEY_UNKNOWN:
            if self._flight is None and not self._may_ask(noted, now):
                if self._last_failed:
                    return Reason.KEYS_UNREACHABLE
                return Reason.KEY_UNKNOWN if self._answered > noted else Reason.KEYS_BUSY
            before = self._answered
            found = await self._fetch(name, algorithm, now)
            if found is Reason.KEY_UNKNOWN and self._last_failed:
                return Reason.KEYS_UNREACHABLE
            if self._answered == before:  # closed meanwhile, or lost
                return Reason.KEYS_BUSY if found is Reason.KEY_UNKNOWN else found
            if self._answered > noted:
                break
        return found

    def _may_ask(self, noted: int, now: float) -> bool:
        """Whether one more fetch may be made for an unknown name."""
        if self._last_failed:
            return not self._tried_at - SLACK <= now < self._tried_at + self._pace.retry
        if self._answered > noted:
            return not self._tried_at - SLACK <= now < self._tried_at + self._pace.cooldown
        elapsed = max(0.0, now - self._spare_at)
        self._spare = min(float(self._pace.burst), self._spare + elapsed / self._pace.cooldown)
        self._spare_at = now
        if self._spare < 1:
            return False
        self._spare -= 1
        return True

    def _note(self, name: str | None, begun: int) -> int:
        """Remember when an unknown name first came, by the fetches begun before; forget the oldest."""
        noted = self._names.setdefault(name, begun)
        if len(self._names) > NAMES:
            self._names.popitem(last=False)
        return noted

    def _set_out(self, now: float, *, wait: bool) -> _Flight:
        """Join the fetch that is on its way, or send one; meanwhile what is known serves, unless all have to wait."""
        if self._flight is not None and now < self._tried_at + LOST * self._pace.timeout:
            return self._flight
        self._tried_at = now
        self._begun += 1
        self._good_at = min(self._good_at, now)  # where the clock stepped back, the time that is left begins anew
        if not wait:
            self._rest(now + self._pace.timeout + self._pace.retry, now)
        scope = anyio.move_on_after(self._pace.timeout)
        self._flight = flight = _Flight(self._begun, scope)
        flight.handle = concurrency.start(lambda: self._fly(flight, now))
        return flight

    async def _fly(self, flight: _Flight, now: float) -> None:
        published: Published | None = None
        try:
            with suppress(Exception), flight.scope:  # whatever went wrong, there are no keys: that is the event
                published = await self._read(self._version) if self._read is not None else None
        finally:
            if self._flight is flight:
                self._flight = None
                self._land(published, flight.number, now)
            flight.landed.set()

    def _land(self, published: Published | None, number: int, now: float) -> None:
        keys = None if published is None else published.keys
        self._last_failed = published is None or (keys is None and not self._keys.keys)
        if published is None or self._last_failed:
            self._rest(now + self._pace.retry, now)
            return
        if keys is not None:
            before, self._keys = self._keys, self._keys.succeed(keys)
            for gone in before.keys:
                if gone.retired:  # the issuer has just said so
                    self._note(gone.name or None, number - 1)
            for key in keys.keys:
                self._names.pop(key.name, None)
        self._version = published.version
        self._good_at, self._answered = now, number
        lifetime = self._pace.refresh / AHEAD
        if published.lifetime >= 0:
            lifetime = min(max(published.lifetime, self._pace.least), self._pace.most)
        self._fresh_until = now + lifetime
        self._rest(now + min(lifetime * AHEAD, self._stale / 2), now)

    def _rest(self, until: float, now: float) -> None:
        """Need no look at the keys until then, or until they are too old to be used."""
        self.since = now - SLACK
        self.due = min(until, self._good_at + self._stale)
