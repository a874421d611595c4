"""Tests of `authguard policy explain`: given and recorded decisions, as text and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from authguard.audit.write.jsonl import JsonlSink
from authguard.cli import main
from authguard.cli.output import FAILED, INVALID, OK, USAGE
from authguard.policy.compiler import load
from authguard.records.entries import DecisionEntry, TransitionEntry
from authguard.testing import FakeClock
from tests.support.harness import CountingIds

if TYPE_CHECKING:
    from pathlib import Path

CELL = (
    *("live", "normal", "expired", "verified", "none"),
    *("good", "high", "write", "granted", "met", "within", "same", "subject"),
)


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the console script in this process."""
    with pytest.raises(SystemExit) as end:
        main(("policy", "explain", *arguments))
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, " ".join(err.replace("│", "").split())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write a log with a decision, a decision under another policy, and a transition."""
    path = tmp_path / "audit.jsonl"
    digest = load("support-desk").digest
    known = {"at": 1.0, "operation": "refund", "cell": CELL, "outcome": "step_up", "fallback": "sign_in_fresh"}
    sink = JsonlSink(path, clock=FakeClock(), ids=CountingIds())
    sink.open()
    try:
        sink.append(DecisionEntry(id="one", policy=digest, rule="13:sign_in_fresh", **known))  # type: ignore[arg-type]  # known above
        sink.append(DecisionEntry(id="old", policy="0" * 64, rule="6:sign_in_fresh", **known))  # type: ignore[arg-type]  # known above
        sink.append(
            TransitionEntry(
                id="moved",
                at=1.0,
                policy=digest,
                machine="session",
                event="aged",
                source="active",
                dest="expired",
                cause="timer",
            )
        )
    finally:
        sink.close()
    return path


def test_a_decision_is_told_with_its_rule_and_what_would_have_to_change(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(
        capsys, "support-desk", "--state", "session=expired", "--credential", "good", "--operation", "refund"
    )
    assert (code, err) == (OK, "")
    assert "Rule 13:sign_in_fresh (standard.yaml:" in out
    assert "decided: session absent or idle or expired." in out
    assert "The caller gets: step_up, HTTP 401, fallback sign_in_fresh (support-desk/policy.yaml:" in out
    assert 'says: "Please sign in again to continue where you stopped."' in out
    assert "3 times in 15m for each customer and operation, then to_a_person" in out
    assert "service live (not given; the decision depends on it)" in out
    assert "account, verification, transaction, scope, assurance, limit, channel_change, actor: any" in out
    assert "12:end_session (standard.yaml:" in out
    assert "session: expired -> active\n" in out
    assert "session.renewed (the customer, by signing in afresh)" in out


def test_who_gives_a_condition_is_told_and_so_is_that_nobody_does(capsys: pytest.CaptureFixture[str]) -> None:
    ready = ("--state", "account=normal,verification=verified")
    out = call(capsys, "support-desk", *ready, "--scope", "missing", "--operation", "refund")[1]
    assert "scope: missing -> granted, by the customer, with a token that has the scope `refunds:write`" in out
    assert "the fewest events" not in out
    out = call(capsys, "support-desk", *ready, "--state", "transaction=failed", "--operation", "refund")[1]
    assert "No events and changes of the request were found that lead to an admission." in out


def test_rules_above_are_all_named_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "support-desk", "--operation", "chat", "--state", "account=normal")
    assert code == OK
    assert "19 more; --all shows them" in out
    assert "To be allowed" not in out
    code, out, _ = call(capsys, "support-desk", "--operation", "chat", "--state", "account=normal", "--all")
    assert out.count("(standard.yaml:") + out.count("(support-desk/policy.yaml:") >= 24
    assert "which --all names" not in out


def test_the_standard_words_are_told_where_the_policy_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "standard", "--credential", "missing")
    assert code == OK
    assert 'says: "Please sign in."' in out


def test_json_holds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(
        capsys, "support-desk", "--state", "session=expired", "--operation", "refund", "--format", "json"
    )
    assert code == OK
    told = json.loads(out)
    assert (told["rule"], told["outcome"], told["status"]) == ("13:sign_in_fresh", "step_up", 401)
    assert {"language": "", "channel": "default"}.items() <= told["say"][0].items()
    assert len(told["values"]) == 13
    assert told["remedies"][0]["changes"][-1]["dimension"] == "verification"


def test_a_record_of_the_log_is_explained(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    code, out, err = call(capsys, "support-desk", "--log", str(log), "--id", "one")
    assert (code, err) == (OK, "")
    assert out.startswith("step_up: refund, under policy support-desk")
    assert "note:" not in out
    assert "any (the answer is the same)" not in out, "a record has every dimension"
    code, out, _ = call(capsys, "support-desk", "--log", str(log), "--id", "one", "--state", "session=active")
    assert "The caller gets: allow" in out, "what if it had been active"


def test_a_record_of_another_policy_is_told_as_such(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    code, out, _ = call(capsys, "support-desk", "--log", str(log), "--id", "old")
    assert code == OK
    assert "note: recorded under another policy, 000000000000; explained under this one" in out
    assert "note: recorded rule: 6:sign_in_fresh, outcome step_up" in out
    code, out, _ = call(capsys, "standard", "--log", str(log), "--id", "one")
    assert code == OK
    assert "note: operation `refund` differs in this policy" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--state", "sesion=x"), USAGE, "did you mean `session`?"),
        (("--state", "session=idel"), USAGE, "did you mean `idle`?"),
        (("--credential", "god"), USAGE, "did you mean `good`?"),
        (("--operation", "refnd"), USAGE, "did you mean `refund`?"),
        (("--operation", "refund", "--risk", "high"), USAGE, "the operation fixes risk and effect"),
        (("--log", "audit.jsonl"), USAGE, "it needs --id, the record to explain"),
        (("--log", "gone.jsonl", "--id", "x"), FAILED, "there is no log at `gone.jsonl`"),
    ],
)
def test_what_is_misspelt_is_said(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    got, out, err = call(capsys, "support-desk", *arguments)
    assert (got, out) == (code, "")
    assert said in err


def test_a_record_that_is_no_decision_is_said(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    code, _, err = call(capsys, "support-desk", "--log", str(log), "--id", "moved")
    assert code == FAILED
    assert "only decisions have a cell" in err


def test_a_policy_with_errors_is_not_explained(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("authguard: 1\nname: x\n", "utf-8")
    assert call(capsys, str(tmp_path))[0] == INVALID


def test_a_record_is_found_by_the_beginning_of_its_id_and_as_in_a_reply(
    capsys: pytest.CaptureFixture[str], log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, whole, _ = call(capsys, "support-desk", "--log", str(log), "--id", "one")
    assert code == OK
    for typed in ("on", "urn:authguard:record:one", "urn:authguard:record:on"):
        assert call(capsys, "support-desk", "--log", str(log), "--id", typed) == (OK, whole, "")
    code, out, err = call(capsys, "support-desk", "--log", str(log), "--id", "o")
    assert (code, out) == (USAGE, "")
    assert "`o` is the beginning of 2 records; type more of one:" in err
    assert "one decision at 1970-01-01 00:00:01" in err
    assert "old decision at" in err
    monkeypatch.setenv("AUTHGUARD_AUDIT_LOG", str(log))
    assert call(capsys, "support-desk", "--id", "one") == (OK, whole, "")
    assert call(capsys, "support-desk", "--operation", "chat")[0] == OK, "the variable alone asks for no record"
    assert sorted(path.name for path in log.parent.iterdir() if path.name.startswith(log.name)) == [log.name]


def test_a_whole_id_is_not_the_beginning_of_another(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    digest = load("support-desk").digest
    known = {"at": 1.0, "policy": digest, "operation": "refund", "cell": CELL, "outcome": "step_up"}
    sink = JsonlSink(tmp_path / "audit.jsonl", clock=FakeClock(), ids=CountingIds())
    sink.open()
    try:
        for name in ("r12", "r1"):
            sink.append(DecisionEntry(id=name, rule="13:sign_in_fresh", fallback="sign_in_fresh", **known))  # type: ignore[arg-type]  # known above
    finally:
        sink.close()
    assert call(capsys, "support-desk", "--log", str(tmp_path / "audit.jsonl"), "--id", "r1")[0] == OK
    assert call(capsys, "support-desk", "--log", str(tmp_path / "audit.jsonl"), "--id", "r")[0] == USAGE


FLAGGED = """\
authguard: 1
name: example
extends: support-desk
flags:
  hurried: {by: subject, expires: 24h, set_by: [{app: report}], cleared_by: [{role: fraud}]}
decisions:
  - {when: {risk: high, hurried: set}, do: later}
fallbacks:
  later: {kind: retry, after: 1h}
"""


def test_a_flag_is_supposed_like_a_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy.yaml").write_text(FLAGGED, "utf-8")
    asked = ["policy", "explain", str(tmp_path / "policy.yaml"), "--operation", "refund"]
    for more, code, said in (
        (["--state", "hurried=set"], OK, "decided: risk high; hurried set."),
        (["--state", "hurried=maybe"], USAGE, "`maybe` is not a state of `hurried`"),
        (["--state", "hurrying=set"], USAGE, "`hurrying` is not a machine or a flag"),
    ):
        with pytest.raises(SystemExit) as end:
            main([*asked, *more])
        out, err = capsys.readouterr()
        assert (end.value.code or OK) == code
        assert said in " ".join((out + err).replace("│", " ").split())


OWN_CONDITIONS = """\
authguard: 1
name: own
extends: support-desk
conditions:
  country: {from: {claim: country}, values: {home: [DE]}, default: abroad}
  desk: {from: {time_zone: Europe/Berlin}, values: {open: 'Mo-Fr 08:00-18:00'}, default: closed}
  segment:
    from: {header: X-Segment, secret_header: X-Segment-Secret, secret_env: SEGMENT}
    values: [vip]
    default: plain
decisions:
  - {phase: service, when: {service: live, risk: public, country: abroad, desk: closed}, do: refuse}
  - {phase: service, when: {service: live, risk: public, segment: vip}, do: to_a_person}
"""


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--operation", "health", "--condition", "country=abroad,desk=closed"), "0:refuse"),
        (("--operation", "health", "--condition", "country=abroad", "--at", "2026-12-06T12:00Z"), "0:refuse"),
        (("--operation", "health", "--condition", "country=abroad", "--at", "2026-12-07T12:00Z"), "1:to_a_person"),
        (("--request", "GET /healthz", "--condition", "country=abroad", "--at", "2026-12-06T12:00Z"), "0:refuse"),
        (("--request", "GET /healthz", "--at", "2026-12-07T12:00Z", "--header", "X-Segment: vip"), "1:to_a_person"),
    ],
)
def test_conditions_of_a_policy_are_supposed_or_follow_from_the_time(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: tuple[str, ...], rule: str
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(OWN_CONDITIONS)
    code, out, err = call(capsys, str(file), *options)
    assert code == OK, err
    assert f"Rule {rule} " in out


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("country", "write NAME=VALUE"),
        ("country=mars", "is not a value of `country`"),
    ],
)
def test_a_condition_that_is_not_declared_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, typed: str, message: str
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(OWN_CONDITIONS)
    code, _, err = call(capsys, str(file), "--operation", "health", "--condition", typed)
    assert (code, message in err) == (USAGE, True), err
