"""Verifiers that are functions of the app; sync ones run in a worker thread, so that none blocks the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authguard.core.verification import Doubted, Failed, Passed, Unavailable
from authguard.verification.app_function import DEFAULT_MAX_CONCURRENCY, AppFunction

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.verification import VerifierVerdict
    from authguard.ports import Question


class PythonService:
    """Calls ``function(question)``, sync or async, which returns a score from 0 to 1, a bool, or a verdict."""

    def __init__(self, function: Callable[[Question], Any], max_concurrency: int = DEFAULT_MAX_CONCURRENCY) -> None:
        """Store the function, with the maximum number of its threads."""
        self._function = AppFunction(function, max_concurrency)

    async def open(self) -> None:
        """Do nothing: the function belongs to the app."""

    async def close(self) -> None:
        """Do nothing."""

    async def ask(self, question: Question) -> float | VerifierVerdict:
        """Call the function; an exception is an outage, and after a timeout its thread is abandoned."""
        result = await self._function(question)
        if result is True:
            return Passed()
        if result is False:
            return Failed()
        if isinstance(result, Passed | Failed | Doubted | Unavailable | int | float):
            return result
        return Unavailable("nonsense")
