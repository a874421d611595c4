"""Tests of the `pre-commit` hooks: they reject an invalid policy and a failing scenario, and accept valid files."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from authguard.cli.output import INVALID, OK
from authguard.policy.loading.yaml_parser import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
HOOKS: list[dict[str, Any]] = parse_yaml(
    (ROOT / ".pre-commit-hooks.yaml").read_bytes(), "hooks", listed=True
).tree.to_plain()
CHECK, TEST = HOOKS


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Create a repository with a copy of a shipped policy and its scenarios."""
    shutil.copytree(ROOT / "policies" / "support-desk", tmp_path / "policies" / "desk")
    shutil.copytree(ROOT / "policies" / "support-desk", tmp_path / "policies" / "other")
    return tmp_path


def hook(hook: dict[str, Any], repository: Path, changed: Sequence[str]) -> tuple[int, str]:
    """Run the entry of a hook on its files, as `pre-commit` does."""
    files = [name for name in changed if re.search(hook["files"], name)]
    assert files, "the hook would not run at all"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [*shlex.split(hook["entry"]), *files]
    done = subprocess.run(  # noqa: S603 - the hook's own entry
        command, cwd=repository, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_each_hook_says_what_pre_commit_asks_for() -> None:
    for one in HOOKS:
        assert {"id", "name", "entry", "language", "files"} <= set(one)
        assert one["language"] == "python"
    assert len({one["id"] for one in HOOKS}) == len(HOOKS)


def test_the_hooks_run_for_policies_and_scenarios_wherever_they_stand_and_for_nothing_else() -> None:
    for name in ("policy.yaml", "policies/desk/policy.yaml"):
        assert re.search(CHECK["files"], name)
        assert re.search(TEST["files"], name)
    assert re.search(TEST["files"], "policies/desk/scenarios/refunds.yaml")
    for name in ("my-policy.yaml.txt", "docs/notpolicy.yaml", "policies/desk/README.md", "scenarios/deep/er.yaml"):
        assert not re.search(CHECK["files"], name)
        assert not re.search(TEST["files"], name)


def test_a_good_policy_passes_both_hooks(repository: Path) -> None:
    assert hook(CHECK, repository, ["policies/desk/policy.yaml", "policies/other/policy.yaml"])[0] == OK
    changed = [
        "policies/desk/scenarios/refunds.yaml",
        "policies/desk/scenarios/service.yaml",
        "policies/desk/policy.yaml",
    ]
    code, said = hook(TEST, repository, changed)
    assert code == OK
    assert said.count("scenarios pass") == 1, "a policy whose files all changed is tested once"


def test_a_bad_policy_is_refused_by_the_one_and_a_failing_scenario_by_the_other(repository: Path) -> None:
    path = repository / "policies" / "desk" / "policy.yaml"
    good = path.read_text("utf-8")
    path.write_text(good + "budgt: {}\n", "utf-8")
    code, said = hook(CHECK, repository, ["policies/desk/policy.yaml"])
    assert code == INVALID
    assert "did you mean `budget`?" in said
    path.write_text(good, "utf-8")
    scenario = repository / "policies" / "desk" / "scenarios" / "one.yaml"
    scenario.write_text("- {name: wrong, ask: {operation: refund}, then: {outcome: allow}}\n", "utf-8")
    assert hook(CHECK, repository, ["policies/desk/policy.yaml"])[0] == OK
    code, said = hook(TEST, repository, ["policies/desk/scenarios/one.yaml"])
    assert code == INVALID
    assert "failed: wrong" in said
