"""The count of listed words sees docstrings, comments, names and pages, and fails above its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scripts import words

if TYPE_CHECKING:
    from pathlib import Path

PATTERNS = words.read_patterns("# a comment\n\\bstrides?\\b\n\n\\btold\\b\n")


@pytest.mark.parametrize(
    ("name", "text", "hits"),
    [
        ("a.py", '"""Follow the strides."""\n', 1),
        ("a.py", "x = 1  # as it was told\n", 1),
        ("a.py", "def stride_of(toldSo): ...\n", 2),
        ("a.py", "x = 'told'\n", 0),
        ("a.md", "Whoever is TOLD takes one Stride.\n", 2),
        ("a.md", "```python\ntold = 1\n```\n", 0),
    ],
)
def test_what_counts(tmp_path: Path, name: str, text: str, hits: int) -> None:
    file = tmp_path / name
    file.write_text(text, "utf-8")
    _, by_pattern, by_file = words.count((tmp_path,), PATTERNS)
    assert by_pattern.total() == hits
    assert by_file == ({str(file): hits} if hits else {})


def test_a_part_above_the_limit_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "words.txt"
    listed.write_text("\\btold\\b\n", "utf-8")
    monkeypatch.setattr(words, "LIST", listed)
    page = tmp_path / "a.md"
    page.write_text("plain " * 1_000, "utf-8")
    assert words.main(["--check", str(page)]) == 0
    page.write_text("plain " * 1_000 + "told told told", "utf-8")
    assert words.main(["--check", str(page)]) == 1
    assert "told" in capsys.readouterr().out


def test_the_list_of_the_project_is_readable() -> None:
    assert len(words.read_patterns(words.LIST.read_text("utf-8"))) > 40
