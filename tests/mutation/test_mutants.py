"""Every kind of check has different mutants; `make soak` runs them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.mutation.mutants import APPROVALS, BYPASS, CANCELLATION, DIFFERENTIAL, FUZZ, MODEL, MUTANTS, SOAK

ROOT = Path(__file__).parents[2]


def test_every_check_has_mutants() -> None:
    counted = Counter(mutant.check for mutant in MUTANTS)
    assert counted[MODEL] >= 6
    assert counted[APPROVALS] >= 8
    assert min(counted[FUZZ], counted[BYPASS]) >= 5
    assert min(counted[SOAK], counted[CANCELLATION]) >= 3
    assert counted[DIFFERENTIAL] >= 2
    assert len({mutant.words for mutant in MUTANTS}) == len(MUTANTS)
    assert all(mutant.right != mutant.wrong for mutant in MUTANTS)


def test_every_mutant_matches_one_place_in_the_source() -> None:
    for mutant in MUTANTS:
        assert (ROOT / mutant.file).read_text("utf-8").count(mutant.right) == 1, mutant.words
