"""One call of each command, as a person types it, on what a real app left behind: it works, and JSON is JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from authguard.cli import main
from authguard.cli.command_table import COMMANDS, Output
from tests.cli.calls import CALLS, EXIT_CODES, arguments

if TYPE_CHECKING:
    from authguard.cli.command_table import Command
    from tests.cli.operated_app import OperatedApp


def run(capsys: pytest.CaptureFixture[str], words: list[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(words)
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_every_command_has_a_call() -> None:
    assert set(CALLS) == {command.words for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words)
def test_a_call_works(made: OperatedApp, issuer: str, capsys: pytest.CaptureFixture[str], command: Command) -> None:
    code, out, err = run(capsys, arguments(command.words, made, issuer))
    assert code == EXIT_CODES.get(command.words, 0), err
    assert "Traceback" not in out + err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words)
def test_json_is_json_of_the_declared_shape(
    made: OperatedApp, issuer: str, capsys: pytest.CaptureFixture[str], command: Command
) -> None:
    words = arguments(command.words, made, issuer)
    place = words.index("--output") if "--output" in words else len(words)
    code, out, err = run(capsys, [*words[:place], "--json"])
    assert code == EXIT_CODES.get(command.words, 0), err
    if code:
        return
    match command.output:
        case Output.OBJECT:
            assert isinstance(json.loads(out), dict)
        case Output.LIST:
            assert isinstance(json.loads(out), list)
        case Output.LINES:
            assert all(isinstance(json.loads(line), dict) for line in out.splitlines())
