"""Processor time of all checks of the shipped policies: ``python -m benchmarks.checks`` prints milliseconds.

Each figure is the best of some rounds, with empty caches, since other programs of the machine only ever add to it.
"""

from __future__ import annotations

import sys
from time import process_time
from typing import TYPE_CHECKING, Final

from authguard.policy.checks import table
from authguard.policy.checks.registry import CHECKS
from authguard.policy.diff.policy_diff import diff_policies
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.locator import shipped_policies
from authguard.policy.table import boxes, coverage
from benchmarks.random_policy import write_policy

if TYPE_CHECKING:
    from authguard.policy.draft import Draft

ROUNDS: Final = 5
#: the random policy of `benchmarks.random_policy`, and another one that it is compared with
RANDOM: Final = "random"
SEEDS: Final = (1, 2)
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


def load(name: str, seed: int = SEEDS[0]) -> Draft | None:
    """Return the draft of a shipped policy, of a file, or of the random policy; ``None`` if it cannot be read."""
    text = write_policy(seed) if name == RANDOM else None
    return load_draft("random.yaml" if text else name, text=text).draft


def measure_comparison() -> float:
    """Return the milliseconds that a comparison of two random policies takes."""
    old, new = (load(RANDOM, seed) for seed in SEEDS)
    if old is None or new is None:
        raise SystemExit("a random policy cannot be read")
    start = process_time()
    diff_policies(old, new, find_paths=False)
    return (process_time() - start) * 1e3


def main(names: list[str]) -> int:
    """Measure the shipped policies and a random one, or those given."""
    for name in names or [*sorted(shipped_policies()), RANDOM]:
        rounds = []
        for _ in range(ROUNDS):
            draft = load(name)
            if draft is None:
                sys.stderr.write(f"{name} cannot be read\n")
                return 3
            rounds.append(measure(draft))
        best = min(rounds, key=lambda one: sum(one.values()))
        slowest = sorted(best.items(), key=lambda one: -one[1])[:SHOWN]
        parts = ", ".join(f"{check} {taken:.1f}" for check, taken in slowest)
        sys.stdout.write(f"{name}: {sum(best.values()):.1f} ms ({parts})\n")
    if not names or RANDOM in names:
        sys.stdout.write(f"two random policies compared: {measure_comparison():.1f} ms\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
