"""Tests of `authguard audit explain` on the log of a served app: one command answers why a customer was refused."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from authguard.cli import main
from tests.cli.refused_customers import create

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.refused_customers import RefusedCustomers

KEYS = set(
    re.findall(
        r"\w+",
        "verdict kind id at operation outcome fallback claim subject actor session credential transaction ticket"
        " channel peer method path trace_id level message window machine event source dest cause decision act by note"
        " flag"
        " where error status because reason means"
        " remedy rule origin when states conditions causes limits approvers leads_to says skipped to_be_allowed"
        " undecided next notes policy policy_digest recorded_policy_digest void intact may_be_anyone near"
        " near_unproven",
    )
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> RefusedCustomers:
    return create(tmp_path_factory.mktemp("desk"))


@pytest.fixture(autouse=True)
def _variables(desk: RefusedCustomers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    for name, value in desk.variables.items():
        monkeypatch.setenv(name, value)


def explain(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["audit", "explain", *words])
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


@pytest.mark.parametrize(
    ("who", "verdict", "why"),
    [
        ("scopeless", "refused: deny", ["the token lacks the scope `chat`", "next: authguard token check "]),
        (
            "locked",
            "refused: handoff",
            [
                "because the account is locked",
                "account locked since ",
                "next: authguard accounts reinstate locked --by",
            ],
        ),
        ("rich", "held for an approval: hold", ["a limit is exceeded", "limit refund/0: ", "who may approve: 1 "]),
        ("unverified", "refused: verify", ["the identity is not proven", "verification: unverified -> verified"]),
        (
            "denied",
            "refused: deny",
            [
                "the transaction is denied",
                'transaction.denied by Ines, "not our order"',
                "next: authguard transactions show ",
                "other refusals near that time: 1, ",
            ],
        ),
        (
            "stopped",
            "refused: handoff",
            [
                "the service is rolled_back",
                'service.engaged by Ines, "bad answers"',
                "next: authguard rollback release --by NAME --reason TEXT",
            ],
        ),
    ],
)
def test_one_command_says_why_a_customer_was_refused(
    capsys: pytest.CaptureFixture[str], desk: RefusedCustomers, who: str, verdict: str, why: list[str]
) -> None:
    code, out, _ = explain(capsys, "--subject", who)
    assert code == 0
    assert out.startswith(verdict), "the verdict comes first"
    assert f"{who}'s session " in out.splitlines()[0]
    for words in why:
        assert words in out
    assert f"record {desk.instances[who].rpartition(':')[2]}" in out
    at = json.loads(explain(capsys, "--subject", who, "--json")[1])["at"]
    assert explain(capsys, "--subject", who, "--at", at)[1] == out


def test_an_expired_token_is_answered_by_the_time(capsys: pytest.CaptureFixture[str], desk: RefusedCustomers) -> None:
    found = json.loads(explain(capsys, desk.instances["expired"], "--json")[1])
    assert found["reason"] == "token-expired"
    code, out, _ = explain(capsys, "--subject", "alice", "--at", found["at"])
    assert code == 0
    assert out.startswith("no refusal of `alice` is near that time; this caller proved no identity, and may be anyone:")
    assert "because the credential had expired" in out
    assert "the client must refresh the token" in out
    code, out, err = explain(capsys, "--subject", "alice")
    assert (code, out) == (1, "")
    assert "the log has no refusal of `alice`" in err
    assert "--at TIME" in err


def test_a_record_is_taken_as_it_stands_in_the_reply_or_by_its_first_characters(
    capsys: pytest.CaptureFixture[str], desk: RefusedCustomers
) -> None:
    whole = desk.instances["scopeless"]
    out = explain(capsys, whole)[1]
    record = whole.rpartition(":")[2]
    assert explain(capsys, record)[1] == out
    code, _, err = explain(capsys, record[:3])
    assert code == 2
    assert f"several records begin with `{record[:3]}`: " in err
    code, _, err = explain(capsys, "01zz")
    assert code == 1
    assert "the nearest ids are `" in err
    session = json.loads(explain(capsys, whole, "--json")[1])["session"]
    assert "it is the value of --session" in explain(capsys, session)[2]


def test_every_kind_of_record_has_the_same_keys(capsys: pytest.CaptureFixture[str], desk: RefusedCustomers) -> None:
    lines = map(json.loads, (desk.folder / "var" / "audit.jsonl").read_text("utf-8").splitlines())
    for record in {line["kind"]: line["id"] for line in lines}.values():
        found = json.loads(explain(capsys, record, "--json")[1])
        assert set(found) == KEYS
        assert found["at"].endswith("Z")


def test_conditions_select_the_refusal(capsys: pytest.CaptureFixture[str], desk: RefusedCustomers) -> None:
    newest = json.loads(explain(capsys, "--json")[1])
    assert newest["id"] == desk.instances["stopped"].rpartition(":")[2]
    denied = json.loads(explain(capsys, "--transaction", desk.held[:8], "--json")[1])
    assert denied["states"]["transaction"] == "denied"
    assert json.loads(explain(capsys, "--session", denied["session"][:8], "--json")[1])["id"] == denied["id"]
    assert json.loads(explain(capsys, "--subject", denied["subject"][:8], "--json")[1])["id"] == denied["id"]
    held = json.loads(explain(capsys, "--operation", "refund", "--outcome", "hold", "--subject", "rich", "--json")[1])
    assert held["operation"] == "refund"
    assert explain(capsys, "--outcome", "dney")[0] == 2
    assert explain(capsys, "--at", "2999-01-01")[0] == 2
    assert explain(capsys, desk.held, "--subject", "rich")[0] == 2


def test_who_is_unknown_or_erased_is_said(
    capsys: pytest.CaptureFixture[str], desk: RefusedCustomers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = explain(capsys, "--subject", "nobody")
    assert code == 1
    assert "the log has no record of `nobody`" in err
    copy = tmp_path / "copy"
    shutil.copytree(desk.folder, copy)
    for name, value in desk.variables.items():
        monkeypatch.setenv(name, value.replace(str(desk.folder), str(copy)))
    with pytest.raises(SystemExit):
        main(["audit", "erase", "rich", "--by", "Ines", "--reason", "request 4711", "--yes"])
    capsys.readouterr()
    code, _, err = explain(capsys, "--subject", "rich")
    assert code == 1
    assert "the key of this name was destroyed at" in err
    assert "its earlier records cannot be found" in err
