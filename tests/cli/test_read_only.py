"""Commands that only read change no file, and work for a user who may only read; those that decide are refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from authguard.cli import main
from authguard.cli.command_table import COMMANDS
from authguard.cli.output import FAILED, UNAUTHORISED
from tests.cli.calls import arguments
from tests.support.file_tree import snapshot

if TYPE_CHECKING:
    from authguard.cli.command_table import Command
    from tests.cli.operated_app import OperatedApp

ROOT = Path(__file__).parents[2]
WITHOUT_PRIVILEGE = ("-m", "tests.support.without_privilege")
READING = [command for command in COMMANDS if not command.changes]
DECIDING = [command.words for command in COMMANDS if "store" in command.changes]
#: commands that change files of their own, and say which one cannot be written
CHANGING = [command.words for command in COMMANDS if command.changes and command.words not in DECIDING]


def elsewhere(words: list[str], folder: Path) -> list[str]:
    """Return the words of a call, with its output in another folder."""
    at = words.index("--output") + 1 if "--output" in words else 0
    return [*words[:at], str(folder / "output"), *words[at + 1 :]] if at else words


@pytest.mark.parametrize("command", READING, ids=lambda command: command.words)
def test_a_command_that_reads_leaves_every_file_as_it_was(
    made: OperatedApp, issuer: str, tmp_path: Path, command: Command
) -> None:
    before = snapshot(made.folder)
    with pytest.raises(SystemExit) as end:
        main(elsewhere(arguments(command.words, made, issuer), tmp_path))
    assert not end.value.code
    assert snapshot(made.folder) == before


@pytest.fixture(scope="module")
def read_only(original: OperatedApp, issuer: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what each command says to a user who may read everything, and write nothing."""
    out = tmp_path_factory.mktemp("out")
    folder = shutil.copytree(original.folder, tmp_path_factory.mktemp("shut") / "app")
    made = replace(original, folder=folder)
    calls = {one.words: elsewhere(arguments(one.words, made, issuer), out) for one in COMMANDS}
    before = snapshot(folder)
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter and this package
            [
                sys.executable,
                "-m",
                "tests.support.without_privilege",
                "tests.cli.reading_user_program",
                json.dumps(calls),
            ],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(out), **made.variables},
            input=made.token,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
    finally:
        for path in paths:
            path.chmod(0o700 if path.is_dir() else 0o600)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    changed = {name for name, status in snapshot(folder).items() if status[1:] != before.get(name, ())[1:]}
    return {"said": found, "changed": changed, "made": asdict(made)}


def test_nothing_was_written(read_only: dict[str, Any]) -> None:
    assert read_only["changed"] == set()


@pytest.mark.parametrize("words", [command.words for command in READING])
def test_whoever_may_read_the_files_may_look(read_only: dict[str, Any], words: str) -> None:
    code, said = read_only["said"][words]
    assert code == 0, said


@pytest.mark.parametrize("words", DECIDING)
def test_whoever_may_not_write_the_store_may_not_decide(read_only: dict[str, Any], words: str) -> None:
    code, said = read_only["said"][words]
    assert code == UNAUTHORISED, said
    assert "no write access to the store" in said
    assert "run the command as a user who has it" in said


@pytest.mark.parametrize("words", CHANGING)
def test_a_file_that_cannot_be_written_is_named(read_only: dict[str, Any], words: str) -> None:
    code, said = read_only["said"][words]
    assert code == FAILED, said
    assert "may not write" in said or "Permission denied" in said
