"""A wheel built from the checkout, and a fresh environment that has it with the extra that README names."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text("utf-8")
#: imports every module of the package, except the plugin for pytest
IMPORT_ALL: Final = (
    "import authguard, importlib, pkgutil\n"
    "for one in pkgutil.walk_packages(authguard.__path__, 'authguard.'):\n"
    "    if one.name != 'authguard.testing.plugin': importlib.import_module(one.name)\n"
)
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


def install(folder: Path, what: str) -> None:
    """Install with the versions that the project is tested with."""
    done = subprocess.run(  # noqa: S603 - the environment's own pip
        [
            *(str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"),
            *("--constraint", str(ROOT / "constraints.txt"), what),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as pip does."""
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("dist")))
    return Path(built)


@pytest.fixture(scope="session")
def plain(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Installed, dict[str, subprocess.CompletedProcess[str]]]:
    """Install the wheel without an extra; return the environment, and what commands say before an extra is added."""
    folder, where = tmp_path_factory.mktemp("environment") / "venv", tmp_path_factory.mktemp("empty")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=LIMIT)  # noqa: S603 - this interpreter
    install(folder, str(wheel))
    environment = Installed(folder, wheel)
    commands = (
        "python -m authguard.testing.idp",
        "authguard policy check standard",
        f"python -c {shlex.quote(IMPORT_ALL)}",
    )
    return environment, {command: environment.run(command, where) for command in commands}


@pytest.fixture(scope="session")
def installed(plain: tuple[Installed, object], wheel: Path) -> Installed:
    """Add the extra that README names."""
    named = re.search(r"`pip install '(authguard-[\w.]+-py3-none-any\.whl)(\[[\w,]+\])'`", README)
    assert named is not None, "README names the wheel and the extra"
    assert named[1] == wheel.name
    install(plain[0].folder, f"{wheel}{named[2]}")
    return plain[0]
