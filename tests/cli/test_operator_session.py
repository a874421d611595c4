"""Tests that write access to the store is the authority to operate, with exit code 5 otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from authguard.cli import operator_session
from authguard.cli.output import UNAUTHORISED
from tests.cli.deployment import deploy

if TYPE_CHECKING:
    from pathlib import Path

ENGAGE = ("rollback", "engage", "--by", "Ines", "--reason", "why")


@pytest.mark.parametrize("refused", ["authguard.db", "."])
def test_a_store_that_may_not_be_written_is_a_want_of_authority(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    app = deploy(tmp_path, capsys)
    allowed = os.access
    monkeypatch.setattr(
        operator_session.os, "access", lambda path, mode: path != (tmp_path / refused) and allowed(path, mode)
    )
    code, _, err = app.call(*ENGAGE)
    assert code == UNAUTHORISED
    assert "no write access to the store" in err
    assert app.log() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a command as somebody else")
def test_somebody_else_is_refused_by_the_operating_system(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = deploy(tmp_path, capsys)
    # import everything before the change of user, who may have no read access to the Python installation
    program = (
        "import os, sys, anyio; from authguard.cli import main, rollback;"
        "anyio.run(anyio.sleep, 0); os.setuid(65534); main(sys.argv[1:])"
    )
    done = subprocess.run(  # noqa: S603 - this interpreter and this package
        [sys.executable, "-c", program, *ENGAGE, *app.options], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == UNAUTHORISED, done.stderr
    assert "no write access to the store" in done.stderr
    assert "Traceback" not in done.stderr
