"""A `max_age` over the life of a session is noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.core.request import Match, Operation
from authguard.policy.checks.sign_in_age import check_sign_in_age

if TYPE_CHECKING:
    from authguard.policy.draft import Draft

HALF_A_DAY = 43_200.0


def found(draft: Draft, **fields: object) -> list[str]:
    return [str(one) for one in check_sign_in_age(replace(draft, **fields))]


def aged(max_age: float) -> dict[str, object]:
    return {"operations": (Operation(name="bill", match=Match(path="/bill"), max_age=max_age),)}


def test_a_sign_in_may_be_as_old_as_a_session_and_no_older(standard_draft: Draft) -> None:
    assert found(standard_draft, **aged(HALF_A_DAY)) == []
    (problem,) = found(standard_draft, **aged(2 * HALF_A_DAY))
    assert "note[max-age-idle]: operation `bill` has `max_age: 1d`, and a session ends 12h after its sign-in" in problem
    assert problem.endswith("write at most 12h")


def test_fallbacks_and_unnamed_requests_are_checked_too(standard_draft: Draft) -> None:
    old = replace(standard_draft.fallbacks["step_up"], max_age=2 * HALF_A_DAY)
    unnamed = replace(standard_draft.otherwise, max_age=2 * HALF_A_DAY)
    said = found(standard_draft, fallbacks={"step_up": old}, otherwise=unnamed)
    assert ["`otherwise` has" in said[0], "fallback `step_up` has" in said[1]] == [True, True]


@pytest.mark.parametrize("kept", ["", "session.idled"])
def test_a_session_without_an_end_may_be_of_any_age(standard_draft: Draft, kept: str) -> None:
    timers = tuple(timer for timer in standard_draft.timers if timer.event == kept)
    assert found(standard_draft, timers=timers, **aged(1_000 * HALF_A_DAY)) == []
    assert found(standard_draft, machines={}, **aged(1_000 * HALF_A_DAY)) == []
