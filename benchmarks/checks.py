"""Processor time of all checks of the shipped policies: ``python -m benchmarks.checks`` prints milliseconds.

Each figure is the best of some rounds, with empty caches, since other programs of the machine only ever add to it.
"""

from __future__ import annotations

import sys
from time import process_time
from typing import TYPE_CHECKING, Final

from authguard.policy.checks import table
from authguard.policy.checks.registry import CHECKS
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.locator import shipped_policies
from authguard.policy.table import boxes, coverage

if TYPE_CHECKING:
    from authguard.policy.draft import Draft

ROUNDS: Final = 5
SHOWN: Final = 3


def measure(draft: Draft) -> dict[str, float]:
    """Return the milliseconds of each check, without what an earlier run has cached."""
    for cached in (boxes.reach_of, coverage._prove, table._same_proof):  # noqa: SLF001 - the caches
        cached.cache_clear()
    found = {}
    for check in CHECKS:
        start = process_time()
        list(check(draft))
        found[f"{check.__module__.rpartition('.')[2]}.{check.__name__}"] = (process_time() - start) * 1e3
    return found


def main(names: list[str]) -> int:
    """Measure the shipped policies, or those given."""
    for name in names or sorted(shipped_policies()):
        rounds = []
        for _ in range(ROUNDS):
            draft = load_draft(name).draft
            if draft is None:
                sys.stderr.write(f"{name} cannot be read\n")
                return 3
            rounds.append(measure(draft))
        best = min(rounds, key=lambda one: sum(one.values()))
        slowest = sorted(best.items(), key=lambda one: -one[1])[:SHOWN]
        parts = ", ".join(f"{check} {taken:.1f}" for check, taken in slowest)
        sys.stdout.write(f"{name}: {sum(best.values()):.1f} ms ({parts})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
