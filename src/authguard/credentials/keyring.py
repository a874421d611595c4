"""An issuer's keys over time: fetched once for all who wait, refreshed while nobody waits, kept in outages.

Rules:
- Whoever asks, one fetch is on its way at the most, and it belongs to nobody: a request that gives up cancels nothing.
- A made-up ``kid`` moves the issuer to one more fetch per cool-down, no more (RFC 8725 3.10).
- When the last fetch failed nobody knows what the issuer publishes now, so an unknown key is an outage and no forgery.
- Ages are measured on the clock that the requests bring; one that stepped back makes everything old, never young.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final

import anyio

from authguard.core.facts import UNSEEN, Unseen
from authguard.core.outcomes import Reason
from authguard.credentials import background
from authguard.credentials.keys import Key, KeySet

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


#: seconds by which a request's time may lie before another's without the clock having stepped back
SLACK: Final = 1.0
#: a fetch that has not landed after this many times its time-out was lost with its event loop
LOST: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often an issuer is asked for its keys.

    Attributes:
        timeout: seconds that a whole fetch may take, discovery included.
        refresh: seconds after which keys are fetched again, without anybody waiting.
        cooldown: seconds within which an unknown ``kid`` does not lead to another fetch.
        retry: seconds after a failed fetch before the next.
    """

    timeout: float = 1.5
    refresh: float = 300.0
    cooldown: float = 30.0
    retry: float = 2.0


@dataclass(slots=True, eq=False)
class _Flight:
    """One fetch on its way.

    Attributes:
        scope: ends it, at its time-out or when called back.
        landed: set when it is over, however it ended.
        handle: keeps it alive.
    """

    scope: anyio.CancelScope
    landed: anyio.Event = field(default_factory=anyio.Event)
    handle: object = None


class Keyring:
    """The keys of one issuer.

    Args:
        read: fetches and screens them, raising whatever it likes; ``None`` where `fix` gives them.
        stale: seconds that known keys outlive an issuer that cannot be reached.
        pace: of fetching.

    Attributes:
        since: epoch seconds UTC; from then, ...
        due: ... and until then, what these keys verified counts without another look at them.
    """

    __slots__ = (
        "_flight",
        "_good_at",
        "_keys",
        "_last_failed",
        "_pace",
        "_read",
        "_stale",
        "_tried_at",
        "due",
        "since",
    )

    def __init__(self, read: Callable[[], Awaitable[KeySet]] | None, stale: float, pace: Pace) -> None:
        self._read = read
        self._stale = max(stale, pace.retry)
        self._pace = pace
        self._keys = KeySet()
        self._flight: _Flight | None = None
        self._good_at = self._tried_at = -inf
        self._last_failed = True
        self.since = self.due = -inf

    def fix(self, keys: KeySet) -> None:
        """Hold these keys for good."""
        self._keys = self._keys.succeed(keys)
        self._last_failed = False
        self._good_at = self._tried_at = self.due = inf

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
            The key, or why there is none: ``KEYS_UNREACHABLE`` is an outage, anything else the token's fault.
        """
        found = self._look(name, algorithm, now)
        if isinstance(found, Key):
            if not self.since <= now < self.due:
                self._set_out(now)
        elif self._may_be_news(found, now):
            await self._set_out(now).landed.wait()
            found = self._look(name, algorithm, now)
        if found is Reason.KEY_UNKNOWN and self._last_failed:
            return Reason.KEYS_UNREACHABLE
        return found

    async def close(self) -> None:
        """Call back the fetch that is on its way."""
        flight = self._flight
        if flight is not None:
            flight.scope.cancel()
            with anyio.move_on_after(self._pace.timeout):
                await flight.landed.wait()

    def _look(self, name: str | None, algorithm: str, now: float) -> Key | Reason:
        if now >= self._good_at + self._stale:
            return Reason.KEYS_UNREACHABLE
        return self._keys.choose(name, algorithm)

    def _may_be_news(self, found: Reason, now: float) -> bool:
        """Whether asking the issuer could help, and it was not asked just now."""
        if self._read is None or found is Reason.ALGORITHM_REFUSED:
            return False
        rest = self._pace.cooldown if found is Reason.KEY_UNKNOWN and not self._last_failed else self._pace.retry
        return self._flight is not None or not self._tried_at - SLACK <= now < self._tried_at + rest

    def _set_out(self, now: float) -> _Flight:
        """Join the fetch that is on its way, or send one."""
        if self._flight is not None and now < self._tried_at + LOST * self._pace.timeout:
            return self._flight
        self._tried_at = now
        self._good_at = min(self._good_at, now)  # where the clock stepped back, the time that is left begins anew
        self._rest(now + self._pace.timeout + self._pace.retry, now)
        self._flight = flight = _Flight(anyio.CancelScope(deadline=anyio.current_time() + self._pace.timeout))
        flight.handle = background.start(lambda: self._fly(flight, now))
        return flight

    async def _fly(self, flight: _Flight, now: float) -> None:
        keys: KeySet | None = None
        try:
            with suppress(Exception), flight.scope:  # whatever went wrong, there are no keys: that is the event
                keys = await self._read() if self._read is not None else None
        finally:
            if self._flight is flight:
                self._flight = None
                self._land(keys, now)
            flight.landed.set()

    def _land(self, keys: KeySet | None, now: float) -> None:
        self._last_failed = keys is None
        if keys is None:
            self._rest(now + self._pace.retry, now)
        else:
            self._keys = self._keys.succeed(keys)
            self._good_at = now
            self._rest(now + min(self._pace.refresh, self._stale / 2), now)

    def _rest(self, until: float, now: float) -> None:
        """Need no look at the keys until then, or until they are too old to be used."""
        self.since = now - SLACK
        self.due = min(until, self._good_at + self._stale)
