"""Every test has one kind, and the table of kinds names no place that is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kind_table import KINDS, LONGEST_FIRST, PLACES, kind_of

ROOT = Path(__file__).parents[1]


def test_every_test_has_exactly_one_kind(request: pytest.FixtureRequest) -> None:
    for item in request.session.items:
        assert len([kind for kind in KINDS if item.get_closest_marker(kind)]) == 1, item.nodeid


@pytest.mark.parametrize("prefix", PLACES)
def test_every_place_of_the_table_exists(prefix: str) -> None:
    path, _, name = prefix.partition("::")
    assert (ROOT / path).exists() or any(ROOT.glob(f"{path}*"))
    assert f"def {name}(" in (ROOT / path).read_text("utf-8") if name else True


def test_the_longest_prefix_decides() -> None:
    assert kind_of("tests/core/test_limits.py::test_x") == "unit"
    assert kind_of("tests/model/test_enforcer.py::test_x[0]") == "slow"
    assert kind_of("docs/guide.md::line:1,column:1") == "integration"


def test_a_place_without_a_kind_is_refused() -> None:
    with pytest.raises(LookupError, match=r"add its place to tests/support/kind_table\.py"):
        kind_of("elsewhere/test_x.py::test_x")


def test_every_kind_has_its_turn() -> None:
    assert sorted(LONGEST_FIRST) == sorted(KINDS)
