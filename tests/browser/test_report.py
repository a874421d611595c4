"""The report in a real browser: it runs and asks for nothing, serves everybody, and prints with nothing cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from authguard import signing_key
from benchmarks.long_log import write
from tests.cli.deployment import group

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page


app = group("audit")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    key = signing_key.generate_key("desk")
    write(folder / "audit.jsonl", 3_000, key)
    page = folder / "report.html"
    words = ["report", "--log", str(folder / "audit.jsonl"), "--key", key.key.text(), "--output", str(page)]
    assert CliRunner().invoke(app, [*words, "--policy", "policies/support-desk/policy.yaml"]).exit_code == 0
    return page


def test_it_opens_from_a_file_and_asks_for_nothing_else(tab: Page, report: Path, said: list[str]) -> None:
    tab.goto(report.as_uri())
    assert said == [f"request: {report.as_uri()}"]
    assert tab.locator("svg[role=img]").count() >= 5
    assert tab.inner_text(".tile.good dd").startswith("sound")


def test_no_script_may_run_in_it(tab: Page, report: Path) -> None:
    tab.goto(report.as_uri())
    tab.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran=1'}))")
    assert tab.evaluate("window.ran") is None


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 1400), ("light", 360), ("dark", 480)])
def test_it_is_accessible_in_light_and_dark_wide_and_narrow(
    browser: Browser, report: Path, axe: str, scheme: str, width: int
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)  # type: ignore[arg-type]  # one of its two words
    try:
        tab = context.new_page()
        tab.goto(report.as_uri())
        tab.add_script_tag(content=axe)
        found = tab.evaluate("axe.run()")
        told = [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found["violations"]]
        assert told == []
        assert len(found["passes"]) > 15
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, (
            "plots and tables scroll, the page does not"
        )
    finally:
        context.close()


def test_words_of_a_diagram_lie_on_no_state_and_inside_the_picture(tab: Page, report: Path) -> None:
    tab.goto(report.as_uri())
    overlaps = tab.evaluate("""() => {
        const out = [];
        for (const svg of document.querySelectorAll('.machine svg')) {
            const whole = svg.getBoundingClientRect();
            const states = [...svg.querySelectorAll('.state')].map((one) => one.getBoundingClientRect());
            for (const word of svg.querySelectorAll('text.on')) {
                const at = word.getBoundingClientRect();
                if (at.left < whole.left || at.right > whole.right || at.top < whole.top || at.bottom > whole.bottom)
                    out.push(word.textContent + ' is outside');
                if (states.some((one) => at.left < one.right - 2 && at.right > one.left + 2
                    && at.top < one.bottom - 2 && at.bottom > one.top + 2)) out.push(word.textContent + ' on a state');
            }
        }
        return out;
    }""")
    assert overlaps == []


def test_on_paper_nothing_is_cut_off(tab: Page, report: Path) -> None:
    tab.goto(report.as_uri())
    tab.emulate_media(media="print")
    width = 703  # A4 upright, less the margins, at 96 dots an inch
    tab.set_viewport_size({"width": width, "height": 1000})
    assert not tab.is_visible("nav")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    wide = tab.evaluate(
        """(width) => [...document.querySelectorAll('table, svg')]
        .filter((one) => one.getBoundingClientRect().right > width + 1).map((one) => one.outerHTML.slice(0, 90))""",
        width,
    )
    assert wide == []
    assert tab.pdf(prefer_css_page_size=True).startswith(b"%PDF-")
