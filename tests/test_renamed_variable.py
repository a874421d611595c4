"""A variable under its old name is refused with its current name, by the guard and by every command."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from authguard.environment import RENAMED
from authguard.errors import SettingsError
from authguard.settings import Settings


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_the_guard_refuses_an_old_variable_by_name(old: str, new: str) -> None:
    with pytest.raises(SettingsError, match=f"{old} is now {new}"):
        Settings.resolve("standard", environ={old: "x"})
    Settings.resolve("standard", environ={new: ""})


def test_a_command_refuses_an_old_variable_by_name() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from authguard.cli import main; main()", "audit", "tail"],
        env=os.environ | {"AUTHGUARD_LOG": "elsewhere.jsonl"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "AUTHGUARD_LOG is now AUTHGUARD_AUDIT_LOG" in done.stderr
