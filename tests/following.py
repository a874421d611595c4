"""Coverage follows the cases of a test for as long as they reach something new: tracing triples the time of a test.

What is not followed still runs and can still fail. Coverage can only come out lower for it, so the gate stays a floor.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import coverage

if TYPE_CHECKING:
    import pytest

#: cases in a row that reach nothing new, after which the others of the same test are not followed
IN_VAIN: Final = 5


class Followed:
    """Counts, for each test function, how many of its last cases reached nothing new."""

    def __init__(self) -> None:
        self._in_vain: Counter[str] = Counter()
        self._reached = 0

    def begins(self, item: pytest.Item) -> None:
        """Stop following where the cases before this one were followed in vain."""
        if self._in_vain[_function(item)] >= IN_VAIN:
            item.add_marker("no_cover")
        self._reached = reached()

    def ends(self, item: pytest.Item) -> None:
        """Note whether a case that was followed reached something new."""
        if item.get_closest_marker("no_cover"):
            return
        name = _function(item)
        self._in_vain[name] = 0 if reached() > self._reached else self._in_vain[name] + 1


def reached() -> int:
    """Count the lines and branches that this process has reached; 0 where nothing is traced."""
    tracing = coverage.Coverage.current()
    collector = tracing and tracing._collector  # there is no public way that does not write the data to disk
    return sum(map(len, collector.data.values())) if collector else 0


def _function(item: pytest.Item) -> str:
    """Name the test function of a case."""
    return item.nodeid.partition("[")[0]
