"""`authguard policy` tells everything it found, one a line, and its exit code says what that means."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from authguard import __version__
from authguard.cli import GROUPS, build, main
from authguard.cli.output import BROKE, INVALID, UNAUTHORISED, USAGE, YES, exit_code
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
PASSES = "- {name: chats, given: {account: normal}, ask: {operation: chat}, then: {outcome: allow}}\n"
FAILS = "- {name: idles, when: [session.idled], ask: {operation: chat}, then: {outcome: allow}}\n"


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the console script in this process."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def write(folder: Path, policy: str = OWN, scenarios: str = "") -> Path:
    (folder / "policy.yaml").write_text(policy, encoding="utf-8")
    if scenarios:
        (folder / "scenarios").mkdir()
        (folder / "scenarios" / "one.yaml").write_text(scenarios, encoding="utf-8")
    return folder


def test_check_prints_what_it_proved(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for source in ("standard", str(write(tmp_path)), str(tmp_path / "policy.yaml")):
        code, out, err = call(capsys, "policy", "check", source)
        assert code == YES, out
        assert err == ""
        assert "each of 411 (state, event) pairs and 159,213,600 cells has one answer, by 38 rules" in out
        assert "note[not-proved-yet]" in out, "what is not proved is never kept quiet"


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
    assert "policy.yaml: 3 problems" in out
    assert "standard: each of 411" in out, "the others are checked all the same"


def test_a_policy_that_is_not_there_is_invalid_and_no_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for command in ("check", "test"):
        code, out, err = call(capsys, "policy", command, str(tmp_path / "gone.yaml"))
        assert code == INVALID
        assert "gone.yaml" in out + err
        assert "Traceback" not in out + err


def test_test_runs_the_scenarios_beside_a_policy_and_tells_what_they_leave_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = call(capsys, "policy", "test", str(write(tmp_path, scenarios=PASSES)))
    assert code == YES
    assert "1 of 1 scenarios pass; they take 0 of 62 lines and 1 of 38 rules" in out
    assert "no scenario takes rule 0:allow (standard.yaml:" in out
    assert "and 79 more, which --all names" in out
    code, out, _ = call(capsys, "policy", "test", "--all", str(tmp_path))
    assert code == YES
    assert out.count("no scenario takes") == 62 + 37
    assert "no scenario takes line 1 of machine session: renewed: * -> active" in out


def test_test_names_the_scenario_that_fails_and_exits_3(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = call(capsys, "policy", "test", str(write(tmp_path, scenarios=PASSES + FAILS)))
    assert code == INVALID
    assert "one.yaml:2:3: failed: idles: the outcome is `step_up`, not `allow` (rule 6:sign_in_fresh)" in out
    assert "1 of 2 scenarios pass" in out


def test_a_misspelt_scenario_fails_even_where_all_others_pass(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write(tmp_path, scenarios=PASSES + FAILS.replace("session.idled", "session.idld"))
    code, out, _ = call(capsys, "policy", "test", str(tmp_path))
    assert code == INVALID
    assert "error[unknown-name]: `session.idld` is not an event; did you mean `session.idled`?" in out
    assert "1 of 1 scenarios pass" in out


def test_a_policy_without_scenarios_does_not_pass_for_tested(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = call(capsys, "policy", "test", str(write(tmp_path)))
    assert code == USAGE
    assert "there is no scenario beside it" in err


def test_test_without_a_path_takes_the_current_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write(tmp_path, scenarios=PASSES))
    assert call(capsys, "policy", "test")[0] == YES


def test_a_shipped_policy_is_tested_by_its_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(capsys, "policy", "test", "support-desk")
    assert code == YES
    assert "62 of 62 lines and 40 of 40 rules" in out


@pytest.mark.parametrize("arguments", [("policy", "chek"), ("policy", "check"), ("polcy",), ("policy", "test", "--al")])
def test_a_command_that_is_not_understood_exits_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert call(capsys, *arguments)[0] == USAGE


def test_version_and_help_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "--version")[:2] == (YES, f"authguard {__version__}\n")
    code, out, _ = call(capsys, "--help")
    assert code == YES
    for name, (_, words) in GROUPS.items():
        assert name in out
        assert words in out


def test_help_loads_no_group() -> None:
    probe = (
        "import sys; from authguard.cli import build; build('');"
        "print([name for name in sys.modules if name.startswith('authguard.policy') or name == 'transitions'])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_loads(group: str) -> None:
    assert group in {registered.name for registered in build(group).registered_groups}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PolicyError(["x"]), INVALID),
        (AuthorityError("x"), UNAUTHORISED),
        (StoreError("x"), BROKE),
        (AuthguardError("x"), BROKE),
    ],
)
def test_each_error_has_its_exit_code(error: AuthguardError, code: int) -> None:
    assert exit_code(error) == code
