"""Tests of what happens in a scenario besides events: flags, reports, approvals, the app's answer, the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.testing.parser import parse_scenarios
from authguard.policy.testing.scenario import run_scenarios
from tests.support.harness import POLICY, policy_of

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.core.policy import Policy

POLICY_TEXT = (
    POLICY
    + """\
flags:
  hold: {by: subject, expires: never, set_by: [{app: report}, {role: fraud}], cleared_by: [{role: fraud}]}
  changed: {by: subject, expires: 24h, set_by: [{operation: refund, event: started}]}
  seen: {by: session, expires: 1h, set_by: [{operation: balance, event: committed}]}
conditions:
  country: {from: {claim: country}, values: {home: [DE, AT]}, default: abroad}
  desk: {from: {time_zone: Europe/Berlin}, values: {open: 'Mo-Fr 08:00-18:00'}, default: closed}
decisions:
  - {when: {hold: set, risk: [sensitive, high]}, do: to_a_person}
  - {when: {operation: refund, country: abroad}, do: to_a_person}
  - {phase: request, when: {operation: refund, changed: set, transaction: none}, do: cool_off}
  - {phase: request, when: {operation: refund, seen: clear, transaction: none}, do: to_a_person}
  - {phase: request, when: {operation: refund, desk: closed, transaction: none}, do: desk_closed}
  - {phase: request, when: {operation: refund, limit: within, transaction: none}, do: two}
fallbacks:
  two: {kind: hold, approvers: [{role: officer, count: 1}, {role: controller, count: 1}]}
  cool_off: {kind: retry, status: 409, after: expiry}
  desk_closed: {kind: retry, status: 409, after: expiry}
"""
)
OWN = "given: {account: normal, verification: verified"


@pytest.fixture(scope="module")
def policy() -> Policy:
    return policy_of(POLICY_TEXT)


def run(policy: Policy, folder: Path, text: str) -> list[str]:
    file = folder / "s" / "a.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    scenarios, problems = parse_scenarios([file], policy)
    assert problems == (), [str(one) for one in problems]
    return [difference for one in run_scenarios(policy, scenarios).failed for difference in one.differences]


HELD = """\
- name: two persons with two roles approve, and what changed cools off
  given: {account: normal, verification: verified, seen: set}
  steps:
    - {ask: {operation: refund}, then: {fallback: two}}
    - {approve: [officer, officer], then: {states: {transaction: held, changed: clear}}}
    - {approve: [[officer, controller]], then: {states: {transaction: approved}}}
    - {ask: {operation: refund}, then: {fallback: allow, states: {changed: set}}, app: 200}
    - {then: {states: {transaction: done}}}
    - {ask: {operation: refund, idempotency_key: b}, then: {fallback: cool_off, retry_after: 24h}}
    - {after: 24h, then: {states: {changed: clear}}}
"""
REFUSED = """\
- name: what the app refused changed nothing
  given: {account: normal, verification: verified, seen: set}
  steps:
    - {ask: {operation: refund}}
    - {approve: [officer, controller], ask: {operation: refund}, then: {fallback: allow, states: {changed: set}}}
    - {app: 422, then: {states: {transaction: failed, changed: clear}}}
- name: what the app never answered is in doubt
  given: {account: normal, verification: verified, seen: set}
  steps:
    - {ask: {operation: refund}}
    - {approve: [officer, controller], ask: {operation: refund}, then: {fallback: allow}, app: none}
    - {then: {states: {transaction: in_doubt, changed: set}}}
- name: an approver denies
  given: {account: normal, verification: verified, seen: set}
  steps:
    - {ask: {operation: refund}}
    - {deny: officer, ask: {operation: refund}, then: {fallback: refuse, states: {transaction: denied}}}
"""
FLAGS = """\
- name: a hold closes until a person lifts it
  given: {account: normal, verification: verified}
  steps:
    - {when: [{set: hold, by: app}], ask: {operation: balance}, then: {fallback: to_a_person, states: {hold: set}}}
    - when: [{clear: hold, by: fraud}]
      ask: {operation: balance}
      then: {fallback: allow, states: {seen: clear}}
      app: 200
    - {then: {states: {seen: set}}}
    - {ask: {operation: balance, hold: set}, then: {fallback: to_a_person}}
"""
CONDITIONS = """\
- name: conditions are as typed, and a claim that is left out is the first value
  given: {account: normal, verification: verified, seen: set}
  steps:
    - {ask: {operation: refund, country: abroad}, then: {fallback: to_a_person}}
    - {ask: {operation: refund, desk: closed}, then: {fallback: desk_closed}}
    - {ask: {operation: refund, amount: 10 EUR}, then: {fallback: two}}
- name: with a time, the clock says whether the desk is open
  given: {account: normal, verification: verified, seen: set, at: '2026-12-07T17:30:00+01:00'}
  steps:
    - {ask: {operation: refund}, then: {fallback: two}}
- name: and when it opens
  given: {account: normal, verification: verified, seen: set, at: ['2026-12-05T08:00:00+01:00', '2026-12-05T07:00:00Z']}
  steps:
    - {ask: {operation: refund}, then: {fallback: desk_closed, retry_after: 2d}}
"""


@pytest.mark.parametrize("text", [HELD, REFUSED, FLAGS, CONDITIONS], ids=["held", "refused", "flags", "conditions"])
def test_it_happens_as_at_run_time(policy: Policy, tmp_path: Path, text: str) -> None:
    assert run(policy, tmp_path, text) == []


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("{when: [{set: changed, by: app}]}", "`app` may not set `changed`"),
        ("{when: [{clear: hold, by: officer}]}", "`officer` may not clear `hold`"),
        ("{when: [{account: locked, from: nowhere}]}", "`nowhere` does not report `locked`"),
        ("{approve: [officer]}", "nothing waits for an approval"),
        ("{deny: officer}", "nothing waits for an approval"),
        ("{ask: {operation: chat}, app: 200}, {app: 200}", "step 2: the app answers only a request that was admitted"),
        ("{ask: {operation: refund}, app: 200}", "the app answers only a request that was admitted"),
        ("{ask: {operation: chat, amount: 3 EUR}}", "`chat` has no amount"),
    ],
)
def test_what_cannot_happen_fails_the_scenario(policy: Policy, tmp_path: Path, steps: str, said: str) -> None:
    text = f"- {{name: a, {OWN}}}, steps: [{steps}, {{then: {{states: {{account: normal}}}}}}]}}\n"
    assert any(said in one for one in run(policy, tmp_path, text))


def test_a_typed_value_of_the_clock_has_to_be_the_time_s(policy: Policy, tmp_path: Path) -> None:
    at, ask = "2026-12-07T10:00:00+01:00", "{operation: chat, desk: closed}"
    text = f"- {{name: a, {OWN}, at: '{at}'}}, ask: {ask}, then: {{fallback: allow}}}}\n"
    assert run(policy, tmp_path, text) != []
