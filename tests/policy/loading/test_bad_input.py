"""Whatever a policy or a scenario file holds, checking it ends, in little memory, with problems that have a line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.policy.loading.limited import ODD, POLICIES, SCENARIOS

CHILD = Path(__file__).with_name("limited.py")
EXAMPLES = int(os.environ.get("AUTHGUARD_MANGLED_EXAMPLES", "60"))
#: the codes that each must have, where more than one would do for a test that cannot fail
POLICY_CODES = {
    "ten mebibytes": {"file-too-large"},
    "a hundred thousand rules": {"file-too-large"},
    "a hundred thousand short rules": {"too-many-items"},
    "more rules than are taken": {"too-many-items"},
    "many rules that overlap": {"rule-shadowed"},
    "fallbacks in one long circle": {"then-loop"},
    "deep flow nesting": {"too-deep"},
    "deep block nesting": {"too-deep"},
    "a billion laughs": {"alias", "anchor", "missing-key"},
    "code in a tag": {"tag"},
    "code in a name": {"method-unknown"},
    "events that raise one another": {"chain-loop"},
    "itself": {"extends-cycle"},
    "one that extends a device": {"extends-outside"},
    "one that extends a file outside": {"extends-outside"},
    "one that extends a pipe": {"extends-missing"},
}
SCENARIO_CODES = {
    "ten mebibytes": {"file-too-large"},
    "ten thousand and one": {"too-many-items"},
    "a billion laughs": {"alias", "anchor", "wrong-type", "scenario-incomplete"},
    "deep nesting": {"too-deep"},
    "a product of lists": {"scenario-too-wide"},
    "code in a tag": {"tag"},
    "no list": {"not-a-list"},
    "YAML 1.1": {"ambiguous-boolean"},
    "tabs": {"tab"},
    "a key twice": {"duplicate-key"},
    "another version of YAML": {"directive"},
    "control characters": {"refused-character"},
    "half a character": {"not-utf-8"},
    "a step that is no mapping": {"wrong-type", "duration"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder of a policy with everything in it that is no plain file."""
    home = tmp_path / "home"
    own = home / "scenarios"
    own.mkdir(parents=True)
    (tmp_path / "beside.yaml").write_text("authguard: 1\nname: x\nsecret: word\n", "utf-8")
    for place in (home, own):
        (place / "a device.yaml").symlink_to("/dev/zero")
        (place / "a folder.yaml").mkdir()
        os.mkfifo(place / "a pipe.yaml")
        (place / "a loop.yaml").symlink_to(place / "a loop.yaml")
        (place / "outside.yaml").symlink_to(tmp_path / "beside.yaml")
    (home / "zero.yaml").symlink_to("/dev/zero")
    os.mkfifo(home / "pipe.yaml")
    return home


def limited(name: str, folder: Path, examples: int = 0) -> dict[str, Any]:
    """Run the child; give what it printed."""
    command = [sys.executable, str(CHILD), name, str(examples), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(CHILD.parents[3])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)  # noqa: S603 - ours
    assert done.returncode == 0, done.stderr[-2_000:]
    assert done.stderr == ""
    assert not (folder / "ran").exists(), "something in the file was run"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_policy_that_is_made_to_exhaust_is_refused_with_a_line(folder: Path) -> None:
    found = limited("policies", folder)
    assert set(found) == {*POLICIES, *ODD}
    for name, codes in POLICY_CODES.items():
        assert codes <= set(found[name]["codes"]), (name, found[name])
        assert found[name]["lines"] > 0, name
    for name, told in found.items():
        assert told["codes"], name
        assert told["longest"] < 1_200, name
        assert told["count"] < 210, name
    for name in ("a device", "a folder", "a pipe", "a loop"):
        assert found[name]["codes"] == ["file-missing"], name


def test_scenarios_that_are_made_to_exhaust_are_refused_with_a_line(folder: Path) -> None:
    found = limited("scenarios", folder)
    assert set(found) == {*SCENARIOS, *ODD}
    for name, codes in SCENARIO_CODES.items():
        assert codes <= set(found[name]["codes"]), (name, found[name])
        assert found[name]["lines"] > 0, name
    for name, told in found.items():
        assert told["longest"] < 1_200, name
        assert told["count"] < 400, name
    assert {name: found[name]["codes"] for name in ODD} == {
        "a device": ["scenario-outside"],
        "a folder": ["file-missing"],
        "a pipe": ["file-missing"],
        "a loop": ["file-missing"],
        "outside": ["scenario-outside"],
    }


def test_mangled_shipped_files_give_problems_and_nothing_else(folder: Path) -> None:
    counts = limited("mangled", folder, EXAMPLES)["counts"]
    assert counts["checked"] >= EXAMPLES
    assert counts["refused"] > EXAMPLES // 2, "most of what is strewn into a policy breaks it"
    assert counts["refused"] < counts["checked"], "and some of it does not"
    assert counts["run"] > 0, "some scenarios survive, and are run"
