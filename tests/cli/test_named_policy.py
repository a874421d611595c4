"""Tests of the policy of a command: its argument, `--policy` or AUTHGUARD_POLICY; and of its JSON and its width."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from authguard.cli import main
from authguard.cli.output import INVALID, OK, USAGE
from tests.support.issuer_server import IssuerServer
from tests.support.terminal import run_on_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: commands with one policy, and the options that make them succeed
COMMANDS: Final = {
    "check": (),
    "explain": ("--operation", "chat"),
    "graph": (),
    "show": (),
    "test": (),
}
#: command -> keys of its JSON; they are promised: a change here breaks somebody's program
KEYS: Final = {
    "policy check": {"format", "usable", "policies"},
    "policy diff": {"old", "new", "undecided", "differences"},
    "policy explain": {
        *("policy", "digest", "operation", "values", "rule", "origin", "when", "outcome", "status", "fallback"),
        *("fallback_origin", "say", "attempts", "notes", "skipped", "remedies", "more", "undecided"),
    },
    "policy graph": {"name", "digest", "machines"},
    "policy test": {"passed", "policies"},
    "policy init": {
        "name",
        "folder",
        "files",
        "extends",
        "provider",
        "issuer",
        "audience",
        "operations",
        "skipped",
        "next",
    },
    "token mint": {
        *("token", "provider", "kind", "issuer", "audience", "subject", "client", "scope", "algorithm", "keys"),
    },
    "token check": {
        *("accepted", "reason", "claim", "keys", "person", "level", "notice", "obstacles", "facts", "operations"),
    },
    "issuer check": {
        *("usable", "url", "issuer", "problems", "slow", "metadata", "jwks_uri", "keys", "ignored", "algorithms"),
        *("introspection_endpoint", "acr_values_supported", "scopes_supported", "policy"),
    },
}


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the console script in this process."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, " ".join(err.replace("│", "").split())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("AUTHGUARD_POLICY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    with IssuerServer() as running:
        yield running


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_policy_is_the_argument_the_option_or_the_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    options = COMMANDS[command]
    code, named, _ = call(capsys, "policy", command, "support-desk", *options, "--json")
    assert code == OK
    assert call(capsys, "policy", command, "--policy", "support-desk", *options, "--json")[:2] == (OK, named)
    assert call(capsys, "policy", command, "support-desk", "--policy", "support-desk", *options)[0] == OK
    monkeypatch.setenv("AUTHGUARD_POLICY", "support-desk")
    assert call(capsys, "policy", command, *options, "--json")[:2] == (OK, named)
    code, other, _ = call(capsys, "policy", command, "banking", *COMMANDS["check"], "--json")
    assert code in {OK, USAGE}
    assert other != named, "the argument has precedence over the variable"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_two_different_policies_are_an_error_and_so_is_none(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, err = call(capsys, "policy", command, "banking", "--policy", "standard", *COMMANDS[command])
    assert (code, out) == (USAGE, "")
    assert "it names `standard`, and the argument names `banking`; leave out one of the two" in err
    code, out, err = call(capsys, "policy", command, *COMMANDS[command])
    assert out == ""
    assert (code, "no policy is given: name one, or use --policy" in err) == (USAGE, True)


@pytest.mark.parametrize("command", ["check", "explain", "graph", "show", "test"])
def test_the_policy_of_the_current_folder_is_the_default(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(capsys, "policy", "init", "shop", "--yes")[0] == OK
    monkeypatch.chdir("shop")
    code, out, _ = call(capsys, "policy", command, "--json", *COMMANDS[command])
    assert code == OK
    assert "shop" in out


@pytest.mark.parametrize(
    "words", ["explain {} --operation chat", "graph {}", "test {}", "show {} --format html", "diff standard {}"]
)
def test_a_policy_that_is_not_valid_is_reported_as_by_check(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: str
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("authguard: 1\nname: shop\nextends: standrd\n", "utf-8")
    code, _, err = call(capsys, "policy", *words.format(file).split())
    assert code == INVALID
    assert err.startswith(f"not valid: {file}: 1 error {file}:3:1: error[extends-missing]")
    assert err.endswith(" next: authguard policy check --explain extends-missing")


def test_one_policy_is_compared_with_that_of_the_deployment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = call(capsys, "policy", "diff", "standard", "banking", "--json")
    assert code == OK
    monkeypatch.setenv("AUTHGUARD_POLICY", "standard")
    assert call(capsys, "policy", "diff", "banking", "--json")[1] == out
    assert call(capsys, "policy", "diff", "banking", "--policy", "standard", "--json")[1] == out
    monkeypatch.delenv("AUTHGUARD_POLICY")
    code, _, err = call(capsys, "policy", "diff", "banking")
    assert (code, "--policy or AUTHGUARD_POLICY" in err) == (USAGE, True) or "no policy is given" in err


def test_json_and_another_format_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ("policy", "check", "standard", "--format", "sarif"),
        ("policy", "test", "standard", "--format", "junit"),
        ("policy", "graph", "standard", "--format", "dot"),
        ("policy", "diff", "standard", "banking", "--format", "markdown"),
    ):
        code, out, err = call(capsys, *words, "--json")
        assert (code, out) == (USAGE, "")
        assert f"leave out --json or `--format {words[-1]}`" in err


def test_the_json_of_each_command_has_stable_keys(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, server: IssuerServer
) -> None:
    def load(words: str, *arguments: str) -> dict[str, Any]:
        code, out, err = call(capsys, *words.split(), *arguments, "--json")
        assert code in {OK, INVALID}, err
        found: dict[str, Any] = json.loads(out)
        assert set(found) == KEYS[words], words
        return found

    minted = load("token mint", "--provider", "generic")
    load("policy init", "shop", "--yes", "--keys", minted["keys"], "--issuer", minted["issuer"])
    for words in ("policy check", "policy graph", "policy test"):
        load(words, "shop")
    load("policy diff", "shop", "banking")
    load("policy explain", "shop", "--operation", "chat")
    load("issuer check", server.publish({"keys": []}), "--insecure-http")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(minted["token"].encode())))
    facts = {one["name"]: one["value"] for one in load("token check", "shop")["facts"]}
    assert facts["expires"].endswith("Z")
    assert len(facts["expires"]) == len("2026-11-30T13:03:11.123Z")
    code, out, _ = call(capsys, "policy", "schema", "--json")
    assert (code, json.loads(out)["title"]) == (OK, "An authguard policy")


@pytest.mark.parametrize(
    "words",
    [
        ("policy", "check", "standard", "bad.yaml"),
        ("policy", "diff", "standard", "banking"),
        ("policy", "graph", "standard", "--format", "text"),
        ("policy", "explain", "support-desk", "--operation", "refund", "--state", "session=idle"),
        ("policy", "init", "shop", "--yes", "--issuer", "https://idp.example/realms/shop", "--audience", "shop"),
        ("policy", "test", "support-desk"),
    ],
    ids=lambda words: words[1],
)
def test_lines_fit_a_terminal_of_60_columns_except_commands_to_copy(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "bad.yaml").write_text("authguard: 1\nname: x\nextends: standard\nbudgt: 1\n", "utf-8")
    with run_on_terminal(words, tmp_path, columns=60, environment={"NO_COLOR": "1"}) as terminal:
        terminal.end()
    assert "\x1b" not in terminal.shown
    lines = [line for line in terminal.shown.splitlines() if not line.startswith("next: ")]
    assert lines
    assert [line for line in lines if len(line) > 60 and " " in line.strip()] == []


def test_documents_are_written_to_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words in (
        ("policy", "check", "standard", "--json"),
        ("policy", "check", "standard"),
        ("policy", "check", "--explain", "machine-hole"),
        ("policy", "diff", "standard", "banking"),
        ("policy", "graph", "standard"),
        ("policy", "schema"),
        ("policy", "test", "support-desk"),
        ("token", "mint", "--provider", "okta"),
    ):
        file = tmp_path / "made"
        code, out, err = call(capsys, *words, "-o", str(file))
        assert (code, out, err) == (OK, "", ""), words
        assert file.stat().st_size
        assert file.stat().st_mode & 0o777 == 0o600
        file.unlink()
