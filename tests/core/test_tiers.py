"""Tiers: which value of `limit` an exceeded limit gives, and what a policy knows of another policy's limits."""

from __future__ import annotations

from msgspec.structs import replace

from authguard.core.request import Limit, Operation
from authguard.core.tiers import (
    classify_exceeded,
    expand_exceeded,
    find_tiers,
    implies,
    operation_values,
    translate_tiers,
)

HIGH = Limit(name="over_5000", amount="5000", currency="EUR", tier="over_5000", then="two")
MONTH = Limit(name="month", amount="10000", currency="EUR", per=2_592_000.0, tier="month", then="two")
SMALL = Limit(name="over_500", amount="500", currency="EUR", tier="over_500", then="one")
CALLS = Limit(name="pay/3", calls=5, per=60.0)
PAY = Operation(name="pay", risk="high", amount_at="/amount", limits=(HIGH, MONTH, SMALL, CALLS))


def test_the_first_exceeded_limit_in_order_decides() -> None:
    assert classify_exceeded(PAY, ("over_500", "month")) == "month"
    assert classify_exceeded(PAY, ("pay/3", "over_500")) == "over_500"
    assert classify_exceeded(PAY, ("pay/3",)) == "exceeded"
    assert classify_exceeded(PAY, ()) == "within"
    assert classify_exceeded(PAY, ("gone",)) == "exceeded", "a limit that the operation no longer has"


def test_an_operation_brings_only_its_own_limits() -> None:
    assert operation_values(PAY) == ("within", "exceeded", "unmeasured", "over_5000", "month", "over_500")
    assert operation_values(replace(PAY, limits=(SMALL,))) == ("within", "unmeasured", "over_500")
    assert operation_values(Operation(name="chat")) == ("within",)
    assert operation_values(replace(PAY, limits=())) == ("within", "unmeasured")


def test_exceeded_stands_for_every_exceeded_limit() -> None:
    tiers = find_tiers((PAY,))
    assert expand_exceeded(("exceeded", "unmeasured"), tiers) == {
        "exceeded",
        "unmeasured",
        "over_5000",
        "month",
        "over_500",
    }
    assert expand_exceeded(("month",), tiers) == {"month"}


def test_a_limit_implies_a_larger_one_of_the_same_counter() -> None:
    assert implies(SMALL, HIGH)
    assert not implies(HIGH, SMALL)
    assert implies(replace(MONTH, amount="400"), SMALL), "a window counts each call too"
    assert not implies(SMALL, MONTH)
    assert not implies(CALLS, HIGH)


def test_a_limit_of_another_policy_is_what_exceeds_it_here() -> None:
    one_step = replace(PAY, limits=(SMALL,))
    assert translate_tiers((one_step,), (PAY,)) == {"over_5000": "over_500", "month": "within"}
    assert translate_tiers((replace(PAY, limits=(replace(SMALL, tier=""),)),), (one_step,)) == {"over_500": "exceeded"}
    assert translate_tiers((), (one_step,)) == {"over_500": "within"}
