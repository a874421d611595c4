"""The port of sources of account states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from authguard.core.request import Principal
    from authguard.core.snapshot import Delegation


class AccountStatus(Struct, frozen=True):
    """Status of an account in a directory.

    Attributes:
        status: as the directory names it, bounded.
        at: time of the status, epoch seconds UTC.
        delegations: actors of the account, and their operations.
        labels: JSON Pointer of a condition -> text at that place of the response, bounded; empty for no scalar.
    """

    status: str
    at: float
    delegations: tuple[Delegation, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


class Unreachable(Struct, frozen=True):
    """The directory returned no usable answer.

    Attributes:
        cause: closed code, one of `authguard.core.verification.Cause`.
    """

    cause: str


class AccountDirectory(Protocol):
    """A source of account states; one for each declared source that the guard queries."""

    async def open(self) -> None:
        """Open connections; must work while the directory is down."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...

    async def ask(self, principal: Principal, now: float) -> AccountStatus | Unreachable:
        """Return the status of an account; never raises, and never waits longer than the policy's time-out."""
        ...
