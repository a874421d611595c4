"""Coverage follows the cases of a test for as long as they reach something new, and then runs them all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.following import IN_VAIN

CONFTEST = """\
import pytest
from tests.following import Followed

followed = Followed()
seen = []

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    followed.begins(item)
    seen.append((item.name, item.get_closest_marker("no_cover") is None))
    try:
        return (yield)
    finally:
        followed.ends(item)

def pytest_sessionfinish():
    print("\\nFOLLOWED", *(name for name, was in seen if was))
"""
TESTS = """\
import pytest
from subject import work

@pytest.mark.parametrize("number", range(20))
def test_all_alike(number):
    work(0)

@pytest.mark.parametrize("number", range(9))
def test_each_reaches_more(number):
    work(number)
"""
SUBJECT = "def work(number):\n" + "".join(f"    if number == {n}:\n        return {n}\n" for n in range(9))


def run(folder: Path, *options: str) -> list[str]:
    """Run the project in a folder; list the cases that were followed."""
    for name, text in {"conftest.py": CONFTEST, "test_it.py": TESTS, "subject.py": SUBJECT}.items():
        (folder / name).write_text(text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *options]
    given = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert "29 passed" in done.stdout, done.stdout + done.stderr
    return next(line for line in done.stdout.splitlines() if line.startswith("FOLLOWED")).split()[1:]


def test_what_reaches_nothing_new_is_followed_no_further(tmp_path: Path) -> None:
    found = run(tmp_path, "--cov=subject", "--cov-report=")
    assert [name for name in found if "more" in name] == [f"test_each_reaches_more[{n}]" for n in range(9)]
    assert len([name for name in found if "alike" in name]) == IN_VAIN + 1
