"""Assembling: the document's values in core terms, what does not go together, and what is not enforced yet."""

from __future__ import annotations

import json
from hashlib import sha256
from math import prod
from typing import TYPE_CHECKING

import pytest

from authguard.core.agents import Agent
from authguard.core.approvers import Approvers
from authguard.core.decision_table import dimension_values
from authguard.core.deployment import Introspection
from authguard.core.machine import expand
from authguard.core.outcomes import Outcome
from authguard.core.sections import Authority
from authguard.policy.loading.loader import load_draft

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.policy.draft import Draft
    from authguard.policy.problem import Problem

HEAD = "authguard: 1\nname: x\nextends: standard\n"


def assembled(text: str) -> tuple[Draft, tuple[Problem, ...]]:
    reading = load_draft("policy.yaml", text=(HEAD + text).encode())
    assert reading.draft is not None, [str(problem) for problem in reading.problems]
    return reading.draft, reading.problems


def draft_of(text: str) -> Draft:
    draft, problems = assembled(text)
    assert problems == ()
    return draft


def test_the_standard_policy_is_five_total_machines_of_411_pairs_over_254741760_cells() -> None:
    reading = load_draft("standard")
    assert reading.problems == ()
    draft = reading.draft
    assert draft is not None
    expansions = [expand(spec) for spec in draft.machines.values()]
    assert len(expansions) == 5
    assert sum(len(expansion.edges) for expansion in expansions) == 411
    assert [expansion.holes for expansion in expansions] == [()] * 5
    assert [expansion.shadowed for expansion in expansions] == [()] * 5
    values = dimension_values({name: spec.states for name, spec in draft.machines.items()})
    assert prod(len(each) for each in values.values()) == 254_741_760
    assert (len(draft.rules), len(draft.fallbacks), len(draft.invariants)) == (47, 17, 8)
    assert draft.base
    assert draft.on_fault == "try_later"


def test_places_of_what_was_inherited_name_the_file_it_came_from() -> None:
    draft = draft_of("decisions:\n  - {when: {risk: high, account: minor}, do: refuse}\n")
    assert str(draft.place("decisions[22]")) == "policy.yaml:5:5"
    assert draft.rules[22].origin == "policy.yaml:5"
    assert draft.place("decisions[21]").file == "standard.yaml"
    assert draft.rules[21].origin == f"standard.yaml:{draft.place('decisions[21]').line}"
    assert [rule.index for rule in draft.rules] == list(range(48))
    assert draft.place("machines.session.transitions[3]").file == "standard.yaml"
    assert str(draft.place("no.such.path")) == "policy.yaml:1:1"


def test_every_machine_line_rule_fallback_timer_and_invariant_has_a_place() -> None:
    draft = draft_of("")
    paths = [
        *(
            f"machines.{name}.transitions[{index}]"
            for name, spec in draft.machines.items()
            for index in range(len(spec.lines))
        ),
        *(f"decisions[{index}]" for index in range(len(draft.rules))),
        *(f"fallbacks.{name}" for name in draft.fallbacks),
        *(f"timers[{index}]" for index in range(len(draft.timers))),
        *(f"invariants[{index}]" for index in range(len(draft.invariants))),
    ]
    assert len(paths) > 120
    assert all(draft.places[path].file == "standard.yaml" and draft.places[path].line > 3 for path in paths)


def test_an_added_account_state_is_the_strictest_and_joins_every_wildcard() -> None:
    draft = draft_of(
        "machines: {account: {states: [sim_swap_hold], transitions: "
        "[{trigger: sim_swap_hold, source: '*', dest: sim_swap_hold}]}}\n"
    )
    spec = draft.machines["account"]
    assert spec.states[-1] == "sim_swap_hold"
    assert spec.lines[0].dest == "sim_swap_hold"
    assert expand(spec).holes == ()
    assert spec.initial == "unknown"


def test_a_deployment_is_assembled_whole() -> None:
    draft = draft_of(
        """
issuers:
  - {issuer: https://idp.example, audience: a, algorithms: [ES256], keys: discovery, leeway: 0s, require: [jti]}
  - issuer: two
    audience: a
    algorithms: [ES256]
    keys: {jwks_uri: https://a.example/keys}
    type: any
    sender_constraint: none
  - {issuer: three, audience: a, algorithms: [HS256], keys: {secret_env: SECRET}, max_lifetime: 5m, evidence: sid}
agents: [{issuer: two, client: bot}]
accounts:
  - {from: claim, claim: status, map: {ok: normal}}
  - {from: python, call: "app.accounts:status", max_age: 0s, timeout: 200ms}
operations:
  - name: refund
    match: {path: '/orders/{order_id}/refund', method: POST}
    risk: high
    effect: write
    scopes: [refunds:write]
    assurance: {acr: aal2, max_age: 5m}
    amount: {at: /amount, currency: {at: /currency}}
    limits: [{amount: 500 EUR, per: call}, {amount: 1000.50 EUR, per: 1d}, {calls: 5, per: 10m, by: session}]
    idempotency: required
  - {name: live, match: {websocket: /live}, risk: routine, effect: read, amount: {at: /a, currency: USD}}
otherwise: {risk: high, effect: write, scopes: [s]}
assurance: {order: [aal1, aal2], map: {"urn:a": aal2}}
identity: {credential: aal2}
methods: {default: {all: []}, alternate: {quorum: 1, of: [otp]}}
channels: {from: {header: X-Channel, secret_header: X-Secret, secret_env: SECRET}, trusts: {chat: [web], voice: []}}
budget: {request: 1500ms, body: 64KiB}
settings: {public_url: https://support.example}
rollback:
  authority: {engage: {role: operations}, release: {role: operations, count: 2}}
  message: {default: a, voice: b, DE: {default: c}}
audit: {durability: {high: group}, subjects: plain}
fallbacks:
  fresh: {kind: step_up, max_age: since_entered, acr: aal2}
  approve: {kind: hold, approvers: {role: boss, count: 2, acr: aal2}}
staff: {claim: /realm/roles, issuer: three}
""".replace("default: {all: []}", "default: {all: [otp]}")
    )
    one, two, three = draft.issuers
    assert (one.discovery, one.leeway, one.require, one.stale_keys, one.max_lifetime) == (
        True,
        0.0,
        {"jti": ()},
        86_400,
        3_600,
    )
    assert (two.discovery, two.jwks_uri, two.type, two.key_file) == (False, "https://a.example/keys", "any", "")
    assert (three.secret_env, three.max_lifetime, three.evidence) == ("SECRET", 300.0, "sid")
    assert [source.name for source in draft.accounts] == ["claim:status", "python:app.accounts:status"]
    assert (draft.accounts[1].max_age, draft.accounts[1].timeout) == (0.0, 0.2)
    refund, live = draft.operations
    assert (refund.amount_at, refund.currency_at, refund.currency) == ("/amount", "/currency", "")
    assert (live.amount_at, live.currency_at, live.currency) == ("/a", "", "USD")
    assert (refund.acr, refund.max_age, refund.idempotency, refund.transactional) == ("aal2", 300.0, True, True)
    assert [
        (limit.name, limit.amount, limit.currency, limit.calls, limit.per, limit.by) for limit in refund.limits
    ] == [
        ("refund/0", "500", "EUR", 0, 0.0, "subject"),
        ("refund/1", "1000.50", "EUR", 0, 86_400.0, "subject"),
        ("refund/2", "", "", 5, 600.0, "session"),
    ]
    assert live.match.websocket == "/live"
    assert (draft.otherwise.name, draft.otherwise.risk, draft.otherwise.scopes) == ("otherwise", "high", {"s"})
    assert (draft.admits_unnamed, draft.all_operations) == (True, (*draft.operations, draft.otherwise))
    assert (draft.assurance.rank("urn:a"), draft.assurance.rank("other"), draft.identity) == (2, 0, "aal2")
    default, alternate = draft.methods["default"], draft.methods["alternate"]
    assert (default.name, default.verifiers, default.need, default.alternatives) == ("default", ("otp",), 1, False)
    assert (alternate.name, alternate.verifiers, alternate.need, alternate.alternatives) == (
        "alternate",
        ("otp",),
        1,
        True,
    )
    assert draft.channels.declared
    assert draft.channels.trusts == {"chat": {"web"}, "voice": frozenset()}
    assert (draft.budget.request, draft.budget.body, draft.settings.public_url) == (
        1.5,
        65_536,
        "https://support.example",
    )
    assert draft.staff_claim == "/realm/roles"
    assert (draft.agents, draft.staff_issuers) == ({Agent("two", "bot")}, {"three"})
    assert draft.rollback.authority == {
        "engage": Authority(role="operations"),
        "release": Authority(role="operations", count=2),
    }
    assert draft.rollback.message.find(("de-at",), "voice") == "c"
    assert draft.rollback.message.find(("fr",), "voice") == "b"
    assert (draft.audit.durability["high"], draft.audit.durability["public"], draft.audit.subjects) == (
        "group",
        "async",
        "plain",
    )
    fresh, approve = draft.fallbacks["fresh"], draft.fallbacks["approve"]
    assert (fresh.kind, fresh.since_entered, fresh.max_age, fresh.acr) == (Outcome.STEP_UP, True, 0.0, "aal2")
    assert approve.approvers == (Approvers("boss", 2, "aal2"),)


def test_accounts_none_is_not_the_same_as_saying_nothing() -> None:
    assert draft_of("accounts: none\n").accounts_declared
    assert not draft_of("").accounts_declared


def test_what_nobody_declares_is_strict() -> None:
    draft = draft_of("")
    assert not draft.admits_unnamed
    assert not draft.all_operations
    assert draft.audit.subjects == "pseudonymous"
    assert draft.audit.durability["high"] == "sync"
    assert not draft.channels.declared


def test_otherwise_is_deny_or_what_it_is_judged_as() -> None:
    assert not draft_of("otherwise: deny\n").admits_unnamed
    judged = draft_of("otherwise: {}\n")
    assert (judged.admits_unnamed, judged.otherwise.risk, judged.otherwise.effect) == (True, "sensitive", "write")


@pytest.mark.parametrize("typed", ["", "allow", "[deny]", "null", "false"])
def test_what_is_neither_is_a_problem(typed: str) -> None:
    reading = load_draft("policy.yaml", text=f"{HEAD}otherwise: {typed}\n".encode())
    assert reading.draft is None
    code = {"": "blank", "null": "blank", "allow": "unknown-value"}.get(typed, "wrong-type")
    assert [problem.code for problem in reading.problems] == [code]


def operation(rest: str) -> str:
    return f"operations:\n  - {{name: a, risk: high, effect: read, {rest}}}\n"


#: what follows line 3; the code, the line, a part of the problem
APART = {
    "key of another kind": ("fallbacks:\n  a: {kind: deny, queue: b}\n", "key-not-for-kind", 5, "`queue`"),
    "key of no kind": ("fallbacks:\n  a: {kind: challenge, max_age: 5m}\n", "key-not-for-kind", 5, "`max_age`"),
    "map of a call": ("accounts:\n  - {from: claim, claim: a, timeout: 1s}\n", "key-not-for-kind", 5, "`timeout`"),
    "claim of a call": ("accounts:\n  - {from: python, call: 'a:b', claim: c}\n", "key-not-for-kind", 5, "`claim`"),
    "claim without its name": ("accounts:\n  - {from: claim}\n", "missing-key", 5, "`claim`"),
    "python without its call": ("accounts:\n  - {from: python}\n", "missing-key", 5, "`call`"),
    "match of nothing": (operation("match: {}"), "match-unclear", 5, "`path`"),
    "match of a method": (operation("match: {method: GET}"), "match-unclear", 5, "`path`"),
    "match of both": (operation("match: {path: /a, websocket: /b}"), "match-unclear", 5, "`path`"),
    "match of a WebSocket's method": (operation("match: {websocket: /b, method: GET}"), "match-unclear", 5, "method"),
    "calls per call": (operation("match: {path: /a}, limits: [{calls: 2, per: call}]"), "limit-unclear", 5, "10m"),
    "an answer without a name": (
        operation("match: {path: /a}, limits: [{calls: 2, per: 1h, then: refuse}]"),
        "limit-unnamed",
        5,
        "`name: NAME`",
    ),
    "no exceeded limit": (
        "decisions:\n  - {when: {limit: within}, do: by_limit}\n",
        "by-limit-unclear",
        5,
        "names `within`",
    ),
    "amount nowhere": (operation("match: {path: /a}, amount: {currency: EUR}"), "place-unclear", 5, "`form: amount`"),
    "amount at two places": (
        operation("match: {path: /a}, amount: {at: /a, form: a, currency: EUR}"),
        "place-unclear",
        5,
        "`at: /amount`",
    ),
    "payee nowhere": (operation("match: {path: /a}, payee: {}"), "place-unclear", 5, "`form: payee`"),
    "payee in a form, amount in JSON": (
        operation("match: {path: /a}, amount: {at: /a, currency: EUR}, payee: {form: to}"),
        "place-unclear",
        5,
        "or `form`",
    ),
    "currency in a form, amount in JSON": (
        operation("match: {path: /a}, amount: {at: /a, currency: {form: c}}"),
        "place-unclear",
        5,
        "or `form`",
    ),
    "both sides of an invariant": (
        "invariants:\n  - {name: a, never: {risk: high}, by: [clock]}\n",
        "key-not-for-kind",
        5,
        "both",
    ),
    "method of nothing": ("methods:\n  a: {}\n", "method-unclear", 5, "`all`"),
    "method of both": ("methods:\n  a: {all: [b], quorum: 1, of: [b]}\n", "method-unclear", 5, "`all`"),
    "quorum without of": ("methods:\n  a: {all: [b], quorum: 1}\n", "method-unclear", 5, "`all`"),
    "quorum too large": ("methods:\n  a: {quorum: 3, of: [b, c]}\n", "method-unclear", 5, "more verifiers"),
    "http without its url": ("verifiers:\n  a: {type: http, pass_at: 0.9, fail_at: 0.1}\n", "missing-key", 5, "`url`"),
    "python with a url": (
        "verifiers:\n  a: {type: python, call: 'a:b', url: 'https://a', pass_at: 0.9, fail_at: 0.1}\n",
        "key-not-for-kind",
        5,
        "`url`",
    ),
    "thresholds crossed": (
        "verifiers:\n  a: {type: http, url: 'https://a', pass_at: 0.4, fail_at: 0.9}\n",
        "out-of-range",
        5,
        "`fail_at`",
    ),
    "any and all": ("methods:\n  a: {all: [b], any: [c]}\n", "method-unclear", 5, "any: [...]"),
    "a second service of another type": (
        "verifiers:\n  a: {type: http, url: 'https://a', hedge: {call: 'a:b', after: 1s}}\n",
        "missing-key",
        5,
        "`url`",
    ),
    "a function with a token": (
        "verifiers:\n  a: {type: python, call: 'a:b', auth: {bearer_env: TOKEN}}\n",
        "key-not-for-kind",
        5,
        "`auth`",
    ),
    "a certificate without its key": (
        "verifiers:\n  a: {type: http, url: 'https://a', auth: {certificate: a.pem}}\n",
        "missing-key",
        5,
        "need each other",
    ),
    "questions of nobody": ("verifiers:\n  a: {type: kba, call: 'a:b'}\n", "missing-key", 5, "`questions`"),
    "a ready one without its function": ("verifiers:\n  a: {type: totp}\n", "missing-key", 5, "`call`"),
    "a score of what gives none": (
        "verifiers:\n  a: {type: totp, call: 'a:b', pass_at: 0.9}\n",
        "key-not-for-kind",
        5,
        "`window`",
    ),
    "a window of what has none": (
        "verifiers:\n  a: {type: code, call: 'a:b', window: 1}\n",
        "key-not-for-kind",
        5,
        "`expires`",
    ),
    "a code asked for again": (
        "verifiers:\n  a: {type: code, call: 'a:b', retries: 1}\n",
        "key-not-for-kind",
        5,
        "`retries`",
    ),
    "a code that counts for too long": (
        "verifiers:\n  a: {type: code, call: 'a:b', expires: 11m}\n",
        "out-of-range",
        5,
        "10m",
    ),
    "an answer read in two ways": (
        "verifiers:\n  a: {type: http, url: 'https://a', response: {score: /a, passed: /b}}\n",
        "answer-unclear",
        5,
        "keep one",
    ),
    "words without a meaning": (
        "verifiers:\n  a: {type: http, url: 'https://a', response: {verdict: /a}}\n",
        "answer-unclear",
        5,
        "need each other",
    ),
    "channels from two places": (
        "channels:\n  from: {claim: a, paths: [{path: /v, channel: voice}]}\n  trusts: {}\n",
        "channel-unclear",
        5,
        "one of",
    ),
    "a header from anybody": (
        "channels:\n  from: {header: X-Channel}\n  trusts: {}\n",
        "channel-unclear",
        5,
        "`secret_header`",
    ),
    "a header and a secret in one": (
        "channels:\n  from: {header: X-A, secret_header: x-a, secret_env: A}\n  trusts: {}\n",
        "channel-unclear",
        5,
        "`secret_env`",
    ),
    "a key file elsewhere": (
        "issuers:\n  - {issuer: a, audience: b, algorithms: [ES256], keys: {file: ../keys.json}}\n",
        "key-file-outside",
        5,
        "move it",
    ),
    "a window of nothing": (
        "issuers:\n- {issuer: a, audience: b, algorithms: [], keys: {}, sender_constraint: {type: none, window: 1s}}\n",
        "key-not-for-kind",
        5,
        "`type: none`",
    ),
    "an absolute key file": (
        "issuers:\n  - {issuer: a, audience: b, algorithms: [ES256], keys: {file: /etc/passwd}}\n",
        "key-file-outside",
        5,
        "move it",
    ),
}


@pytest.mark.parametrize(("typed", "code", "line", "part"), APART.values(), ids=APART)
def test_what_does_not_go_together_is_said_with_its_line(typed: str, code: str, line: int, part: str) -> None:
    errors = [problem for problem in assembled(typed)[1] if problem.severity == "error"]
    assert [(problem.code, problem.place.line) for problem in errors] == [(code, line)]
    assert part in str(errors[0])


#: what follows line 3; the line, and the path that is named
WAITING = {
    "signals as a source": ("accounts:\n  - {from: signals}\n", 5, "accounts[0].from: signals"),
    "signals": ("signals: {audience: a}\n", 4, "signals"),
    "streams": ("streams: {on_expiry: warn}\n", 4, "streams"),
    "criteria": ("rollback:\n  criteria: []\n", 5, "rollback.criteria"),
    "mcp tool": (operation("match: {mcp_tool: a}"), 5, "operations[0].match.mcp_tool"),
    "pointer": (operation("match: {path: /rpc, /method: tools}"), 5, "operations[0].match./method"),
}


@pytest.mark.parametrize(("typed", "line", "path"), WAITING.values(), ids=WAITING)
def test_what_this_release_does_not_enforce_it_does_not_accept(typed: str, line: int, path: str) -> None:
    draft, problems = assembled(typed)
    assert [(problem.code, problem.place.line, problem.severity) for problem in problems] == [
        ("not-in-this-release", line, "error")
    ]
    assert f"`{path}`" in problems[0].message
    assert not draft.operations


def test_what_was_never_in_the_language_is_no_promise_of_a_later_release() -> None:
    reading = load_draft(
        "f", text=(HEAD + operation("match: {path: /a}, limits: [{calls: 1, per: 1m, by: moon}]")).encode()
    )
    assert [problem.code for problem in reading.problems] == ["unknown-value"]


def test_verifiers_are_assembled_with_what_keeps_them_steady() -> None:
    draft, problems = assembled(
        "verifiers:\n  a: {type: http, url: 'https://a', pass_at: 0.9, fail_at: 0.1, retries: 1, "
        "breaker: {failures: 5, open_for: 30s}}\n  b: {type: python, call: 'a:b', pass_at: 1, fail_at: 0}\n"
    )
    one, two = draft.verifiers.values()
    assert (one.name, one.type, one.url, one.pass_at, one.fail_at) == ("a", "http", "https://a", 0.9, 0.1)
    assert (one.retries, one.failures, one.open_for) == (1, 5, 30.0)
    assert (one.answer_as, one.answer_at, one.interactive) == ("score", "/score", True)
    assert (two.name, two.type, two.call, two.failures) == ("b", "python", "a:b", 0)
    assert problems == ()


def test_ready_verifiers_are_assembled_with_their_own_keys() -> None:
    draft, problems = assembled(
        "verifiers:\n  app: {type: totp, call: 'a:b', window: 0, digits: 8}\n  sms: {type: code, call: 'a:c', "
        "expires: 2m, breaker: {failures: 5, open_for: 30s}}\n"
        "  kba: {type: kba, call: 'a:d', questions: [pet, street]}\n"
    )
    assert problems == ()
    app, sms, kba = (draft.verifiers[name] for name in ("app", "sms", "kba"))
    assert (app.type, app.call, app.window, app.digits) == ("totp", "a:b", 0, 8)
    assert (sms.type, sms.expires, sms.digits, sms.failures) == ("code", 120.0, 6, 5)
    assert (kba.type, kba.questions) == ("kba", ("pet", "street"))


def test_a_key_file_lies_within_the_folder_of_the_policy_also_by_symlink(tmp_path: Path) -> None:
    keys = "issuers: [{issuer: a, audience: b, algorithms: [ES256], keys: {file: %s}}]\n"
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    inside = load_draft(folder / "policy.yaml", text=(HEAD + keys % "keys/a.json").encode())
    assert inside.problems == ()
    assert inside.draft is not None
    assert inside.draft.issuers[0].key_file == str(folder / "keys/a.json")
    (folder / "loop.json").symlink_to(folder / "loop.json")
    loop = load_draft(folder / "policy.yaml", text=(HEAD + keys % "loop.json").encode())
    assert [problem.code for problem in loop.problems] == ["malformed-value"]
    outside = load_draft(folder / "policy.yaml", text=(HEAD + keys % "link.json").encode())
    assert [problem.code for problem in outside.problems] == ["key-file-outside"]


def test_the_digest_is_of_the_merged_document_and_of_nothing_else() -> None:
    text = b"authguard: 1\nname: x\nbase: true\nbudget: {request: 2s, body: 1MiB}\n"
    other = b"# a comment\nname: x\nbase: true\nauthguard: 1\nbudget:\n  body: 1MiB\n  request: '2s'\n"
    first, second = load_draft("a", text=text).draft, load_draft("b", text=other).draft
    assert first is not None
    assert second is not None
    document = {"authguard": 1, "name": "x", "base": True, "budget": {"request": "2s", "body": "1MiB"}}
    assert first.digest == sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    assert second.digest == first.digest
    changed = load_draft("a", text=text.replace(b"2s", b"3s")).draft
    assert changed is not None
    assert changed.digest != first.digest


def test_an_issuer_is_asked_and_its_tokens_are_bound() -> None:
    asked = "introspection: {url: 'https://a.example/introspect', client_id: us, secret_env: S"
    draft = draft_of(f"""
issuers:
  - {{issuer: a, audience: b, algorithms: [ES256], keys: discovery, {asked}}}, sender_constraint: dpop}}
  - issuer: c
    audience: b
    algorithms: [ES256]
    keys: discovery
    {asked}, on: always, cache: 5s}}
    sender_constraint: {{type: dpop, window: 10s, nonce: required}}
  - {{issuer: d, audience: b, algorithms: [ES256], keys: discovery}}
staff: {{claim: roles, issuer: []}}
operations:
  - {{name: act, match: {{path: /act}}, risk: sensitive, effect: write, actor: required}}
""")
    one, two, three = draft.issuers
    assert one.introspection == Introspection(url="https://a.example/introspect", client_id="us", secret_env="S")
    assert (one.sender_constraint, one.proof_window, one.nonce) == ("dpop", 60.0, False)
    assert two.introspection is not None
    assert (two.introspection.always, two.introspection.cache) == (True, 5.0)
    assert (two.sender_constraint, two.proof_window, two.nonce) == ("dpop", 10.0, True)
    assert (three.introspection, three.sender_constraint) == (None, "none")
    assert draft.operations[0].actor == "required"
