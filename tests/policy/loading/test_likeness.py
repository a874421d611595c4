"""Tests of states that are like an inherited one."""

from __future__ import annotations

import pytest

from authguard.policy.loading.likeness import expand_like
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.yaml_parser import parse_yaml

BASE = """\
machines:
  account:
    states: [unknown, normal, locked]
    transitions:
      - {trigger: [normal, locked], source: locked, dest: '='}
      - {trigger: [normal, other], source: '*', dest: normal, raises: verification.moved}
      - {trigger: aged, source: [unknown, normal], dest: unknown}
decisions:
  - {when: {account: normal}, do: allow}
  - {when: {account: [locked, unknown]}, do: refuse}
  - {when: {session: active}, do: allow}
timers:
  - {event: account.aged, after: 1h, since: reported, states: [normal]}
  - {event: session.aged, after: 1h, since: entered, states: [normal]}
  - {event: account.aged, after: 2h, since: reported}
invariants:
  - {name: i, never: {account: normal}}
"""
CHILD = """\
machines:
  account:
    states: [{name: late, like: arrears}, {name: arrears, like: normal}, plain]
decisions:
  - {when: {account: normal}, do: refuse}
"""


def test_the_base_policy_says_of_a_like_state_what_it_says_of_the_other() -> None:
    parent, child, problems = expand_like(parse_yaml(BASE.encode(), "b").tree, parse_yaml(CHILD.encode(), "c").tree)
    assert problems == ()
    found = parent.to_plain()
    account = found["machines"]["account"]
    alike = ["normal", "arrears", "late"]
    assert account["states"] == ["unknown", "normal", "arrears", "late", "locked"]
    assert account["transitions"] == [
        {"trigger": ["normal", "locked", "arrears", "late"], "source": "locked", "dest": "="},
        {"trigger": ["normal", "other"], "source": "*", "dest": "normal", "raises": "verification.moved"},
        {"trigger": "arrears", "source": "*", "dest": "arrears", "raises": "verification.moved"},
        {"trigger": "late", "source": "*", "dest": "late", "raises": "verification.moved"},
        {"trigger": "aged", "source": ["unknown", *alike], "dest": "unknown"},
    ]
    assert [rule["when"] for rule in found["decisions"]] == [
        {"account": alike},
        {"account": ["locked", "unknown"]},
        {"session": "active"},
    ]
    assert [timer.get("states") for timer in found["timers"]] == [alike, ["normal"], None]
    assert found["invariants"] == [{"name": "i", "never": {"account": "normal"}}]
    own = child.to_plain()
    assert own["machines"]["account"]["states"] == ["late", "arrears", "plain"]
    assert own["decisions"] == [{"when": {"account": "normal"}, "do": "refuse"}], "own rules never"


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ("[{name: a, like: norml}]", "did you mean `normal`?"),
        ("[{name: a, like: b}, {name: b, like: a}]", "name a state of the base policy, such as `unknown`"),
        ("[{name: a, like: a}]", "name a state of the base policy, such as `unknown`"),
        ("[b, {name: a, like: b}]", "unknown"),
        ("[{name: locked, like: normal}]", "name another state, or leave `like` out"),
    ],
)
def test_a_state_that_is_like_nothing_is_refused(states: str, said: str) -> None:
    text = f"authguard: 1\nname: x\nextends: support-desk\nmachines: {{account: {{states: {states}}}}}\n"
    problems = [one for one in load_draft("f", text=text.encode()).problems if one.code == "state-like"]
    assert problems
    assert all(str(problem.place).startswith("f:4:") and said in problem.advice for problem in problems)


def test_a_policy_without_a_base_has_nothing_to_be_like() -> None:
    text = "authguard: 1\nname: x\nmachines: {account: {states: [normal, {name: a, like: normal}]}}\n"
    problems = [one for one in load_draft("f", text=text.encode()).problems if one.code == "state-like"]
    assert [one.advice for one in problems] == ["name a state of a base policy (`extends`)"]


@pytest.mark.parametrize("odd", ["[{name: [a], like: {b: c}}]", "{a: b}", "[{name: a}]", "7", "[[a]]"])
def test_another_shape_is_reported_as_such(odd: str) -> None:
    text = f"authguard: 1\nname: x\nextends: support-desk\nmachines: {{account: {{states: {odd}}}}}\n"
    found = load_draft("f", text=text.encode())
    assert found.problems or found.draft is not None
