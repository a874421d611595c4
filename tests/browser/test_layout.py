"""Tests of the measurements themselves: each finds the fault that it is for, and nothing in a page without faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.layout import (
    VIEWS,
    find_cut,
    find_diagram_faults,
    find_violations,
    is_above_fold,
    opened,
    save_screenshot,
)

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

SOUND = (
    "<h1>A page</h1><p>Some words.</p><select name=one aria-label=one><option>short</select>"
    "<svg viewBox='0 0 200 60' width=200 height=60 role=img><title>two states</title>"
    "<rect class=state x=10 y=10 width=60 height=30 fill=none /><text class=in x=15 y=30 font-size=12>here</text>"
    "<text class=on x=90 y=30 font-size=12>moves</text></svg>"
)
SCROLLS = "<div style='overflow: auto; width: 200px'><table><tr><td style='min-width: 400px'>wide</table></div>"
CLIPPED = (
    "<p style='overflow: hidden; text-overflow: ellipsis; white-space: nowrap; width: 5rem'>much too long for it</p>"
)
LOW = "<div style='overflow: hidden; height: 1rem'><p>one</p><p>two</p><p>three</p></div>"
CHOSEN = "<select name=thin style='width: 4rem'><option>a very long value of a field</select>"
ON_STATE = SOUND.replace("x=90", "x=20")
ON_LABEL = SOUND.replace("</svg>", "<text class=on x=95 y=32 font-size=12>other</text></svg>")
OUTSIDE = SOUND.replace("x=90", "x=190")
SMALL = SOUND.replace("width=200 height=60 role", "width=80 height=24 role")
NAMED = SOUND.replace(">here<", ">a name of a state that is too long<")


def write(folder: Path, body: str) -> str:
    file = folder / "page.html"
    head = "<!doctype html><html lang=en><meta charset=utf-8><title>t</title>"
    file.write_text(f"{head}<meta name=viewport content='width=device-width'><main>{body}</main>", "utf-8")
    return file.as_uri()


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_a_page_without_faults_has_none(browser: Browser, tmp_path: Path, scheme: str, width: int) -> None:
    with opened(browser, write(tmp_path, SOUND), scheme, width) as tab:
        assert (find_cut(tab), find_diagram_faults(tab)) == ([], [])
        assert is_above_fold(tab, "svg")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (SCROLLS, "wide in 200"),
        (CLIPPED, "wide in"),
        (LOW, "high in"),
        (CHOSEN, "does not fit"),
        ("<div style='width: 500px'>far</div>", "leaves the page"),
        ("<p>" + "x" * 200 + "</p>", "wide in"),
    ],
)
def test_what_is_cut_is_found(browser: Browser, tmp_path: Path, body: str, words: str) -> None:
    with opened(browser, write(tmp_path, SOUND + body), "light", 390) as tab:
        assert words in "\n".join(find_cut(tab))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (ON_STATE, "lies on a state"),
        (ON_LABEL, 'lies on "moves"'),
        (OUTSIDE, "is outside of its picture"),
        (SMALL, "px high"),
        (NAMED, "wider than its state"),
        (SOUND.replace("<title>two states</title>", ""), "without a title"),
    ],
)
def test_what_is_wrong_with_a_picture_is_found(browser: Browser, tmp_path: Path, body: str, words: str) -> None:
    with opened(browser, write(tmp_path, body), "light", 1280) as tab:
        assert words in "\n".join(find_diagram_faults(tab))


def test_contrast_is_measured_and_what_is_low_is_not_above_the_fold(browser: Browser, tmp_path: Path, axe: str) -> None:
    body = SOUND + "<p style='color: #aaa'>pale</p><div style='height: 2000px'></div><p id=low>low</p>"
    with opened(browser, write(tmp_path, body), "light", 390) as tab:
        assert not is_above_fold(tab, "#low")
        assert [line for line in find_violations(tab, axe) if line.startswith("color-contrast")]
        assert save_screenshot(tab, "layout", "light").stat().st_size > 1_000
