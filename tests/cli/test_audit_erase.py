"""Tests of `authguard audit erase`: one subject is erased, others are not, and the log records it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from authguard import erasable_pseudonym
from authguard.core.record_keys import session_key
from authguard.pseudonym import KeyedPseudonyms, load_or_create_key
from tests.audit.logs import decided, write
from tests.cli.deployment import Deployment, deploy

if TYPE_CHECKING:
    from pathlib import Path

ISSUER = "https://idp.example"
ORDER = ("--by", "dana", "--reason", "request 4711", "--yes")


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Deployment:
    monkeypatch.delenv("AUTHGUARD_PSEUDONYM_KEY", raising=False)
    return deploy(tmp_path, capsys)


def named(desk: Deployment, subject: str) -> str:
    return erasable_pseudonym.ErasablePseudonyms(erasable_pseudonym.key_file_path(desk.store)).subject(ISSUER, subject)


def fill(desk: Deployment, *subjects: str, session: str = "5e55") -> None:
    log = desk.folder / "audit.jsonl"
    write(log, *(decided(f"r{n}", n, subject=one, session=session) for n, one in enumerate(subjects)))


def asked(desk: Deployment, subject: str) -> tuple[int, str, str]:
    return desk.call("audit", "query", "--subject", subject, "--issuer", ISSUER, options=desk.options[2:])


def test_who_is_forgotten_is_found_no_more_and_it_is_said_why(desk: Deployment) -> None:
    fill(desk, named(desk, "bob"), named(desk, "carol"), named(desk, "bob"))
    assert asked(desk, "bob")[1].count("decision") == 2
    code, out, _ = desk.call("audit", "erase", "bob", *ORDER)
    assert code == 0
    assert "erased: 2 records" in out
    _, out, err = asked(desk, "bob")
    assert out == ""
    assert "no record matches" in err
    assert "the key of this name was destroyed at 20" in err
    assert asked(desk, "carol")[1].count("decision") == 1


def test_the_act_stands_in_a_log_that_verifies_and_names_nobody(desk: Deployment) -> None:
    bob = named(desk, "bob")
    fill(desk, bob)
    before = (desk.folder / "audit.jsonl").read_bytes()
    desk.call("audit", "erase", "bob", *ORDER)
    acts = [one for one in desk.log() if one.get("act") == "subject.erased"]
    assert [(one["by"], one["note"]) for one in acts] == [("dana", "request 4711")]
    assert "subject" not in acts[0]
    assert bob not in json.dumps(acts)
    assert (desk.folder / "audit.jsonl").read_bytes().startswith(before)


def test_who_comes_again_has_a_new_name_that_is_found(desk: Deployment) -> None:
    fill(desk, named(desk, "bob"))
    desk.call("audit", "erase", "bob", *ORDER)
    fill(desk, named(desk, "bob"))
    _, out, err = asked(desk, "bob")
    assert out.count("decision") == 1
    assert "destroyed" in err


def test_records_from_before_there_were_such_keys_are_told_of(desk: Deployment) -> None:
    path = erasable_pseudonym.key_file_path(desk.store)
    path.unlink()
    old = KeyedPseudonyms(load_or_create_key(desk.store)).subject(ISSUER, "bob")
    erasable_pseudonym.create_key_file(path, 1_700_000_000.0, before=True)
    fill(desk, old, named(desk, "bob"))
    assert asked(desk, "bob")[1].count("decision") == 2
    code, _, err = desk.call("audit", "erase", "bob", *ORDER)
    assert code == 1
    assert "1 records from before 2023-11-14 22:13:20.000Z have a pseudonym of the deployment's shared key" in err


def test_a_session_that_can_be_guessed_is_told_of(desk: Deployment) -> None:
    fill(desk, named(desk, "bob"), session=session_key(ISSUER, "bob", "", "").hex())
    code, _, err = desk.call("audit", "erase", "bob", *ORDER)
    assert code == 1
    assert "without a `sid`" in err


def test_one_key_for_everybody_is_not_destroyed_for_one(desk: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHGUARD_PSEUDONYM_KEY", "07" * 32)
    fill(desk, "x")
    code, _, err = desk.call("audit", "erase", "bob", *ORDER)
    assert code == 1
    assert "one key for all subjects" in err
