"""The reference is generated: it is in step with the code, the same on every terminal, and says so when it is not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from authguard.asgi.customer_text import DEFAULT_TEXTS
from authguard.cli.command_table import GROUPS
from authguard.core.outcomes import Outcome, Reason
from authguard.policy.checks import registry
from authguard.policy.loading import loader
from authguard.policy.testing import parser

if TYPE_CHECKING:
    from subprocess import CompletedProcess

ROOT = Path(__file__).resolve().parents[2]


def generate(root: Path, *arguments: str, **variables: str) -> CompletedProcess[str]:
    """Run a copy of the generator, or the real one."""
    return subprocess.run(  # noqa: S603 - this interpreter and a script of this repository
        [sys.executable, str(root / "scripts" / "reference.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "reference.md").read_text("utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A generator with a page of its own, that a test may spoil."""
    for name in ("scripts/reference.py", "docs/reference.md", "src/authguard/audit/record.schema.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_reference_is_in_step_with_the_code() -> None:
    found = generate(ROOT, "--check")
    assert found.returncode == 0, found.stderr


def test_the_reference_is_the_same_on_every_terminal(copy: Path, page: str) -> None:
    terminal = {"COLUMNS": "40", "TERMINAL_WIDTH": "40", "FORCE_COLOR": "1", "LANG": "C", "PYTHONHASHSEED": "7"}
    assert generate(copy, **terminal).returncode == 0
    assert (copy / "docs" / "reference.md").read_text("utf-8") == page
    assert "\x1b" not in page


def test_a_reference_that_is_not_in_step_is_an_error_and_is_left_alone(copy: Path) -> None:
    spoilt = copy / "docs" / "reference.md"
    spoilt.write_text("# Reference\n", "utf-8")
    found = generate(copy, "--check")
    assert (found.returncode, found.stderr.count("\n")) == (1, 1)
    assert spoilt.read_text("utf-8") == "# Reference\n"
    spoilt.unlink()
    assert generate(copy, "--check").returncode == 1


def test_an_unknown_argument_writes_nothing(copy: Path) -> None:
    (copy / "docs" / "reference.md").unlink()
    assert generate(copy, "--chekc").returncode == 2
    assert not (copy / "docs" / "reference.md").exists()


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(list(Outcome), id="outcomes"),
        pytest.param([one.code for one in Reason], id="reasons"),
        pytest.param(list(loader.CODES | registry.CODES | parser.CODES), id="problems"),
        pytest.param([f"authguard {group}" for group in GROUPS], id="commands"),
    ],
)
def test_everything_that_is_closed_is_listed(page: str, told: list[Any]) -> None:
    assert [one for one in told if f"`{one}" not in page] == []


def test_the_words_of_the_replies_are_the_code_s_own(page: str) -> None:
    for outcome, words in DEFAULT_TEXTS.items():
        if outcome is not Outcome.REPEAT:
            assert words in page


def test_the_reference_names_no_place_of_this_machine_and_no_page_that_is_not_there(page: str) -> None:
    assert str(ROOT) not in page
    for link in re.findall(r"\]\(([^)#]+)\)", page):
        assert (ROOT / "docs" / link).is_file(), link
