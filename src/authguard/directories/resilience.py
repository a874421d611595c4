"""Resilience for account directories: deadline and repeat, behind the cache of `authguard.directories.cached_call`.

Rules: any error is `Unreachable` with its cause, and never a status. A call is repeated once after an error that may
pass, within the same deadline; the breaker counts both as one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

from authguard.core.claim_source import label_of
from authguard.core.delegations import DelegationError, parse_delegations
from authguard.core.own_conditions import label_or_empty
from authguard.directories.cached_call import CachedCall, CallBounds, wait
from authguard.formats.json_pointer import PointerError, resolve_pointer
from authguard.outbound import retry
from authguard.outbound.error import ServiceError
from authguard.ports import AccountStatus

if TYPE_CHECKING:
    from authguard.core.deployment import AccountSource
    from authguard.core.request import Principal
    from authguard.ports import Unreachable

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
        labels: JSON Pointer of a condition -> text at that place.
    """

    status: object
    at: object = None
    delegations: object = None
    labels: tuple[tuple[str, str], ...] = ()


def find_or_none(document: object, pointer: str) -> object:
    """Return the value at a pointer; ``None`` if there is no value or no pointer."""
    try:
        return resolve_pointer(document, pointer) if pointer else None
    except PointerError:
        return None


def read_labels(document: object, pointers: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return each pointer with the text at its place; empty for what is no scalar, or too long."""
    return tuple((pointer, label_or_empty(find_or_none(document, pointer))) for pointer in pointers)


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
    return AccountStatus(status, min(float(at), now), parse_delegations(raw.delegations, issuer), raw.labels)


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
        self._calls: CachedCall[AccountStatus] = CachedCall(
            CallBounds(
                max_age=source.max_age,
                failures=source.failures,
                open_for=source.open_for,
                max_concurrency=source.max_concurrency,
            )
        )

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
        return await wait(self._calls.start(principal.account_key, lambda: self._fetch(principal, now), now))

    async def _fetch(self, principal: Principal, now: float) -> AccountStatus:
        raw = await retry.call_with_retries(lambda: self._lookup.fetch(principal), timeout=self._source.timeout)
        try:
            return _validate_status(raw, principal.issuer, now)
        except DelegationError as error:
            raise ServiceError("nonsense") from error
