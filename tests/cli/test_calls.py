"""One call of each command, as a person types it, on what a real app left behind: it works, and JSON is JSON."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authguard.cli import main
from authguard.cli.command_table import COMMANDS, Output
from authguard.clock import SystemClock
from authguard.testing import Mint
from tests.cli.calls import CALLS, EXIT_CODES, arguments
from tests.cli.operated_app import create
from tests.support.issuer_server import IssuerServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authguard.cli.command_table import Command
    from tests.cli.operated_app import OperatedApp


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> OperatedApp:
    return create(tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with IssuerServer() as server:
        yield server.publish(Mint.create(SystemClock()).jwks("ES256"))


@pytest.fixture
def made(original: OperatedApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OperatedApp:
    """Return a copy of the deployment, whose variables are set and whose token is on standard input."""
    copy = replace(original, folder=shutil.copytree(original.folder, tmp_path / "app"))
    for name, value in copy.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(copy.folder)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(copy.token.encode())))
    return copy


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
