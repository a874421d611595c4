"""The port of functions that a policy's own conditions ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from authguard.core.request import Principal


class PendingValue(Protocol):
    """A value that was asked for."""

    async def wait(self) -> str:
        """Return the value; ``unavailable`` if there is none. Never raises, and never waits longer than the timeout."""
        ...


class ConditionSource(Protocol):
    """What a condition asks; one for each condition with a ``call``."""

    async def open(self) -> None:
        """Prepare the calls."""
        ...

    async def close(self) -> None:
        """Cancel the calls in progress."""
        ...

    def start(self, principal: Principal, now: float) -> PendingValue:
        """Begin to ask about an account, without waiting."""
        ...
