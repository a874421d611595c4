"""Every example in the help of the `audit` commands runs on what a real app left behind."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from authguard.cli import load_function, main
from authguard.cli.command_table import COMMANDS
from authguard.cli.output import FAILED, OK, UNVERIFIED

if TYPE_CHECKING:
    from tests.cli.operated_app import OperatedApp


def examples(words: str) -> list[str]:
    """Return the examples in the help of a command."""
    (command,) = (one for one in COMMANDS if one.words == words)
    text = (load_function(command).__doc__ or "").partition("Examples:\n")[2]
    return [line.strip() for line in text.splitlines() if line.strip()]


AUDIT: Final = [one.words for one in COMMANDS if one.group.startswith("audit")]
ALL: Final = [example for words in AUDIT for example in examples(words)]
#: examples that report something: alice has no refusal, there is nothing to accept, and lines may be unsigned
CODES: Final = {
    "authguard audit explain --subject alice --at 14:03": {OK, FAILED},
    "authguard audit accept audit.jsonl:1101-4210 --by dana --reason 'killed by the kernel, case 4711'": {FAILED},
    "authguard audit verify --key log.pub --require-signed": {OK, UNVERIFIED},
}


@pytest.fixture
def made(
    original: OperatedApp, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> OperatedApp:
    """Return a copy of the deployment with the files that the examples name."""
    folder = shutil.copytree(original.folder, tmp_path_factory.mktemp("copy") / "app")
    copy = replace(original, folder=folder)
    for name, value in copy.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    for command in ("authguard audit prove ID -o record.proof", "authguard audit keys show > log.pub"):
        words, _, target = _resolve(copy, command).partition(" > ")
        call(words, target)
    return copy


def _resolve(made: OperatedApp, example: str) -> str:
    """Replace the placeholders of an example by ids of the deployment."""
    return (
        example.replace(" ID", f" {made.decision}")
        .replace("urn:authguard:record:01a22ac94eb2e259f936d2b800000008", made.refused)
        .replace("9860d89f", made.held[:8])
    )


def call(words: str, target: str = "") -> int:
    with pytest.MonkeyPatch.context() as patch:
        if target:
            with open(target, "w", encoding="utf-8") as file:  # noqa: PTH123 - the shell's redirection
                patch.setattr("sys.stdout", file)
                return _end(words)
        return _end(words)


def _end(words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(shlex.split(words)[1:])
    return int(end.value.code or 0)


def test_every_audit_command_has_an_example() -> None:
    assert [words for words in AUDIT if not examples(words)] == []


@pytest.mark.parametrize("example", ALL)
def test_an_example_runs(made: OperatedApp, capsys: pytest.CaptureFixture[str], example: str) -> None:
    words, _, target = _resolve(made, example).partition(" > ")
    code = call(words, target)
    said = capsys.readouterr()
    assert code in CODES.get(example, {OK}), said.err
    assert "Traceback" not in said.err
