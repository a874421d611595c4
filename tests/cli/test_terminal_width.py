"""What every command prints for a person fits 60 columns, and has no colour where NO_COLOR is set."""

from __future__ import annotations

import io
import re
import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authguard.cli import main
from authguard.cli.command_table import COMMANDS
from tests.cli.calls import arguments

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.cli.command_table import Command
    from tests.cli.operated_app import OperatedApp

COLUMNS = 60
COLOUR = re.compile(r"\x1b\[[\d;]*m")
#: what a progress bar writes to stay on one line
CONTROL = re.compile(r"\x1b\[[?\d;]*[A-Za-z]|\r")
#: commands that print a document: YAML, Mermaid, a token, a JSON Schema, a proof, stored lines
DOCUMENTS = {"audit prove", "audit schema", "policy graph", "policy schema", "policy show", "token mint"}
PERSONAL = [command for command in COMMANDS if command.words not in DOCUMENTS]


@pytest.fixture
def made(original: OperatedApp, tmp_path: Path) -> OperatedApp:
    return replace(original, folder=shutil.copytree(original.folder, tmp_path / "a"))


def is_too_wide(line: str) -> bool:
    """Return whether a line could have been broken: a path, an id or a command to copy is never broken."""
    return len(line) > COLUMNS and max(map(len, line.split())) <= COLUMNS // 2 and "authguard " not in line


@pytest.mark.parametrize("command", PERSONAL, ids=lambda command: command.words)
def test_lines_fit_and_have_no_colour(
    made: OperatedApp,
    issuer: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: Command,
) -> None:
    for name, value in (made.variables | {"COLUMNS": str(COLUMNS), "NO_COLOR": "1", "TERM": "xterm-256color"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(made.folder)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(made.token.encode())))
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    with pytest.raises(SystemExit):
        main(arguments(command.words, made, issuer))
    out, err = capsys.readouterr()
    assert COLOUR.search(out + err) is None
    assert [line for line in CONTROL.sub("", out + err).splitlines() if is_too_wide(line)] == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words)
def test_help_fits_and_has_no_colour(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: Command
) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    monkeypatch.setenv("NO_COLOR", "1")
    with pytest.raises(SystemExit):
        main([*command.words.split(), "--help"])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert [line for line in out.splitlines() if len(line.rstrip()) > COLUMNS] == []
