"""Tests of `authguard rollback`: authority, the record before the change, and the state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from authguard.cli.output import FAILED, OK, UNAUTHORISED, USAGE
from tests.cli.deployment import Deployment, deploy

if TYPE_CHECKING:
    from pathlib import Path

INES = ("--by", "Ines", "--reason", "refunds look odd")


@pytest.fixture
def app(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Deployment:
    return deploy(tmp_path, capsys)


def test_a_service_that_nobody_touched_is_live_and_looking_records_nothing(app: Deployment) -> None:
    assert app.call("rollback", "status") == (
        OK,
        "live: the agent serves\nto stop it: authguard rollback engage --by NAME --reason WHY\n",
        "",
    )
    assert json.loads(app.call("rollback", "status", "--json")[1]) == {
        "state": "live",
        "entered": None,
        "faulted": None,
    }
    assert app.log() == []


def test_engaged_it_is_rolled_back_and_the_log_says_by_whom_and_why(app: Deployment) -> None:
    code, out, _ = app.call("rollback", "engage", *INES)
    assert code == OK
    assert out.startswith("rolled_back since 2")
    assert app.call("rollback", "status")[1] == out
    act, moved = app.log()
    assert (act["kind"], act["act"], act["by"], act["note"]) == ("act", "rollback.engaged", "Ines", "refunds look odd")
    assert (moved["machine"], moved["source"], moved["dest"]) == ("service", "live", "rolled_back")
    assert moved["cause"] == "operator"


def test_released_by_as_many_as_the_policy_wants_it_recovers(app: Deployment) -> None:
    app.call("rollback", "engage", *INES)
    code, out, _ = app.call("rollback", "release", *INES, "--by", "Omar")
    assert code == OK
    assert out.startswith("recovering since")
    assert app.log()[2]["by"] == "Ines, Omar"


@pytest.mark.parametrize("others", [(), ("--by", "Ines"), ("--by", " Ines ")])
def test_fewer_people_than_the_policy_wants_release_nothing(app: Deployment, others: tuple[str, ...]) -> None:
    app.call("rollback", "engage", *INES)
    code, out, err = app.call("rollback", "release", *INES, *others)
    assert (code, out) == (UNAUTHORISED, "")
    assert "requires 2 persons of role `operations` to release" in err
    assert app.call("rollback", "status")[1].startswith("rolled_back")
    assert [line["kind"] for line in app.log()] == ["act", "transition"], "what was refused is not recorded as done"


def test_what_is_engaged_twice_is_recorded_twice_and_stays(app: Deployment) -> None:
    app.call("rollback", "engage", *INES)
    assert app.call("rollback", "engage", "--by", "Omar", "--reason", "me too")[0] == OK
    assert [line.get("by") for line in app.log() if line["kind"] == "act" and line["act"] != "events.unmoved"] == [
        "Ines",
        "Omar",
    ]


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "\x07"])
def test_somebody_without_a_name_does_nothing(app: Deployment, name: str) -> None:
    code, _, err = app.call("rollback", "engage", "--by", name, "--reason", "why")
    assert code == USAGE
    assert "a name has 1 to 100 characters" in err
    assert app.log() == []


@pytest.mark.parametrize("missing", ["--by", "--reason"])
def test_who_and_why_are_always_told(app: Deployment, missing: str) -> None:
    told = {"--by": "Ines", "--reason": "why"}
    told.pop(missing)
    assert app.call("rollback", "engage", *(word for pair in told.items() for word in pair))[0] == USAGE


def test_a_name_cannot_forge_a_line_nor_turn_the_writing_round(app: Deployment) -> None:
    app.call("rollback", "engage", "--by", "Ines\n\u202eOmar", "--reason", "a\nb")
    act = app.log()[0]
    assert (act["by"], act["note"]) == ("Ines Omar", "a b")


def test_a_store_that_is_not_there_is_never_made(app: Deployment, tmp_path: Path) -> None:
    elsewhere = (*app.options, "--store", str(tmp_path / "typo.db"))
    for words in (("status",), ("engage", *INES)):
        code, _, err = app.call("rollback", *words, options=elsewhere)
        assert code == FAILED
        assert "there is no store at" in err
    assert not (tmp_path / "typo.db").exists()


def test_a_store_in_memory_cannot_be_operated_from_outside(app: Deployment) -> None:
    code, _, err = app.call("rollback", "engage", *INES, options=(*app.options, "--store", "memory"))
    assert code == FAILED
    assert "--store" in err


def test_without_a_policy_the_command_says_how_to_name_one(app: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTHGUARD_POLICY", raising=False)
    code, _, err = app.call("rollback", "status", options=())
    assert code == FAILED
    assert "AUTHGUARD_POLICY" in err
