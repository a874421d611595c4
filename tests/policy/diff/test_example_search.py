"""Examples of changed cells: the events that lead there, within one bound for all changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from authguard.policy.diff import example_search
from authguard.policy.diff.policy_diff import diff_policies
from tests.policy.diff.pairs import draft_of
from tests.support.harness import POLICY

if TYPE_CHECKING:
    import pytest

    from authguard.policy.draft import Draft

OLD = draft_of(POLICY)


def loosened(draft: Draft) -> Draft:
    """Admit who has to prove the identity, and refuse who has to sign in again."""
    answers = {"prove_identity": "allow", "sign_in_fresh": "refuse"}
    return replace(draft, rules=tuple(replace(rule, do=answers.get(rule.do, rule.do)) for rule in draft.rules))


def test_the_shortest_events_lead_to_a_cell_that_a_request_reaches() -> None:
    first = diff_policies(OLD, loosened(OLD)).differences[0]
    assert (first.before, first.after, first.risk) == ("verify", "allow", "high")
    assert first.path == "from the beginning"
    assert first.cell[:6] == ("live", "unknown", "absent", "unverified", "none", "undated")


def test_without_a_search_the_same_differences_have_any_cell() -> None:
    found = diff_policies(OLD, loosened(OLD), find_paths=False).differences
    assert [one.message for one in found] == [one.message for one in diff_policies(OLD, loosened(OLD)).differences]
    assert {one.path for one in found} == {""}
    assert all(one.cell for one in found if one.cells)


def test_past_the_bound_the_worst_changes_have_been_searched_and_none_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = diff_policies(OLD, loosened(OLD)).differences
    search = example_search.ExampleSearch
    monkeypatch.setattr("authguard.policy.diff.policy_diff.ExampleSearch", lambda *given: search(*given, lookups=1))
    bounded = diff_policies(OLD, loosened(OLD)).differences
    assert sorted(one.message for one in bounded) == sorted(one.message for one in whole)
    assert {one.path for one in bounded if one.cells} == {"no events were found within the limit"}
