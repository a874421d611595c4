"""The real guard over ASGI decides what scenarios say, for shipped scenarios and for each kind of fact."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.policy.compiler import load
from authguard.policy.testing.parser import parse_scenarios
from tests.support.possible_cells import find_impossible
from tests.support.scenario_guard import Comparison, compare_with_guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.own_conditions import OwnCondition
    from authguard.core.policy import Policy
    from authguard.policy.testing.scenario import Scenario

POLICIES = Path(__file__).parents[3] / "policies"
EXAMPLES = ("banking", "insurance", "shopping-agent", "support-desk", "telecom", "telehealth")
#: every so many scenarios of a shipped policy are compared; `make soak` compares all
STRIDE = int(os.environ.get("AUTHGUARD_SCENARIO_STRIDE", "7"))
#: policies of which every scenario can be sent
WHOLE = ("banking", "insurance", "shopping-agent", "telecom", "telehealth")

#: what the shipped scenarios leave out: typed tokens, requests and bodies, further sessions, and sums
TYPED = """\
- name: amounts add up, by the account and not by the session
  given: {account: normal, verification: verified}
  steps:
    - ask: {operation: payment, idempotency_key: a, body: {amount: 4900, currency: EUR, iban: DE1}}
      then: {outcome: allow}
    - when: [transaction.committed]
      ask: {operation: payment, idempotency_key: b, body: {amount: "4900.00", currency: EUR, iban: DE1}}
      then: {outcome: allow}
    - when: [transaction.committed]
      ask: {operation: payment, idempotency_key: c, body: {amount: 201, currency: EUR, iban: DE1}}
      then: {outcome: hold}
    - ask: {operation: payment, idempotency_key: d, body: {amount: 200, currency: EUR, iban: DE1}}
      then: {outcome: allow}
    - when: [transaction.failed]
      ask: {operation: payment, idempotency_key: e, body: {amount: 200, currency: EUR, iban: DE1}}
      then: {outcome: allow}
- name: a body that cannot be read
  given: {account: normal, verification: verified}
  steps:
    - ask: {operation: payment, idempotency_key: a, body: {amount: 1e3, currency: EUR, iban: DE1}, limit: unmeasured}
      then: {outcome: deny}
    - ask: {operation: payment, idempotency_key: b, body: {amount: 5, iban: DE1}, limit: unmeasured}
      then: {outcome: deny}
    - ask: {operation: payment, idempotency_key: c, body: {amount: 5, currency: USD, iban: DE1}, limit: unmeasured}
      then: {outcome: deny}
- name: a request is matched by method and path
  given: {account: normal, verification: verified}
  steps:
    - {ask: {request: GET /accounts/7/balance}, then: {outcome: allow}}
    - {ask: {request: HEAD /accounts/7/balance}, then: {outcome: allow}}
    - {ask: {request: POST /accounts/7/balance}, then: {outcome: refused, reason: operation-unnamed}}
    - {ask: {request: GET /accounts/7/statements/2026/01}, then: {outcome: allow}}
    - {ask: {request: GET /nowhere}, then: {outcome: refused, reason: operation-unnamed}}
- name: a level is what the policy maps the claim to
  given: {account: normal, verification: verified}
  steps:
    - {ask: {operation: balance, token: {acr: 'urn:bank:otp'}}, then: {outcome: allow}}
    - {ask: {operation: balance, token: {acr: 'urn:bank:pin'}}, then: {outcome: step_up}}
    - {ask: {operation: payment, token: {acr: 'urn:bank:hardware-key'}}, then: {outcome: allow}}
    - {ask: {operation: balance, token: {acr: aal2, age: 25h}}, then: {outcome: step_up}}
- name: a status is what the policy maps it to
  given: {account: normal, verification: verified}
  steps:
    - {ask: {operation: balance, token: {claims: {account_status: unused}}}, then: {states: {account: dormant}}}
    - {ask: {operation: payment, token: {claims: {account_status: frozen}}}, then: {states: {account: suspended}}}
    - {ask: {operation: balance, token: {claims: {account_status: made up}}}, then: {states: {account: unrecognised}}}
    - {ask: {operation: balance, token: {claims: {account_status: ok}}}, then: {states: {account: normal}}}
- name: two sessions of one account
  given: {account: normal, verification: verified}
  steps:
    - {ask: {operation: balance, token: {session: other, acr: aal1}}, then: {states: {verification: unverified}}}
    - {ask: {operation: payment, token: {session: other, acr: aal3}}, then: {states: {verification: unverified}}}
    - {ask: {operation: balance, token: {session: third, acr: aal2}}, then: {states: {verification: verified}}}
    - {when: [session.ended], ask: {operation: balance}, then: {states: {session: revoked}}}
    - {ask: {operation: balance, token: {session: third}}, then: {states: {session: active}}}
- name: scopes and actors
  given: {account: normal, verification: verified}
  steps:
    - {ask: {operation: balance, token: {scope: 'accounts:read'}}, then: {outcome: allow}}
    - {ask: {operation: balance, token: {scope: [chat]}}, then: {outcome: deny}}
    - {ask: {operation: payment, token: {act: bank-assistant}}, then: {outcome: hold}}
    - {ask: {operation: balance, token: {act: [bank-assistant, somebody]}}, then: {outcome: allow}}
    - {ask: {operation: balance, token: {act: somebody}}, then: {outcome: deny}}
- name: channels by their names
  given: {account: normal, verification: verified}
  steps:
    - {ask: {operation: balance, channel: web}, then: {outcome: allow}}
    - {ask: {operation: balance, channel: voice}, then: {states: {verification: unverified}}}
    - {ask: {operation: balance, channel: app}, then: {outcome: verify}}
- name: a dated token after an undated one
  given: {account: normal, verification: verified}
  steps:
    - {ask: {operation: balance, token: {age: none}}, then: {outcome: allow}}
    - {ask: {operation: balance, token: {age: 1m}}, then: {outcome: allow}}
    - {after: 20m, ask: {operation: balance}, then: {outcome: allow}}
    - {when: [session.ended], ask: {operation: balance}, then: {states: {session: revoked}}}
- name: another body under the same key
  given: {account: normal, verification: verified}
  steps:
    - {ask: {operation: payment, body: {amount: 9000, currency: EUR, iban: DE1}}, then: {outcome: hold}}
    - {ask: {operation: payment, body: {amount: 9001, currency: EUR, iban: DE1}}, then: {outcome: deny}}
- name: attempts of a method and of a fallback
  given: {account: normal}
  steps:
    - {when: [verification.started], ask: {operation: balance}, then: {outcome: verify}}
    - when: [verification.failed, verification.started, verification.unavailable]
      ask: {operation: balance}
      then: {outcome: retry}
    - after: 2m
      when: [verification.started, verification.doubted]
      ask: {operation: balance}
      then: {outcome: verify}
    - {when: [verification.started, verification.passed], ask: {operation: balance}, then: {outcome: allow}}
"""

compiled: Callable[[str], Policy] = cache(load)


@cache
def shipped_scenarios(name: str) -> tuple[Scenario, ...]:
    scenarios, problems = parse_scenarios((POLICIES / name / "scenarios").glob("*.yaml"), compiled(name))
    assert problems == ()
    return scenarios


def typed_scenarios(folder: Path) -> tuple[Scenario, ...]:
    (folder / "scenarios").mkdir()
    file = folder / "scenarios" / "typed.yaml"
    file.write_text(TYPED, encoding="utf-8")
    scenarios, problems = parse_scenarios([file], compiled("banking"))
    assert [str(problem) for problem in problems] == []
    return scenarios


@pytest.mark.parametrize("name", EXAMPLES)
async def test_the_guard_decides_what_shipped_scenarios_say(name: str, tmp_path: Path) -> None:
    policy = load(name)  # of this test alone, so that its table has decided only what is asked here
    found: list[Comparison] = [
        await compare_with_guard(policy, scenario, tmp_path) for scenario in shipped_scenarios(name)[::STRIDE]
    ]
    assert [difference for one in found for difference in one.differences] == []
    assert sum(one.compared for one in found) >= len(found) // 2
    described = "an operation that only its risk and effect describe"  # the guard's own endpoints, in a scenario
    assert {one.unsupported for one in found if name in WHOLE} <= {"", described}
    assert find_impossible(policy) == [], "the proof is about no such cell"


async def test_the_guard_decides_what_typed_facts_say(tmp_path: Path) -> None:
    for scenario in typed_scenarios(tmp_path):
        found = await compare_with_guard(compiled("banking"), scenario, tmp_path)
        assert (scenario.name, found) == (scenario.name, Comparison(len(scenario.steps), ()))


#: what only a policy with flags, tiers and conditions of its own can say, and each kind of them in one scenario
FLAGGED = """\
- name: what the app answered sets and clears flags
  given: {account: normal, verification: verified}
  steps:
    - {ask: {operation: claim_status}, then: {outcome: allow}, app: 404}
    - {ask: {operation: payout, amount: 9 EUR}, then: {fallback: read_first}}
    - {ask: {operation: claim_status}, then: {outcome: allow}, app: 200}
    - {ask: {operation: payout, amount: 9 EUR}, then: {outcome: allow}}
- name: people and the app change flags
  given: {account: normal, verification: verified, status_read: set}
  steps:
    - {when: [{set: fraud_hold, by: app}], ask: {operation: payout, amount: 9 EUR}, then: {fallback: to_fraud}}
    - {when: [{clear: fraud_hold, by: fraud}, {set: payee_watched, by: fraud}], then: {states: {payee_watched: set}}}
    - {ask: {operation: payout, amount: 9 EUR}, then: {fallback: to_fraud}}
- name: two people approve, of whom each has a role
  given: {account: normal, verification: verified}
  steps:
    - {ask: {operation: change_iban}, then: {fallback: officer_and_controller}}
    - {approve: [officer], then: {states: {transaction: held}}}
    - {approve: [controller], ask: {operation: change_iban}, then: {outcome: allow}, app: 200}
- name: a request says what a service, a claim and the clock say
  given: {account: normal, verification: verified, status_read: set}
  steps:
    - {ask: {operation: payout, amount: 9 EUR, sanctions: match}, then: {fallback: to_fraud}}
    - {ask: {operation: payout, amount: 9 EUR, sanctions: unavailable}, then: {fallback: try_later}}
    - {ask: {operation: payout, amount: 9 EUR, country: abroad}, then: {fallback: to_abroad}}
    - {ask: {operation: change_iban, desk: closed}, then: {fallback: desk_closed}}
- name: the desk is closed at night, and the reply says until when
  given: {account: normal, verification: verified, at: '2026-12-07T22:00:00+01:00'}
  steps:
    - {ask: {operation: change_iban}, then: {fallback: desk_closed, retry_after: 10h}}
    - after: 10h
      when: [session.renewed, account.normal, verification.started, verification.passed]
      ask: {operation: change_iban}
      then: {fallback: officer_and_controller}
"""


async def test_planted_differences_of_flags_approvals_and_conditions_are_found(tmp_path: Path) -> None:
    policy = compiled("insurance")
    (tmp_path / "scenarios").mkdir()
    file = tmp_path / "scenarios" / "flagged.yaml"
    file.write_text(FLAGGED, encoding="utf-8")
    scenarios, problems = parse_scenarios([file], policy)
    assert [str(problem) for problem in problems] == []
    brief = replace(policy, flags=tuple(replace(one, expires=1e-6) for one in policy.flags))

    def elsewhere(one: OwnCondition) -> OwnCondition:
        return replace(one, claim="another_claim") if one.name == "country" else one

    hours = next(one.hours for one in policy.conditions if one.hours)
    one_officer = policy.fallbacks["one_officer"].approvers
    changes: dict[str, Policy] = {
        "what the app answered sets and clears flags": brief,
        "people and the app change flags": brief,
        "two people approve, of whom each has a role": replace(
            policy,
            fallbacks={
                **policy.fallbacks,
                "officer_and_controller": replace(policy.fallbacks["officer_and_controller"], approvers=one_officer),
            },
        ),
        "a request says what a service, a claim and the clock say": replace(
            policy,
            conditions=tuple(elsewhere(one) for one in policy.conditions),
            own_conditions=tuple(elsewhere(one) for one in policy.own_conditions),
        ),
        "the desk is closed at night, and the reply says until when": replace(
            policy,
            conditions=tuple(
                replace(one, hours=replace(hours, zone="UTC")) if one.hours else one for one in policy.conditions
            ),
        ),
    }
    for scenario in scenarios:
        found = await compare_with_guard(policy, scenario, tmp_path)
        assert (scenario.name, found.differences, found.unsupported) == (scenario.name, (), "")
        other = await compare_with_guard(policy, scenario, tmp_path, simulated=changes[scenario.name])
        assert other.differences, scenario.name


async def test_a_planted_difference_is_found(tmp_path: Path) -> None:
    policy = compiled("banking")
    planted = {
        "amounts add up, by the account and not by the session": lambda one: replace(
            one, limits=tuple(replace(limit, amount=limit.amount and "99999") for limit in one.limits)
        ),
        "a level is what the policy maps the claim to": lambda one: replace(one, acr=""),
        "scopes and actors": lambda one: replace(one, scopes=frozenset()),
        "a request is matched by method and path": lambda one: replace(one, match=replace(one.match, method="POST")),
    }
    scenarios = {scenario.name: scenario for scenario in typed_scenarios(tmp_path)}
    for name, change in planted.items():
        other = replace(policy, operations=tuple(change(one) for one in policy.operations))
        found = await compare_with_guard(policy, scenarios[name], tmp_path, simulated=other)
        assert found.differences, name
