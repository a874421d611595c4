"""The documentation site has every page, and the index of the documentation links to each of its pages."""

from __future__ import annotations

import re
from pathlib import Path

from scripts import site

ROOT = Path(__file__).resolve().parents[2]
NAV = re.findall(r"[\w./-]+\.md$", (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2], re.MULTILINE)


def test_the_navigation_has_every_page_once(tmp_path: Path) -> None:
    pages = [name for name in site.stage(ROOT, tmp_path / "staged") if name.endswith(".md")]
    assert sorted(NAV) == [name for name in pages if not re.match(r"docs/adr/\d", name)]


def test_a_page_has_the_same_place_on_the_site(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "gone.md").write_text("", "utf-8")
    copied = site.stage(ROOT, tmp_path / "old")
    assert not (tmp_path / "old" / "gone.md").exists()
    assert (tmp_path / "old" / "docs" / "guide.md").read_bytes() == (ROOT / "docs" / "guide.md").read_bytes()
    assert "docs/guide.md" in copied


def test_the_index_links_to_every_page_of_the_documentation() -> None:
    text = (ROOT / "docs" / "README.md").read_text("utf-8")
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert page.name == "README.md" or f"]({page.name})" in text, page.name
