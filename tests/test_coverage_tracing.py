"""Coverage follows the tests of a file for as long as they reach something new; then it only runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.coverage_tracing import IN_VAIN

CONFTEST = """\
import coverage
import pytest
from tests.support.coverage_tracing import Followed

followed = Followed()
seen = []

def pytest_collection_modifyitems(items):
    for item in items:
        if not item.get_closest_marker("slow"):
            item.add_marker("unit")

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    with followed.following(item):
        if coverage.Coverage.current() is not None:
            seen.append(item.name)
        return (yield)

def pytest_sessionfinish():
    print("\\nFOLLOWED", *seen)
"""
ALIKE = """\
import pytest
from subject import work

@pytest.mark.parametrize("number", range(40))
def test_alike(number):
    work(0)
"""
MORE = """\
import pytest
from subject import work

@pytest.mark.parametrize("number", range(9))
def test_more(number):
    work(number)

@pytest.mark.slow
def test_long():
    work(9)
"""
SUBJECT = "def work(number):\n" + "".join(f"    if number == {n}:\n        return {n}\n" for n in range(10))


def run(folder: Path, *options: str) -> list[str]:
    """Run the project in a folder; list the tests that were followed."""
    for name, text in {"conftest.py": CONFTEST, "test_a.py": ALIKE, "test_b.py": MORE, "subject.py": SUBJECT}.items():
        (folder / name).write_text(text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *options]
    given = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert "50 passed" in done.stdout, done.stdout + done.stderr
    return next(line for line in done.stdout.splitlines() if line.startswith("FOLLOWED")).split()[1:]


def test_what_reaches_nothing_new_is_followed_no_further(tmp_path: Path) -> None:
    found = run(tmp_path, "--cov=subject", "--cov-report=")
    assert [name for name in found if "alike" in name] == [f"test_alike[{n}]" for n in range(IN_VAIN + 1)]
    assert [name for name in found if "alike" not in name] == [f"test_more[{n}]" for n in range(9)]
