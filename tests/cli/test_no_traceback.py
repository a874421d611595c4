"""No command ends in a traceback: on damaged files, closed streams, other locales, interrupts and long arguments."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from authguard.cli.output import EXIT_CODES, FAILED, INTERRUPTED, OK, USAGE
from tests.cli.damaged_deployment_program import COMMAND_WORDS, DAMAGES
from tests.cli.operated_app import create
from tests.cli.reading_user_program import TRACEBACK

if TYPE_CHECKING:
    from tests.cli.operated_app import OperatedApp

ROOT = Path(__file__).parents[2]
#: a locale without UTF-8, which Python must not replace by another one
PLAIN_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NOT_UTF8 = os.fsdecode(b"a\xff\xfeb")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> OperatedApp:
    return create(tmp_path_factory.mktemp("app"))


def start(
    made: OperatedApp, *words: str, program: tuple[str, ...] = ("authguard",), **more: Any
) -> subprocess.Popen[str]:
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **made.variables, **more.pop("variables", {})}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    command = [sys.executable, "-m", *program, *words]
    return subprocess.Popen(command, text=True, env=variables, cwd=made.folder, errors="replace", **streams)  # noqa: S603 - this interpreter


def run(made: OperatedApp, *words: str, **more: Any) -> tuple[int, str, str]:
    with start(made, *words, **more) as process:
        out, err = process.communicate(timeout=300)
    assert "Traceback" not in (err or "")
    return process.returncode, out, err


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_command_ends_in_a_traceback_on(damage: str, made: OperatedApp, tmp_path: Path) -> None:
    deployment = json.dumps(asdict(made), default=str)
    variables = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    program = ("tests.cli.damaged_deployment_program",)
    code, out, err = run(made, damage, deployment, str(tmp_path / "app"), program=program, variables=variables)
    assert code == OK, err
    found = json.loads(out)
    assert set(found) == set(COMMAND_WORDS)
    assert TRACEBACK not in EXIT_CODES
    assert {words: said for words, (ended, said) in found.items() if ended not in EXIT_CODES} == {}


@pytest.mark.parametrize("words", ["audit show", "audit query --subject", "policy check", "transactions show"])
def test_an_argument_that_is_not_utf_8(words: str, made: OperatedApp) -> None:
    for variables in ({}, PLAIN_LOCALE):
        code, _, err = run(made, *words.split(), NOT_UTF8, variables=variables)
        assert code != OK
        assert err or words == "policy check"


def test_a_name_is_the_same_under_another_locale(made: OperatedApp) -> None:
    words = ("accounts", "show", "Inès")
    assert run(made, *words, variables=PLAIN_LOCALE)[:2] == run(made, *words)[:2]
    assert run(made, "policy", "show", "support-desk", variables=PLAIN_LOCALE)[0] == OK


def test_an_argument_of_any_length(made: OperatedApp) -> None:
    for words in ("policy check", "audit show", "audit tail --log", "transactions list --store", "policy check --app"):
        code, _, err = run(made, *words.split(), "a" * 100_000)
        assert code != OK
        assert len(err) < 300_000


def test_a_stream_that_is_closed(made: OperatedApp) -> None:
    closing = ("tests.support.command_line",)
    assert run(made, "token", "check", "standard", program=closing, preexec_fn=lambda: os.close(0))[0] == FAILED
    code, _, err = run(made, "audit", "tail", program=closing, preexec_fn=lambda: os.close(1))
    assert (code, err) == (OK, "")
    code, out, _ = run(made, "audit", "tail", "-n", "1", program=closing, preexec_fn=lambda: os.close(2))
    assert (code, len(out.splitlines())) == (OK, 1)


def test_a_folder_that_no_longer_exists(made: OperatedApp, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()

    def leave() -> None:
        os.chdir(gone)
        gone.rmdir()

    variables = {"AUTHGUARD_STORE": "var/s.db", "AUTHGUARD_AUDIT_LOG": "var/a.jsonl", "PYTHONSAFEPATH": "1"}
    for words in ("policy check --app x:y standard", "policy init foo --yes", "rollback status"):
        gone.mkdir(exist_ok=True)
        code, _, err = run(made, *words.split(), variables=variables, preexec_fn=leave)
        assert code == FAILED
        assert "the current folder no longer exists" in err


def test_an_interrupt(made: OperatedApp) -> None:
    with start(made, "audit", "tail", "--follow") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (OK, ""), "an interrupt is how it ends"
    assert run(made, program=("tests.cli.interrupted_program",))[0] == INTERRUPTED


def test_a_reader_that_goes_away(made: OperatedApp) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code, _, err = run(made, "policy", "schema", stdout=writing)
    os.close(writing)
    assert (code, err) == (FAILED, "")


@pytest.mark.parametrize("size", ["x", "\u00b2", "-1", "9" * 5_000])
@pytest.mark.parametrize("name", ["COLUMNS", "LINES", "TERMINAL_WIDTH"])
def test_a_size_of_the_terminal_that_is_no_number_is_ignored(made: OperatedApp, name: str, size: str) -> None:
    with start(made, "audit", "tail", "--help", variables={name: size}) as command:
        out, err = command.communicate(timeout=60)
    assert (command.returncode, err, "Examples" in out) == (OK, "", True)


@pytest.mark.parametrize("given", [{}, {"COMP_WORDS": "authguard tok"}, {"COMP_WORDS": "a", "COMP_CWORD": "x"}])
def test_a_shell_that_does_not_say_what_to_complete_is_told_so(made: OperatedApp, given: dict[str, str]) -> None:
    with start(made, variables={"_AUTHGUARD_COMPLETE": "complete_bash", **given}) as command:
        out, err = command.communicate(timeout=60)
    assert (command.returncode, out, "--install-completion" in err) == (USAGE, "", True)


def test_the_name_of_a_policy_file_cannot_print_a_command(made: OperatedApp, tmp_path: Path) -> None:
    hostile = tmp_path / "p\nnext: authguard rollback release\x1b[2J\u202e"
    hostile.mkdir()
    (hostile / "policy.yaml").write_text("authguard: 1\nnone: 1\n", "utf-8")
    calls = [("policy", group, str(hostile / "policy.yaml")) for group in ("check", "show", "test", "graph")]
    calls += [("policy", "test", str(hostile / "missing.yaml")), ("audit", "query", "--outcome", hostile.name)]
    calls += [("audit", "query", "--since", hostile.name), ("transactions", "list", "--store", str(hostile / "none"))]
    for words in calls:
        with start(made, *words) as command:
            out, err = command.communicate(timeout=60)
        assert command.returncode != OK
        assert not {"\x1b", "\u202e"} & set(out + err), words
        assert not any(line.startswith("next: authguard rollback") for line in (out + err).splitlines()), words
