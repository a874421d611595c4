"""Tests of the `authguard policy` group: output, exit codes and lazy imports."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from authguard import __version__
from authguard.cli import load_function, main
from authguard.cli.command_table import COMMANDS, GROUPS, Command
from authguard.cli.output import FAILED, INVALID, OK, UNAUTHORISED, USAGE, exit_code
from authguard.errors import AuthguardError, AuthorityError, PolicyError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

OWN = """\
authguard: 1
name: mine
extends: standard
issuers: [{issuer: 'https://idp.example', audience: us, algorithms: [ES256], keys: discovery}]
accounts: none
operations:
  - {name: chat, match: {path: /chat}, risk: routine, effect: read, scopes: [chat]}
assurance: {order: [aal1, aal2]}
verifiers: {otp: {type: http, url: 'https://otp.example', pass_at: 0.9, fail_at: 0.4}}
methods: {default: {all: [otp]}, alternate: {all: [otp]}}
"""


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the console script in this process."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def write(folder: Path, policy: str = OWN) -> Path:
    (folder / "policy.yaml").write_text(policy, encoding="utf-8")
    return folder


def test_check_prints_what_it_proved(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for source in ("standard", str(write(tmp_path)), str(tmp_path / "policy.yaml")):
        code, out, err = call(capsys, "policy", "check", source)
        assert code == OK, out
        assert err == ""
        assert "each of 411 (state, event) pairs and 254,741,760 cells has one result, by 47 rules" in out


def test_check_prints_every_problem_of_every_policy_and_exits_3(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broken = OWN.replace("accounts: none\n", "").replace("[ES256]", "[none]") + "identity: {credential: gold}\n"
    write(tmp_path, broken)
    code, out, _ = call(capsys, "policy", "check", str(tmp_path), "standard")
    assert code == INVALID
    lines = out.splitlines()
    for problem in ("error[accounts-undeclared]", "error[algorithm-none]", "error[assurance-unknown]"):
        assert sum(problem in line for line in lines) == 1
    assert f"{tmp_path}/policy.yaml:4:" in out
    assert lines[0] == f"not valid: {tmp_path}/policy.yaml: 3 errors"
    assert any(line.startswith("valid: standard: each of 411") for line in lines), "the others are checked all the same"
    assert lines[-2] == "1 of 2 policies is not valid"
    assert lines[-1].startswith("next: authguard policy check --explain ")


def test_a_policy_that_is_not_there_is_invalid_and_no_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for command in ("check", "test"):
        code, out, err = call(capsys, "policy", command, str(tmp_path / "gone.yaml"))
        assert code == INVALID
        assert "gone.yaml" in out + err
        assert "Traceback" not in out + err


@pytest.mark.parametrize("arguments", [("policy", "chek"), ("policy", "check"), ("polcy",), ("policy", "test", "--al")])
def test_a_command_that_is_not_understood_exits_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert call(capsys, *arguments)[0] == USAGE


def test_version_and_help_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "--version")[:2] == (OK, f"authguard {__version__}\n")
    code, out, _ = call(capsys, "--help")
    assert code == OK
    for name, words in GROUPS.items():
        if " " in name:
            continue
        assert name in out
        assert words in out


def test_help_loads_no_group() -> None:
    probe = (
        "import sys; from authguard.cli import build; build();"
        "print([name for name in sys.modules if name.startswith('authguard.policy') or name == 'transitions'])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert done.stdout.strip() == "[]"


def test_checking_a_policy_loads_no_other_command_and_nothing_that_only_an_option_needs() -> None:
    probe = (
        "import sys; from authguard.cli import main\n"
        "try: main(['policy', 'check', 'standard'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "own = [name for name in sys.modules if name.startswith('authguard.cli.policy_')]\n"
        "late = ('asyncio', 'starlette', 'authguard.policy.catalogue', 'authguard.policy.render.sarif')\n"
        "print(own, [name for name in late if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert done.stdout.splitlines()[-1] == "['authguard.cli.policy_check'] []"


def test_a_command_that_there_is_not_is_told_by_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, told = call(capsys, "policy", "chekc")
    assert code == USAGE
    assert "check" in told


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words)
def test_every_command_loads_and_its_help_has_its_summary(capsys: pytest.CaptureFixture[str], command: Command) -> None:
    code, out, _ = call(capsys, *command.words.split(), "--help")
    assert code == OK
    assert out.split()[out.split().index(command.name)] == command.name
    assert command.summary.split()[0] in (load_function(command).__doc__ or "").split()[0]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PolicyError(["x"]), INVALID),
        (AuthorityError("x"), UNAUTHORISED),
        (StoreError("x"), FAILED),
        (AuthguardError("x"), FAILED),
    ],
)
def test_each_error_has_its_exit_code(error: AuthguardError, code: int) -> None:
    assert exit_code(error) == code
