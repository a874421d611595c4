"""A key of a policy is declared once: `add_key.patch` adds one, and all that is said of keys follows from it.

The patch is applied to a copy of the tree. If it no longer applies, make the same change again in the new code, and
write it with `git diff -U1 -- src tests/policy > tests/patches/add_key.patch`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PATCH: Final = Path(__file__).with_name("add_key.patch")
#: files of `src` that a new key may touch: its declaration, where it is used, and one more
MOST_FILES: Final = 3
POLICY: Final = "authguard: 1\nname: desk\nextends: standard\nbase: true\n"
DEFAULT_BYTES: Final = 65_536


class Tree:
    """A copy of the tree with the new key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("src", "scripts", "docs", "policies", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "conftest.py"):
            shutil.copy(ROOT / name, folder)
        subprocess.run(["git", "apply", "--unidiff-zero", str(PATCH)], cwd=folder, check=True)  # noqa: S603, S607

    def run(self, *words: str, status: int = 0) -> str:
        """Run Python in the copy; return its output."""
        environ = {**os.environ, "PYTHONPATH": str(self.folder / "src"), "NO_COLOR": "1", "COLUMNS": "200"}
        done = subprocess.run(  # noqa: S603 - this Python
            [sys.executable, *words], cwd=self.folder, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def policy(self, name: str, budget: str = "") -> str:
        """Write a policy; return its name."""
        (self.folder / name).write_text(POLICY + (f"budget: {{endpoint_body: {budget}}}\n" if budget else ""))
        return name

    def compiled(self, name: str) -> int:
        """Return the value of the key in the compiled policy."""
        code = "import sys; from authguard.policy.compiler import load; print(load(sys.argv[1]).budget.endpoint_body)"
        return int(self.run("-c", code, name))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return Tree(tmp_path_factory.mktemp("tree"))


def test_a_new_key_touches_few_files_of_the_package() -> None:
    touched = re.findall(r"^\+\+\+ b/(src/\S+)", PATCH.read_text("utf-8"), re.MULTILINE)
    assert 0 < len(touched) <= MOST_FILES, touched


def test_it_is_read_and_reaches_the_compiled_policy(tree: Tree) -> None:
    assert tree.compiled(tree.policy("plain.yaml")) == DEFAULT_BYTES
    assert tree.compiled(tree.policy("large.yaml", "128KiB")) == 2 * DEFAULT_BYTES


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("1KiB", "error[out-of-range]: `1KiB` is not valid for `endpoint_body`; write at least 4KiB"),
        ("2MiB", "error[out-of-range]: `2MiB` is not valid for `endpoint_body`; write at most 1MiB"),
        ("65536", "error[size]: `65536` is not valid for `endpoint_body`; write a size such as `64KiB`"),
    ],
)
def test_a_value_that_it_does_not_take_is_refused_at_its_line(tree: Tree, written: str, told: str) -> None:
    answer = tree.run("-m", "authguard", "policy", "check", tree.policy("wrong.yaml", written), status=3)
    assert "wrong.yaml:5:" in answer
    assert told in answer


def test_editors_learn_it_from_the_schema(tree: Tree) -> None:
    budget = json.loads(tree.run("-m", "authguard", "policy", "schema"))["$defs"]["Budget"]["properties"]
    assert budget["endpoint_body"]["type"] == "string"
    assert budget["endpoint_body"]["description"] == (
        "Maximum size of a body that the guard's endpoints read, `4KiB` to `1MiB`; default 64KiB."
    )


def test_the_reference_lists_it(tree: Tree) -> None:
    tree.run("scripts/reference.py")
    page = (tree.folder / "docs" / "reference.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `endpoint_body` |")]
    assert [row.split(" | ")[1::2] for row in rows] == [["size, 4KiB to 1MiB", "larger |"]]


@pytest.mark.parametrize(("new", "direction"), [("128KiB", "looser"), ("32KiB", "stricter")])
def test_a_change_of_it_has_its_direction_in_a_diff(tree: Tree, new: str, direction: str) -> None:
    names = tree.policy("plain.yaml"), tree.policy("other.yaml", new)
    (found,) = json.loads(tree.run("-m", "authguard", "policy", "diff", *names, "--json"))["differences"]
    assert found["direction"] == direction
    assert found["message"].startswith("`budget.endpoint_body` (maximum size of a body")
    assert found["message"].endswith(f" was 64KiB, is now {new}")


def test_the_tests_of_every_key_hold_for_it(tree: Tree) -> None:
    tested = "tests/policy/diff/test_keys.py", "tests/policy/diff/test_field_order.py"
    tree.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *tested, "-k", "endpoint_body or forgotten or section")
