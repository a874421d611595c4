"""Every command spells its options as every other one, and docs/commands.md shows them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
from scripts.commands_page import PAGE, build_page, load_parameters

from authguard.cli import load_function, main, options, output
from authguard.cli.command_table import COMMANDS, GROUPS, Source

if TYPE_CHECKING:
    from authguard.cli.command_table import Command

ROOT = Path(__file__).resolve().parents[2]
LETTERS = {"-o": "--output", "-n": "--limit", "-f": "--follow", "-y": "--yes"}
VARIABLES = {"--policy": "AUTHGUARD_POLICY", "--store": "AUTHGUARD_STORE", "--log": "AUTHGUARD_AUDIT_LOG"}
#: spellings that had a second meaning
REMOVED = {"--note", "--out", "--lines", "--fresh"}
#: names with two meanings: how many records, and the condition of a decision; what a format is depends on the document
TWO_MEANINGS = {"--limit", "--format"}
#: options of several groups that differ: claims of a token, conditions of a decision, bounds for CI
OWN = {
    "--all",
    "--channel",
    "--fail-on",
    "--keys",
    "--kind",
    "--name",
    "--scope",
    "--state",
    "--operation",
    "--outcome",
    "--audience",
    "--provider",
}

every_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words)


def find_options(command: Command) -> dict[str, Any]:
    """Return the options of a command by their long names."""
    return {max(one.opts, key=len): one for one in load_parameters(command) if one.param_type_name == "option"}


@every_command
def test_what_a_command_reads_has_its_option_and_variable(command: Command) -> None:
    found = find_options(command)
    for source in Source:
        assert (f"--{source}" in found) == (source in command.reads), source
    for name, variable in VARIABLES.items():
        assert name not in found or found[name].envvar == variable


@every_command
def test_a_period_has_two_options(command: Command) -> None:
    names = set(find_options(command)) & {"--since", "--until"}
    assert names == ({"--since", "--until"} if command.has_period else set())


@every_command
def test_every_command_prints_json(command: Command) -> None:
    assert "--json" in find_options(command)


@every_command
def test_a_letter_means_one_option(command: Command) -> None:
    for name, option in find_options(command).items():
        letters = [one for one in option.opts if not one.startswith("--")]
        assert all(LETTERS.get(one) == name for one in letters), letters
        assert name not in REMOVED


def test_an_option_that_two_commands_have_takes_the_same_everywhere() -> None:
    kinds: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for command in COMMANDS:
        for name, option in find_options(command).items():
            value = str(option.type_descriptor.annotation).replace("list[str]", "<class 'str'>")  # may be repeated
            kinds[name].add((value, str(option.envvar), str(option.opts)))
    assert {name for name, found in kinds.items() if len(found) > 1} <= TWO_MEANINGS


def test_shared_options_are_declared_once() -> None:
    found = (get_args(value)[1] for name, value in vars(options).items() if name.endswith("Option"))
    declared = {name for one in found for name in (one.default, *one.param_decls) if str(name).startswith("--")}
    shared: dict[str, list[str]] = defaultdict(list)
    for command in COMMANDS:
        for name in find_options(command):
            shared[name].append(command.group)
    several = {name for name, groups in shared.items() if len(set(groups)) > 1}
    assert several - declared - OWN - TWO_MEANINGS - {"--help"} == set()


@every_command
def test_help_has_an_example(command: Command) -> None:
    text = load_function(command).__doc__ or ""
    assert "Examples:" in text
    assert f"authguard {command.words}" in text


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


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("token mint --provider okt", "okta"),
        ("policy init --provider okt", "okta"),
        ("policy init --from bank", "banking"),
        ("policy init --level aal3", "aal3"),
        ("policy check --explain machine-ho", "machine-hole"),
        ("policy check --format sar", "sarif"),
        ("policy graph --machine ses", "session"),
        ("policy explain --credential unp", "unproven"),
    ],
)
def test_known_values_are_completed(typed: str, offered: str) -> None:
    words = f"authguard {typed}"
    completes = {"_AUTHGUARD_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    command = [sys.executable, "-m", "authguard"]
    done = subprocess.run(command, env=completes, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.stdout.split() == [offered]


NAMING_NO_LOG = ("tail", "show 12345678", "query", "stats", "verify", "prove 12345678", "export --format jsonl")


@pytest.mark.parametrize("words", NAMING_NO_LOG)
def test_a_log_that_is_not_there_is_reported_in_one_way(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["audit", *words.split(), "--log", "gone.jsonl"])
    assert end.value.code == output.FAILED
    message = "there is no log at `gone.jsonl`: name one with --log, or set AUTHGUARD_AUDIT_LOG"
    assert message in capsys.readouterr().err
