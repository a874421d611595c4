"""Tests of `authguard policy show`: the output loads to the same digest, and unreadable policies are rejected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from authguard.cli import main
from authguard.cli.output import INVALID, OK
from authguard.policy.compiler import load

if TYPE_CHECKING:
    from pathlib import Path


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the console script in this process."""
    with pytest.raises(SystemExit) as end:
        main(("policy", "show", *arguments))
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_what_is_shown_loads_to_the_same_digest(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    assert call(capsys, "support-desk", "-o", str(file)) == (OK, "", "")
    assert load(file).digest == load("support-desk").digest
    code, out, _ = call(capsys, str(tmp_path))
    assert code == OK
    assert out.startswith(f"# the merged policy support-desk; digest {load(file).digest}\n")


@pytest.mark.parametrize("option", [("--format", "json"), ("--json",)])
def test_json_is_for_programs(capsys: pytest.CaptureFixture[str], option: tuple[str, ...]) -> None:
    code, out, _ = call(capsys, "support-desk", *option)
    assert code == OK
    told = json.loads(out)
    assert told["digest"] == load("support-desk").digest
    assert list(told) == [
        *("name", "digest", "document", "origins"),
        *("rules", "machines", "invariants", "issuers", "account_map", "timers", "limits", "fallbacks"),
    ]


def test_the_page_is_one_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "policy.html"
    assert call(capsys, "support-desk", "--format", "html", "--output", str(file)) == (OK, "", "")
    text = file.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert load("support-desk").digest in text
    assert "8 invariants are proved" in text


def test_no_page_is_made_of_a_policy_with_errors(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rule = "decisions: [{when: {risk: high}, do: nowhere}]"
    (tmp_path / "policy.yaml").write_text(f"authguard: 1\nname: x\nextends: support-desk\n{rule}\n", "utf-8")
    code, out, err = call(capsys, str(tmp_path), "--format", "html")
    assert (code, out) == (INVALID, "")
    assert "nowhere" in err
    assert call(capsys, str(tmp_path), "--json")[0] == OK, "what is merged can be read to mend it"


def test_what_cannot_be_read_is_told_in_problems(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("authguard: 1\nname: x\nextends: standard\nstreams: {}\n", "utf-8")
    code, out, err = call(capsys, str(tmp_path))
    assert (code, out) == (INVALID, "")
    assert "policy.yaml:4:1: error[" in err


def test_what_reaches_each_phase_is_shown_as_text_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "support-desk", "--phases")
    assert code == OK
    lines = out.splitlines()
    assert lines[0].startswith("service: 2 rules, ")
    account = lines.index(next(line for line in lines if line.startswith("account: ")))
    assert "session `active`" in lines[account + 1]
    code, out, _ = call(capsys, "support-desk", "--phases", "--json")
    assert code == OK
    assert [one["phase"] for one in json.loads(out)["phases"]][:2] == ["service", "caller"]


def test_phases_of_a_policy_with_unknown_names_are_not_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("authguard: 1\nname: own\nextends: standard\ndecisions:\n  - {when: {account: gone}, do: refuse}\n")
    code, out, err = call(capsys, str(file), "--phases")
    assert (code, out) == (INVALID, "")
    assert "error[unknown-name]: `gone`" in err
