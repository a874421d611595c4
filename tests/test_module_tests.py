"""Every module has its own test file: `src/authguard/a/b.py` has `tests/a/test_b.py`.

`modules_without_tests.txt` lists the modules that have none yet. It may only shrink: a new module without a test file
fails here, and so does a listed module that has one by now, or that no longer exists.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent
SOURCE: Final = TESTS.parent / "src" / "authguard"
LIST: Final = TESTS / "modules_without_tests.txt"


def modules_of(source: Path) -> set[str]:
    """Return the paths of the modules below a folder, without those that stand for a package."""
    return {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if path.stem not in {"__init__", "__main__"}
    }


def is_tested(module: str, tests: Path) -> bool:
    """Return whether a module has its own test file."""
    path = Path(module)
    return (tests / path.parent / f"test_{path.name}").is_file()


def wrong_modules(source: Path, tests: Path, listed: list[str]) -> tuple[list[str], list[str]]:
    """Return the modules that miss a test file, and the listed ones that have to leave the list."""
    modules = modules_of(source)
    untested = {module for module in modules if not is_tested(module, tests)}
    return sorted(untested - set(listed)), [one for one in listed if one not in untested]


def test_every_module_has_its_own_test_file_or_is_listed() -> None:
    missing, settled = wrong_modules(SOURCE, TESTS, LIST.read_text("utf-8").splitlines())

    assert not missing, "write a test file for each: tests/FOLDER/test_MODULE.py"
    assert not settled, f"take these off {LIST.name}: each has a test file by now, or no longer exists"


def test_the_list_is_sorted_and_names_each_module_once() -> None:
    listed = LIST.read_text("utf-8").splitlines()

    assert listed == sorted(set(listed))


@pytest.fixture
def project(tmp_path: Path) -> tuple[Path, Path]:
    source, tests = tmp_path / "src", tmp_path / "tests"
    for name in ("src/part/old.py", "src/part/new.py", "src/part/__init__.py", "tests/part/test_old.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return source, tests


@pytest.mark.parametrize(
    ("listed", "missing", "settled"),
    [
        ([], ["part/new.py"], []),
        (["part/new.py"], [], []),
        (["part/new.py", "part/old.py"], [], ["part/old.py"]),
        (["part/gone.py", "part/new.py"], [], ["part/gone.py"]),
    ],
)
def test_a_module_without_a_test_is_found_and_a_list_that_is_too_long(
    project: tuple[Path, Path], listed: list[str], missing: list[str], settled: list[str]
) -> None:
    assert wrong_modules(*project, listed) == (missing, settled)
