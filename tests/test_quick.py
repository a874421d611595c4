"""`make quick` runs the tests of what changed: of a module those that import it and those of its folder."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from scripts import quick

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a small project."""
    for name, text in {
        "src/authguard/core/limits.py": "",
        "src/authguard/erasable_pseudonym.py": "",
        "tests/core/test_limits.py": "",
        "tests/evaluation/test_driver.py": "from authguard.core.limits import count\n",
        "tests/asgi/test_door.py": "from authguard.core import limits, walls\n",
        "tests/test_erasable_pseudonym.py": "import authguard.erasable_pseudonym\nfrom tests.support import harness\n",
        "tests/support/harness.py": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "tests"),
    [
        (
            "src/authguard/core/limits.py",
            ["tests/asgi/test_door.py", "tests/core/test_limits.py", "tests/evaluation/test_driver.py"],
        ),
        ("src/authguard/erasable_pseudonym.py", ["tests/test_erasable_pseudonym.py"]),
        ("tests/support/harness.py", ["tests/test_erasable_pseudonym.py"]),
        ("tests/core/test_limits.py", ["tests/core/test_limits.py"]),
        ("docs/guide.md", []),
    ],
)
def test_the_tests_of_a_change_are_found(root: Path, changed: str, tests: list[str]) -> None:
    assert quick.tests_of([changed], root) == tests


def test_what_changed_since_main_is_found_and_what_git_does_not_know_yet(root: Path) -> None:
    def git(*words: str) -> None:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.test", *words]
        subprocess.run(command, cwd=root, check=True, capture_output=True)  # noqa: S603 - git

    git("init", "--initial-branch", "main")
    git("add", ".")
    git("commit", "-m", "one")
    assert quick.changed(root) == []
    git("checkout", "-b", "other")
    (root / "src/authguard/erasable_pseudonym.py").write_text("one = 1\n", "utf-8")
    git("commit", "-am", "two")
    (root / "tests/support/harness.py").write_text("two = 2\n", "utf-8")
    (root / "tests/new.py").write_text("", "utf-8")
    (root / "tests/test_erasable_pseudonym.py").unlink()
    assert quick.changed(root) == ["src/authguard/erasable_pseudonym.py", "tests/new.py", "tests/support/harness.py"]
