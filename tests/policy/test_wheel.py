"""The wheel holds every shipped policy: whoever installs it checks and tests them by name, far from any checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from authguard.policy.loading import locator

ROOT = Path(__file__).parents[2]
NAMES = sorted(locator.shipped_policies())


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as pip does, and unpack it where nothing of the checkout is."""
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder / "dist"))
    with zipfile.ZipFile(built) as wheel:
        wheel.extractall(folder / "installed")
    return folder / "installed"


def run(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - this interpreter, and what was just built
        [sys.executable, "-c", f"import authguard.cli as c; print(c.__file__); c.main({list(arguments)!r})"],
        cwd=installed.parent,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_shipped_policy_is_checked_and_tested_by_name_from_an_installed_wheel(installed: Path) -> None:
    checked = run(installed, "policy", "check", *NAMES)
    assert checked.stdout.startswith(str(installed)), "the wheel ran, and not the checkout"
    assert checked.returncode == 0, checked.stderr
    tested = run(installed, "policy", "test", "--fail-under", "100", *NAMES)
    assert tested.returncode == 0, tested.stderr
    for name in NAMES:
        assert f"{name}: each of " in checked.stdout
        assert f"{name}: " in tested.stdout


def test_the_schema_of_the_logs_records_is_in_it(installed: Path) -> None:
    printed = run(installed, "audit", "schema").stdout.partition("\n")[2]
    assert (installed / "authguard" / "audit" / "record.schema.json").read_text("utf-8") == printed
    assert json.loads(printed)["oneOf"]


def test_each_comes_with_its_readme_and_its_scenarios(installed: Path) -> None:
    for name in NAMES:
        folder = installed / "authguard" / "policies" / name
        assert (folder / "README.md").is_file()
        assert list((folder / "scenarios").glob("*.yaml"))


def test_every_data_file_of_the_source_is_in_it(installed: Path) -> None:
    places = (
        (ROOT / "src" / "authguard", installed / "authguard"),
        (ROOT / "policies", installed / "authguard" / "policies"),
    )
    missing = [
        str(path.relative_to(source))
        for source, there in places
        for path in source.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and (there / path.relative_to(source)).read_bytes() != path.read_bytes()
    ]
    assert missing == []
    assert (installed / "authguard" / "policy" / "standard.yaml").is_file()


def test_the_test_provider_without_its_server_says_what_to_install(installed: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.modules['uvicorn'] = None; from authguard.testing.idp import main; main([])",
        ],
        cwd=installed.parent,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'authguard[testing]'" in done.stderr
    assert "Traceback" not in done.stderr
