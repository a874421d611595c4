"""A command that reads a log writes nothing beside it, and works where nothing can be written there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from authguard.audit.query.index_place import find_index, old_path
from tests.audit.logs import acted, decided, moved, write
from tests.cli.deployment import group
from tests.cli.read_only_program import COMMANDS
from tests.support.record_check import skip_validation

ROOT = Path(__file__).parents[2]
app = group("audit")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "audit.jsonl"
    path.parent.mkdir()
    skip_validation(path.parent)
    write(
        path,
        acted("a", 0, "started"),
        decided("b", 1, "deny"),
        moved("c", 1, "session.idled: active -> idle", decision="b"),
    )
    return path


def run_all(folder: Path, cache: Path | str, *unreadable: str) -> dict[str, tuple[int, str, str, list[str]]]:
    done = subprocess.run(  # noqa: S603 - this interpreter and this package
        [
            *(sys.executable, "-m", "tests.support.without_privilege", "tests.cli.read_only_program"),
            *(str(folder), str(cache), *unreadable),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[int, str, str, list[str]]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("cached", [True, False])
def test_every_reading_command_works_in_a_read_only_folder_and_leaves_nothing(
    log: Path, tmp_path: Path, *, cached: bool
) -> None:
    cache = tmp_path / "cache"
    found = run_all(log.parent, cache if cached else "")
    assert set(found) == set(COMMANDS)
    for command, (code, out, err, left) in found.items():
        unsigned = command in {"audit verify", "audit report"}  # the log of this test has no key
        assert code == (4 if unsigned else 0), (command, err)
        assert out, command
        assert left == [str(log)], command
        temporary = not cached and command not in {"audit tail", "audit verify"}
        assert ("the log's index is temporary" in err) == temporary, (command, err)
    assert len(list(cache.rglob("*.index"))) == (1 if cached else 0)


def test_maintenance_takes_retired_records_out_of_the_index_and_removes_an_index_of_an_earlier_version(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(log.parent)
    assert CliRunner().invoke(app, ["query", "--log", str(log)]).exit_code == 0
    old_path(log).write_bytes(b"SQLite format 3")
    before = find_index(log).stat().st_ino
    CliRunner().invoke(app, ["maintain", "--log", str(log), "--policy", "standard"])
    assert not old_path(log).exists()
    assert find_index(log).stat().st_ino == before


def test_a_command_that_could_not_read_a_file_of_the_log_fails(log: Path, tmp_path: Path) -> None:
    write(log.with_name("audit.1.jsonl"), decided("x", 2))
    found = run_all(log.parent, tmp_path / "cache", "audit.1.jsonl")
    for command, (code, out, err, _) in found.items():
        assert out, command
        if command == "audit tail":
            continue
        assert "audit.1.jsonl" in out + err, command
        # a log that is not read whole does not verify
        assert code == (4 if command in {"audit verify", "audit report"} else 1), (command, code, err)
