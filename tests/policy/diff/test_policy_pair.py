"""A change is judged by both policies: it is stricter only if it is stricter in either."""

from __future__ import annotations

from authguard.policy.diff.policy_pair import PolicyPair
from tests.policy.diff.pairs import CHANGED, LOOSER, MAY, STRICTER, draft_of, with_line
from tests.support.harness import POLICY

OLD = draft_of(POLICY)


def test_a_state_of_one_policy_is_judged_by_that_one_and_a_pair_that_none_has_is_unordered() -> None:
    pair = PolicyPair(OLD, OLD)
    assert pair.compare_states("account", "normal", "locked") is STRICTER
    assert pair.compare_states("account", "normal", "elsewhere") is MAY
    assert pair.compare_events("session", "accepted", "revoked") is STRICTER


def test_what_is_stricter_in_one_policy_only_is_not_stricter() -> None:
    # here a dormant account is a locked one
    new = draft_of(POLICY, *with_line("account", "{trigger: dormant, source: [unknown, normal], dest: locked}"))
    assert PolicyPair(OLD, OLD).compare_reports("locked", "dormant") is LOOSER
    assert PolicyPair(OLD, new).compare_reports("locked", "dormant") is LOOSER


def test_a_report_that_ranks_lower_gives_way_to_others_so_it_may_be_looser() -> None:
    pair = PolicyPair(OLD, OLD)
    assert pair.compare_reports("locked", "suspended") is CHANGED
    assert pair.compare_reports("suspended", "locked") is MAY
    assert pair.compare_reports("normal", "locked") is STRICTER


def test_a_timer_is_judged_where_it_moves_a_state() -> None:
    pair = PolicyPair(OLD, OLD)
    assert pair.compare_wait("session", "active", "idled") == (STRICTER, LOOSER)
    assert pair.is_below({"scope": "missing"}, {"scope": "granted"})
    assert pair.offers_more({"verification": "unavailable"}, {"verification": "unverified"})
