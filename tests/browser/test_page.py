"""The page of a policy in a real browser: it filters exactly, keeps text as text, fetches nothing, serves everybody."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authguard.core.boxes import Space, count
from authguard.core.decision_table import DIMENSIONS, Rule, Table
from authguard.core.outcomes import LocalizedText
from authguard.core.request import Match, Operation
from authguard.policy.compiler import load
from authguard.policy.explain.nearest import rule_regions
from authguard.policy.loading import locator
from authguard.policy.render.page import render_page

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from authguard.policy.compiled_policy import Policy

POLICY = load("support-desk")
HOSTILE = "</script><img src=x onerror='window.pwned=1'>\"'><svg onload=alert(1)>${1}&amp;"
SHOWN = "#rules tbody tr:not([hidden])"


def opened(tab: Page, tmp_path: Path, policy: Policy = POLICY) -> str:
    """Write a page to a file and open that."""
    file = tmp_path / "policy.html"
    file.write_text(render_page(policy), "utf-8")
    tab.goto(file.as_uri())
    return file.as_uri()


def choices(tab: Page, chosen: dict[str, str]) -> dict[str, str]:
    """Choose values, and read which rules are shown with how many cells."""
    tab.click("button[type=reset]")
    tab.wait_for_selector(".set", state="detached", timeout=5_000)
    for name, value in chosen.items():
        tab.select_option(f"select[name={name}]", value)
    return {
        row.get_attribute("id") or "": row.query_selector(".cells").inner_text()  # type: ignore[union-attr]  # each row has it
        for row in tab.query_selector_all(SHOWN)
    }


def test_it_opens_from_a_file_and_asks_for_nothing_else(tab: Page, tmp_path: Path, said: list[str]) -> None:
    address = opened(tab, tmp_path)
    assert tab.inner_text("#found") == "47 of 47 rules decide 191,056,320 of the 191,056,320 cells of the table."
    assert said == [f"request: {address}"]


def test_a_script_from_elsewhere_may_neither_run_nor_send(tab: Page, tmp_path: Path, said: list[str]) -> None:
    opened(tab, tmp_path)
    tab.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran=1'}))")
    assert tab.evaluate("window.ran") is None
    assert tab.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')") == "refused"
    assert sum("Content Security Policy" in line for line in said) >= 2


@pytest.mark.parametrize("name", sorted(locator.shipped_policies()))
def test_what_is_shown_is_exactly_what_decides_the_cells_chosen(tab: Page, tmp_path: Path, name: str) -> None:
    policy = load(name)
    opened(tab, tmp_path, policy)
    space = Space(policy.table.values)
    boxes = tuple(space.box(rule.when) for rule in policy.table.rules)
    dice = random.Random(name)  # noqa: S311 - a choice of examples, the same each time
    for _ in range(6):
        chosen = {one: dice.choice(policy.table.values[one]) for one in dice.sample(DIMENSIONS, dice.randint(0, 6))}
        reaches, _ = rule_regions(boxes, space.box({one: (value,) for one, value in chosen.items()}), 10**9)
        expected = {f"rule-{index}": f"{sum(map(count, reach)):,}" for index, reach in enumerate(reaches) if reach}
        assert choices(tab, chosen) == expected, chosen


def test_an_operation_chooses_its_risk_and_effect(tab: Page, tmp_path: Path) -> None:
    opened(tab, tmp_path)
    choices(tab, {"operation": "refund"})
    assert tab.input_value("select[name=risk]") == "high"
    assert tab.input_value("select[name=effect]") == "write"
    tab.select_option("select[name=risk]", "public")
    assert tab.input_value("select[name=operation]") == "", "it is no longer that operation"
    assert [row.get_attribute("id") for row in tab.query_selector_all(SHOWN)] == ["rule-2"]


def test_words_and_outcomes_filter_rows(tab: Page, tmp_path: Path) -> None:
    opened(tab, tmp_path)
    assert len(choices(tab, {"outcome": "challenge"})) == 2
    tab.fill("input[name=words]", "Expired")
    assert [row.get_attribute("id") for row in tab.query_selector_all(SHOWN)] == ["rule-5"]
    tab.fill("input[name=words]", "expired nothing-such")
    assert tab.query_selector_all(SHOWN) == []
    assert tab.inner_text("#found").startswith("0 of 47 rules decide 0 of")
    assert len(choices(tab, {})) == 47


def test_rules_too_tangled_are_told_as_such(tab: Page, tmp_path: Path) -> None:
    dice = random.Random(1)  # noqa: S311 - as above
    values = POLICY.table.values
    tangled = []
    for index in range(120):
        named = dice.sample(DIMENSIONS, 4)
        when = {one: frozenset(dice.sample(values[one], max(1, len(values[one]) // 2))) for one in named}
        tangled.append(Rule(when=when, do="refuse", index=index))
    rules = [*tangled, Rule(when={}, do="refuse", index=len(tangled))]
    opened(tab, tmp_path, replace(POLICY, table=Table(values, tuple(rules))))
    assert "too complex for an exact result" in tab.inner_text("#found")
    assert set(choices(tab, {}).values()) == {"?"}
    point = {name: known[0] for name, known in values.items()}
    assert list(choices(tab, point).values()) == ["1"], "a single cell is told all the same"


def test_no_text_of_a_policy_becomes_markup_or_code(tab: Page, tmp_path: Path, said: list[str]) -> None:
    """The language refuses such names; words for the customer, addresses and file names are free text."""
    wild = replace(
        POLICY,
        name=HOSTILE,
        operations=(Operation(name=HOSTILE, match=Match(path=HOSTILE), scopes=frozenset({HOSTILE}), acr=HOSTILE),),
        fallbacks={
            **POLICY.fallbacks,
            "refuse": replace(POLICY.fallbacks["refuse"], message=LocalizedText({(HOSTILE, HOSTILE): HOSTILE})),
        },
        origins={**POLICY.origins, "fallback:refuse": HOSTILE},
        table=Table(POLICY.table.values, tuple(replace(rule, origin=HOSTILE) for rule in POLICY.table.rules)),
    )
    address = opened(tab, tmp_path, wild)
    assert tab.evaluate("window.pwned") is None
    assert tab.query_selector_all("img, svg") == []
    assert len(tab.query_selector_all("script")) == 1
    assert tab.inner_text("h1") == f"Policy {HOSTILE}"
    assert tab.inner_text("#fallback-refuse td:last-child") == HOSTILE
    assert tab.inner_text("#rule-0 td:last-child") == HOSTILE
    assert tab.query_selector_all("option")[1].get_attribute("value") == HOSTILE
    assert said == [f"request: {address}"]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 480)])
def test_it_is_accessible_in_light_and_dark_wide_and_narrow(
    browser: Browser, tmp_path: Path, axe: str, scheme: str, width: int
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)  # type: ignore[arg-type]  # one of its two words
    try:
        tab = context.new_page()
        opened(tab, tmp_path)
        tab.add_script_tag(content=axe)
        found = tab.evaluate("axe.run()")
        told = [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found["violations"]]
        assert told == []
        assert len(found["passes"]) > 15
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 28)"
        )
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, "tables scroll, the page does not"
    finally:
        context.close()


def test_every_field_can_be_reached_and_set_by_keyboard(tab: Page, tmp_path: Path) -> None:
    opened(tab, tmp_path)
    tab.focus("select[name=operation]")
    reached = []
    for _ in range(len(DIMENSIONS) + 3):
        reached.append(tab.evaluate("document.activeElement.name"))
        tab.keyboard.press("Tab")
    assert reached == ["operation", *DIMENSIONS, "outcome", "words"]
    tab.focus("select[name=session]")
    tab.keyboard.type("rev")
    assert tab.input_value("select[name=session]") == "revoked"
    assert tab.inner_text("#found").startswith("13 of 47 rules decide")


def test_without_scripts_the_whole_table_is_there(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        tab = context.new_page()
        opened(tab, tmp_path)
        assert not tab.is_visible("#filters")
        assert tab.locator("#rules tbody tr:visible").count() == 47
        assert tab.inner_text("#rule-0 .cells") == "61,236"
    finally:
        context.close()


def test_on_paper_there_is_what_was_chosen_and_nothing_is_cut_off(tab: Page, tmp_path: Path) -> None:
    opened(tab, tmp_path)
    choices(tab, {"operation": "refund", "session": "expired"})
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": 1047, "height": 700})  # A4 across, less the margins, at 96 dots an inch
    assert not tab.is_visible("select[name=operation]")
    assert tab.is_visible("#found")
    assert tab.inner_text("#found").endswith(
        "cells selected: operation refund, session expired, risk high, effect write."
    )
    assert tab.evaluate("document.documentElement.scrollWidth") <= 1047
    assert tab.pdf(format="A4", landscape=True, prefer_css_page_size=True).startswith(b"%PDF-")
