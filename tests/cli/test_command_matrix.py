"""docs/commands.md shows every command as the command line has it; exit codes are one table."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from scripts.commands_page import PAGE, build_page

from authguard.cli import output
from authguard.cli.command_table import COMMANDS, GROUPS

ROOT = Path(__file__).resolve().parents[2]


def test_groups_are_those_of_the_commands() -> None:
    assert {command.group for command in COMMANDS} == set(GROUPS)
    assert len({command.words for command in COMMANDS}) == len(COMMANDS)


def test_exit_codes_are_one_table() -> None:
    codes = {value for name, value in vars(output).items() if name.isupper() and isinstance(value, int)}
    assert codes == set(output.EXIT_CODES)
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src" / "authguard" / "cli").glob("*.py"))
    assert re.findall(r"typer\.Exit\((?:code=)?\d", source) == []


def test_the_page_is_the_generated_one() -> None:
    assert PAGE.read_text("utf-8") == build_page()


def test_completion_can_be_installed() -> None:
    words = {"_AUTHGUARD_COMPLETE": "complete_bash", "COMP_WORDS": "authguard audit ta", "COMP_CWORD": "2"}
    command = [sys.executable, "-m", "authguard"]
    done = subprocess.run(command, env=words, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.stdout.split() == ["tail"]
    helped = subprocess.run([*command, "--help"], env={}, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert "--install-completion" in helped.stdout
