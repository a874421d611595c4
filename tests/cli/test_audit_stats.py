"""Tests of `authguard audit stats`, `timeline`, `explain` and `replay`, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from authguard.policy.compiler import load
from tests.audit.logs import CELL, acted, decided, moved, refused, withdrawn, write
from tests.cli.deployment import group
from tests.support.record_check import skip_validation

if TYPE_CHECKING:
    from click.testing import Result

app = group("audit")
DESK = load("support-desk")
MET = (*CELL[:6], "routine", "read", *CELL[8:])
RULE = DESK.table.decide(MET)
OPERATION = next(one.name for one in DESK.operations if (one.risk, one.effect) == ("routine", "read"))


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTHGUARD_POLICY", raising=False)
    path = tmp_path / "audit.jsonl"
    skip_validation(tmp_path)
    monkeypatch.setenv("AUTHGUARD_AUDIT_LOG", str(path))
    same = {"policy": DESK.digest, "operation": OPERATION, "cell": MET, "rule": RULE.name, "fallback": RULE.do}
    outcome = DESK.fallbacks[RULE.do].kind.value
    write(
        path,
        acted("a", 0, "handoff.taken", by="dana\u202e"),
        decided("b", 1, outcome, **same),
        moved("c", 91, "session.idled: active -> idle", cause="timer", policy=DESK.digest, decision="b"),
        moved("d", 92, "session.nonsense: active -> nowhere", policy="else"),
        decided("e", 95, outcome, actor="x", channel="chat", reason="attempts-spent", **same),
        withdrawn("f", 96, "e"),
        refused("g", 97, method="POST", trace_id="4b" * 16),
        decided("h", 98, outcome, **same | {"operation": "authguard.session.end", "reason": "audience-wrong"}),
    )
    return path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.mark.usefixtures("log")
def test_stats_are_told_with_rates_and_as_json() -> None:
    done = run("stats")
    assert done.exit_code == 0
    for told in ("decisions: 2", "withdrawn, not counted: 1", "session.idled: active -> idle", "an hour"):
        assert told in done.output
    found = json.loads(run("stats", "--json").stdout)
    assert found["records"] == {"act": 1, "decision": 2, "refusal": 1, "transition": 2, "withdrawn": 1}
    assert found["stays"][0] == {"machine": "session", "state": "active", "count": 1, "mean": 1.0, "longest": 1.0}
    assert "no records in this period" in run("stats", "--until", "2020-01-01").output


@pytest.mark.usefixtures("log")
def test_a_session_is_told_as_a_story() -> None:
    lines = run("timeline", "5e").output.splitlines()
    assert "They asked for" in lines[0]
    assert "+1.5 min  They were inactive for too long (the clock): the session went from active to idle." in lines[1]
    assert "The session received `session.nonsense`" in lines[2] or "session received `nonsense`" in lines[2]
    assert "An agent asked" in lines[3]
    assert "from chat" in lines[3]
    assert "(void: another request was faster" in lines[3]
    assert run("timeline", "77").exit_code == 1


@pytest.mark.usefixtures("log")
def test_why_names_the_rule_the_policys_line_and_what_did_not_match() -> None:
    done = run("explain", "b", "--policy", "support-desk")
    assert done.exit_code == 0
    assert f"rule {RULE.name} (" in done.output
    assert "rules before it did not decide" not in done.output
    assert "rules before it did not decide" in run("explain", "b", "--policy", "support-desk", "--all").output
    assert "void" in run("explain", "e", "--policy", "support-desk").stderr
    assert json.loads(run("explain", "b", "--policy", "support-desk", "--json").stdout)["rule"] == RULE.name


@pytest.mark.usefixtures("log")
def test_why_explains_an_endpoint_of_the_guards_own_and_a_refused_credential_by_its_reason() -> None:
    told = " ".join(run("explain", "h", "--policy", "support-desk").output.split())
    assert "`authguard.session.end` is an endpoint of the guard" in told
    assert "not in this policy" not in told
    assert "reason audience-wrong: `aud` does not name this service" in told
    refusal = " ".join(run("explain", "g", "--policy", "support-desk").output.split())
    assert "reason body-too-large: the body is larger than this service reads" in refusal
    assert f"sent: method POST, trace_id {'4b' * 16}" in refusal


@pytest.mark.usefixtures("log")
def test_why_names_the_line_of_the_machine_for_a_transition() -> None:
    done = run("explain", "c", "--policy", "support-desk")
    assert "line: standard.yaml:" in done.output
    assert "leads to: idle" in done.output
    gone = json.loads(run("explain", "d", "--policy", "support-desk", "--json").stdout)
    assert gone["origin"] == "this policy has no such state or event"
    assert "recorded under another policy" in gone["notes"][0]
    assert "body-too-large" in run("explain", "g", "--policy", "support-desk").output


@pytest.mark.usefixtures("log")
def test_why_needs_a_record_and_a_policy() -> None:
    assert run("explain", "nobody", "--policy", "support-desk").exit_code == 1
    assert "AUTHGUARD_POLICY" in str(run("explain", "b").exception)


def test_a_forged_decision_is_explained_as_such(log: Path) -> None:
    write(log, decided("short", 1, "deny", cell=("live",)), decided("odd", 2, "nope"))
    done = run("explain", "short", "--policy", "support-desk")
    assert done.exit_code == 0
    assert "it has 1 of 13 values" in done.output
    assert run("explain", "odd", "--policy", "support-desk").output.startswith("refused: nope")


def test_replay_tells_no_difference_and_says_what_it_could_not_do(log: Path) -> None:
    done = run("replay", "--policy", "support-desk")
    assert done.exit_code == 0
    assert "2 decisions and 2 transitions replayed: 0 decisions differ" in done.output
    assert "1 requests are undetermined" not in done.output
    assert "transition differs: 1 x session.nonsense" in done.output
    assert run("replay", "--policy", "support-desk", "--fail-on", "looser").exit_code == 0
    assert run("replay", "--policy", "support-desk", "--fail-on", "any").exit_code == 3
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:2]))
    assert "1 decisions and 0 transitions replayed: no difference" in run("replay", "--policy", "support-desk").output


def test_replay_says_what_is_undetermined_and_any_fail_on_fails_then(log: Path) -> None:
    write(log, decided("x", 1, operation=OPERATION, cell=MET, rule=RULE.name, policy="cd"))
    done = run("replay", "--policy", "support-desk")
    assert done.exit_code == 0
    assert "no difference" not in done.output
    assert "1 requests are undetermined" in done.output
    assert f"undetermined: 1 x {OPERATION}, was allow: the log does not hold the parts of the policy" in done.output
    (unknown,) = json.loads(run("replay", "--policy", "support-desk", "--json").stdout)["undetermined"]
    assert (unknown["count"], unknown["ids"], unknown["was"]) == (1, ["x"], "allow")
    for fail_on in ("looser", "stricter", "any"):
        assert run("replay", "--policy", "support-desk", "--fail-on", fail_on).exit_code == 3


def test_replay_fails_on_what_got_looser(log: Path) -> None:
    text = (Path(__file__).parents[2] / "policies/support-desk/policy.yaml").read_text("utf-8")
    other = log.parent / "other.yaml"
    other.write_text(text.replace("name: support-desk", "name: other", 1), "utf-8")
    digest = load(other).digest
    write(log, decided("x", 1, "deny", operation=OPERATION, cell=MET, rule="0:no", policy=digest))
    done = run("replay", "--policy", "support-desk", "--was", str(other), "--fail-on", "looser")
    assert done.exit_code == 3
    assert f"looser: 1 x {OPERATION}: deny -> allow" in done.output
    assert "for example x" in done.output
    found = json.loads(run("replay", "--policy", "support-desk", "--was", str(other), "--json").stdout)
    assert found["differences"][0]["direction"] == "looser"
