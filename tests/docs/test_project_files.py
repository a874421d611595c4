"""What CONTRIBUTING.md, the hooks and the issue templates name exists: files, make targets, commands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import authguard

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
RELEASING = (ROOT / "docs" / "releasing.md").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
CHECK = (ROOT / "Makefile").read_text("utf-8").partition("\ncheck:")[2].partition("\n\n")[0]
PATHS = sorted(set(re.findall(r"`((?:src|tests|docs|scripts|policies|\.ci)/[\w./-]*)`", GUIDE + RELEASING)))


def read_yaml(name: str) -> Any:
    return YAML(typ="safe").load((ROOT / name).read_text("utf-8"))


@pytest.mark.parametrize("path", PATHS)
def test_a_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_readme_names_the_wheel_of_this_version_and_an_extra_that_exists() -> None:
    version, extra = re.findall(
        r"authguard-([\w.]+)-py3-none-any\.whl\[(\w+)\]", (ROOT / "README.md").read_text("utf-8")
    )[0]
    assert version == authguard.__version__
    assert extra in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]


def test_a_make_target_exists() -> None:
    named = set(re.findall(r"\bmake ([a-z-]+)\b(?=[ `\n]|$)", "\n".join(re.findall(r"`make [^`]+`", GUIDE))))
    assert len(named) > 8
    assert named <= TARGETS


@pytest.mark.parametrize(("file", "names"), re.findall(r"`(src/[\w/]+\.py)`: ((?:`\w+`[^.`]*)+)", GUIDE))
def test_a_name_behind_a_file_is_in_it(file: str, names: str) -> None:
    for name in re.findall(r"`(\w+)`", names):
        assert re.search(rf"\b{name}\b", (ROOT / file).read_text("utf-8")), name


def test_the_hooks_check_what_make_check_checks() -> None:
    hooks = {hook["id"]: hook for repo in read_yaml(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]}
    generated = set(re.findall(r"scripts/(\w+)\.py --check", CHECK))
    assert generated
    for name in generated:
        assert re.search(rf"\b{name}\b", hooks["generated-pages"]["entry"]), name
        assert f"`scripts/{name}.py`" in GUIDE
    for hook in hooks.values():
        assert hook["language"] == "system"
        assert hook["entry"].startswith((".venv/bin/", "sh -c "))


@pytest.mark.parametrize("name", ["bug.yml", "feature.yml"])
def test_an_issue_template_has_what_the_forms_need(name: str) -> None:
    form = read_yaml(f".github/ISSUE_TEMPLATE/{name}")
    assert form["name"]
    assert form["description"]
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 2
    assert all(part["attributes"].get("label") or part["attributes"].get("value") for part in form["body"])
