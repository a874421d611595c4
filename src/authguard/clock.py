"""The system clock."""

from __future__ import annotations

import time


class SystemClock:
    """The machine's clock."""

    @staticmethod
    def now() -> float:
        """Give the time, epoch seconds UTC."""
        return time.time()
