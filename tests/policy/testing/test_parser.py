"""Scenario files are read as strictly as policies: what is misspelt is told, and never passes for an expectation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.compiler import load
from authguard.policy.testing import parser
from authguard.policy.testing.parser import CODES, parse_scenarios
from authguard.policy.testing.request import ScenarioRequest
from authguard.policy.testing.token import TokenSpec

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.core.policy import Policy

WHOLE = """\
- name: the token expires in the middle of a chat
  given: {verification: verified, account: normal}
  when: [session.aged]
  ask: {operation: chat, actor: agent}
  then: {outcome: step_up, fallback: sign_in_fresh, states: {session: expired}}
"""

ENDS = "ask: {operation: chat}, then: {outcome: allow}"


def asked(ask: str) -> str:
    return f"- {{name: a, ask: {ask}, then: {{outcome: allow}}}}"


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
    (
        "- {name: a, ask: {operation: chat, risk: high}, then: {outcome: allow}}",
        "scenario-contradicts",
        "determines its risk",
    ),
    ("- {name: a, ask: {operation: chat, scpe: missing}, then: {outcome: allow}}", "unknown-name", "`scope`"),
    ("- {name: a, ask: {operation: chat, scope: mising}, then: {outcome: allow}}", "unknown-name", "`missing`"),
    ("- {name: a, ask: {operation: chat}}", "scenario-incomplete", "expects nothing"),
    ("- {name: a, ask: {operation: chat}, then: {}}", "scenario-incomplete", "expects nothing"),
    ("- {name: a, ask: {operation: chat}, then: {outcome: alow}}", "unknown-name", "did you mean `allow`?"),
    ("- {name: a, ask: {operation: chat}, then: {fallback: sign-in}}", "unknown-name", "did you mean `sign_in`?"),
    ("- {name: a, ask: {operation: chat}, then: {states: {session: gone}}}", "unknown-name", "`gone`"),
    (asked("{operation: chat, request: POST /chat}"), "scenario-contradicts", "the request determines the operation"),
    (asked("{request: POST /chat, risk: high}"), "scenario-contradicts", "determines its risk"),
    (asked("{request: /chat}"), "scenario-request", "this is no request"),
    (asked("{request: post /chat}"), "scenario-request", "write a method and a path"),
    (asked("{operation: chat, token: strong}"), "wrong-type", "this is not a mapping"),
    (asked("{operation: chat, token: {acrs: aal2}}"), "unknown-name", "did you mean `acr`?"),
    (asked("{operation: chat, token: {issuer: me}}"), "unknown-name", "`me` is not an issuer"),
    (asked("{operation: chat, token: {age: old}}"), "duration", "or `none`"),
    (asked("{operation: chat, token: {scope: {a: b}}}"), "wrong-type", "this is not a list of words"),
    (asked(f"{{operation: chat, body: {{a: {'x' * 1_025}}}}}"), "scenario-request", "a text of more than 1024"),
    (asked(f"{{operation: chat, body: {{a: {list(range(65))}}}}}"), "scenario-request", "more than 64 values"),
    (asked("{operation: chat, body: text}"), "wrong-type", "write `body: {NAME: VALUE}`"),
    (asked("{operation: chat, idempotency_key: 7}"), "wrong-type", "this is not a word"),
    ("- {name: a, ask: {operation: chat}, then: {reason: because}}", "unknown-name", "`because`"),
    (f"- {{name: a, times: 0, {ENDS}}}", "wrong-type", "this is no number of repetitions"),
    (f"- {{name: a, times: 101, {ENDS}}}", "wrong-type", "this is no number of repetitions"),
    ("- {name: a, ask: {operation: chat}, then: {queue: [x]}}", "wrong-type", "`queue` has another form"),
    ("- {name: a, ask: {operation: chat}, then: {methods: x}}", "wrong-type", "`methods` has another form"),
    ("- {name: a, ask: {operation: chat}, then: {approvers: {size: 2}}}", "unknown-name", "`size`"),
    ("- {name: a, ask: {operation: chat}, then: {approvers: {count: two}}}", "wrong-type", "`approvers` has another"),
    ("- {name: a, steps: [{then: {queue: x}}]}", "scenario-incomplete", "an answer is expected without a request"),
    (f"- {{name: a, name: b, {ENDS}}}", "duplicate-key", "`name` is already set"),
    (f"- &x {{name: a, {ENDS}}}", "anchor", "the anchor"),
    ("name: a", "not-a-list", "scenarios are a list"),
    ("- {name: a, steps: [{ask: {operation: chat}}]}", "scenario-incomplete", "the steps expect nothing"),
    ("- {name: a, steps: []}", "wrong-type", "`steps` is a list"),
    (
        "- {name: a, steps: [{then: {outcome: allow}}]}",
        "scenario-incomplete",
        "an answer is expected without a request",
    ),
    (f"- {{name: a, {ENDS}, steps: [{{{ENDS}}}]}}", "scenario-contradicts", "`ask` is next to `steps`"),
    (f"- {{name: a, steps: [{{wehn: [], {ENDS}}}]}}", "unknown-name", "did you mean `when`?"),
    (f"- {{name: a, after: 16, {ENDS}}}", "duration", "this is no duration; write a duration such as"),
    (f"- {{name: a, given: {{account: []}}, {ENDS}}}", "wrong-type", "the list is empty"),
    (f"- {{name: a, given: {{account: [normal, nromal]}}, {ENDS}}}", "unknown-name", "did you mean `normal`?"),
    (
        "- {name: a, ask: {operation: chat}, then: {outcome: ___}}",
        "scenario-unfinished",
        "the expected answer is missing; replace",
    ),
    (
        "- {name: a, ask: {operation: chat}, then: {states: {session: ___}}}",
        "scenario-unfinished",
        "the expected answer is missing",
    ),
    (
        (
            "- {name: a, given: {account: [normal, minor, locked, closed, merged], session: [active, idle, expired]},"
            " ask: {operation: [chat, order, refund], actor: [agent, subject, stranger]}, then: {outcome: deny}}"
        ),
        "scenario-too-wide",
        "more than 100 cases",
    ),
    ("- just a word", "wrong-type", "this is not a mapping"),
    ("", "empty-file", "the file has no content"),
]


def write(folder: Path, text: str, name: str = "one.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_scenario_is_read_with_its_defaults(support_desk: Policy, tmp_path: Path) -> None:
    scenarios, problems = parse_scenarios([write(tmp_path, WHOLE)], support_desk)
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
    (step,) = one.steps
    assert step.when == ("session.aged",)
    assert step.ask is not None
    assert step.ask.conditions == {"actor": "agent"}, "what is not typed is derived"
    assert (step.outcome, step.fallback, step.states) == ("step_up", "sign_in_fresh", {"session": "expired"})


def test_the_guards_own_endpoints_are_asked_by_risk_and_effect(support_desk: Policy, tmp_path: Path) -> None:
    text = "- {name: a, ask: {risk: staff, effect: write}, then: {outcome: allow}}"
    (one,), problems = parse_scenarios([write(tmp_path, text)], support_desk)
    assert problems == ()
    (step,) = one.steps
    assert step.ask is not None
    assert step.ask.operation == ""
    assert (step.ask.conditions["risk"], step.ask.conditions["effect"]) == ("staff", "write")


def test_a_story_is_read_step_by_step(support_desk: Policy, tmp_path: Path) -> None:
    text = """\
- name: a
  given: {account: normal}
  steps:
    - {ask: {operation: chat}, then: {outcome: allow}}
    - {after: 16m, then: {states: {session: idle}}}
    - {when: [session.renewed], ask: {operation: chat}, then: {fallback: allow}}
"""
    (one,), problems = parse_scenarios([write(tmp_path, text)], support_desk)
    assert problems == ()
    assert [step.after for step in one.steps] == [0.0, 960.0, 0.0]
    assert [step.ask is None for step in one.steps] == [False, True, False]
    assert [step.place.line for step in one.steps] == [4, 5, 6]
    assert one.steps[1].states == {"session": "idle"}


def test_a_list_means_each_of_its_values(support_desk: Policy, tmp_path: Path) -> None:
    text = """\
- name: a
  given: {account: [locked, closed]}
  steps:
    - {ask: {operation: [order, refund], actor: agent}, then: {outcome: handoff}}
    - {ask: {operation: order, limit: [within, unmeasured]}, then: {outcome: handoff}}
"""
    scenarios, problems = parse_scenarios([write(tmp_path, text)], support_desk)
    assert problems == ()
    assert len(scenarios) == 8
    assert scenarios[0].title == "a (account `locked`, operation `order`, limit `within`)"
    told = {
        (
            one.given["account"],
            *((step.ask.operation, step.ask.conditions.get("limit")) for step in one.steps if step.ask),
        )
        for one in scenarios
    }
    assert len(told) == 8
    assert all(one.steps[0].ask and one.steps[0].ask.conditions["actor"] == "agent" for one in scenarios)


def test_a_request_states_its_line_its_token_and_its_body(support_desk: Policy, tmp_path: Path) -> None:
    text = """\
- name: a
  ask:
    request: 'POST /orders/7/refund?x=1'
    token: {acr: aal2, age: 4m, scope: [a, b], roles: clerk boss, act: agent, claims: {one: {two: 1}}, subject: s}
    body: {amount: '5', currency: EUR}
    idempotency_key: k
    assurance: met
  then: {outcome: allow}
- {name: b, ask: {operation: chat, token: {age: none}}, then: {reason: decided}}
"""
    (one, other), problems = parse_scenarios([write(tmp_path, text)], support_desk)
    assert problems == ()
    token = TokenSpec(
        acr="aal2",
        age=240.0,
        scope=("a", "b"),
        roles=("clerk", "boss"),
        actor=("agent",),
        claims={"one": {"two": 1}},
        subject="s",
    )
    assert one.steps[0].ask == ScenarioRequest(
        method="POST",
        target="/orders/7/refund?x=1",
        token=token,
        body={"amount": "5", "currency": "EUR"},
        idempotency="k",
        conditions={"assurance": "met"},
    )
    assert other.steps[0].ask == ScenarioRequest(operation="chat", token=TokenSpec(age=-1.0))
    assert other.steps[0].reason == "decided"


def test_a_repeated_step_has_requests_of_their_own(support_desk: Policy, tmp_path: Path) -> None:
    text = "- {name: a, steps: [{times: 3, after: 1m, ask: {operation: refund}, then: {fallback: allow}}]}"
    (one,), problems = parse_scenarios([write(tmp_path, text)], support_desk)
    assert problems == ()
    assert [step.after for step in one.steps] == [60.0, 60.0, 60.0]
    keys = [step.ask.idempotency for step in one.steps if step.ask]
    assert keys == ["scenario", "scenario-2", "scenario-3"]


def test_details_of_a_reply_are_expected(support_desk: Policy, tmp_path: Path) -> None:
    details = "queue: fraud, approvers: {role: boss, count: 2}, methods: [default], max_age: since_entered, scopes: []"
    text = f"- {{name: a, ask: {{operation: chat}}, then: {{{details}}}}}"
    (one,), problems = parse_scenarios([write(tmp_path, text)], support_desk)
    assert problems == ()
    assert one.steps[0].details == {
        "queue": "fraud",
        "approvers": [{"role": "boss", "count": 2}],
        "methods": ["default"],
        "scopes": [],
        "max_age": "since_entered",
    }


def test_a_request_may_lack_its_key(support_desk: Policy, tmp_path: Path) -> None:
    text = "- {name: a, ask: {operation: refund, idempotency_key: ''}, then: {outcome: allow}}"
    (one,), problems = parse_scenarios([write(tmp_path, text)], support_desk)
    assert problems == ()
    assert one.steps[0].ask is not None
    assert one.steps[0].ask.idempotency == ""


def test_a_channel_is_named_or_unknown(tmp_path: Path) -> None:
    text = "- {name: a, ask: {operation: chat, channel: [voice, unknown]}, then: {outcome: allow}}"
    scenarios, problems = parse_scenarios([write(tmp_path, text)], load("banking"))
    assert problems == ()
    assert [(one.steps[0].ask.channel, dict(one.steps[0].ask.conditions)) for one in scenarios if one.steps[0].ask] == [
        ("voice", {}),
        ("", {"channel_change": "unknown"}),
    ]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("channel: switched", "write `channel_change: switched`"),
        ("channel: [voice, same]", "write `channel_change: same`"),
    ],
)
def test_a_channel_is_no_change_of_it(tmp_path: Path, asked: str, said: str) -> None:
    text = f"- {{name: a, ask: {{operation: chat, {asked}}}, then: {{outcome: allow}}}}"
    scenarios, problems = parse_scenarios([write(tmp_path, text)], load("banking"))
    assert (scenarios, [one.advice for one in problems]) == ((), [said])


@pytest.mark.parametrize(("text", "code", "says"), REFUSED, ids=[f"{i}-{case[1]}" for i, case in enumerate(REFUSED)])
def test_what_is_misspelt_is_told_and_does_not_count(
    support_desk: Policy, tmp_path: Path, text: str, code: str, says: str
) -> None:
    scenarios, problems = parse_scenarios([write(tmp_path, text)], support_desk)
    assert any(problem.code == code and says in str(problem) for problem in problems), [str(p) for p in problems]
    assert len(scenarios) <= text.count("name: a") - 1 or scenarios == ()


def test_all_files_are_read_and_names_are_unique_across_them(support_desk: Policy, tmp_path: Path) -> None:
    files = [write(tmp_path, WHOLE, "b.yaml"), write(tmp_path, WHOLE, "a.yaml")]
    scenarios, problems = parse_scenarios(files, support_desk)
    assert len(scenarios) == 1
    assert [(problem.code, problem.place.file) for problem in problems] == [("duplicate-name", str(files[0]))]


def test_the_number_of_files_is_bounded(support_desk: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "MAX_FILES", 1)
    files = [write(tmp_path, WHOLE, "b.yaml"), write(tmp_path, WHOLE, "a.yaml")]
    scenarios, problems = parse_scenarios(files, support_desk)
    assert len(scenarios) == 1
    assert [problem.code for problem in problems] == ["too-many-files"]


def test_a_file_that_cannot_be_read_is_a_problem(support_desk: Policy, tmp_path: Path) -> None:
    scenarios, problems = parse_scenarios([tmp_path / "gone.yaml"], support_desk)
    assert scenarios == ()
    assert [problem.code for problem in problems] == ["file-missing"]


def test_every_code_of_scenarios_is_documented() -> None:
    assert {code for _, code, _ in REFUSED if code.startswith("scenario-")} <= set(CODES)
    assert list(CODES) == sorted(CODES)
