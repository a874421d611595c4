"""Fallbacks: outcomes by their order and by what they offer, chains of `then`, and the window of attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.core.approvers import Approvers
from authguard.core.outcomes import Outcome
from authguard.policy.diff.fallbacks import compare_outcomes, diff_fallbacks
from authguard.policy.diff.policy_pair import PolicyPair
from tests.policy.diff.pairs import CHANGED, LOOSER, MAY, STRICTER, draft_of
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from authguard.policy.diff.permissiveness import Direction
    from authguard.policy.draft import Draft


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("deny", "hold", LOOSER),
        ("allow", "verify", STRICTER),
        ("restrict", "hold", STRICTER),
        ("challenge", "verify", MAY),  # who could only sign in again may prove the identity here
        ("step_up", "hold", MAY),  # and an approver may let in whom a stronger sign-in did not
        ("verify", "hold", MAY),
        ("handoff", "deny", STRICTER),
        ("retry", "handoff", STRICTER),
    ],
)
def test_an_offer_that_the_old_answer_did_not_make_is_never_stricter(
    before: str, after: str, expected: Direction
) -> None:
    assert compare_outcomes(Outcome(before), Outcome(after)) is expected


def changed(draft: Draft, name: str, **values: object) -> Draft:
    fallback = replace(draft.fallbacks[name], **values)  # type: ignore[arg-type]
    return replace(draft, fallbacks={**draft.fallbacks, name: fallback})


def told(old: Draft, new: Draft) -> set[Direction]:
    return {one.direction for one in diff_fallbacks(PolicyPair(old, new))} - {CHANGED}


def test_a_chain_of_then_is_compared_to_its_end() -> None:
    old = draft_of(POLICY)
    # the same names: what the second link does when its own attempts are spent differs
    first = changed(changed(old, "step_up", then="prove_identity"), "prove_identity", then="refuse")
    second = changed(first, "step_up", then="sign_in_fresh")
    assert told(first, second) == {LOOSER}, "a sign-in ranks before a proof of identity"
    assert told(second, first) == {MAY}, "and a proof of identity was not offered there"


def test_a_fallback_that_only_a_then_names_is_compared_by_its_outcome_too() -> None:
    old = draft_of(POLICY)
    item = replace(old.fallbacks["refuse"], name="last")
    before = replace(changed(old, "step_up", then="last"), fallbacks={**old.fallbacks, "last": item})
    before = changed(before, "step_up", then="last")
    after = changed(before, "last", kind=Outcome.HANDOFF, queue="service")
    assert told(before, after) == {LOOSER}
    assert told(after, before) == {STRICTER}


def test_a_shorter_window_of_all_proofs_of_identity_is_looser_though_no_shared_fallback_changed() -> None:
    old = draft_of(POLICY)
    longest = replace(old.fallbacks["prove_identity"], name="longest", per=86_400.0)
    wider = replace(old, fallbacks={**old.fallbacks, "longest": longest})
    assert told(wider, old) == {LOOSER}
    assert told(old, wider) == set()


@pytest.mark.parametrize(
    "values", [{"approvers": (Approvers("another"),)}, {"methods": ("pin",)}], ids=["role", "methods"]
)
def test_other_approvers_or_methods_may_be_looser(values: dict[str, object]) -> None:
    old = draft_of(POLICY)
    name = "await_approval" if "approvers" in values else "prove_identity"
    assert told(old, changed(old, name, **values)) == {MAY}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([("officer", 1, "aal2")], [("officer", 1, "aal2"), ("boss", 1, "")], {STRICTER}),
        ([("officer", 1, "aal2"), ("boss", 1, "")], [("boss", 1, ""), ("officer", 1, "aal2")], set()),
        ([("officer", 2, "")], [("officer", 1, ""), ("officer", 1, "")], set()),
        ([("officer", 2, "aal2")], [("officer", 1, "aal2"), ("officer", 1, "aal1")], {LOOSER}),
        ([("officer", 1, "aal2"), ("boss", 1, "")], [("officer", 2, "aal2")], {MAY}),
    ],
)
def test_approvers_are_compared_by_who_satisfies_them(
    before: list[tuple[str, int, str]], after: list[tuple[str, int, str]], expected: set[Direction]
) -> None:
    old, new = (
        changed(draft_of(POLICY), "await_approval", approvers=tuple(Approvers(*one) for one in each))
        for each in (before, after)
    )
    assert told(old, new) == expected
