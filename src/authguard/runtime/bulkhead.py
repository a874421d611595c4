"""Limit on the requests of one account that are decided concurrently (a bulkhead per account).

Requests above the limit are refused before the store is read, so that a burst of one customer does not delay others.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from authguard.core.request import Proven

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.request import Credential


class AccountBulkhead:
    """Counts the concurrent requests of each account; stores nothing for accounts that have none."""

    __slots__ = ("_counts", "_max")

    def __init__(self, max_per_account: int) -> None:
        """Store the limit, which is 1 or more."""
        self._max = max_per_account
        self._counts: dict[bytes, int] = {}

    def reserve(self, credential: Credential) -> bool:
        """Reserve a slot, and return whether one was free; the caller then releases it."""
        if not isinstance(credential, Proven):  # an unproven request belongs to no account
            return True
        account = credential.principal.account_key
        count = self._counts.get(account, 0)
        if count >= self._max:
            return False
        self._counts[account] = count + 1
        return True

    def release(self, credential: Credential) -> None:
        """Release a slot that was reserved for the same credential."""
        if not isinstance(credential, Proven):
            return
        account = credential.principal.account_key
        left = self._counts[account] - 1
        if left:
            self._counts[account] = left
        else:
            del self._counts[account]

    @contextmanager
    def slot(self, credential: Credential) -> Iterator[bool]:
        """Reserve a slot for the duration of a `with` block; yield whether one was free."""
        is_reserved = self.reserve(credential)
        try:
            yield is_reserved
        finally:
            if is_reserved:
                self.release(credential)
