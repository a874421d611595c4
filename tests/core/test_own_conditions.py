"""Tests of conditions of one's own: what each kind reads from well-formed, missing and hostile input."""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

import pytest

from authguard.core.opening_hours import OpeningHours, parse_spans
from authguard.core.own_conditions import (
    UNAVAILABLE,
    OwnCondition,
    next_clock_change,
    read_conditions,
    read_label,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

COUNTRY = OwnCondition(
    name="country",
    kind="claim",
    claim="country",
    values=("home", "one", "yes", "abroad"),
    default="abroad",
    labels={"DE": "home", "AT": "home", "1": "one", "true": "yes"},
)
SEGMENT = OwnCondition(
    name="segment", kind="header", header="x-segment", values=("vip", "plain"), default="plain", labels={"vip": "vip"}
)
TIER = OwnCondition(
    name="tier",
    kind="source",
    pointer="/tier",
    values=("gold", "plain", UNAVAILABLE),
    default="plain",
    labels={"gold": "gold"},
)
SCREENING = OwnCondition(
    name="screening",
    kind="call",
    call="app:screen",
    values=("clear", "match", UNAVAILABLE),
    labels={"clear": "clear", "match": "match"},
)
DESK = OwnCondition(
    name="desk",
    kind="time_zone",
    hours=OpeningHours(zone="UTC", periods=(("open", parse_spans("Mo-Su 08:00-18:00")),), default="closed"),
    values=("open", "closed"),
    default="closed",
)
ALL = (COUNTRY, SEGMENT, TIER, SCREENING, DESK)


@pytest.mark.parametrize(
    ("claims", "value"),
    [
        ({"country": "DE"}, "home"),
        ({"country": 1}, "one"),
        ({"country": 1.0}, "one"),
        ({"country": True}, "yes"),
        ({"country": "FR"}, "abroad"),
        ({"country": "de"}, "abroad"),
        ({"country": ""}, "abroad"),
        ({"country": None}, "abroad"),
        ({"country": ["DE"]}, "abroad"),
        ({"country": {"DE": "DE"}}, "abroad"),
        ({"country": "DE" * 200}, "abroad"),
        ({"country": 10**5_000}, "abroad"),
        ({"country": inf}, "abroad"),
        ({"country": nan}, "abroad"),
        ({}, "abroad"),
        (None, "abroad"),
    ],
)
def test_a_claim_counts_only_as_a_listed_scalar(claims: Mapping[str, object] | None, value: str) -> None:
    assert read_conditions((COUNTRY,), claims, {}, 0.0) == {"country": value}


@pytest.mark.parametrize("answer", [None, "", "MATCH", ["match"], {"match": 1}, 3, object(), "clear" * 100])
def test_a_result_that_is_not_listed_is_unavailable(answer: object) -> None:
    assert read_label(SCREENING, answer) == UNAVAILABLE


def test_an_unproven_caller_meets_defaults_and_what_nobody_was_asked() -> None:
    assert read_conditions(ALL, None, {}, 0.0) == {
        "country": "abroad",
        "segment": "plain",
        "tier": UNAVAILABLE,
        "screening": UNAVAILABLE,
        "desk": "closed",
    }


def test_what_was_answered_for_a_void_credential_concerns_nobody() -> None:
    brought = {"segment": "vip", "tier": "gold", "screening": "clear"}
    found = read_conditions((SEGMENT, TIER, SCREENING), None, brought, 0.0)
    assert found == {"segment": "vip", "tier": UNAVAILABLE, "screening": UNAVAILABLE}


def test_what_the_runtime_found_is_used_and_the_clock_is_read_from_the_time() -> None:
    brought = {"segment": "vip", "tier": "gold", "screening": "match"}
    found = read_conditions(ALL, {"country": "AT"}, brought, 10 * 3_600.0)
    assert found == {"country": "home", "segment": "vip", "tier": "gold", "screening": "match", "desk": "open"}


def test_the_clock_changes_at_the_next_boundary_of_any_hours() -> None:
    assert next_clock_change(ALL, 10 * 3_600.0) == 18 * 3_600.0
    assert next_clock_change((COUNTRY,), 0.0) == inf
