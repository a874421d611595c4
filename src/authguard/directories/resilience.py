"""What every directory that is asked is wrapped in: a maximum age, a time-out, a breaker, a cap, one question a time.

Rules: whatever goes wrong is `Unreachable` with its cause and never a status; an answer is used again until its maximum
age and never longer; the same account is asked about once at a time, and who waits for another's question is not
cancelled with it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from authguard.core.delegations import DelegationError, parse_delegations
from authguard.core.json_pointer import PointerError, resolve_pointer
from authguard.outbound.circuit_breaker import CircuitBreaker
from authguard.outbound.error import ServiceError
from authguard.ports import AccountStatus, Unreachable

if TYPE_CHECKING:
    from authguard.core.request import Principal
    from authguard.policy.deployment import AccountSource

#: accounts whose last answer is remembered; the longest unused goes first
MAX_CACHED_ACCOUNTS: Final = 10_000
#: characters of a status that is believed to be one
MAX_STATUS_LENGTH: Final = 256
#: epoch seconds that are believed to be a moment; milliseconds, infinity and what is no number are none
MAX_TIMESTAMP_S: Final = 100_000_000_000


@dataclass(frozen=True, slots=True)
class RawAccountStatus:
    """What a directory said, not believed yet.

    Attributes:
        status: a text, if it is any use.
        at: when it was true, epoch seconds UTC; ``None`` where it does not say.
        mandates: who may act; ``None`` where it does not say.
    """

    status: object
    at: object = None
    delegations: object = None


def find_or_none(document: object, pointer: str) -> object:
    """Find what a pointer names; ``None`` where there is nothing, or no pointer."""
    try:
        return resolve_pointer(document, pointer) if pointer else None
    except PointerError:
        return None


def _validate_status(said: RawAccountStatus, issuer: str, now: float) -> AccountStatus:
    """Take an answer that can be one.

    Raises:
        ServiceError, Unreadable: it cannot.
    """
    at = now if said.at is None else said.at
    if not isinstance(said.status, str) or len(said.status) > MAX_STATUS_LENGTH:
        raise ServiceError("nonsense")
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 < at < MAX_TIMESTAMP_S:
        raise ServiceError("nonsense")
    # what is yet to become true is true from now on: a clock ahead must not outlive what comes after it
    return AccountStatus(said.status, min(float(at), now), parse_delegations(said.delegations, issuer))


class Lookup(Protocol):
    """One directory, asked once; raises whatever it likes."""

    async def open(self) -> None:
        """Make ready."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...

    async def look_up(self, principal: Principal) -> RawAccountStatus:
        """Ask once."""
        ...


@dataclass(slots=True)
class _PendingQuery:
    """One question that is under way.

    Attributes:
        done: set when it ended, however it did.
        answer: what came of it; nothing where who asked went away.
    """

    done: anyio.Event = field(default_factory=anyio.Event)
    answer: AccountStatus | Unreachable | None = None


class ResilientDirectory:
    """Implements `authguard.ports.AccountDirectory` over one lookup."""

    def __init__(self, source: AccountSource, lookup: Lookup) -> None:
        """Arrange the parts.

        Args:
            source: with maximum age, time-out, breaker and cap, as the policy says.
            lookup: asks.
        """
        self._source = source
        self._lookup = lookup
        self._breaker = CircuitBreaker(source.failures, source.open_for)
        self._cached: OrderedDict[bytes, tuple[AccountStatus, float]] = OrderedDict()
        self._pending: dict[bytes, _PendingQuery] = {}

    async def open(self) -> None:
        """Make ready."""
        await self._lookup.open()

    async def close(self) -> None:
        """Let go of connections."""
        await self._lookup.close()

    async def ask(self, principal: Principal, now: float) -> AccountStatus | Unreachable:
        """Ask for an account's status; never raises but for cancellation, never waits longer than the time-out."""
        known = self._get_cached(principal.account_key, now)
        if known is not None:
            return known
        with anyio.move_on_after(
            self._source.timeout
        ) as waiting:  # for another's question no longer than for one's own
            while (pending := self._pending.get(principal.account_key)) is not None:
                await pending.done.wait()
                if pending.answer is not None:
                    return pending.answer
        return Unreachable("timeout") if waiting.cancelled_caught else await self._query(principal, now)

    def _get_cached(self, account: bytes, now: float) -> AccountStatus | None:
        found = self._cached.get(account)
        if found is None or not 0 <= now - found[1] < self._source.max_age:
            return None
        self._cached.move_to_end(account)
        return found[0]

    async def _query(self, principal: Principal, now: float) -> AccountStatus | Unreachable:
        """Ask for all who wait for this account."""
        if len(self._pending) >= self._source.max_concurrency:
            return Unreachable("busy")
        if not self._breaker.allow(now):
            return Unreachable("open")
        pending = self._pending[principal.account_key] = _PendingQuery()
        heard = False
        try:
            pending.answer = answer = await self._look_up(principal, now)
            heard = True
            self._breaker.record(now, succeeded=isinstance(answer, AccountStatus))
            if isinstance(answer, AccountStatus):
                self._keep(principal.account_key, answer, now)
            return answer
        finally:
            if not heard:
                self._breaker.abandon()
            del self._pending[principal.account_key]
            pending.done.set()

    async def _look_up(self, principal: Principal, now: float) -> AccountStatus | Unreachable:
        try:
            with anyio.fail_after(self._source.timeout):
                said = await self._lookup.look_up(principal)
        except TimeoutError:
            return Unreachable("timeout")
        except ServiceError as problem:
            return Unreachable(problem.cause)
        except Exception:  # noqa: BLE001 - the app's function failed: that is an event, not an exception of ours
            return Unreachable("error")
        try:
            return _validate_status(said, principal.issuer, now)
        except (ServiceError, DelegationError):
            return Unreachable("nonsense")

    def _keep(self, account: bytes, answer: AccountStatus, now: float) -> None:
        self._cached[account] = (answer, now)
        self._cached.move_to_end(account)
        while len(self._cached) > MAX_CACHED_ACCOUNTS:
            self._cached.popitem(last=False)
