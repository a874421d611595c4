"""Verifiers that are functions of the app: sync ones run in a worker thread, so that none blocks the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authguard.core.verification import Doubted, Failed, Passed, Unavailable
from authguard.verification.app_function import DEFAULT_MAX_CONCURRENCY, AppFunction

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.verification import VerifierVerdict
    from authguard.ports import Question


class PythonService:
    """Asks ``function(question)``, sync or async; it gives a score from 0 to 1, a bool, or one of the four verdicts."""

    def __init__(self, function: Callable[[Question], Any], max_concurrency: int = DEFAULT_MAX_CONCURRENCY) -> None:
        """Keep the function, and how many threads it may have at the same time."""
        self._function = AppFunction(function, max_concurrency)

    async def open(self) -> None:
        """Do nothing: it is the app's."""

    async def close(self) -> None:
        """Do nothing."""

    async def ask(self, question: Question) -> float | VerifierVerdict:
        """Call it; what it raises is an outage of it. A function that does not end is left behind in its thread."""
        said = await self._function(question)
        if said is True:
            return Passed()
        if said is False:
            return Failed()
        if isinstance(said, Passed | Failed | Doubted | Unavailable | int | float):
            return said
        return Unavailable("nonsense")
