"""Every planted bug still has its place in the source, and no two are the same; `make soak` plants them."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.planted.planting import ROOT
from tests.planted.plants import CANCELLATION, DIFFERENTIAL, FUZZ, MODEL, PLANTS, SOAK, Plant


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.words)
def test_a_plant_has_one_place(plant: Plant) -> None:
    assert (ROOT / plant.file).read_text("utf-8").count(plant.right) == 1
    assert plant.right != plant.wrong


def test_every_kind_of_check_is_put_to_the_test() -> None:
    counted = Counter(plant.check for plant in PLANTS)
    assert counted[MODEL] >= 6
    assert counted[FUZZ] >= 5
    assert min(counted[SOAK], counted[CANCELLATION]) >= 3
    assert counted[DIFFERENTIAL] >= 2
    assert len({plant.words for plant in PLANTS}) == len(PLANTS)
