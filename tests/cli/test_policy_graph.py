"""Tests of `authguard policy graph`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.cli import main
from authguard.cli.output import FAILED, INVALID, OK, USAGE
from authguard.core.events import MACHINES

if TYPE_CHECKING:
    from pathlib import Path


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the console script in this process."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_every_machine_is_drawn_unless_some_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "policy", "graph", "standard")
    assert (code, err) == (OK, "")
    assert out.count("stateDiagram-v2\n") == len(MACHINES)
    code, out, _ = call(
        capsys, "policy", "graph", "standard", "--format", "dot", "--machine", "session", "--machine", "account"
    )
    assert code == OK
    assert [line for line in out.splitlines() if line.startswith("digraph")] == [
        'digraph "session" {',
        'digraph "account" {',
    ]


@pytest.mark.parametrize(
    ("form", "begins"), [("text", "#  | phase       | service"), ("markdown", "| # | phase | service |")]
)
def test_the_decision_table_is_shown_as_a_matrix(
    capsys: pytest.CaptureFixture[str], form: str, begins: str, tmp_path: Path
) -> None:
    code, out, _ = call(capsys, "policy", "graph", "support-desk", "--format", form)
    assert code == OK
    assert out.splitlines()[2].startswith(begins)
    file = tmp_path / "matrix"
    assert call(capsys, "policy", "graph", "support-desk", "--format", form, "-o", str(file))[:2] == (OK, "")
    assert file.read_text("utf-8") == out


def test_what_cannot_be_done_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = call(capsys, "policy", "graph", "standard", "--machine", "sesion")
    assert code == USAGE
    assert "did you mean `session`?" in " ".join(err.replace("│", "").split())
    code, _, err = call(capsys, "policy", "graph", "standard", "--machine", "session", "--format", "text")
    assert code == USAGE
    assert "--machine needs `mermaid`, `dot` or `json`" in err
    code, out, err = call(capsys, "policy", "graph", str(tmp_path / "gone.yaml"))
    assert (code, out) == (INVALID, "")
    assert "file-missing" in err
    code, _, err = call(capsys, "policy", "graph", "standard", "-o", str(tmp_path / "no" / "file"))
    assert code == FAILED
    assert "cannot be written" in err
