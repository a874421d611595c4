"""Every kind of check has bugs to catch, and no two are the same; `make soak` plants them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.planted.plants import APPROVALS, AROUND, CANCELLATION, DIFFERENTIAL, FUZZ, MODEL, PLANTS, SOAK

ROOT = Path(__file__).parents[2]


def test_every_kind_of_check_is_put_to_the_test() -> None:
    counted = Counter(plant.check for plant in PLANTS)
    assert counted[MODEL] >= 6
    assert counted[APPROVALS] >= 8
    assert min(counted[FUZZ], counted[AROUND]) >= 5
    assert min(counted[SOAK], counted[CANCELLATION]) >= 3
    assert counted[DIFFERENTIAL] >= 2
    assert len({plant.words for plant in PLANTS}) == len(PLANTS)
    assert all(plant.right != plant.wrong for plant in PLANTS)


def test_every_plant_has_its_one_place_in_the_source() -> None:
    for plant in PLANTS:
        assert (ROOT / plant.file).read_text("utf-8").count(plant.right) == 1, plant.words
