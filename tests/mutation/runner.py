"""Apply each mutant to a copy of the project and run its check; a check that passes is reported.

So is a plant that no longer has its one place in the source.

``python -m tests.mutation.runner [WORD...]`` takes the plants whose words hold one of these; `make soak` takes all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.mutation.mutants import MUTANTS, SOAK, Mutant

ROOT: Final = Path(__file__).parents[2]
#: what a check of this project needs of it
NEEDED: Final = ("src", "tests", "policies", "scripts", "docs", "examples", "conftest.py", "pyproject.toml")
#: what a check answers that has found something; anything else is trouble with the plant
FOUND: Final = 1
#: a model that caught a bug is not asked for the shortest way to it
QUICK: Final = {
    "AUTHGUARD_MODEL_STEPS": "6000",
    "AUTHGUARD_FUZZ_EXAMPLES": "300",
    "AUTHGUARD_SOAK_SECONDS": "30",
    "AUTHGUARD_NO_SHRINKING": "1",
}


def caught(mutant: Mutant, copy: Path) -> str:
    """Plant a bug, run its check, and take the bug out again; give what the check said of it, or nothing."""
    file = copy / mutant.file
    whole = file.read_text("utf-8")
    if whole.count(mutant.right) != 1:
        return ""  # the source has changed: a plant that has no place has proved nothing
    file.write_text(whole.replace(mutant.right, mutant.wrong), "utf-8")
    environ = os.environ | QUICK | {"PYTHONPATH": f"{copy / 'src'}", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter and checks of this project
            [sys.executable, *mutant.check], cwd=copy, env=environ, capture_output=True, text=True, check=False
        )
    finally:
        file.write_text(whole, "utf-8")
    if done.returncode == 0:
        return ""
    assert done.returncode == FOUND, f"{mutant.words}: {(done.stdout + done.stderr)[-3_000:]}"
    return reason(done.stderr if mutant.check == SOAK else done.stdout)


def reason(said: str) -> str:
    """Find the line in which a check says what is wrong."""
    lines = [line.strip() for line in said.splitlines()]
    telling = [
        line for line in lines if line.startswith(("E   AssertionError", "AssertionError", "GREW", "E   assert"))
    ]
    return (telling or [line for line in lines if line.startswith("E ")] or lines)[0][:150]


def main() -> int:
    """Plant what was asked for, or all; 0 where every bug was caught."""
    wanted = [mutant for mutant in MUTANTS if not sys.argv[1:] or any(word in mutant.words for word in sys.argv[1:])]
    missed = 0
    with tempfile.TemporaryDirectory(prefix="authguard-planted-") as folder:
        copy = Path(folder)
        for name in NEEDED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        for mutant in wanted:
            found = caught(mutant, copy)
            missed += not found
            print(f"{'caught' if found else 'MISSED'}: {mutant.words}: {found}", flush=True)  # noqa: T201 - a report for a person
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
