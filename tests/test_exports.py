"""The public names: exactly the documented ones, each loaded only when asked for, none of the shell in the core."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import authguard
import authguard.policy
import authguard.testing

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(authguard.__file__).parent
#: what the core and the policy do without: the framework and every package that does something outside
OUTSIDE = ("starlette", "jwt", "pydantic", "structlog", "httpx2", "uvicorn", "typer", "sqlite3")


def documented(module: str) -> list[str]:
    """Read the names that the reference lists for a module."""
    page = (ROOT / "docs" / "reference.md").read_text("utf-8")
    section = page.partition(f"### `{module}`\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def loaded(modules: list[str]) -> set[str]:
    """Import modules in a process of their own; tell which of the outside packages came along."""
    code = f"import sys, {', '.join(modules)}\nprint(*(name for name in {OUTSIDE!r} if name in sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this interpreter
    return set(done.stdout.split())


def modules_of(folder: str) -> list[str]:
    """Name every module of a package."""
    files = sorted((PACKAGE / folder).rglob("*.py"))
    return [".".join(("authguard", *file.relative_to(PACKAGE).with_suffix("").parts)) for file in files]


@pytest.mark.parametrize("module", [authguard, authguard.policy, authguard.testing])
def test_the_exported_names_are_the_documented_names(module: object) -> None:
    names = module.__all__  # type: ignore[attr-defined]  # both modules have it
    assert sorted(names) == sorted(documented(module.__name__))  # type: ignore[attr-defined]  # a module has a name
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("module", [authguard, authguard.policy, authguard.testing])
def test_every_exported_name_loads_and_says_what_it_is(module: object) -> None:
    for name in module.__all__:  # type: ignore[attr-defined]  # both modules have it
        assert getattr(module, name).__doc__, name


@pytest.mark.parametrize("module", [authguard, authguard.policy, authguard.testing])
def test_a_name_that_is_not_exported_is_an_attribute_error(module: object) -> None:
    with pytest.raises(AttributeError, match="nonesuch"):
        module.nonesuch  # type: ignore[attr-defined]  # noqa: B018 - that it is not there is the test


def test_importing_the_package_loads_nothing_of_the_outside() -> None:
    assert loaded(["authguard", "authguard.errors"]) == set()


def test_importing_the_core_loads_nothing_of_the_outside() -> None:
    assert loaded(modules_of("core")) == set()


def test_importing_the_policy_loads_nothing_of_the_outside() -> None:
    assert loaded(modules_of("policy")) == set()


def test_the_probe_sees_what_is_loaded() -> None:
    assert "starlette" in loaded(["authguard.asgi.middleware"])
