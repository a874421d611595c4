"""The system clock."""

from __future__ import annotations

import time


class SystemClock:
    """The clock of the system."""

    @staticmethod
    def now() -> float:
        """Return the time, epoch seconds UTC."""
        return time.time()
