"""The page of a policy in a real browser: it filters exactly, keeps text as text, fetches nothing, serves everybody."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.core.decision_table import DIMENSIONS, Rule, Table
from authguard.core.deployment import AccountSource
from authguard.core.outcomes import LocalizedText
from authguard.core.request import Match, Operation
from authguard.policy.compiler import load
from authguard.policy.loading import locator
from authguard.policy.loading.loader import load_draft
from authguard.policy.render.page import render_page
from authguard.policy.table.boxes import BoxCoverage, Space, count, cover, find_skips
from tests.browser import layout

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from authguard.core.policy import Policy
    from authguard.policy.draft import Invariant

POLICY = load("support-desk")
SELECTED = "#filters .set"
HOSTILE = "</script><img src=x onerror='window.pwned=1'>\"'><svg onload=alert(1)>${1}&amp;"
SHOWN = "#rules tbody tr:not([hidden])"


def invariants(name: str) -> tuple[Invariant, ...]:
    draft = load_draft(name).draft
    assert draft is not None
    return draft.invariants


def written(tmp_path: Path, policy: Policy = POLICY) -> str:
    """Write a page to a file, and return its address."""
    file = tmp_path / "policy.html"
    file.write_text(render_page(policy, invariants("support-desk")), "utf-8")
    return file.as_uri()


def opened(tab: Page, tmp_path: Path, policy: Policy = POLICY) -> str:
    """Write a page to a file and open that."""
    address = written(tmp_path, policy)
    tab.goto(address)
    return address


def rules(tab: Page) -> list[str | None]:
    return [row.get_attribute("id") for row in tab.query_selector_all(SHOWN)]


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
    assert tab.inner_text("#found") == "All 49 rules, for all 254,741,760 cells."
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
        region = space.box({one: (value,) for one, value in chosen.items()})
        covered = cover(boxes, region, 10**9, skips=find_skips(policy.table.rules))
        reached = cover(boxes, region, 10**9)
        assert isinstance(covered, BoxCoverage)
        assert isinstance(reached, BoxCoverage)
        # a rule that skips its phase is shown with the cells that it skips
        shown = [
            reached.reaches[rule.index] if rule.skips else covered.reaches[rule.index] for rule in policy.table.rules
        ]
        expected = {f"rule-{index}": f"{sum(map(count, one)):,}" for index, one in enumerate(shown) if one}
        assert choices(tab, chosen) == expected, chosen


def test_an_operation_chooses_its_risk_and_effect(tab: Page, tmp_path: Path) -> None:
    opened(tab, tmp_path)
    choices(tab, {"operation": "refund"})
    assert tab.input_value("select[name=risk]") == "high"
    assert tab.input_value("select[name=effect]") == "write"
    tab.select_option("select[name=risk]", "public")
    assert tab.input_value("select[name=operation]") == "", "it is no longer that operation"
    assert rules(tab) == ["rule-0"]


def test_words_and_outcomes_filter_rows(tab: Page, tmp_path: Path) -> None:
    opened(tab, tmp_path)
    assert len(choices(tab, {"outcome": "challenge"})) == 2
    tab.fill("input[name=words]", "Expired")
    assert rules(tab) == ["rule-3"]
    tab.fill("input[name=words]", "expired nothing-such")
    assert rules(tab) == []
    assert tab.inner_text("#found") == (
        "No rule decides such a request. Selected: outcome challenge, words expired nothing-such."
    )
    assert len(choices(tab, {})) == 48


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
    assert tab.query_selector_all("img, script ~ *, svg:not(.states)") == []
    assert len(tab.query_selector_all("script")) == 1
    assert tab.inner_text("h1") == f"Policy {HOSTILE}"
    assert tab.inner_text("#fallback-refuse .say") == f"({HOSTILE}, {HOSTILE}) {HOSTILE}"
    assert tab.inner_text("#fallback-refuse .from") == HOSTILE
    assert tab.inner_text("#rule-0 td:last-child") == HOSTILE
    assert tab.query_selector_all("option")[1].get_attribute("value") == HOSTILE
    assert said == [f"request: {address}"]


@pytest.mark.parametrize(("scheme", "width"), layout.VIEWS)
def test_it_is_whole_legible_and_accessible_in_every_view(
    browser: Browser, tmp_path: Path, axe: str, scheme: str, width: int
) -> None:
    with layout.opened(browser, written(tmp_path), scheme, width) as tab:
        layout.save_screenshot(tab, "policy", scheme)
        assert layout.find_cut(tab) == []
        assert layout.find_diagram_faults(tab) == []
        assert layout.is_above_fold(tab, "#rules tbody tr"), "results come first"
        assert tab.is_visible("select[name=risk]") == (width > 1000), "a long form does not come before them"
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 28)"
        )
        tab.locator("#choose").evaluate("(one) => one.open = true")
        tab.select_option("select[name=operation]", "refund")
        layout.save_screenshot(tab, "policy-filtered", scheme)
        assert layout.find_cut(tab) == []
        assert layout.find_violations(tab, axe) == []


@pytest.mark.parametrize("width", layout.HEIGHTS)
@pytest.mark.parametrize("name", sorted(locator.shipped_policies()))
def test_every_shipped_policy_is_whole(browser: Browser, tmp_path: Path, name: str, width: int) -> None:
    with layout.opened(browser, written(tmp_path, load(name)), "light", width) as tab:
        assert layout.find_cut(tab) == []
        assert layout.find_diagram_faults(tab) == []
        assert layout.is_above_fold(tab, "#rules tbody tr")


@pytest.mark.parametrize("width", [320, 360, 600, 834, 1024, 1100, 1200, 1920])
def test_it_is_whole_at_widths_between(browser: Browser, tmp_path: Path, width: int) -> None:
    with layout.opened(browser, written(tmp_path, load("telecom")), "light", width) as tab:
        assert layout.find_cut(tab) == []
        assert width < min(layout.HEIGHTS) or layout.find_diagram_faults(tab) == []


@pytest.mark.parametrize("width", [*layout.HEIGHTS, 320, 1024, 1200])
def test_long_names_and_texts_are_whole(browser: Browser, tmp_path: Path, width: int) -> None:
    long, words = "n" * 64, "a text without an end " * 40
    wild = replace(
        POLICY,
        name=long,
        operations=(Operation(name=long, match=Match(path="/" + "p" * 400), scopes=frozenset({long}), acr=long),),
        fallbacks={
            **POLICY.fallbacks,
            long: replace(
                POLICY.fallbacks["refuse"], name=long, message=LocalizedText({("de", long): words + "w" * 300})
            ),
        },
        issuers={
            f"https://{long}.example/{long}/{long}": replace(
                next(iter(POLICY.issuers.values())), audience=(long * 2,), provider=long
            )
        },
        accounts=(
            *(replace(one, map={long * 2: "normal"}) for one in POLICY.accounts),
            AccountSource(name="http", url=f"https://{long}.example/{long}", map={"ok": "normal"}),
            AccountSource(name="python", call=f"{long}:{long}", map={"ok": "normal"}),
        ),
        origins=dict.fromkeys(POLICY.origins, "folder/" * 20 + "policy.yaml:1"),
        table=Table(POLICY.table.values, tuple(replace(rule, origin=long, do=long) for rule in POLICY.table.rules)),
    )
    with layout.opened(browser, written(tmp_path, wild), "light", width) as tab:
        assert layout.find_cut(tab) == []
        assert (words + "w" * 300).strip() in tab.inner_text(f"#fallback-{long} .say"), "no text is shortened"


def test_the_diagrams_are_told_in_words_too(tab: Page, tmp_path: Path) -> None:
    opened(tab, tmp_path)
    pictures = tab.query_selector_all("svg[role=img]")
    assert len(pictures) == 5
    for picture in pictures:
        named, told = picture.get_attribute("aria-labelledby"), picture.get_attribute("aria-describedby")
        assert tab.text_content(f"#{named}", timeout=5_000).startswith("State diagram of the machine ")  # type: ignore[union-attr]  # it is there
        assert "Initial state " in tab.text_content(f"#{told}", timeout=5_000)  # type: ignore[operator]  # it is there
    assert tab.locator("section.machine table").count() == 5


def test_the_address_holds_the_selection(tab: Page, tmp_path: Path, browser: Browser) -> None:
    address = opened(tab, tmp_path)
    tab.select_option("select[name=operation]", "refund")
    tab.select_option("select[name=session]", "expired")
    tab.fill("input[name=words]", "standard")
    chosen, found = rules(tab), tab.inner_text("#found")
    assert tab.url == f"{address}?operation=refund&session=expired&risk=high&effect=write&words=standard"
    with layout.opened(browser, tab.url, "dark", 390) as other:
        assert (rules(other), other.inner_text("#found")) == (chosen, found)
        assert other.locator("#ignored").is_hidden()
        other.reload()
        assert rules(other) == chosen
    tab.click("nav a >> text=Timers")
    assert tab.url.endswith("words=standard#timers"), "a link inside of the page keeps the selection"
    assert rules(tab) == chosen


def test_back_and_forward_return_to_a_selection(tab: Page, tmp_path: Path) -> None:
    address = opened(tab, tmp_path)
    tab.select_option("select[name=session]", "expired")
    first = rules(tab)
    tab.select_option("select[name=credential]", "good")
    tab.fill("input[name=words]", "sign")
    second = rules(tab)
    tab.go_back()
    assert (rules(tab), tab.input_value("select[name=credential]")) == (first, "")
    assert tab.input_value("input[name=words]") == ""
    tab.go_back()
    assert (tab.url, len(rules(tab)), tab.query_selector_all(SELECTED)) == (address, 48, [])
    tab.go_forward()
    tab.go_forward()
    assert (rules(tab), tab.input_value("input[name=words]")) == (second, "sign")
    tab.click("button[type=reset]")
    tab.wait_for_url(address)
    assert len(rules(tab)) == 48


@pytest.mark.parametrize(
    "query",
    [
        "session=gone",
        "session=" + "%3Cimg%20src%3Dx%20onerror%3D%22window.pwned%3D1%22%3E",
        "__proto__=x&constructor=y&filters=z",
        "risk=high&risk=public",
        "session=%E0%A4%A&%&=&==",
        "words=" + "x" * 101,
        "risk=high&" + "x" * 5_000,
        "submit=1&reset=1&action=//127.0.0.1:9/",
    ],
)
def test_a_hostile_address_selects_nothing_and_runs_nothing(
    tab: Page, tmp_path: Path, said: list[str], query: str
) -> None:
    address = f"{written(tmp_path)}?{query}"
    tab.goto(address)
    assert tab.evaluate("[window.pwned, ({}).x]") == [None, None]
    assert tab.locator("#ignored").is_visible()
    assert "ignored" in tab.inner_text("#ignored")
    selected = {one.get_attribute("name") for one in tab.query_selector_all(SELECTED)}
    assert selected == ({"risk"} if query.startswith("risk=high&risk") else {"words"} if "words" in query else set())
    assert tab.query_selector_all("img, #ignored *, #found *") == []
    tab.select_option("select[name=session]", "expired")
    assert tab.locator("#ignored").is_hidden()
    assert tab.url.partition("?")[2].endswith("session=expired") or "session=expired&" in tab.url
    assert "gone" not in tab.url
    assert said == [f"request: {address}"]


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
    assert tab.inner_text("#found").startswith("13 of 49 rules decide")


def test_without_scripts_the_whole_table_is_there(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        tab = context.new_page()
        opened(tab, tmp_path)
        assert not tab.is_visible("#filters")
        assert tab.locator("#rules tbody tr:visible").count() == 49
        assert tab.inner_text("#rule-0 .cells") == "42,456,960"
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
    heights = tab.evaluate("[...document.querySelectorAll('svg')].map((one) => one.getBoundingClientRect().height)")
    assert max(heights) < 700, "a diagram fits one sheet"
    tab.emulate_media(media="print", color_scheme="dark")
    ink, line = tab.evaluate("""['.states .in', '.states .wire'].map((one) => {
      const style = getComputedStyle(document.querySelector(one));
      return one.endsWith('wire') ? style.stroke : style.fill;
    })""")
    assert (ink, line) == ("rgb(0, 0, 0)", "rgb(11, 87, 208)"), "on paper the colours are those for white"
    assert tab.pdf(format="A4", landscape=True, prefer_css_page_size=True).startswith(b"%PDF-")
