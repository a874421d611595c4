"""What reaches each phase, against enumeration of every cell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core.decision_table import PHASES, SKIP_PHASE, Rule
from authguard.policy.checks.table import prove_table
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.locator import shipped_policies
from authguard.policy.render.phases import find_reaches, format_reaches, list_reaches
from authguard.policy.table.boxes import Space
from authguard.policy.table.coverage import compute_coverage
from authguard.policy.table_space import table_space
from tests.policy.table.test_boxes import cells, first_match

SPACE = Space({"risk": ("low", "high"), "account": ("good", "bad", "worse"), "proof": ("none", "given")})
RULES = st.lists(
    st.tuples(
        st.sampled_from(PHASES),
        st.dictionaries(st.sampled_from(sorted(SPACE.values)), st.integers(1, 7), max_size=2),
        st.booleans(),
    ),
    max_size=8,
)


def rules_of(drawn: list[tuple[str, dict[str, int], bool]]) -> tuple[Rule, ...]:
    """Return rules in phases; some of the phase `account` skip it."""
    ordered = sorted(drawn, key=lambda one: PHASES.index(one[0]))
    return tuple(
        Rule(
            when={
                name: frozenset(value for bit, value in enumerate(SPACE.values[name]) if mask >> bit & 1)
                for name, mask in masks.items()
            },
            do=SKIP_PHASE if skips and phase == "account" else "no",
            index=index,
            phase=phase,
        )
        for index, (phase, masks, skips) in enumerate(ordered)
    )


@given(RULES)
def test_a_phase_is_reached_by_what_no_earlier_phase_decides(drawn: list[tuple[str, dict[str, int], bool]]) -> None:
    rules = rules_of(drawn)
    proof = compute_coverage(rules, SPACE)
    found = find_reaches(rules, SPACE, proof)  # type: ignore[arg-type] - it is small
    assert [one.phase for one in found] == list(PHASES)
    for place, one in enumerate(found):
        earlier = tuple(rule for rule in rules if PHASES.index(rule.phase) < place)
        reaching = [cell for cell in cells(SPACE) if first_match(SPACE, earlier, cell) is None]
        assert one.cells == len(reaching)
        assert one.rules == sum(rule.phase == one.phase for rule in rules)
        told = list_reaches([one], SPACE)[0]
        assert set(told["risks"]) == {cell[0] for cell in reaching}
        for risk, values in told["risks"].items():
            for index, name in enumerate(SPACE.values):
                assert set(values[name]) == {cell[index] for cell in reaching if cell[0] == risk}


@pytest.mark.parametrize("name", sorted(shipped_policies()))
def test_the_phases_of_shipped_policies_keep_what_the_standard_policy_says_of_them(name: str) -> None:
    draft = load_draft(name).draft
    assert draft is not None
    proof, space = prove_table(draft), table_space(draft)
    assert proof is not None
    found = {one["phase"]: one for one in list_reaches(find_reaches(draft.rules, space, proof), space)}
    assert found["account"]["values"]["credential"] == ["good"]
    assert found["account"]["values"]["session"] == ["active"]
    assert "exhausted" not in found["account"]["values"]["verification"]
    assert found["request"]["values"]["verification"] == ["verified"]
    assert found["request"]["values"]["transaction"] == ["none", "approved"]
    assert all(found["request"]["risks"][risk]["channel_change"] == ["same"] for risk in ("sensitive", "high"))
    if not any(rule.phase == "last" for rule in draft.rules):
        assert found["last"] == {"phase": "last", "rules": 0, "cells": 0, "values": {}, "risks": {}}


def test_the_text_has_the_values_that_a_phase_meets_and_what_a_risk_narrows() -> None:
    rules = rules_of([("service", {"risk": 1}, False), ("caller", {"account": 6, "risk": 2}, False)])
    proof = compute_coverage(rules, SPACE)
    lines = list(format_reaches(find_reaches(rules, SPACE, proof), SPACE))  # type: ignore[arg-type] - as above
    assert lines[:6] == [
        "service: 1 rule, 12 cells",
        "  any cell",
        "caller: 1 rule, 6 cells",
        "  risk `high`",
        "account: 0 rules, 2 cells",
        "  risk `high`, account `good`",
    ]
