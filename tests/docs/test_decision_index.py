"""The decision records have one format, and docs/adr/README.md lists all of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from scripts import decision_index

ROOT = Path(__file__).resolve().parents[2]
GOOD = (
    "# 2. Use two\n\nStatus: accepted, 2026-11-29.\n\n"
    "**Context.** One.\n\n**Decision.** Two.\n\n**Consequences.** None.\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "README.md").write_text("# Decision records\n", "utf-8")
    (tmp_path / "0002-use-two.md").write_text(GOOD, "utf-8")
    return tmp_path


def test_the_index_is_in_step_with_the_records() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/decision_index.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_record_is_linked_from_the_index() -> None:
    text = (ROOT / "docs" / "adr" / "README.md").read_text("utf-8")
    for path in (ROOT / "docs" / "adr").glob("[0-9]*.md"):
        assert f"]({path.name})" in text


def test_the_index_names_a_record_and_the_missing_numbers(folder: Path) -> None:
    assert decision_index.main([], folder) == 0
    text = (folder / "README.md").read_text("utf-8")
    assert text.startswith("# Decision records\n")
    assert "| 2 | [Use two](0002-use-two.md) | accepted, 2026-11-29 |" in text
    assert "numbers, and none will get one: 1." in text
    assert decision_index.main(["--check"], folder) == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Status: accepted, 2026-11-29.", "**Status:** accepted."),
        ("# 2.", "# 3."),
        ("**Decision.**", "**Decisions.**"),
        ("**Consequences.** None.\n", ""),
    ],
)
def test_a_record_in_another_format_is_reported(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
) -> None:
    (folder / "0002-use-two.md").write_text(GOOD.replace(old, new), "utf-8")
    assert decision_index.main([], folder) == 1
    assert "docs/adr/0002-use-two.md" in capsys.readouterr().err
