"""Tests of `authguard policy mutate`: what survives, what is proposed, formats and exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from authguard.cli import main
from authguard.cli.output import INVALID, OK, USAGE
from tests.policy.mutation.desk import SCENARIOS, write_desk

if TYPE_CHECKING:
    from pathlib import Path

FAILS = "- {name: fails, given: {account: normal}, ask: {operation: chat}, then: {outcome: deny}}\n"


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the console script in this process."""
    with pytest.raises(SystemExit) as end:
        main(("policy", "mutate", *arguments))
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_it_names_what_survives(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = write_desk(tmp_path)
    code, out, err = call(capsys, source, "--most", "6", "--seed", "1")
    assert (code, err) == (OK, "")
    assert out.startswith(f"{source}: ")
    assert f"{source}:" in out
    assert ": survives: " in out
    assert call(capsys, source, "--most", "6", "--seed", "1")[1] == out


def test_json_holds_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = call(capsys, write_desk(tmp_path), "--most", "3", "--json")
    assert code == OK
    assert len(json.loads(out)["mutants"]) == 3


def test_proposals_are_written_to_a_new_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "proposed.yaml"
    words = (write_desk(tmp_path), "--most", "3", "--generate", "--output", str(target))
    assert call(capsys, *words)[0] == OK
    assert target.read_text(encoding="utf-8").startswith("# Proposed scenarios")
    code, _, err = call(capsys, *words)
    assert code == USAGE
    assert "exists" in err


def test_text_is_written_to_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "said.txt"
    assert call(capsys, write_desk(tmp_path), "--most", "2", "--output", str(target)) == (OK, "", "")
    assert "mutants are caught" in target.read_text(encoding="utf-8")


def test_too_few_caught_mutants_fail(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = call(capsys, write_desk(tmp_path), "--most", "6", "--fail-under", "99")
    assert code == INVALID
    assert "less than 99 %" in err


def test_a_policy_whose_scenarios_fail_is_not_mutated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = call(capsys, write_desk(tmp_path, SCENARIOS + FAILS))
    assert (code, out) == (INVALID, "")
    assert "fails: the outcome is `allow`, not `deny`" in err


def test_json_and_generate_exclude_each_other(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert call(capsys, write_desk(tmp_path), "--json", "--generate")[0] == USAGE
