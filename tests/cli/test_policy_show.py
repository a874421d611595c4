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


def test_json_is_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "support-desk", "--format", "json")
    assert code == OK
    told = json.loads(out)
    assert told["digest"] == load("support-desk").digest
    assert set(told) == {"name", "digest", "document", "origins"}


def test_what_cannot_be_read_is_told_in_problems(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("authguard: 1\nname: x\nextends: standard\nstreams: {}\n", "utf-8")
    code, out, err = call(capsys, str(tmp_path))
    assert (code, out) == (INVALID, "")
    assert "policy.yaml:4:1: error[" in err
