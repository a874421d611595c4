"""Scenario files are read as strictly as policies: what is misspelt is told, and never passes for an expectation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy import scenario_reader
from authguard.policy.scenario_reader import CODES, read_scenarios

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.policy.compiled import Policy

WHOLE = """\
- name: the token expires in the middle of a chat
  given: {verification: verified, account: normal}
  when: [session.aged]
  ask: {operation: chat, actor: agent}
  then: {outcome: step_up, fallback: sign_in_fresh, states: {session: expired}}
"""

ENDS = "ask: {operation: chat}, then: {outcome: allow}"

#: what is typed -> code -> what the message says
REFUSED = [
    (f"- {{name: a, gven: {{}}, {ENDS}}}", "unknown-name", "`gven` is not a key of a scenario; did you mean `given`?"),
    (f"- {{name: a, given: {{sesion: idle}}, {ENDS}}}", "unknown-name", "did you mean `session`?"),
    (f"- {{name: a, given: {{session: ilde}}, {ENDS}}}", "unknown-name", "`ilde` is not a value of `session`"),
    (f"- {{name: a, when: [session.expired], {ENDS}}}", "unknown-name", "`session.expired` is not an event"),
    (f"- {{name: a, when: session.aged, {ENDS}}}", "wrong-type", "`when` is a list of events"),
    (f"- {{name: a, given: idle, {ENDS}}}", "wrong-type", "this is not a mapping"),
    (f"- {{name: 7, {ENDS}}}", "wrong-type", "this is not a word"),
    (f"- {{{ENDS}}}", "scenario-incomplete", "has no name"),
    (f"- {{name: a, {ENDS}}}\n- {{name: a, {ENDS}}}", "duplicate-name", "two scenarios are named `a`"),
    ("- {name: a, then: {outcome: allow}}", "scenario-incomplete", "asks for nothing"),
    ("- {name: a, ask: {risk: self}, then: {outcome: allow}}", "scenario-incomplete", "names no operation"),
    ("- {name: a, ask: {operation: chta}, then: {outcome: allow}}", "unknown-name", "did you mean `chat`?"),
    ("- {name: a, ask: {operation: chat, risk: high}, then: {outcome: allow}}", "scenario-contradicts", "own risk"),
    ("- {name: a, ask: {operation: chat, scpe: missing}, then: {outcome: allow}}", "unknown-name", "`scope`"),
    ("- {name: a, ask: {operation: chat, scope: mising}, then: {outcome: allow}}", "unknown-name", "`missing`"),
    ("- {name: a, ask: {operation: chat}}", "scenario-incomplete", "expects nothing"),
    ("- {name: a, ask: {operation: chat}, then: {}}", "scenario-incomplete", "expects nothing"),
    ("- {name: a, ask: {operation: chat}, then: {outcome: alow}}", "unknown-name", "did you mean `allow`?"),
    ("- {name: a, ask: {operation: chat}, then: {fallback: sign-in}}", "unknown-name", "did you mean `sign_in`?"),
    ("- {name: a, ask: {operation: chat}, then: {states: {session: gone}}}", "unknown-name", "`gone`"),
    (f"- {{name: a, name: b, {ENDS}}}", "duplicate-key", "`name` is already set"),
    (f"- &x {{name: a, {ENDS}}}", "anchor", "the anchor"),
    ("name: a", "not-a-list", "scenarios are a list"),
    ("- just a word", "wrong-type", "this is not a mapping"),
    ("", "empty-file", "the file is empty"),
]


def write(folder: Path, text: str, name: str = "one.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_scenario_is_read_with_its_defaults(support_desk: Policy, tmp_path: Path) -> None:
    scenarios, problems = read_scenarios([write(tmp_path, WHOLE)], support_desk)
    assert problems == ()
    (one,) = scenarios
    assert one.name == "the token expires in the middle of a chat"
    assert one.place.line == 1
    assert one.given == {
        "service": "live",
        "account": "normal",
        "session": "active",
        "verification": "verified",
        "transaction": "none",
    }
    assert one.when == ("session.aged",)
    assert one.conditions == {
        "credential": "good",
        "risk": "routine",
        "effect": "read",
        "scope": "granted",
        "assurance": "met",
        "limit": "within",
        "channel": "same",
        "actor": "agent",
    }
    assert (one.outcome, one.fallback, one.states) == ("step_up", "sign_in_fresh", {"session": "expired"})


def test_the_guards_own_endpoints_are_asked_by_risk_and_effect(support_desk: Policy, tmp_path: Path) -> None:
    text = "- {name: a, ask: {risk: staff, effect: write}, then: {outcome: allow}}"
    (one,), problems = read_scenarios([write(tmp_path, text)], support_desk)
    assert problems == ()
    assert one.operation == ""
    assert (one.conditions["risk"], one.conditions["effect"]) == ("staff", "write")


@pytest.mark.parametrize(("text", "code", "says"), REFUSED, ids=[f"{i}-{case[1]}" for i, case in enumerate(REFUSED)])
def test_what_is_misspelt_is_told_and_does_not_count(
    support_desk: Policy, tmp_path: Path, text: str, code: str, says: str
) -> None:
    scenarios, problems = read_scenarios([write(tmp_path, text)], support_desk)
    assert any(problem.code == code and says in str(problem) for problem in problems), [str(p) for p in problems]
    assert len(scenarios) <= text.count("name: a") - 1 or scenarios == ()


def test_all_files_are_read_and_names_are_unique_across_them(support_desk: Policy, tmp_path: Path) -> None:
    files = [write(tmp_path, WHOLE, "b.yaml"), write(tmp_path, WHOLE, "a.yaml")]
    scenarios, problems = read_scenarios(files, support_desk)
    assert len(scenarios) == 1
    assert [(problem.code, problem.place.file) for problem in problems] == [("duplicate-name", str(files[0]))]


def test_the_number_of_files_is_bounded(support_desk: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario_reader, "FILES_BOUND", 1)
    files = [write(tmp_path, WHOLE, "b.yaml"), write(tmp_path, WHOLE, "a.yaml")]
    scenarios, problems = read_scenarios(files, support_desk)
    assert len(scenarios) == 1
    assert [problem.code for problem in problems] == ["too-many-files"]


def test_a_file_that_cannot_be_read_is_a_problem(support_desk: Policy, tmp_path: Path) -> None:
    scenarios, problems = read_scenarios([tmp_path / "gone.yaml"], support_desk)
    assert scenarios == ()
    assert [problem.code for problem in problems] == ["file-missing"]


def test_every_code_of_scenarios_is_documented() -> None:
    assert {code for _, code, _ in REFUSED if code.startswith("scenario-")} <= set(CODES)
    assert list(CODES) == sorted(CODES)
