"""Everything around the guard that can break: each has its line in the log, its answer, and its way back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.fault_cases import TROUBLES

#: what nobody notices in the log but by a record that is missing there: the log itself is out
WORDLESS = {"log-read-only", "log-full"}
CLOCKS = {"clock-back", "clock-ahead"}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_whatever_breaks_has_an_answer_a_line_in_the_log_and_a_way_back(broken: dict[str, Any], trouble: str) -> None:
    seen = broken[trouble]
    assert seen["failures"] == []
    assert bool(seen["lines"]["meanwhile"]) == (trouble not in WORDLESS)
    assert any(caller.endswith(": 200") for caller in seen["callers"]["afterwards"])


@pytest.mark.parametrize("trouble", [name for name in TROUBLES if name not in CLOCKS])
def test_what_is_the_guards_trouble_is_never_called_the_callers_fault(broken: dict[str, Any], trouble: str) -> None:
    for caller in (*broken[trouble]["callers"]["meanwhile"], *broken[trouble]["callers"]["afterwards"]):
        assert not caller.endswith(("`challenge`", "`deny`", "`terminate`")), caller


def test_a_wrong_clock_revives_no_session_that_has_ended(broken: dict[str, Any]) -> None:
    callers = broken["clock-back"]["callers"]
    assert "a signed-out customer: 401 `challenge`" in callers["meanwhile"]
    assert "a signed-out customer: 401 `terminate`" in callers["afterwards"]


def test_a_known_customer_goes_on_while_the_store_is_locked_or_full(broken: dict[str, Any]) -> None:
    for trouble in ("store-locked", "store-full"):
        assert "a known customer: 200" in broken[trouble]["callers"]["meanwhile"]


def test_a_refund_that_could_not_be_saved_is_withdrawn_and_runs_later(broken: dict[str, Any]) -> None:
    for trouble in ("store-locked", "store-full"):
        seen = broken[trouble]
        assert "`transaction.started`: none → running, withdrawn" in seen["lines"]["meanwhile"]
        assert "a refund: 200" in seen["callers"]["afterwards"]


@pytest.mark.parametrize("trouble", [name for name in TROUBLES if name.startswith("directory")])
def test_a_directory_that_is_out_is_no_fault_of_the_guard(broken: dict[str, Any], trouble: str) -> None:
    # whom it has named before goes on, and of whom nothing is known may only read what is routine
    assert broken[trouble]["callers"]["meanwhile"][:2] == ["a known customer: 200", "a new customer: 200 `restrict`"]
    assert broken[trouble]["lines"]["meanwhile"] == ["`restrict`", "`retry`"]


def test_a_line_that_was_cut_by_a_full_disk_is_repaired(broken: dict[str, Any]) -> None:
    assert "`repaired`" in broken["log-full"]["lines"]["afterwards"]


def test_an_outage_of_the_log_stands_in_the_log_afterwards(broken: dict[str, Any]) -> None:
    for trouble in ("log-read-only", "log-full"):
        assert "`writing_recovered`" in broken[trouble]["lines"]["afterwards"]


def test_a_disk_that_is_slow_or_fails_stops_only_what_has_to_be_durable(broken: dict[str, Any]) -> None:
    for trouble, reason in (("log-slow", "guard-timeout, deadline"), ("log-failing", "guard-fault, audit")):
        seen = broken[trouble]
        assert seen["callers"]["meanwhile"] == ["a known customer: 200", "a new customer: 200", "a refund: 503 `retry`"]
        assert any(f"`fault`: {reason}" in line for line in seen["lines"]["meanwhile"])
        assert "a refund five minutes later: 200" in seen["callers"]["afterwards"]
