"""Operations that are split, added or gone."""

from __future__ import annotations

import pytest

from tests.policy.diff.pairs import MAY, Case, compare, with_operation

CASES = [
    Case(
        "an operation split in two, with counters of its own",
        (),
        with_operation(
            "  - {name: refund_one, match: {path: '/orders/1/refund', method: POST}, risk: high, effect: write,"
            " scopes: [refunds], assurance: {acr: aal2, max_age: 5m}, amount: {at: /amount, currency: {at: /currency}},"
            " limits: [{amount: 500 EUR, per: call}, {amount: 1000 EUR, per: 1d, by: subject},"
            " {calls: 5, per: 10m, by: session}], idempotency: required}\n"
        ),
        MAY,
        MAY,
    ),
    Case(
        "an unnamed path that resembled a named one",
        with_operation("  - {name: old, match: {path: /old}, risk: high, effect: write}\n"),
        (),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_change_is_told_with_its_direction_both_ways(case: Case) -> None:
    assert compare(case) == (case.forward, case.back)
