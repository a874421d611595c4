"""Resilience for account directories: cache, deadline, repeat, circuit breaker, concurrency limit and single-flight.

Rules: any error is `Unreachable` with its cause, and never a status. An answer is cached until its maximum age and no
longer. There is one call for an account at a time, and no caller that is cancelled cancels it for the others. A call is
repeated once after an error that may pass, within the same deadline; the breaker counts both as one.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

from authguard.core.claim_source import label_of
from authguard.core.delegations import DelegationError, parse_delegations
from authguard.formats.json_pointer import PointerError, resolve_pointer
from authguard.outbound import retry
from authguard.outbound.circuit_breaker import CircuitBreaker
from authguard.outbound.error import ServiceError
from authguard.outbound.single_flight import CallCancelledError, SingleFlight
from authguard.ports import AccountStatus, Unreachable

if TYPE_CHECKING:
    from authguard.core.deployment import AccountSource
    from authguard.core.request import Principal

#: maximum number of cached answers; the least recently used is dropped first
MAX_CACHED_ACCOUNTS: Final = 10_000
#: maximum length of a status; a longer one is invalid
MAX_STATUS_LENGTH: Final = 256
#: latest valid time, epoch seconds; excludes milliseconds, infinity and NaN
MAX_TIMESTAMP_S: Final = 100_000_000_000


class RawAccountStatus(Struct, frozen=True):
    """A directory's answer, not validated yet.

    Attributes:
        status: a text, a boolean or a number, if it is valid.
        at: time at which it was true, epoch seconds UTC; ``None`` if the directory does not state it.
        delegations: the delegations; ``None`` if the directory does not state them.
    """

    status: object
    at: object = None
    delegations: object = None


def find_or_none(document: object, pointer: str) -> object:
    """Return the value at a pointer; ``None`` if there is no value or no pointer."""
    try:
        return resolve_pointer(document, pointer) if pointer else None
    except PointerError:
        return None


def _validate_status(raw: RawAccountStatus, issuer: str, now: float) -> AccountStatus:
    """Return the validated answer, or raise an error."""
    at = now if raw.at is None else raw.at
    if raw.status is None:
        raise ServiceError("nonsense")
    # a list or an object is no status, and no map has the empty one
    status = label_of(raw.status) if isinstance(raw.status, str | int | float) else ""
    if len(status) > MAX_STATUS_LENGTH:
        raise ServiceError("nonsense")
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 < at < MAX_TIMESTAMP_S:
        raise ServiceError("nonsense")
    # a time in the future counts as now: with a fast clock, it would supersede later answers
    return AccountStatus(status, min(float(at), now), parse_delegations(raw.delegations, issuer))


class Lookup(Protocol):
    """One directory, called without any protection; may raise any exception."""

    async def open(self) -> None:
        """Open the connections."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...

    async def fetch(self, principal: Principal) -> RawAccountStatus:
        """Call the directory once."""
        ...


class ResilientDirectory:
    """Implements `authguard.ports.AccountDirectory` with one lookup."""

    def __init__(self, source: AccountSource, lookup: Lookup) -> None:
        """Store the parts.

        Args:
            source: with the policy's maximum age, timeout, breaker and concurrency limit.
            lookup: called for each answer that is not cached.
        """
        self._source = source
        self._lookup = lookup
        self._breaker = CircuitBreaker(source.failures, source.open_for)
        self._cached: OrderedDict[bytes, tuple[AccountStatus, float]] = OrderedDict()
        self._calls: SingleFlight[bytes, AccountStatus | Unreachable] = SingleFlight(source.max_concurrency)

    async def open(self) -> None:
        """Open the lookup."""
        retry.prepare()
        await self._lookup.open()

    async def close(self) -> None:
        """Cancel the calls in progress and close the connections."""
        await self._calls.close(self._source.timeout)
        await self._lookup.close()

    async def ask(self, principal: Principal, now: float) -> AccountStatus | Unreachable:
        """Return an account's status; raise nothing except cancellation, and wait no longer than the timeout."""
        known = self._get_cached(principal.account_key, now)
        if known is not None:
            return known
        call = self._calls.find(principal.account_key)
        if call is None:
            if self._calls.is_full:
                return Unreachable("busy")
            if not self._breaker.allow(now):
                return Unreachable("open")
            call = self._calls.start(principal.account_key, lambda: self._query(principal, now))
        try:
            return await call.wait()
        except CallCancelledError:
            return Unreachable("error")

    def _get_cached(self, account: bytes, now: float) -> AccountStatus | None:
        found = self._cached.get(account)
        if found is None or not 0 <= now - found[1] < self._source.max_age:
            return None
        self._cached.move_to_end(account)
        return found[0]

    async def _query(self, principal: Principal, now: float) -> AccountStatus | Unreachable:
        """Call the directory for all callers that wait for this account."""
        has_ended = False
        try:
            answer = await self._fetch(principal, now)
            has_ended = True
        finally:
            if not has_ended:
                self._breaker.abandon()
        self._breaker.record(now, succeeded=isinstance(answer, AccountStatus))
        if isinstance(answer, AccountStatus):
            self._store_answer(principal.account_key, answer, now)
        return answer

    async def _fetch(self, principal: Principal, now: float) -> AccountStatus | Unreachable:
        try:
            raw = await retry.call_with_retries(lambda: self._lookup.fetch(principal), timeout=self._source.timeout)
        except ServiceError as problem:
            return Unreachable(problem.cause)
        except Exception:  # noqa: BLE001 - an error of the app's function is an event, not a fault of the guard
            return Unreachable("error")
        try:
            return _validate_status(raw, principal.issuer, now)
        except (ServiceError, DelegationError):
            return Unreachable("nonsense")

    def _store_answer(self, account: bytes, answer: AccountStatus, now: float) -> None:
        self._cached[account] = (answer, now)
        self._cached.move_to_end(account)
        while len(self._cached) > MAX_CACHED_ACCOUNTS:
            self._cached.popitem(last=False)
