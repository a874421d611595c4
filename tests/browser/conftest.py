"""Tests in a real browser, run by `make test-browser` alone: Debian's Chromium, and npm's own packages to judge by.

They are not collected with the others (`norecursedirs`), because they need more than Python; nothing here is skipped
where something is missing, since that target installs it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

#: where `make test-browser` unpacks what it fetches by npm
PACKAGES = Path(__file__).resolve().parents[2] / ".venv" / "npm"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium once."""
    path = shutil.which("chromium")
    assert path is not None, "run `make test-browser`, which installs it"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def said() -> list[str]:
    """Hold what the page complains of, and what it asks of a network."""
    return []


@pytest.fixture
def tab(browser: Browser, said: list[str]) -> Iterator[Page]:
    """Open a tab in which nothing goes wrong unheard."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.on("console", lambda message: said.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: said.append(f"request: {request.url}"))
    yield page
    context.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """Give the accessibility checker."""
    return (PACKAGES / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest.fixture(scope="session")
def mermaid_script() -> str:
    """Give the real Mermaid."""
    return (PACKAGES / "mermaid" / "dist" / "mermaid.min.js").read_text("utf-8")
