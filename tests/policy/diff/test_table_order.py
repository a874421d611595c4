"""The order of values in a table: what admits no more is below, and an unknown order is none."""

from __future__ import annotations

from itertools import product

import pytest

from authguard.core.decision_table import CONDITIONS, Table, dimension_values
from authguard.core.outcomes import ADMITTING, Outcome
from authguard.policy.diff.table_order import TableOrder
from tests.policy.diff.pairs import draft_of
from tests.support.harness import POLICY

DRAFT = draft_of(POLICY)
ORDER = TableOrder(DRAFT)


@pytest.mark.parametrize(
    ("dimension", "lower", "upper"),
    [
        ("scope", "missing", "granted"),
        ("assurance", "insufficient", "met"),
        ("limit", "unmeasured", "within"),
        ("actor", "stranger", "subject"),
        ("session", "revoked", "active"),
        ("verification", "failed", "verified"),
        ("account", "locked", "normal"),
    ],
)
def test_a_demand_that_is_not_met_is_below_one_that_is(dimension: str, lower: str, upper: str) -> None:
    assert ORDER.is_below({dimension: lower}, {dimension: upper})
    assert not ORDER.is_below({dimension: upper}, {dimension: lower})


def test_the_order_agrees_with_asking_the_table_for_every_cell_of_a_slice() -> None:
    values = dimension_values({name: spec.states for name, spec in DRAFT.machines.items()})
    table = Table(values, DRAFT.rules)
    kinds = {"allow": Outcome.ALLOW} | {name: item.kind for name, item in DRAFT.fallbacks.items()}
    fixed = {"credential": "good", "risk": "high", "effect": "write", "scope": "granted", "channel_change": "same"}
    fixed |= {"actor": "subject", "assurance": "met"}
    free = [name for name in values if name not in fixed and name not in {"account", "service"}]

    def admitted(account: str) -> set[tuple[str, ...]]:
        found = set()
        for chosen in product(*(values[name] for name in free)):
            cell = fixed | {"account": account, "service": "live"} | dict(zip(free, chosen, strict=True))
            if kinds[table.decide(tuple(cell[name] for name in values)).do] in ADMITTING:
                found.add(chosen)
        return found

    cells = {state: admitted(state) for state in ("normal", "locked", "minor", "closed")}
    for lower, upper in product(cells, repeat=2):
        if ORDER.is_below({"account": lower}, {"account": upper}):
            assert cells[lower] <= cells[upper], (lower, upper)


def test_values_of_several_dimensions_are_compared_together() -> None:
    high, sensitive = ({"risk": risk, "effect": "write"} for risk in ("high", "sensitive"))
    assert ORDER.is_below(high, sensitive)
    assert not ORDER.is_below({"risk": "public", "effect": "write"}, high)


def test_an_offer_counts_where_the_other_value_makes_none() -> None:
    assert ORDER.offers_more({"verification": "unavailable"}, {"verification": "unverified"})
    assert not ORDER.offers_more({"verification": "unverified"}, {"verification": "unverified"})


def test_past_the_bound_no_order_is_known() -> None:
    bounded = TableOrder(DRAFT, nodes=1)
    assert not bounded.is_decided
    assert not bounded.is_below({"scope": "missing"}, {"scope": "granted"})
    assert bounded.offers_more({"scope": "missing"}, {"scope": "granted"})
    assert CONDITIONS["scope"]
