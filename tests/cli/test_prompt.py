"""Tests of the questions that commands ask: on a real terminal, through pipes, and at the end of the input."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from authguard.cli.output import FAILED, OK, USAGE
from authguard.core.agents import Agent
from authguard.core.approvers import Approvers
from authguard.policy.compiler import load
from tests.cli.deployment import Deployment, deploy
from tests.cli.test_audit_erase import fill, named
from tests.support.terminal import END_OF_INPUT, INTERRUPT, WITHIN_S, run_on_terminal

#: exit code of a command that Ctrl-C interrupted, as of shells
INTERRUPTED: Final = 130
ERASE: Final = ("audit", "erase", "bob", "--by", "dana", "--reason", "request 4711")
_SOURCE: Final = Path(__file__).parents[2] / "src"


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Deployment:
    return deploy(tmp_path, capsys)


def run(*arguments: str, folder: Path) -> tuple[int, str, str]:
    """Run a command whose standard input is a pipe that stays open and empty."""
    command = [sys.executable, "-c", "from authguard.cli import main; main()", *arguments]
    with subprocess.Popen(  # noqa: S603 - the console script of this project
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        out, err = process.stdout.read(), process.stderr.read()
        return process.wait(WITHIN_S), out, err


def test_each_answer_is_validated_as_it_is_given(tmp_path: Path) -> None:
    with run_on_terminal(("policy", "init", "shop"), tmp_path) as terminal:
        terminal.answer("Name of the policy", "No Such")
        assert "`No Such` is not valid for `name`; write a lower-case" in terminal.answer("Name of the", "the-desk")
        terminal.answer("Identity provider", "keycloack")
        assert "did you mean `keycloak`?" in terminal.answer("Identity provider", "keycloak")
        terminal.answer("Issuer of the tokens", "http://login.test")
        assert "type its URL, such as `https://idp.example`" in terminal.answer("Issuer of the tokens", "login.test")
        assert "`login.test` is no URL" in terminal.answer("Issuer of the tokens", "https://login.test")
        terminal.answer("Audience of the tokens", "a\tb")
        assert "cannot be printed" in terminal.answer("Audience of the tokens", "")
        terminal.answer("such as a payment", "perhaps")
        assert "type `y` for yes, or `n` for no" in terminal.answer("such as a payment", "y")
        terminal.answer("Claim with the status", "/a~2")
        assert "write the name of a claim" in terminal.answer("Claim with the status", "status")
        terminal.answer("Assurance level", "high")
        assert "is not an assurance level; known:" in terminal.answer("Assurance level", "aal1")
        terminal.answer("Role that approves payments", "x" * 300)
        assert "at most 256 characters" in terminal.answer("Role that", "duty-officer")
        terminal.answer("Number of persons", "two")
        assert "`two`" in terminal.answer("Number of persons", "2")
        terminal.answer("Agent that may act", "concierge")
        terminal.answer("Channels that a gateway names", "app, The Web")
        assert "The Web" in terminal.answer("Channels that a gateway names", "app, web")
        terminal.answer("URL of the service", "verify.test")
        assert "write an address" in terminal.answer("URL of the service", "https://verify.test/v1")
        terminal.answer("Claim with the roles", "none")
        assert terminal.end() == OK
    assert "created the policy the-desk" in terminal.shown
    assert "next: authguard policy check shop\n" in terminal.shown
    policy = load(tmp_path / "shop" / "policy.yaml")
    assert policy.issuers["https://login.test"].audience == ("the-desk",)
    assert policy.agents == frozenset({Agent("https://login.test", "concierge")})
    assert policy.fallbacks["await_approval"].approvers == (Approvers("duty-officer", 2),)
    assert policy.accounts[0].claim == "status"


def test_only_what_no_option_gives_is_asked(tmp_path: Path) -> None:
    given = ("--name", "desk", "--provider", "okta", "--issuer", "https://login.test", "--accounts", "none")
    with run_on_terminal(("policy", "init", "shop", *given, "--level", "aal2"), tmp_path) as terminal:
        assert "Name" not in terminal.answer("Audience of the tokens [desk", "")
        terminal.answer("such as a payment", "n")
        assert "Role" not in terminal.answer("Agent that may act", "")
        for question in ("Channels that", "URL of the service", "Claim with the roles"):
            terminal.answer(question, "")
        assert terminal.end() == OK
    assert "pay" not in {operation.name for operation in load(tmp_path / "shop" / "policy.yaml").operations}


def test_proposed_operations_need_no_question_about_payments(tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_text("openapi: 3.1.0\npaths: {/payments: {post: {}}, /orders: {get: {}}}\n", "utf-8")
    given = ("--name", "desk", "--provider", "okta", "--issuer", "https://x.okta.com", "--audience", "desk")
    with run_on_terminal(("policy", "init", "shop", *given, "--openapi", "api.yaml"), tmp_path) as terminal:
        assert "payment?" not in terminal.answer("Claim with the status", "")
        for question in ("Assurance level", "Role that approves", "Number of persons", "Agent", "Channels", "URL of"):
            terminal.answer(question, "")
        terminal.answer("Claim with the roles", "groups")
        assert terminal.end() == OK
    assert "post_payments (high write), POST /payments" in " ".join(terminal.shown.split())
    policy = load(tmp_path / "shop" / "policy.yaml")
    assert policy.staff_claim == "groups"
    assert {one.name for one in policy.operations} == {"post_payments", "get_orders"}


@pytest.mark.parametrize(
    ("typed", "code"), [(END_OF_INPUT, USAGE), (INTERRUPT, INTERRUPTED), (f"https://x.test{INTERRUPT}", INTERRUPTED)]
)
def test_an_end_of_the_answers_writes_nothing(tmp_path: Path, typed: str, code: int) -> None:
    given = ("--name", "desk", "--provider", "okta")
    with run_on_terminal(("policy", "init", "shop", *given), tmp_path) as terminal:
        terminal.expect("Issuer of the tokens")
        terminal.expect("]: ")
        terminal.type(typed)
        assert terminal.end() == code
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in terminal.shown
    if code == USAGE:
        assert "nothing was changed; give it with --issuer, or give --yes for the defaults" in " ".join(
            terminal.shown.split()
        )


def test_existing_files_and_wrong_options_are_told_before_the_first_question(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    with run_on_terminal(("policy", "init", "."), tmp_path) as terminal:
        assert terminal.end() == USAGE
    assert "`README.md` already exists" in terminal.shown
    assert "Name" not in terminal.shown
    with run_on_terminal(("policy", "init", "new", "--issuer", "x", "--level", "aal9"), tmp_path) as terminal:
        assert terminal.end() == USAGE
    assert [line.split(":")[0] for line in terminal.shown.splitlines() if line.startswith("--")] == [
        "--level",
        "--issuer",
    ]
    assert "[" not in terminal.shown


def test_questions_go_to_standard_error_and_fit_a_narrow_terminal(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    with run_on_terminal(("policy", "init", "shop", "--json"), tmp_path, columns=60, stdout=out) as terminal:
        terminal.answer("Name of the policy", "")
        terminal.answer("spiffe,", "generic")
        terminal.answer("Issuer", "x")
        terminal.answer("Issuer", "")
        for question in ("Audience", "payment", "Claim", "Assurance", "Role", "Number", "Agent", "Channels"):
            terminal.answer(question, "")
        terminal.answer("URL of the service", "")
        terminal.answer("Claim with the roles", "")
        assert terminal.end() == OK
    assert max(map(len, terminal.shown.splitlines())) <= 60
    written = json.loads(out.read_text("utf-8"))
    assert set(written) == {
        *("name", "folder", "files", "extends", "provider", "issuer", "audience", "operations", "skipped", "next")
    }
    assert all((tmp_path / name).is_file() for name in written["files"])


def test_without_a_terminal_it_names_the_options_instead_of_waiting(tmp_path: Path) -> None:
    code, out, err = run("policy", "init", "shop", "--name", "desk", folder=tmp_path)
    assert (code, out) == (USAGE, "")
    assert "give --provider, --issuer, --audience, --payments (or --no-payments)," in err
    assert "--yes" in err
    assert "--name" not in err
    assert list(tmp_path.iterdir()) == []


def test_with_a_yes_nothing_is_asked_and_no_terminal_is_needed(tmp_path: Path) -> None:
    code, out, _ = run("policy", "init", "shop", "--yes", folder=tmp_path)
    assert (code, out.splitlines()[0]) == (OK, "created the policy shop, which passes its checks")
    with run_on_terminal(("policy", "init", "desk", "-y"), tmp_path) as terminal:
        assert terminal.end() == OK
    assert "]: " not in terminal.shown


@pytest.mark.parametrize(("typed", "code"), [("n", FAILED), ("", FAILED), ("y", OK), ("YES", OK)])
def test_an_erasure_is_confirmed(desk: Deployment, tmp_path: Path, typed: str, code: int) -> None:
    bob = named(desk, "bob")
    fill(desk, bob)
    with run_on_terminal((*ERASE, *desk.options), tmp_path) as terminal:
        terminal.answer("1 records will be permanently anonymous", "what?")
        assert "type `y` for yes" in terminal.answer("permanently anonymous", typed)
        assert terminal.end() == code
    assert (named(desk, "bob") == bob) is (code == FAILED)


@pytest.mark.parametrize(("typed", "code"), [(END_OF_INPUT, USAGE), (INTERRUPT, INTERRUPTED)])
def test_an_erasure_without_an_answer_changes_nothing(desk: Deployment, tmp_path: Path, typed: str, code: int) -> None:
    bob = named(desk, "bob")
    fill(desk, bob)
    with run_on_terminal((*ERASE, *desk.options), tmp_path) as terminal:
        terminal.expect("]: ")
        terminal.type(typed)
        assert terminal.end() == code
    assert named(desk, "bob") == bob


def test_an_erasure_without_a_terminal_needs_a_yes(desk: Deployment, tmp_path: Path) -> None:
    bob = named(desk, "bob")
    fill(desk, bob)
    code, _, err = run(*ERASE, *desk.options, folder=tmp_path)
    assert (code, "give --yes to confirm" in err) == (USAGE, True)
    assert named(desk, "bob") == bob
    code, out, err = run(*ERASE, *desk.options, "--yes", folder=tmp_path)
    assert code == OK, err
    assert "erased: 1 records" in out


def test_every_question_goes_through_one_module() -> None:
    asked = re.compile(r"\b(?:typer|click)\.(?:prompt|confirm|getchar)\(|(?<![\w.])input\(|\bgetpass\b|\bprompt=")
    found = {path.name for path in _SOURCE.rglob("*.py") if asked.search(path.read_text("utf-8"))}
    assert found == set()
