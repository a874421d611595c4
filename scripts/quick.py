"""Run the tests of what changed since the branch left main, or since the last commit if there is no main.

``python scripts/quick.py [PYTEST OPTION...]``. A changed module is tested by the unit tests that import it and by those
of its folder; a changed test file by itself. Changes without unit tests wait for `make test`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT: Final = Path(__file__).resolve().parents[1]
#: pytest's exit code if no test was selected
NOTHING: Final = 5


def changed(root: Path) -> list[str]:
    """List the files that differ from where the branch left main, and untracked files."""
    base = _git(root, "merge-base", "HEAD", "main").strip() or "HEAD"
    names = _git(root, "diff", "--name-only", "--diff-filter=d", base) + _git(
        root, "ls-files", "--others", "--exclude-standard"
    )
    return sorted(set(names.splitlines()))


def tests_of(names: Iterable[str], root: Path) -> list[str]:
    """Choose the test files and folders for changed files.

    Args:
        names: of the changed files, from the root.
        root: of the repository.
    """
    texts = {path: path.read_text("utf-8") for path in (root / "tests").rglob("test_*.py")}
    found: set[Path] = set()
    for name in names:
        path = root / name
        if path.suffix != ".py":
            continue
        if path in texts:
            found.add(path)
        elif name.startswith(("src/", "tests/", "scripts/", "benchmarks/")):
            module = name.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            package, _, last = module.rpartition(".")
            names_it = re.compile(
                rf"\b{re.escape(module)}\b|from {re.escape(package)} import [^\n]*\b{re.escape(last)}\b"
            )
            found.update(test for test, text in texts.items() if names_it.search(text))
            folder = root / "tests" / Path(package.removeprefix("authguard").replace(".", "/").lstrip("/"))
            found.update(
                folder.glob("test_*.py") if name.startswith("src/authguard/") and package != "authguard" else ()
            )
    return sorted(str(path.relative_to(root)) for path in found)


def _git(root: Path, *words: str) -> str:
    """Return git's output; empty if it fails."""
    command = ["git", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout  # noqa: S603 - git


def main() -> int:
    """Run the tests; return 0 if they pass or there are none."""
    chosen = tests_of(changed(ROOT), ROOT)
    if not chosen:
        print("nothing changed that has unit tests")  # noqa: T201 - what a person waits for
        return 0
    command = [sys.executable, "-m", "pytest", "-q", "-m", "unit", *sys.argv[1:], *chosen]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - this interpreter
    return 0 if code == NOTHING else code


if __name__ == "__main__":
    sys.exit(main())
