"""A bound on how many requests of one account are being decided at once (a bulkhead per account).

Requests past the bound are refused before the store is asked, so that one customer's burst takes no turn from others.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from authguard.core.request import Proven

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.request import Credential


class AccountBulkhead:
    """Counts requests by account while they are decided; holds nothing of accounts that have none."""

    __slots__ = ("_counts", "_max")

    def __init__(self, max_per_account: int) -> None:
        """Keep the bound; 1 or more."""
        self._max = max_per_account
        self._counts: dict[bytes, int] = {}

    @contextmanager
    def slot(self, credential: Credential) -> Iterator[bool]:
        """Take a slot for the time of a `with` block; yield whether there was one. Nobody's requests need none."""
        if not isinstance(credential, Proven):
            yield True
            return
        account = credential.principal.account_key
        count = self._counts.get(account, 0)
        if count >= self._max:
            yield False
            return
        self._counts[account] = count + 1
        try:
            yield True
        finally:
            left = self._counts[account] - 1
            if left:
                self._counts[account] = left
            else:
                del self._counts[account]
