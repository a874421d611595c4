"""Conditions are compared by what both policies make of the same raw value, and clocks by their spans."""

from __future__ import annotations

import pytest

from authguard.policy.diff.own_conditions import pair_conditions
from authguard.policy.diff.permissiveness import Direction
from authguard.policy.diff.policy_diff import PolicyDiff, diff_policies
from tests.policy.diff.pairs import draft_of
from tests.support.harness import POLICY

COUNTRY = "country: {from: {claim: country}, values: {home: [DE, AT]}, default: abroad}"
DESK = "desk: {from: {time_zone: Europe/Berlin}, values: {open: 'Mo-Fr 08:00-18:00'}, default: closed}"
ABROAD = "{phase: service, when: {service: live, risk: public, country: abroad}, do: refuse}"
CLOSED = "{phase: service, when: {service: live, risk: public, desk: closed}, do: refuse}"


def compare(old: tuple[str, str], new: tuple[str, str]) -> PolicyDiff:
    """Compare two policies with one condition and one rule each."""
    drafts = [
        draft_of(f"{POLICY}conditions:\n  {condition}\ndecisions:\n  - {rule}\n") for condition, rule in (old, new)
    ]
    return diff_policies(*drafts, find_paths=False)


@pytest.mark.parametrize(
    ("old", "new", "direction"),
    [
        ((COUNTRY, ABROAD), (COUNTRY, ABROAD), None),
        ((COUNTRY, ABROAD), (COUNTRY.replace("AT", "AT, CH"), ABROAD), Direction.LOOSER),
        ((COUNTRY, ABROAD), (COUNTRY.replace(", AT", ""), ABROAD), Direction.STRICTER),
        ((COUNTRY, ABROAD), (COUNTRY.replace("home", "domestic"), ABROAD), Direction.CHANGED),
        ((COUNTRY, ABROAD), (COUNTRY.replace("claim: country", "claim: land"), ABROAD), Direction.LOOSER),
        ((COUNTRY, ABROAD), (COUNTRY, ABROAD.replace("abroad", "[home, abroad]")), Direction.STRICTER),
        ((DESK, CLOSED), (DESK.replace("18:00", "20:00"), CLOSED), Direction.LOOSER),
        ((DESK, CLOSED), (DESK.replace("08:00", "09:00"), CLOSED), Direction.STRICTER),
        ((DESK, CLOSED), (DESK.replace("default", "except: [2026-12-25], default"), CLOSED), Direction.STRICTER),
        ((DESK.replace("default", "except: [2026-12-25], default"), CLOSED), (DESK, CLOSED), Direction.LOOSER),
        ((DESK, CLOSED), (DESK.replace("Berlin", "London"), CLOSED), Direction.LOOSER),
        ((DESK, CLOSED), (COUNTRY, ABROAD), Direction.LOOSER),
    ],
)
def test_the_worst_direction_is_that_of_the_raw_values(
    old: tuple[str, str], new: tuple[str, str], direction: Direction | None
) -> None:
    found = compare(old, new).differences
    assert (found[0].direction if found else None) is direction, found


def test_a_moved_value_is_told_with_both_of_its_values() -> None:
    found = compare((COUNTRY, ABROAD), (COUNTRY.replace("AT", "AT, CH"), ABROAD)).differences
    assert "condition `country`: `CH` was `abroad`, becomes `home`" in [one.message for one in found]
    assert "abroad (now home)" in found[0].box


def test_moved_spans_and_exceptions_are_told_as_they_are_written() -> None:
    new = DESK.replace("18:00'}", "18:00; Sa 09:00-13:00'}, except: [2026-12-25]")
    messages = [one.message for one in compare((DESK, CLOSED), (new, CLOSED)).differences]
    spans = "`Mo-Fr 08:00-18:00`, becomes `Mo-Fr 08:00-18:00; Sa 09:00-13:00`"
    assert f"condition `desk`: `open` was {spans}" in messages
    assert "condition `desk`: `2026-12-25` is an exception" in messages


def test_a_source_of_another_kind_pairs_every_value() -> None:
    one, other = (
        draft_of(f"{POLICY}conditions:\n  {text}\n")
        for text in (COUNTRY, "country: {from: {call: 'app.geo:look'}, values: [home]}")
    )
    pairs = pair_conditions(one, other)["country"]
    assert set(pairs.values()) == {
        ("home", "home"), ("home", "unavailable"), ("abroad", "home"), ("abroad", "unavailable")
    }  # fmt: skip
