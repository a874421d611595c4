"""The guard and every command name a file that cannot be used, by its role and the setting that moves it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from authguard.cli import main
from authguard.cli.output import FAILED, UNAUTHORISED, USAGE
from authguard.errors import SettingsError
from authguard.file_access import Access, FileRole, describe_failure
from authguard.paths import absolute
from authguard.policy.compiler import load
from tests.cli.unusable_files_program import NOT_STARTED, TRACEBACK

ROOT = Path(__file__).parents[2]
#: commands that work where nothing can be written, since they only read
LOOKING = {
    f"{command}: a read-only folder"
    for command in ("rollback status", "sessions show", "accounts show", "transactions list", "handoff list")
}
#: words that a message must have, by the part of the case before its colon and the rest
SETTINGS = {
    "store": "AUTHGUARD_STORE",
    "log": "AUTHGUARD_AUDIT_LOG",
    "signing": "AUTHGUARD_SIGNING_KEY",
    "key file": "AUTHGUARD_PSEUDONYM_KEY",
    "anchor": "AUTHGUARD_ANCHORS",
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    folder = tmp_path_factory.mktemp("files")
    done = subprocess.run(  # noqa: S603 - this interpreter and this package
        [sys.executable, "-m", "tests.support.without_privilege", "tests.cli.unusable_files_program", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return {name: (code, said) for name, (code, said) in json.loads(done.stdout).items()}


def test_nothing_ends_in_a_traceback(found: dict[str, tuple[int, str]]) -> None:
    assert {name: said for name, (code, said) in found.items() if code == TRACEBACK or "Traceback" in said} == {}


def test_the_guard_does_not_start_and_names_the_setting(found: dict[str, tuple[int, str]]) -> None:
    starts = {name: end for name, end in found.items() if name.startswith("start: ")}
    assert len(starts) > 15
    for name, (code, said) in starts.items():
        assert code == NOT_STARTED, name
        assert "AUTHGUARD_" in said or "only a shell expands" in said, name
        for word, setting in SETTINGS.items():
            assert word not in name or setting in said, (name, said)


def test_one_message_names_every_setting_of_a_read_only_folder(found: dict[str, tuple[int, str]]) -> None:
    _, said = found["start: in a read-only folder"]
    assert [setting for setting in ("AUTHGUARD_STORE", "AUTHGUARD_AUDIT_LOG") if setting in said] == [
        "AUTHGUARD_STORE",
        "AUTHGUARD_AUDIT_LOG",
    ]
    assert len(said.splitlines()) == 2
    assert "may not write in" in said
    assert "mode 0555" in said


def test_a_command_exits_with_its_code_and_names_the_setting_or_option(found: dict[str, tuple[int, str]]) -> None:
    named = ("AUTHGUARD_", "name another", "cannot be read now")
    for name, (code, said) in found.items():
        if name.startswith("start: "):
            continue
        if name in LOOKING:
            assert "no write access" not in said, name
            continue
        notes = name.endswith("files of somebody else") and name.startswith("audit ") and "cannot be read" in said
        assert code in {FAILED, USAGE, UNAUTHORISED} or notes, (name, code, said)
        flat = " ".join(said.replace("\u2502", " ").split())
        assert any(word in flat for word in named), (name, said)


def test_the_lack_of_write_access_to_the_store_is_the_lack_of_authority(found: dict[str, tuple[int, str]]) -> None:
    for name, (code, _) in found.items():
        if name.partition(":")[0] in {"rollback engage", "rollback status", "sessions show", "handoff list"}:
            denied = name.endswith(("files of somebody else", "a read-only folder", "cannot be entered"))
            assert name in LOOKING or code == (UNAUTHORISED if denied else FAILED), name


@pytest.mark.parametrize("role", FileRole)
def test_a_full_disk_is_told_with_the_place_to_change(role: FileRole, tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    said = describe_failure(role, tmp_path / "file", "written", Access.WRITE, full)
    assert "No space left on device" in said
    assert "AUTHGUARD_" in said or "another file" in said or "TMPDIR" in said


def test_a_home_that_nobody_expanded_is_refused() -> None:
    with pytest.raises(SettingsError, match="in full"):
        absolute("~/authguard.db")
    assert absolute("./~x").name == "~x"


def test_no_command_needs_a_home(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    with pytest.raises(SystemExit) as end:
        main(["policy", "check", "standard"])
    assert end.value.code in {None, 0}, capsys.readouterr().err
    assert load("standard").name == "standard"
