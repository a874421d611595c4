"""Methods are compared by the sets of verifiers that suffice."""

from __future__ import annotations

import pytest

from tests.policy.diff.pairs import LOOSER, MAY, Case, compare, with_method

CASES = [
    Case("`any` of more verifiers", with_method("any: [otp, pin]"), with_method("any: [otp, pin, card]")),
    Case("`any` in place of `all`", with_method("all: [otp, pin]"), with_method("any: [otp, pin]"), LOOSER, MAY),
    Case("a quorum of more", with_method("quorum: 2, of: [otp, pin]"), with_method("quorum: 2, of: [otp, pin, card]")),
    Case(
        "a smaller quorum",
        with_method("quorum: 3, of: [otp, pin, card]"),
        with_method("quorum: 2, of: [otp, pin, card]"),
    ),
    Case("another verifier", with_method("all: [otp]"), with_method("all: [pin]"), LOOSER, LOOSER),
    Case("a verifier less in a sequence", with_method("sequence: [otp, pin]"), with_method("sequence: [otp]")),
    Case(
        "another order of a sequence",
        with_method("sequence: [otp, pin]"),
        with_method("sequence: [pin, otp]"),
        MAY,
        MAY,
    ),
    Case(
        "a method whose doubts count as failures",
        with_method("all: [otp]"),
        with_method("all: [otp], on_doubt: failed"),
        MAY,
        MAY,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_change_is_told_with_its_direction_both_ways(case: Case) -> None:
    assert compare(case) == (case.forward, case.back)
