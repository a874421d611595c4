"""What the campaign finds and nobody has mended yet, by oracle and seed, each with its reason.

Rule: the list is strict. A seed that finds nothing any more fails the test until it is removed.
"""

from __future__ import annotations

from typing import Final

#: oracle -> (reason, seeds of the slice in CI)
EXPECTED: Final[dict[str, tuple[str, frozenset[int]]]] = {}
