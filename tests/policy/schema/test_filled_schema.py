"""Tests of the schemas with the values of one policy: its own files are valid, and an unknown name is marked."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from authguard.policy.loading import locator
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.preset import list_presets
from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.schema.filled_schema import dimension_choices, fill_policy_schema, fill_scenario_schema

POLICIES = Path(__file__).parents[3] / "policies"
NAMES = sorted(path.parent.name for path in POLICIES.glob("*/policy.yaml"))


@cache
def validators(name: str) -> tuple[Draft202012Validator, Draft202012Validator]:
    draft = load_draft(locator.resolve_folder(name)).draft
    assert draft is not None
    policy = fill_policy_schema(draft, shipped=locator.shipped_policies(), providers=list_presets())
    scenarios = fill_scenario_schema(draft)
    for schema in (policy, scenarios):
        Draft202012Validator.check_schema(schema)
    return Draft202012Validator(policy), Draft202012Validator(scenarios)


def plain(text: str, *, listed: bool = False) -> Any:
    found = parse_yaml(text.encode(), "policy.yaml", listed=listed)
    assert found.problems == ()
    return found.tree.to_plain()


def faults(validator: Draft202012Validator, value: Any) -> list[str]:
    return [error.json_path for error in validator.iter_errors(value)]


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_and_its_scenarios_are_valid_under_their_own_schemas(name: str) -> None:
    policy, scenarios = validators(name)
    assert faults(policy, plain((POLICIES / name / "policy.yaml").read_text("utf-8"))) == []
    for path in sorted((POLICIES / name / "scenarios").glob("*.yaml")):
        assert faults(scenarios, plain(path.read_text("utf-8"), listed=True)) == []


#: a line of a policy that extends banking -> path of the fault; empty if it is valid
LINES = {
    "decisions: [{when: {account: locked}, do: to_fraud}]": "",
    "decisions: [{when: {account: [locked, closed], risk: high}, do: allow}]": "",
    "decisions: [{when: {account: lokked}, do: to_fraud}]": "$.decisions[0].when.account",
    "decisions: [{when: {account: locked}, do: to_frod}]": "$.decisions[0].do",
    "decisions: [{when: {acount: locked}, do: to_fraud}]": "$.decisions[0].when",
    "decisions: [{when: {operation: payment}, do: refuse}]": "",
    "decisions: [{when: {operation: paiment}, do: refuse}]": "$.decisions[0].when.operation",
    "on_fault: try_later": "",
    "on_fault: never": "$.on_fault",
    "invariants: [{name: x, never: {risk: high, outcome: allow}}]": "",
    "invariants: [{name: x, never: {risk: hihg, outcome: allow}}]": "$.invariants[0].never.risk",
    "invariants: [{name: x, never: {risk: high, outcome: allowed}}]": "$.invariants[0].never.outcome",
    "fallbacks: {x: {kind: step_up, attempts: 1, per: 1m, then: to_a_person}}": "",
    "fallbacks: {x: {kind: step_up, attempts: 1, per: 1m, then: to_a_persn}}": "$.fallbacks.x.then",
    "fallbacks: {x: {kind: verify, methods: [default]}}": "",
    "fallbacks: {x: {kind: verify, methods: [defualt]}}": "$.fallbacks.x.methods[0]",
    "fallbacks: {x: {kind: deny, queue: fraud}}": "$.fallbacks.x",
    "fallbacks: {x: {kind: handoff, queue: any-queue}}": "",
    "fallbacks: {x: {kind: hold, approvers: {role: payments-officer, count: 2, acr: aal3}}}": "",
    "fallbacks: {x: {kind: hold, approvers: {role: A role of the issuer}}}": "",
    "fallbacks: {x: {kind: hold, approvers: {role: officer, acr: aal4}}}": "$.fallbacks.x.approvers",
    "timers: [{event: session.idled, after: 5m, since: last_seen, states: [active]}]": "",
    "timers: [{event: session.idle, after: 5m, since: last_seen}]": "$.timers[0].event",
    "timers: [{event: session.idled, after: 5m, since: last_seen, states: [activ]}]": "$.timers[0].states",
    "machines: {account: {states: [held], transitions: [{trigger: locked, source: '*', dest: locked}]}}": "",
    "machines: {account: {transitions: [{trigger: locked, source: nomal, dest: '='}]}}": (
        "$.machines.account.transitions[0].source"
    ),
    "identity: {credential: aal2}": "",
    "identity: {credential: aal9}": "$.identity.credential",
    "accounts: [{from: claim, claim: s, map: {ok: normal}}]": "",
    "accounts: [{from: claim, claim: s, map: {ok: nrmal}}]": "$.accounts",
    "methods: {m: {all: [card_reader]}}": "",
    "methods: {m: {all: [card_raeder]}}": "$.methods.m.all[0]",
    "operations: [{name: new, match: {path: /new}, risk: high, effect: write, scopes: [any-scope]}]": "",
    "operations: [{name: new, match: {path: /new}, risk: high, effect: write, assurance: {acr: aal7}}]": (
        "$.operations[0].assurance.acr"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("line", "path"), LINES.items(), ids=LINES)
def test_a_name_that_the_policy_lacks_is_marked_where_it_stands(line: str, path: str) -> None:
    document = plain(f"authguard: 1\nname: mine\nextends: banking\n{line}\n")
    found = faults(validators("banking")[0], document)
    assert found == ([path] if path else [])


SCENARIOS = {
    "given: {account: locked}": "",
    "given: {account: lokked}": "$[0].given.account",
    "ask: {operation: payment}": "",
    "ask: {operation: [payment, paiment]}": "$[0].ask.operation",
    "ask: {operation: payment, channel: voice}": "",
    "ask: {operation: payment, channel: fax}": "$[0].ask.channel",
    "then: {fallback: to_fraud}": "",
    "then: {fallback: to_frod}": "$[0].then.fallback",
    "then: {states: {session: activ}}": "$[0].then.states.session",
}


@pytest.mark.parametrize(("line", "path"), SCENARIOS.items(), ids=SCENARIOS)
def test_a_scenario_is_marked_too(line: str, path: str) -> None:
    lines = {"ask": "{operation: payment}", "then": "{outcome: allow}", **dict([line.split(": ", 1)])}
    document = plain("- name: one\n" + "".join(f"  {key}: {value}\n" for key, value in lines.items()), listed=True)
    assert faults(validators("banking")[1], document) == ([path] if path else [])


OWN = """\
authguard: 1
name: own
extends: support-desk
flags:
  changed: {by: subject, expires: 24h, set_by: [{operation: refund, event: started}]}
conditions:
  desk: {from: {time_zone: Europe/Berlin}, values: {open: 'Mo-Fr 08:00-18:00'}, default: closed}
"""
#: a line of a policy with a flag and a condition -> path of the fault; empty if it is valid
OWN_LINES = {
    "decisions: [{when: {changed: set, desk: closed}, do: refuse}]": "",
    "decisions: [{when: {changed: seen}, do: refuse}]": "$.decisions[0].when.changed",
    "decisions: [{when: {desk: ajar}, do: refuse}]": "$.decisions[0].when.desk",
    "decisions: [{when: {chnged: set}, do: refuse}]": "$.decisions[0].when",
    "decisions: [{when: {limit: exceeded}, do: by_limit}]": "",
    "decisions: [{when: {account: closed}, do: skip_phase, phase: account}]": "",
    "decisions: [{when: {account: closed}, do: skip_phase, phase: acount}]": "$.decisions[0].phase",
    "invariants: [{name: x, never: {changed: set, fallback: to_a_person}}]": "",
    "invariants: [{name: x, never: {changed: set, fallback: to_a_persn}}]": "$.invariants[0].never.fallback",
    "machines: {account: {states: [{name: late, like: normal}]}}": "",
    "flags: {other: {by: subject, expires: 1h, set_by: [{operation: refund, event: started}]}}": "",
    "flags: {other: {by: subject, expires: 1h, set_by: [{operation: refnd, event: started}]}}": (
        "$.flags.other.set_by[0].operation"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("line", "path"), OWN_LINES.items(), ids=OWN_LINES)
def test_flags_conditions_and_phases_are_known(line: str, path: str) -> None:
    draft = load_draft("own.yaml", text=OWN.encode()).draft
    assert draft is not None
    schema = Draft202012Validator(fill_policy_schema(draft))
    found = faults(schema, plain(f"authguard: 1\nname: mine\nextends: support-desk\n{line}\n"))
    assert found == ([path] if path else [])


def test_scopes_and_roles_are_offered_and_presets_named() -> None:
    schema = validators("banking")[0].schema
    operation = schema["$defs"]["Operation"]["properties"]
    assert "payments:write" in operation["scopes"]["items"]["examples"]
    assert "okta" in schema["$defs"]["Issuer"]["properties"]["provider"]["examples"]
    assert "banking" in schema["properties"]["extends"]["examples"]


def test_the_choices_are_those_of_the_table() -> None:
    draft = load_draft(locator.resolve_folder("banking")).draft
    assert draft is not None
    values = dimension_choices(draft)
    assert "payment" in values["operation"]
    assert values["risk"] == ("public", "self", "routine", "sensitive", "high", "staff")
