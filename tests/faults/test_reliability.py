"""The page on reliability is made of a run, and in step with it."""

from __future__ import annotations

from typing import Any

from scripts import reliability

from tests.faults.fault_cases import TROUBLES


def test_the_page_says_what_this_very_run_has_seen(
    broken: dict[str, Any], killed: dict[str, Any], cancelled: dict[str, Any]
) -> None:
    page = reliability.page(broken, killed, cancelled)
    assert reliability.PAGE.read_text("utf-8") == page, f"run `{reliability.HOW}`"


def test_every_trouble_and_every_kind_of_request_has_a_row(killed: dict[str, Any]) -> None:
    page = reliability.PAGE.read_text("utf-8")
    for words in (*(trouble.words for trouble in TROUBLES.values()), *(seen["words"] for seen in killed.values())):
        assert f"| {words} |" in page
