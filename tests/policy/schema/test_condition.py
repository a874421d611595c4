"""Values of a condition as they are written: a list, or texts by value; zones and dates that exist."""

from __future__ import annotations

import pytest

from authguard.policy.loading.document_reader import read_document


def read(**keys: object) -> tuple[object, list[str]]:
    """Return the one condition of a document, and the codes of its errors."""
    condition = {"from": {"claim": "a"}, "values": ["x"], "default": "z", **keys}
    document, errors = read_document({"authguard": 1, "name": "n", "conditions": {"a": condition}})
    return (document.conditions["a"] if document else None), [one.code for one in errors]


@pytest.mark.parametrize(
    ("values", "parsed"),
    [
        (["x", "w"], {"x": ("x",), "w": ("w",)}),
        ({"x": "DE"}, {"x": ("DE",)}),
        ({"x": ["DE", 1, True, 1.0]}, {"x": ("DE", "1", "true", "1")}),
    ],
)
def test_values_are_texts_by_name(values: object, parsed: object) -> None:
    found, errors = read(values=values)
    assert errors == []
    assert getattr(found, "values") == parsed  # noqa: B009 - the model of a document


@pytest.mark.parametrize("values", [[], {}, "x", 1, ["x", "x"], ["X"], [1], {"x": []}, {"x": ""}, {"x": {"a": 1}}])
def test_values_of_another_shape_are_refused(values: object) -> None:
    assert read(values=values)[1] == ["condition-values"]


def test_sizes_are_bounded() -> None:
    assert read(values={"x": ["t" * 257]})[1] == ["condition-values"]
    assert read(values={"x": [f"t{n}" for n in range(257)]})[1] == ["condition-values"]
    assert read(values=[f"v{n}" for n in range(17)])[1] == ["condition-values"]
    assert read(**{"except": ["2026-12-25"] * 401})[1] == ["too-many-items"]


def test_zones_and_dates_exist() -> None:
    assert read(**{"from": {"time_zone": "Europe/Berlin"}, "except": ["2028-02-29"]})[1] == []
    assert read(**{"from": {"time_zone": "Europe/Bonn"}})[1] == ["time-zone"]
    assert read(**{"from": {"time_zone": 1}})[1] == ["time-zone"]
    assert read(**{"except": ["2026-02-29"]})[1] == ["opening-hours"]
    assert read(**{"except": [20261225]})[1] == ["opening-hours"]
