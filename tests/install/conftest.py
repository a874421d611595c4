"""A wheel built from the checkout, and a fresh environment that has it with the extra that README names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text("utf-8")
#: seconds for one command; a busy machine is no failure
LIMIT: Final = 600


@dataclass(frozen=True, slots=True)
class Installed:
    """A virtual environment with the wheel.

    Attributes:
        folder: of the environment.
        wheel: that was installed.
    """

    folder: Path
    wheel: Path

    def run(self, command: str, where: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command in a folder, with the programs of the environment and nothing of the checkout."""
        own = {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(where)}
        return subprocess.run(  # noqa: S603 - the project's own commands
            ["/bin/sh", "-eu", "-c", command],
            cwd=where,
            env=own | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )


def create_environment(folder: Path, wheel: Path, extra: str) -> Installed:
    """Create an environment, and install the wheel with the versions that the project is tested with."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=LIMIT)  # noqa: S603 - this interpreter
    done = subprocess.run(  # noqa: S603 - the environment's own pip
        [
            *(str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"),
            *("--constraint", str(ROOT / "constraints.txt"), f"{wheel}{extra}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr
    return Installed(folder, wheel)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as pip does."""
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("dist")))
    return Path(built)


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install the wheel as README says."""
    named = re.search(r"`pip install '(authguard-[\w.]+-py3-none-any\.whl)(\[[\w,]+\])'`", README)
    assert named is not None, "README names the wheel and the extra"
    assert named[1] == wheel.name
    return create_environment(tmp_path_factory.mktemp("environment") / "venv", wheel, named[2])
