"""The JSON Schemas for editors take whatever ships, know every key, and refuse what the reader refuses for shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from authguard.policy.loading import locator
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.validation import validate_document
from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.schema.document import Document
from authguard.policy.schema.json_schema import policy_schema, scenario_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICIES = Path(__file__).parents[3] / "policies"
POLICY = Draft202012Validator(policy_schema())
SCENARIOS = Draft202012Validator(scenario_schema())
SCENARIO_FILES = sorted(POLICIES.glob("*/scenarios/*.yaml"))


def plain(text: bytes, *, listed: bool = False) -> Any:
    got = parse_yaml(text, "policy.yaml", listed=listed)
    assert got.problems == ()
    return got.tree.to_plain()


def said(validator: Draft202012Validator, value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]


@pytest.mark.parametrize("schema", [policy_schema(), scenario_schema()], ids=["policy", "scenarios"])
def test_a_schema_is_one_itself(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", sorted(locator.shipped_policies()))
def test_every_shipped_policy_is_taken(name: str) -> None:
    assert said(POLICY, plain(locator.shipped_policies()[name].read_bytes())) == []


@pytest.mark.parametrize("path", SCENARIO_FILES, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_every_shipped_scenario_is_taken(path: Path) -> None:
    assert said(SCENARIOS, plain(path.read_bytes(), listed=True)) == []


@pytest.mark.parametrize("path", [*POLICIES.glob("*/policy.yaml"), *SCENARIO_FILES], ids=str)
def test_every_shipped_file_tells_editors_where_its_schema_is(path: Path) -> None:
    first = path.read_text("utf-8").splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    schema = json.loads((path.parent / first.partition("=")[2]).read_text("utf-8"))
    assert schema == (policy_schema() if path.name == "policy.yaml" else scenario_schema())


def objects(schema: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every schema of a mapping with fixed keys."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield name, schema
        for key, inner in schema.items():
            if key != "if":  # a condition, and no mapping
                yield from objects(inner, key)
    elif isinstance(schema, list):
        for inner in schema:
            yield from objects(inner, name)


def test_every_key_is_described_and_no_other_is_taken() -> None:
    found = [*objects(policy_schema()), *objects(scenario_schema())]
    assert len(found) > 30
    for name, schema in found:
        assert schema["additionalProperties"] is False, name
        for key, value in schema["properties"].items():
            if name != "anyOf":  # `{at: POINTER}` of a currency is described where it stands
                assert value["description"].endswith("."), (name, key)


def test_every_key_of_a_document_is_in_the_schema() -> None:
    assert set(policy_schema()["properties"]) == set(Document.__struct_encode_fields__)


#: a line -> whether the reader and the schema both refuse it for its shape
SHAPES = {
    "budgt: {request: 2s}": False,
    "budget: {request: 2}": False,
    "budget: {request: 0s}": False,
    "budget: {request: 2s}": True,
    "budget: {body: 1000}": False,
    "budget: {body: 64KiB}": True,
    "agents: concierge": False,
    "agents: [concierge]": True,
    "otherwise: {risk: sensitive, effect: wirte}": False,
    "otherwise: {risk: sensitive, effect: write}": True,
    "base: 'no'": False,
    "accounts: none": True,
    "accounts: nobody": False,
    "accounts: [{from: claim, claim: status, map: {ok: normal}}]": True,
    "accounts: [{from: file}]": False,
    "accounts: [{from: python, call: status}]": False,
    "on_fault: Try later": False,
    "on_fault: try_later": True,
    "fallbacks: {refuse: {kind: deny, status: 99}}": False,
    "fallbacks: {Refuse: {kind: deny}}": False,
    "fallbacks: {refuse: {status: 404}}": False,
    "fallbacks: {refuse: {kind: deny, message: {de: {default: Nein.}, voice: No.}}}": True,
    "fallbacks: {refuse: {kind: deny, message: {de: {default: {x: z}}}}}": False,
    "fallbacks: {up: {kind: step_up, max_age: since_entered}}": True,
    "fallbacks: {up: {kind: step_up, max_age: yesterday}}": False,
    "decisions: [{when: {risk: [high, staff]}, do: refuse}]": True,
    "decisions: [{when: {Risk: high}, do: refuse}]": False,
    "decisions: [{when: {a_flag: set}, do: refuse}]": True,
    "decisions: [{do: refuse}]": False,
    "machines: {session: {transitions: [{trigger: idled, source: '*', dest: '='}]}}": True,
    "machines: {sesion: {}}": False,
    "machines: {session: {transitions: [{trigger: idled, source: '*', dest: '*'}]}}": False,
    "timers: [{event: session.idled, after: 10m, since: last_seen}]": True,
    "timers: [{event: idled, after: 10m, since: last_seen}]": False,
    "operations: [{name: a, match: {path: '/x/{id}', method: GET}, risk: high, effect: read}]": True,
    "operations: [{name: a, match: {path: 'x'}, risk: high, effect: read}]": False,
    "operations: [{name: a, match: {path: /x, method: FETCH}, risk: high, effect: read}]": False,
    "operations: [{name: a, match: {path: /x}, risk: high, effect: write, amount: {at: /a, currency: EUR}}]": True,
    "operations: [{name: a, match: {path: /x}, risk: high, effect: write, amount: {at: /a, currency: {at: /c}}}]": True,
    "operations: [{name: a, match: {path: /x}, risk: high, effect: write, amount: {at: a, currency: EUR}}]": False,
    "operations: [{name: a, match: {path: /x}, risk: high, effect: write, limits: [{amount: 5 EUR, per: 1d}]}]": True,
    "operations: [{name: a, match: {path: /x}, risk: high, effect: write, limits: [{amount: 5, per: 1d}]}]": False,
    "operations: [{name: a, match: {path: /x}, risk: high, effect: write, limits: [{calls: 0, per: 1d}]}]": False,
    "issuers: [{issuer: 'https://i.example', audience: us, algorithms: [ES256], keys: discovery}]": True,
    "issuers: [{issuer: 'https://i.example', audience: us, algorithms: [ES256], keys: discover}]": False,
    "issuers: [{issuer: 'https://i.example', algorithms: [ES256], keys: discovery}]": False,
}


@pytest.mark.parametrize(("line", "right"), SHAPES.items(), ids=SHAPES)
def test_the_schema_and_the_reader_agree_on_a_shape(line: str, right: bool) -> None:  # noqa: FBT001 - a row of a table
    text = f"authguard: 1\nname: x\n{line}\n".encode()
    assert (validate_document(parse_yaml(text, "x").tree)[0] is not None) is right
    assert (said(POLICY, plain(text)) == []) is right


def test_a_policy_must_name_itself_and_its_version() -> None:
    assert said(POLICY, {"authguard": 1, "name": "x"}) == []
    for value in ({"name": "x"}, {"authguard": 1}, {"authguard": 2, "name": "x"}, []):
        assert said(POLICY, value) != []


@pytest.mark.parametrize(
    ("scenario", "right"),
    [
        ("{name: x, ask: {operation: chat}, then: {outcome: allow}}", True),
        ("{name: x, given: {account: [normal, locked]}, ask: {risk: high, effect: read}, then: {fallback: a}}", True),
        ("{name: x, steps: [{after: 20m}, {ask: {operation: chat}, then: {outcome: allow}}]}", True),
        ("{name: x, ask: {operation: chat}}", False),
        ("{ask: {operation: chat}, then: {outcome: allow}}", False),
        ("{name: x, ask: {operation: chat}, then: {}}", False),
        ("{name: x, ask: {operation: chat}, then: {outcome: maybe}}", False),
        ("{name: x, ask: {Risc: high}, then: {outcome: allow}}", False),
        ("{name: x, when: [idled], ask: {operation: chat}, then: {outcome: allow}}", False),
        ("{name: x, steps: [{after: 20}]}", False),
    ],
)
def test_the_schema_of_scenarios_knows_their_shape(scenario: str, right: bool) -> None:  # noqa: FBT001 - as above
    assert (said(SCENARIOS, plain(f"- {scenario}\n".encode(), listed=True)) == []) is right


@pytest.mark.parametrize(
    "amount",
    [
        "{at: /cents, scale: -1, currency: EUR}",
        "{at: /cents, scale: 19, currency: EUR}",
        "{at: /cents, scale: '2', currency: EUR}",
        "{at: cents, currency: EUR}",
        "{form: 'a[b]', currency: EUR}",
        "{form: '', currency: EUR}",
        "{form: amount, currency: eur}",
        "{form: amount, currency: {form: 'a b'}}",
        "{form: amount, currency: {form: a, at: /a}}",
    ],
)
def test_a_place_of_an_amount_that_cannot_be_meant_is_refused(amount: str) -> None:
    text = (
        "authguard: 1\nname: a\nextends: standard\noperations:\n"
        f"  - {{name: a, match: {{path: /a}}, risk: high, effect: write, amount: {amount}}}\n"
    )
    assert {problem.code for problem in load_draft("policy.yaml", text=text.encode()).problems} & {
        "out-of-range",
        "malformed-value",
        "currency",
        "wrong-type",
    }
