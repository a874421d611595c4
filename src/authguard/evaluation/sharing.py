"""Shared objects for equal values of different tokens, so that a cached token keeps only what is its own.

Rule: only values of verified claims are shared, and their number is bounded.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeVar

#: maximum number of shared times
MAX_TIMES: Final = 16_384
#: maximum number of shared texts and lists of texts; the longest takes a few kilobytes
MAX_VALUES: Final = 256

T = TypeVar("T", str, tuple[str, ...], frozenset[str])


@lru_cache(maxsize=MAX_TIMES)
def share_time(at: float) -> float:
    """Return a time as a float; all tokens with that time share one object, which stays in the processor's caches."""
    return float(at)


@lru_cache(maxsize=MAX_VALUES)
def share(value: T) -> T:
    """Return an equal value; all tokens with that value share one object."""
    return value
