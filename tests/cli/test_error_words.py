"""Errors of the command line name options and variables, and never an argument of a Python function."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import pytest

from authguard import AuthGuard
from authguard.cli import main
from authguard.cli.output import name_options
from authguard.file_access import Access, FileRole, describe_failure

if TYPE_CHECKING:
    from pathlib import Path

#: an argument of `AuthGuard` as Python writes it
KEYWORD = re.compile(rf"\b(?:{'|'.join(inspect.signature(AuthGuard).parameters)})=")
#: words, and variables that are wrong for them
CASES = [
    ("audit maintain", {}),
    ("audit maintain", {"AUTHGUARD_POLICY": "standard", "AUTHGUARD_STORE": "postgres://x"}),
    ("rollback status", {"AUTHGUARD_POLICY": "standard", "AUTHGUARD_STORE": "Memory"}),
    ("rollback status", {"AUTHGUARD_POLICY": "standard", "AUTHGUARD_AUDIT_LOG": "s3://x"}),
    ("rollback status", {"AUTHGUARD_POLICY": "standard", "AUTHGUARD_SIGNING_KEY": "s3://x"}),
    ("rollback status", {"AUTHGUARD_POLICY": "standard", "AUTHGUARD_ANCHORS": "s3://x"}),
    ("rollback status", {"AUTHGUARD_POLICY": "standard", "AUTHGUARD_ANCHORS": "a " * 9}),
    ("rollback status", {"AUTHGUARD_POLICY": "standard", "AUTHGUARD_PUBLIC_URL": "x"}),
    ("rollback status", {"AUTHGUARD_POLICY": "standard", "AUTHGUARD_TOKEN_CACHE_SIZE": "999999999"}),
    ("rollback status", {"AUTHGUARD_POLICY": "standard", "AUTHGUARD_PSEUDONYM_KEY": "x"}),
    ("rollback status", {"AUTHGUARD_POLICY": "standard", "AUTHGUARD_ENCRYPTION_KEYS": "x"}),
    ("rollback status", {"AUTHGUARD_POLICY": "standard", "AUTHGUARD_STORE": "~/x"}),
    ("audit keys show", {"AUTHGUARD_STORE": "none/x"}),
    ("audit keys generate", {"AUTHGUARD_STORE": "file/x"}),
]


@pytest.mark.parametrize(("words", "variables"), CASES)
def test_an_error_names_an_option_or_a_variable(
    words: str,
    variables: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        main(words.split())
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert end.value.code
    assert not KEYWORD.search(said), said
    assert any(name in said for name in (*variables, "--policy", "--store", "in full")), said
    if variables:
        last = list(variables)[-1]
        assert last in said or "in full" in said, said


@pytest.mark.parametrize("role", FileRole)
def test_a_file_that_cannot_be_used(role: FileRole, tmp_path: Path) -> None:
    said = name_options(describe_failure(role, tmp_path / "none", "read", Access.READ))
    assert not KEYWORD.search(said), said
    assert "()" not in said
    assert "AUTHGUARD_" in said or "another file" in said or "TMPDIR" in said
