"""Tests of `authguard handoff`: tickets are listed, taken once and closed, and the log records the person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.cli.output import FAILED, OK, USAGE
from authguard.ports import Ticket
from tests.cli.deployment import Deployment, deploy

if TYPE_CHECKING:
    from pathlib import Path

FIRST = Ticket(
    id="0first",
    queue="fraud",
    opened=1_800_000_000.0,
    operation="order",
    subject="p-1",
    account="aa",
    session="bb",
    states={"service": "live", "account": "compromised"},
)
SECOND = replace(FIRST, id="1second", account="cc", subject="p-2", opened=1_700_000_000.0)


@pytest.fixture
def app(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Deployment:
    return deploy(tmp_path, capsys, FIRST, SECOND)


def test_an_empty_desk_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy(tmp_path, capsys).call("handoff", "list") == (OK, "no ticket waits: the desk is empty\n", "")
    assert deploy(tmp_path, capsys).call("handoff", "list", "--json")[1] == "[]\n"


def test_who_waits_the_longest_is_shown_first_and_looking_records_nothing(app: Deployment) -> None:
    code, out, _ = app.call("handoff", "list")
    assert code == OK
    verdict, first, second, then = out.splitlines()
    assert verdict == "2 tickets wait for a person: 2 open"
    assert first.split()[:2] == ["1second", "fraud"]
    assert first.split()[-2:] == ["order", "compromised"]
    assert second.split()[:2] == ["0first", "fraud"]
    assert then == "next: authguard handoff take 1second --by NAME"
    assert app.log() == []


def test_a_program_reads_each_ticket_whole(app: Deployment) -> None:
    _, out, _ = app.call("handoff", "list", "--json")
    assert [one["ticket"]["subject"] for one in json.loads(out)] == ["p-2", "p-1"]
    assert json.loads(out)[0]["ticket"]["opened"] == "2023-11-14T22:13:20.000Z"
    assert len(json.loads(app.call("handoff", "list", "--json", "--queue", "fraud")[1])) == 2
    code, _, err = app.call("handoff", "list", "--queue", "frad")
    assert (code, "did you mean `fraud`?" in err) == (USAGE, True)


def test_a_ticket_is_taken_once_and_whoever_comes_late_hears_by_whom(app: Deployment) -> None:
    code, out, _ = app.call("handoff", "take", "0first", "--by", "Ines")
    assert code == OK
    assert "0first is taken by Ines since" in out
    code, out, err = app.call("handoff", "take", "0first", "--by", "Omar")
    assert (code, out) == (FAILED, "")
    assert err.startswith("Ines has taken it already, at 2")
    taken, tried, void = app.log()
    assert (taken["act"], taken["by"], taken["ticket"], taken["subject"]) == ("handoff.taken", "Ines", "0first", "p-1")
    assert void["records"] == [tried["id"]]


def test_a_closed_ticket_is_gone(app: Deployment) -> None:
    app.call("handoff", "take", "0first", "--by", "Ines")
    code, out, _ = app.call("handoff", "close", "0first", "--by", "ines", "--reason", "called back")
    assert code == OK
    assert "closed by ines" in out
    assert "0first" not in app.call("handoff", "list")[1]
    assert app.log()[-1]["act"] == "handoff.closed"
    assert app.log()[-1]["note"] == "called back"


def test_whoever_did_not_take_a_ticket_closes_it_by_an_override_that_the_log_tells(app: Deployment) -> None:
    asked = ("handoff", "close", "0first", "--by", "Omar", "--reason", "she is ill")
    code, _, err = app.call(*asked)
    assert (code, "take it first" in err) == (FAILED, True)
    app.call("handoff", "take", "0first", "--by", "Ines")
    code, _, err = app.call(*asked)
    assert (code, "Ines has taken it already" in err) == (FAILED, True)
    assert app.call(*asked, "--override")[0] == OK
    assert (app.log()[-1]["act"], app.log()[-1]["by"]) == ("handoff.overridden", "Omar")


def test_a_note_that_says_nothing_is_refused(app: Deployment) -> None:
    app.call("handoff", "take", "0first", "--by", "Ines")
    for note in ("", " ", "\u200b", "..."):
        assert app.call("handoff", "close", "0first", "--by", "Ines", "--reason", note)[0] == USAGE


@pytest.mark.parametrize("act", [("take",), ("close", "--reason", "done")])
def test_a_ticket_that_is_not_there_is_said_to_be_so_and_not_recorded(app: Deployment, act: tuple[str, ...]) -> None:
    code, _, err = app.call("handoff", act[0], "never", "--by", "Ines", *act[1:])
    assert code == FAILED
    assert "there is no such ticket" in err
    assert app.log() == []


@pytest.mark.parametrize("words", [("take", "0first"), ("close", "0first"), ("take", "--by", "Ines"), ("tkae",)])
def test_who_and_which_are_always_told(app: Deployment, words: tuple[str, ...]) -> None:
    assert app.call("handoff", *words)[0] == USAGE


def test_a_name_of_nobody_takes_nothing(app: Deployment) -> None:
    assert app.call("handoff", "take", "0first", "--by", " ")[0] == USAGE
    assert app.call("handoff", "list")[1].startswith("2 tickets wait for a person: 2 open")
