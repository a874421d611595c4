"""Cost of proving and comparing complex tables: ``python -m benchmarks.proof`` prints seconds and memory.

500 rules over 12 dimensions of 10 values, 10^12 cells, from `benchmarks.synthetic`: proved (every rule reached, no gap)
and compared with an edited version. Must stay under 5 s and 300 MB, and under 10 s. ``--plot`` draws the growth of both
with rules and dimensions, by processor time, to docs/.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Final

from authguard.policy.table.boxes import Undecided
from authguard.policy.table.comparison import compare
from authguard.policy.table.coverage import compute_coverage
from benchmarks.plot import svg
from benchmarks.synthetic import edited, space, table

SEEDS: Final = (1, 2, 3)
RULES: Final = (50, 100, 250, 500)
DIMENSIONS: Final = (8, 12)
PLOT: Final = Path(__file__).parents[1] / "docs" / "growth-tangled.svg"


def main() -> int:
    """Measure every size and seed, a line each."""
    known = space()
    for rules in RULES:
        for seed in SEEDS:
            made = table(seed, rules)
            start = perf_counter()
            proof = compute_coverage(made, known)
            decided = 0 if isinstance(proof, Undecided) else len(proof.deciders(known.whole))
            proved = perf_counter() - start
            changed = edited(made, seed)
            laid = tuple([(known.box(rule.when), rule.do) for rule in one] for one in (made, changed))
            start = perf_counter()
            found = compare(known.whole, (laid[0], laid[1]), [known.whole])
            compared = perf_counter() - start
            differ = "undecided" if isinstance(found, Undecided) else f"{len(found.changes)} changes"
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            sys.stdout.write(
                f"{len(made)} rules, seed {seed}: proved in {proved:.2f} s ({decided} decide), "
                f"compared in {compared:.2f} s ({differ}), {peak} MB\n"
            )
    return 0


def plot() -> int:
    """Draw the growth of proving and comparing with rules and dimensions: the median of the seeds."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for dimensions in DIMENSIONS:
        known = space(dimensions)
        for rules in RULES:
            proved, compared = [], []
            for seed in SEEDS:
                made = table(seed, rules, dimensions)
                start = process_time()
                compute_coverage(made, known)
                proved.append(process_time() - start)
                laid = tuple([(known.box(rule.when), rule.do) for rule in one] for one in (made, edited(made, seed)))
                start = process_time()
                compare(known.whole, (laid[0], laid[1]), [known.whole])
                compared.append(process_time() - start)
            for name, times in (("proved", proved), ("compared", compared)):
                lines.setdefault(f"{name}, {dimensions} dimensions", []).append((len(made), median(times)))
    PLOT.write_text(svg("Tangled tables, ten values a dimension", "rules", "seconds", lines), "utf-8")
    sys.stdout.write(f"{lines}\n")
    return 0


if __name__ == "__main__":
    sys.exit(plot() if "--plot" in sys.argv[1:] else main())
