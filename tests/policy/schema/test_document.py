"""The shape of a policy: every key, type and quantity that is wrong is a problem at its line, with what to type."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from authguard.core import outcomes
from authguard.core.decision_table import CONDITIONS
from authguard.core.events import MACHINES
from authguard.core.fallback_settings import Machine
from authguard.policy.loading.validation import validate_document
from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.schema.deployment import Effect, Risk
from authguard.policy.schema.document import KIND_KEYS, Fallback, Outcome
from authguard.policy.schema.units import parse_duration, parse_money, parse_size

HEAD = "authguard: 1\nname: x\n"

#: what follows line 2; the code, the line, and a part of what the problem says
MISSHAPEN = {
    "unknown key": ("isuers: []\n", "unknown-key", 3, "did you mean `issuers`?"),
    "unknown key below": ("budget: {requests: 2s}\n", "unknown-key", 3, "did you mean `request`?"),
    "unknown key in a list": (
        "operations:\n  - name: a\n    match: {path: /a}\n    risk: high\n    efect: read\n",
        "unknown-key",
        7,
        "did you mean `effect`?",
    ),
    "unknown key of a named thing": (
        "fallbacks:\n  a: {kind: deny, mesage: x}\n",
        "unknown-key",
        4,
        "did you mean `message`?",
    ),
    "unknown key below accounts": (
        "accounts:\n  - {from: claim, clam: x}\n",
        "unknown-key",
        4,
        "did you mean `claim`?",
    ),
    "unknown machine": ("machines:\n  acount: {}\n", "unknown-key", 4, "did you mean `account`?"),
    "unknown act": ("rollback: {authority: {engaged: {role: a}}}\n", "unknown-key", 3, "did you mean `engage`?"),
    "missing key": (
        "issuers:\n  - issuer: https://a.example\n    audience: b\n    keys: discovery\n",
        "missing-key",
        4,
        "`algorithms`",
    ),
    "unknown value": ("audit: {subjects: pseudonymus}\n", "unknown-value", 3, "did you mean `pseudonymous`?"),
    "answers for seconds": ("transactions: {response_retention: 59s}\n", "out-of-range", 3, "at least 1m"),
    "answers for months": ("transactions: {response_retention: 31d}\n", "out-of-range", 3, "at most 30d"),
    "unknown kind": ("fallbacks:\n  a: {kind: chalenge}\n", "unknown-value", 4, "did you mean `challenge`?"),
    "allow is no kind": ("fallbacks:\n  a: {kind: allow}\n", "unknown-value", 4, "`allow`"),
    "unknown method": (
        "operations:\n- {name: a, match: {path: /, method: get}, risk: high, effect: read}\n",
        "unknown-value",
        4,
        "GET",
    ),
    "unknown moment": ("timers:\n  - {event: session.aged, after: 1h, since: ever}\n", "unknown-value", 4, "`entered`"),
    "duration without a unit": ("budget: {request: 2}\n", "duration", 3, "`30s`"),
    "duration as a fraction": ("budget: {request: 2.5s}\n", "duration", 3, "`30s`"),
    "duration with a blank": ("budget: {request: 2 s}\n", "duration", 3, "`30s`"),
    "duration in weeks": ("budget: {request: 2w}\n", "duration", 3, "`30s`"),
    "duration below nothing": ("budget: {request: -2s}\n", "duration", 3, "`30s`"),
    "duration of nothing": ("budget: {request: 0s}\n", "duration", 3, "a positive duration"),
    "duration of an age": ("budget: {request: 9999d}\n", "duration", 3, "ten years"),
    "freshness of nothing": ("fallbacks: {a: {kind: step_up, max_age: 0s}}\n", "duration", 3, "a positive duration"),
    "period of nothing": (
        "operations:\n- {name: a, match: {path: /}, risk: high, effect: read, limits: [{calls: 1, per: 0s}]}\n",
        "duration",
        4,
        "a positive duration",
    ),
    "size without a unit": ("budget: {body: 1024}\n", "size", 3, "`64KiB`"),
    "size in decimal units": ("budget: {body: 1MB}\n", "size", 3, "`64KiB`"),
    "size without end": ("budget: {body: 999MiB}\n", "size", 3, "64MiB"),
    "money without a currency": (
        "operations:\n- {name: a, match: {path: /}, risk: high, effect: read, limits: [{amount: 500, per: call}]}\n",
        "money",
        4,
        "`500 EUR`",
    ),
    "currency": (
        "operations:\n- {name: a, match: {path: /}, risk: high, effect: read, amount: {at: /a, currency: euro}}\n",
        "currency",
        4,
        "`EUR`",
    ),
    "pointer": (
        "operations:\n- {name: a, match: {path: /}, risk: high, effect: read, amount: {at: a, currency: EUR}}\n",
        "malformed-value",
        4,
        "`/amount`",
    ),
    "path without a slash": (
        "operations:\n- {name: a, match: {path: a}, risk: high, effect: read}\n",
        "malformed-value",
        4,
        "write `/a`",
    ),
    "path with a query": (
        "operations:\n- {name: a, match: {path: '/a?b'}, risk: high, effect: read}\n",
        "malformed-value",
        4,
        "write `/a`",
    ),
    "path with half a brace": (
        "operations:\n- {name: a, match: {path: '/a/{b'}, risk: high, effect: read}\n",
        "malformed-value",
        4,
        "`/orders/",
    ),
    "call into a string": (
        "accounts:\n  - {from: python, call: 'os.system(1)'}\n",
        "call",
        4,
        "`package.module:function`",
    ),
    "call without a module": ("accounts:\n  - {from: python, call: status}\n", "call", 4, "`package.module:function`"),
    "call relative": ("accounts:\n  - {from: python, call: '.a:b'}\n", "call", 4, "`package.module:function`"),
    "header injected": (
        'channels: {from: {header: "X-A: b"}, trusts: {}}\n',
        "malformed-value",
        3,
        "X-Channel",
    ),
    "scope with a quote": ("fallbacks: {a: {kind: deny, error: 'a\"b'}}\n", "malformed-value", 3, "quotes"),
    "acr with a blank": ("fallbacks: {a: {kind: step_up, acr: 'a b'}}\n", "malformed-value", 3, "blanks"),
    "address with a password": (
        "settings: {public_url: 'https://u:p@a.example'}\n",
        "malformed-value",
        3,
        "https://idp.example",
    ),
    "address with a name as its user": (
        "settings: {public_url: 'https://a.example@evil.example/p'}\n",
        "malformed-value",
        3,
        "https://idp.example",
    ),
    "address of another scheme": (
        "settings: {public_url: 'file:///etc/passwd'}\n",
        "malformed-value",
        3,
        "https://idp.example",
    ),
    "variable": (
        "issuers: [{issuer: a, audience: b, algorithms: [HS256], keys: {secret_env: 'A B'}}]\n",
        "malformed-value",
        3,
        "variable",
    ),
    "name in capitals": ("fallbacks: {Refuse: {kind: deny}}\n", "malformed-value", 3, "lower-case"),
    "event without a machine": (
        "timers: [{event: aged, after: 1h, since: entered}]\n",
        "malformed-value",
        3,
        "`machine.event`",
    ),
    "dest is one": (
        "machines: {session: {transitions: [{trigger: aged, source: '*', dest: '*'}]}}\n",
        "malformed-value",
        3,
        "'='",
    ),
    "text where a list belongs": ("issuers: none\n", "wrong-type", 3, "must be a list, not `none`"),
    "list where a mapping belongs": ("machines: []\n", "wrong-type", 3, "must be a mapping, not a list"),
    "mapping where text belongs": ("on_fault: {a: b}\n", "malformed-value", 3, "a mapping is not valid for `on_fault`"),
    "text where a boolean belongs": ("base: 'true'\n", "wrong-type", 3, "must be `true` or `false`, not `true`"),
    "number where a boolean belongs": ("base: 1\n", "wrong-type", 3, "must be `true` or `false`"),
    "text where a number belongs": ("fallbacks: {a: {kind: deny, status: '403'}}\n", "wrong-type", 3, "whole number"),
    "fraction where a number belongs": (
        "fallbacks: {a: {kind: deny, status: 403.5}}\n",
        "wrong-type",
        3,
        "whole number",
    ),
    "boolean where a number belongs": (
        "fallbacks: {a: {kind: deny, attempts: true, per: 1m, then: a}}\n",
        "wrong-type",
        3,
        "`true`",
    ),
    "status out of range": ("fallbacks: {a: {kind: deny, status: 99}}\n", "out-of-range", 3, "200"),
    "threshold out of range": (
        "verifiers: {a: {type: http, url: 'https://a', pass_at: 1.5, fail_at: 0.1}}\n",
        "out-of-range",
        3,
        "1",
    ),
    "more states than a machine has": (
        f"machines: {{account: {{states: [{', '.join(f's{n}' for n in range(101))}]}}}}\n",
        "too-many-items",
        3,
        "100",
    ),
    "say nothing": ("fallbacks: {a: {kind: deny, message: ''}}\n", "message", 3, "write text"),
    "say an empty mapping": ("fallbacks: {a: {kind: deny, message: {}}}\n", "message", 3, "write text"),
    "unknown key of what may be left out": (
        "identity: {credntial: a}\n",
        "unknown-key",
        3,
        "did you mean `credential`?",
    ),
    "unknown key below a list below": (
        "machines: {session: {transitions: [{trigger: a, source: b, dest: c, rases: d}]}}\n",
        "unknown-key",
        3,
        "did you mean `raises`?",
    ),
    "say a number": ("fallbacks: {a: {kind: deny, message: 5}}\n", "message", 3, "write text"),
    "say too deep": ("fallbacks: {a: {kind: deny, message: {de: {voice: {x: z}}}}}\n", "message", 3, "write text"),
    "say a language twice": (
        "fallbacks: {a: {kind: deny, message: {de: {default: a}, DE: {default: b}}}}\n",
        "message",
        3,
        "once",
    ),
}


def problems_of(text: str) -> list[tuple[str, int, str]]:
    got = parse_yaml(text.encode(), "policy.yaml")
    assert got.problems == ()
    return [(problem.code, problem.place.line, str(problem)) for problem in validate_document(got.tree)[1]]


@pytest.mark.parametrize(("typed", "code", "line", "part"), MISSHAPEN.values(), ids=MISSHAPEN)
def test_a_wrong_shape_names_its_code_and_line_and_what_to_type(typed: str, code: str, line: int, part: str) -> None:
    first = problems_of(HEAD + typed)[0]
    assert first[:2] == (code, line)
    assert part in first[2]
    assert "\n" not in first[2]


def test_all_problems_of_shape_come_at_once() -> None:
    found = problems_of(
        HEAD + "isuers: []\nbudget: {request: 2}\nfallbacks:\n  a: {kind: x}\n  b: {kind: deny, sya: z}\n"
    )
    assert sorted((code, line) for code, line, _ in found) == [
        ("duration", 4),
        ("unknown-key", 3),
        ("unknown-key", 7),
        ("unknown-value", 6),
    ]


def test_an_unknown_key_is_advised_wherever_it_stands() -> None:
    found = problems_of(
        HEAD + "identity: {credential: a, credntial: a}\nchannels: {from: {claim: a}, trusts: {}, trust: {}}\n"
    )
    assert [line.partition("; ")[2] for _, _, line in found] == ["did you mean `credential`?", "did you mean `trusts`?"]


def test_what_the_reader_has_told_is_not_told_again() -> None:
    got = parse_yaml(f"{HEAD}base: yes\nbudget: {{request: .nan}}\n".encode(), "f")
    assert [problem.code for problem in got.problems] == ["ambiguous-boolean", "not-a-number"]
    assert validate_document(got.tree) == (None, ())


QUANTITIES = [
    (parse_duration, "500ms", 0.5),
    (parse_duration, "30s", 30.0),
    (parse_duration, "15m", 900.0),
    (parse_duration, "12h", 43_200.0),
    (parse_duration, "90d", 7_776_000.0),
    (parse_duration, "0s", 0.0),
    (parse_size, "512B", 512),
    (parse_size, "64KiB", 65_536),
    (parse_size, "1MiB", 1_048_576),
    (parse_money, "500 EUR", ("500", "EUR")),
    (parse_money, "0.10 EUR", ("0.10", "EUR")),
    (parse_money, "999999999999999.99 USD", ("999999999999999.99", "USD")),
    (parse_money, "1.000 KWD", ("1.000", "KWD")),
    (parse_money, "0.000001 ETH", ("0.000001", "ETH")),
]


@pytest.mark.parametrize(("parse", "typed", "value"), QUANTITIES)
def test_quantities_are_read_exactly(parse: object, typed: str, value: object) -> None:
    assert callable(parse)
    assert parse(typed) == value


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("1.000 EUR", "is it `1000 EUR` or `1 EUR`? a point begins decimals, of which `EUR` has 2"),
        ("100.000 JPY", "is it `100000 JPY` or `100 JPY`? a point begins decimals, of which `JPY` has none"),
        ("1.5000 EUR", "write `1.50 EUR`: a point begins decimals, of which `EUR` has 2"),
        ("1,000 EUR", "write `1000 EUR` or `1 EUR`: digits, a point before decimals, a blank and three letters"),
        ("1.000,50 EUR", "write `1000.50 EUR`: digits, a point before decimals, a blank and three letters"),
        ("1 000 000 EUR", "write `1000000 EUR`: digits, a point before decimals, a blank and three letters"),
        ("1'000.50 CHF", "write `1000.50 CHF`: digits, a point before decimals, a blank and three letters"),
        ("1,5 EUR", "write `1.5 EUR`: digits, a point before decimals, a blank and three letters"),
        ("EUR 500", "write `500 EUR`: digits, a point before decimals, a blank and three letters"),
        ("500 eur", "write `500 EUR`: digits, a point before decimals, a blank and three letters"),
        ("€500", "write `500 EUR`: digits, a point before decimals, a blank and three letters"),
        ("-5 EUR", "write an amount and a currency, such as `500 EUR` or `0.50 EUR`"),
        (500, "write an amount and a currency, such as `500 EUR` or `0.50 EUR`"),
    ],
)
def test_an_amount_in_another_spelling_is_refused_with_what_it_may_mean(typed: object, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        parse_money(typed)


@pytest.mark.parametrize("parse", [parse_duration, parse_size, parse_money])
@pytest.mark.parametrize(
    "typed",
    [
        5,
        5.0,
        True,
        None,
        "",
        "5",
        "05s",
        "5S",
        "5 s",
        "\u0665s",
        "5s\n",
        "1e3s",
        "1_0s",
        "1,5 EUR",
        "-1 EUR",
        "1 eur",
        ".5 EUR",
        ["5s"],
    ],
)
def test_nothing_else_is_a_quantity(parse: object, typed: object) -> None:
    assert callable(parse)
    with pytest.raises(ValueError, match=r"^write "):
        parse(typed)


def test_every_key_of_a_fallback_goes_with_every_kind_or_with_a_named_one() -> None:
    every = {"kind", "status", "message", "discloses", "attempts", "per", "then"}
    assert set(Fallback.__struct_encode_fields__) == every.union(*KIND_KEYS.values())


def test_the_closed_sets_are_those_of_the_core() -> None:
    assert set(get_args(Outcome)) == set(outcomes.Outcome)
    assert get_args(Risk) == CONDITIONS["risk"]
    assert get_args(Effect) == CONDITIONS["effect"]
    assert get_args(Machine) == MACHINES


def test_the_standard_policy_has_the_right_shape() -> None:
    text = Path(__file__).parents[3].joinpath("src/authguard/policy/standard.yaml").read_bytes()
    document, problems = validate_document(parse_yaml(text, "standard.yaml").tree)
    assert problems == ()
    assert document is not None
    assert document.base
