"""Settings outside the table: channels, agents and the rest, each with its direction."""

from __future__ import annotations

import pytest

from tests.policy.diff.pairs import LOOSER, MAY, Case, compare, with_channels

CASES = [
    Case("a channel in the trust of another", with_channels("app"), with_channels("app, voice")),
    Case(
        "an agent less is the person itself",
        (),
        (("agents: [{issuer: https://issuer.test, client: concierge}]\n", ""),),
        MAY,
        LOOSER,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_change_is_told_with_its_direction_both_ways(case: Case) -> None:
    assert compare(case) == (case.forward, case.back)
