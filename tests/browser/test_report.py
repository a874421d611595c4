"""The report in a real browser: it runs and asks for nothing, serves everybody, and prints with nothing cut off."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest
from typer.testing import CliRunner

from authguard import signing_key
from authguard.cli.output import UNVERIFIED
from tests.browser.eventful_log import write
from tests.browser.layout import (
    HEIGHTS,
    VIEWS,
    find_cut,
    find_diagram_faults,
    find_violations,
    is_above_fold,
    measure_top,
    opened,
    save_screenshot,
)
from tests.cli.deployment import group

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page


#: records of the log, without the rare ones
RECORDS: Final = 2_500
#: options of each report
REPORTS: Final = {
    "full": (),
    "empty": ("--since", "2023-11-20", "--until", "2023-11-21"),
    "figures": ("--json",),
    "broken": (),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Make a report of a strained log, one of a period without records, and one of a log with a removed line."""
    folder = tmp_path_factory.mktemp("report")
    log = folder / "audit.jsonl"
    key = signing_key.generate_key("desk")
    write(log, RECORDS, key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        for name, options in REPORTS.items():
            words = ["report", "--log", str(log), "--key", key.key.text(), "--output", str(folder / f"{name}.html")]
            if name == "broken":
                lines = log.read_bytes().splitlines(keepends=True)
                log.write_bytes(b"".join(lines[:100] + lines[101:]))
            done = CliRunner().invoke(
                group("audit"), [*words, "--policy", "policies/support-desk/policy.yaml", *options]
            )
            assert done.exit_code == (UNVERIFIED if name == "broken" else 0), done.output
    return {name: folder / f"{name}.html" for name in REPORTS}


@pytest.fixture
def report(reports: dict[str, Path]) -> Path:
    return reports["full"]


def test_it_opens_from_a_file_and_asks_for_nothing_else(tab: Page, report: Path, said: list[str]) -> None:
    tab.goto(report.as_uri())
    assert said == [f"request: {report.as_uri()}"]
    assert tab.locator("svg[role=img]").count() >= 5
    assert tab.inner_text("#verdict").startswith("Verified.")


def test_no_script_may_run_in_it(tab: Page, report: Path) -> None:
    tab.goto(report.as_uri())
    tab.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran=1'}))")
    assert tab.evaluate("window.ran") is None


#: each view of a full report, and one wide and one narrow of the others
LOOKS: Final = [
    *(("full", view) for view in VIEWS),
    *((name, view) for name in ("empty", "broken") for view in (("light", 390), ("dark", 1280))),
]


@pytest.mark.parametrize(("name", "view"), LOOKS)
def test_nothing_is_cut_and_it_is_accessible_in_each_view(
    browser: Browser, reports: dict[str, Path], axe: str, name: str, view: tuple[str, int]
) -> None:
    with opened(browser, reports[name].as_uri(), *view) as tab:
        save_screenshot(tab, "report" if name == "full" else f"report-{name}", view[0])
        assert find_cut(tab) == []
        assert find_diagram_faults(tab) == []
        assert find_violations(tab, axe) == []
        assert tab.evaluate("window.ran") is None


@pytest.mark.parametrize("width", [320, 360, 600, 833, 900, 1024, 1920])
def test_it_is_whole_at_widths_between(browser: Browser, reports: dict[str, Path], width: int) -> None:
    with opened(browser, reports["full"].as_uri(), "light", width) as tab:
        assert find_cut(tab) == []
        assert find_diagram_faults(tab) == []


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_the_results_come_before_the_details(
    browser: Browser, reports: dict[str, Path], scheme: str, width: int
) -> None:
    with opened(browser, reports["full"].as_uri(), scheme, width) as tab:
        assert measure_bottom(tab, "#verdict") <= HEIGHTS[width] / 3
        assert is_above_fold(tab, ".why")
        assert is_above_fold(tab, ".next")
        order = [measure_top(tab, f"#{mark}") for mark in ("verdict", "summary", "reasons", "denials", "integrity")]
        assert order == sorted(order)
        assert measure_top(tab, "#refusals-by-reason") <= 2.5 * HEIGHTS[width]


def measure_bottom(tab: Page, selector: str) -> float:
    box = tab.locator(selector).bounding_box()
    assert box is not None
    return box["y"] + box["height"]


@pytest.mark.parametrize("width", list(HEIGHTS))
def test_transition_counts_are_shown_in_each_width_once(browser: Browser, reports: dict[str, Path], width: int) -> None:
    with opened(browser, reports["full"].as_uri(), "light", width) as tab:
        drawn, listed = (tab.locator(one).locator("visible=true").count() for one in (".machine svg", ".outline"))
        assert (drawn > 0, listed > 0) == ((True, False) if width > 800 else (False, True))
        assert tab.locator(".plot svg").locator("visible=true").count() == 2
        labels = tab.locator(".machine text.on, .outline .events > span").locator("visible=true").all_text_contents()
        figures = json.loads(reports["figures"].read_text("utf-8"))
        assert Counter(labels) == Counter(f"{one['event']} {one['count']:,}" for one in figures["transitions"])


def test_rows_and_cells_stay_a_table_for_a_screen_reader_in_a_narrow_window(
    browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports["full"].as_uri(), "light", 390) as tab:
        tree = tab.context.new_cdp_session(tab).send("Accessibility.getFullAXTree")
        roles = Counter(one["role"]["value"] for one in tree["nodes"] if not one["ignored"] and "role" in one)
        assert roles["table"] >= 8
        assert roles["row"] > 100
        assert roles["rowheader"] > 100
        assert roles["cell"] > 300


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
