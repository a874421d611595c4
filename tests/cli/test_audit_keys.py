"""Tests of `authguard audit keys`: generate, show and rotate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from authguard import signing_key
from authguard.errors import SettingsError
from authguard.records.signed_note import parse_key
from tests.cli.deployment import group

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


app = group("audit")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("AUTHGUARD_AUDIT_LOG", "AUTHGUARD_STORE", "AUTHGUARD_SIGNING_KEY"):
        monkeypatch.delenv(name, raising=False)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_a_key_is_made_for_its_owner_and_its_public_half_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    done = run("keys", "generate", "--file", str(path), "--name", "desk.example")
    assert done.exit_code == 0
    key = parse_key(done.stdout)
    assert key.name == "desk.example"
    assert path.stat().st_mode & 0o777 == 0o600
    (kept,) = signing_key.load_key_file(path)
    assert kept.key == key
    assert "PRIVATE" not in done.output
    assert run("keys", "show", "--file", str(path)).stdout == done.stdout


def test_a_key_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    run("keys", "generate", "--file", str(path))
    before = path.read_bytes()
    again = run("keys", "generate", "--file", str(path))
    assert isinstance(again.exception, SettingsError)
    assert "rotate" in str(again.exception)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["a b", "a+b", "a\tb", "a\u202eb", "a\nb"])
def test_a_name_that_no_note_can_have_is_refused(tmp_path: Path, name: str) -> None:
    done = run("keys", "generate", "--file", str(tmp_path / "keys"), "--name", name)
    assert done.exit_code == 2
    assert not (tmp_path / "keys").exists()


def test_a_successor_has_the_name_and_signs_last(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    first = run("keys", "generate", "--file", str(path), "--name", "desk").stdout
    second = run("keys", "rotate", "--file", str(path)).stdout
    assert [one.key.text() + "\n" for one in signing_key.load_key_file(path)] == [first, second]
    assert parse_key(second).name == "desk"
    assert run("keys", "show", "--file", str(path)).stdout == first + second
    assert path.stat().st_mode & 0o777 == 0o600


def test_there_is_nothing_to_rotate_where_there_is_no_key(tmp_path: Path) -> None:
    done = run("keys", "rotate", "--file", str(tmp_path / "keys"))
    assert isinstance(done.exception, SettingsError)
    assert not (tmp_path / "keys").exists()


def test_the_file_is_the_variables_or_beside_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("keys", "generate", "--store", str(tmp_path / "store.db"))
    assert (tmp_path / "store.db.signing").exists()
    monkeypatch.setenv("AUTHGUARD_SIGNING_KEY", str(tmp_path / "named"))
    run("keys", "generate")
    assert (tmp_path / "named").exists()
    monkeypatch.setenv("AUTHGUARD_SIGNING_KEY", signing_key.generate_key().text())
    done = run("keys", "rotate")
    assert "holds the key itself" in str(done.exception)
    assert "PRIVATE" not in str(done.exception)
