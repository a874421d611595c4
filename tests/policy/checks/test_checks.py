"""Every check refuses what it is for, and every code has a case that gives it."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authguard.core.approvers import Approvers
from authguard.core.content import Changes, ReplacedTimer
from authguard.core.cors import Cors
from authguard.core.credential_place import CredentialPlace
from authguard.core.decision_table import Rule
from authguard.core.deployment import (
    AccountSource,
    Assurance,
    Introspection,
    Issuer,
    Verifier,
)
from authguard.core.machine import Line, compile_machine
from authguard.core.outcomes import Fallback, Outcome
from authguard.core.request import Limit, Match, Operation
from authguard.core.sections import Reports, Settings
from authguard.core.timers import Timer
from authguard.core.verification import Method
from authguard.policy.catalogue import load_examples
from authguard.policy.checks import machine, table
from authguard.policy.checks.registry import CHECKS, CODES, run_checks
from authguard.policy.draft import Draft, Invariant
from authguard.policy.problem import Place, Problem
from authguard.policy.table.coverage import compute_coverage

if TYPE_CHECKING:
    from collections.abc import Callable

TIERS = (
    Limit(name="low", amount="5", currency="EUR", tier="low", then="await_approval"),
    Limit(name="high", amount="50", currency="EUR", tier="high", then="refuse"),
)
ISSUER = Issuer(issuer="https://idp.example", audience="us", algorithms=("ES256",), discovery=True)
REFUND = Operation(name="refund", match=Match(path="/refund", method="POST"), risk="high")


def at_address(draft: Draft, audience: str) -> Draft:
    """Give the app an address, and its issuer an audience."""
    return replace(
        draft, settings=Settings(public_url="https://shop.example"), issuers=(replace(ISSUER, audience=(audience,)),)
    )


COOKIE = CredentialPlace(kind="cookie", name="session")
SUBPROTOCOL = CredentialPlace(kind="subprotocol", name="bearer")
ASKED = Introspection(url="https://idp.example/introspect", client_id="us", secret_env="SECRET")


def from_header(draft: Draft, name: str) -> Draft:
    """Read the credential from one header."""
    return replace(draft, credentials=(CredentialPlace(kind="header", name=name),))


def method(name: str, *verifiers: str) -> Method:
    """Combine all of some verifiers."""
    return Method(name=name, verifiers=verifiers, need=len(verifiers))


def complete(draft: Draft) -> Draft:
    """Fill in what only a deployment can, so that nothing is left to refuse."""
    return replace(
        draft,
        base=False,
        issuers=(ISSUER,),
        accounts_declared=True,
        operations=(REFUND,),
        assurance=Assurance(order=("aal1", "aal2")),
        methods={"default": method("default", "otp"), "alternate": method("alternate", "otp")},
        verifiers={"otp": Verifier(name="otp", type="python", call="desk:otp")},
    )


def errors(draft: Draft) -> list[Problem]:
    return [problem for problem in run_checks(draft) if problem.severity == "error"]


def line(draft: Draft, machine: str, *lines: Line, first: bool = True, **changes: object) -> Draft:
    """Put lines into a machine, before the standard ones or instead of them."""
    spec = draft.machines[machine]
    spec = replace(spec, lines=(*lines, *spec.lines) if first else lines, **changes)
    return replace(draft, machines={**draft.machines, machine: spec})


def rule(draft: Draft, do: str = "refuse", **when: str) -> Draft:
    """Put one rule before the standard ones."""
    rules = (Rule(when={d: frozenset(v.split()) for d, v in when.items()}, do=do, index=0), *draft.rules)
    return replace(draft, rules=tuple(replace(r, index=i) for i, r in enumerate(rules)))


def skip(draft: Draft, **when: str) -> Draft:
    """Let one rule skip the phase `account`, before its other rules."""
    place = next(r.index for r in draft.rules if r.phase == "account")
    made = Rule(when={d: frozenset(v.split()) for d, v in when.items()}, do="skip_phase", index=0)
    rules = (*draft.rules[:place], made, *draft.rules[place:])
    return replace(draft, rules=tuple(replace(r, index=i) for i, r in enumerate(rules)))


def fallback(draft: Draft, name: str, **fields: object) -> Draft:
    base = draft.fallbacks.get(name, Fallback(name=name, kind=Outcome.DENY))
    return replace(draft, fallbacks={**draft.fallbacks, name: replace(base, **fields)})


def issuer(draft: Draft, **fields: object) -> Draft:
    return replace(draft, issuers=(replace(ISSUER, **fields),))


def asked(issuer: str = ISSUER.issuer, **fields: object) -> Issuer:
    """Describe an issuer that is asked about opaque tokens."""
    given = {"url": "https://idp.example/introspect", "client_id": "us", "secret_env": "S"}
    return replace(ISSUER, issuer=issuer, introspection=Introspection(**(given | fields)))


def operation(draft: Draft, **fields: object) -> Draft:
    return replace(draft, operations=(replace(REFUND, **fields),))


def timer(draft: Draft, event: str, since: str = "entered", after: float = 60, states: tuple[str, ...] = ()) -> Draft:
    return replace(draft, timers=(*draft.timers, Timer(event=event, after=after, since=since, states=states)))


def invariant(draft: Draft, **fields: object) -> Draft:
    return replace(draft, invariants=(*draft.invariants, Invariant(name="mine", **fields)))


def when(**values: str) -> dict[str, frozenset[str]]:
    return {dimension: frozenset(listed.split()) for dimension, listed in values.items()}


RAISING = Line(triggers=("ended",), sources=("*",), dest="revoked", raises=("verification.moved",))
BACK = Line(triggers=("moved",), sources=("*",), dest="unverified", raises=("session.ended",))


# ruff: noqa: E501 - one case a line reads best
#: code -> what is done to a complete policy -> what the message says
def undated(draft: Draft, kind: Outcome) -> Draft:
    """Let the issuer state no sign-in time, and answer that by an outcome."""
    answer = replace(draft.fallbacks["prove_identity"], kind=kind, queue="identity", attempts=0, per=0.0, then="")
    issuer = replace(draft.issuers[0], evidence="none")
    return replace(draft, issuers=(issuer,), fallbacks={**draft.fallbacks, "prove_identity": answer})


CASES: list[tuple[str, Callable[[Draft], Draft], str]] = [
    ("account-map", lambda d: replace(d, accounts=(AccountSource(name="c", claim="s", map={"ok": "norml"}),)), "`ok` maps to `norml`"),
    ("account-map", lambda d: replace(d, accounts=(AccountSource(name="c", claim="s", map={"ok": "unknown"}),)), "`unknown`"),
    ("accounts-undeclared", lambda d: replace(d, accounts_declared=False), "declares no source"),
    ("unknown-name", lambda d: replace(d, reports=Reports(app=frozenset({"account.normal"}))), "`account.normal`"),
    ("unknown-name", lambda d: replace(d, reports=Reports(app=frozenset({"account.restrictd"}))), "did you mean `account.restricted`"),
    ("unknown-name", lambda d: replace(d, reports=Reports(app=frozenset({"session.ended"}))), "`session.ended`"),
    ("actor-unmet", lambda d: operation(d, actor="required"), "is for agents and representatives only"),
    ("algorithm-mixed", lambda d: issuer(d, algorithms=("HS256", "ES256"), secret_env="S", discovery=False), "pass for a secret"),
    ("algorithm-none", lambda d: issuer(d, algorithms=("ES256", "None")), "unsigned"),
    ("algorithm-secret", lambda d: issuer(d, algorithms=("HS256",)), "allows HS\\* without `secret_env`"),
    ("algorithm-secret", lambda d: issuer(d, secret_env="S", discovery=False), "has a secret and allows no HS"),
    ("algorithm-unknown", lambda d: issuer(d, algorithms=("ES255",)), "`ES255`.*did you mean `ES256`"),
    ("amount-scale", lambda d: operation(d, amount_at="/a", scale=2, currency="KWD", limits=(Limit(name="r/0", amount="5", currency="KWD"),)), "`KWD` has 3 minor digits"),
    ("amount-undeclared", lambda d: operation(d, limits=(Limit(name="r/0", amount="5", currency="EUR"),)), "the place of the amount"),
    ("amount-undeclared", lambda d: operation(d, amount_at="/a", limits=(Limit(name="r/0", amount="5", currency="EUR"),)), "the currency"),
    ("amount-undeclared", lambda d: operation(d, amount_at="/a", currency="USD", limits=(Limit(name="r/0", amount="5", currency="EUR"),)), "in `EUR`"),
    ("payee-undeclared", lambda d: operation(d, limits=(Limit(name="r/0", calls=5, per=60.0, by="payee"),)), "the place of the payee"),
    ("amount-idle", lambda d: operation(d, effect="read", amount_at="/a", currency="EUR"), "has `amount` and `effect: read`"),
    ("channel-undeclared", lambda d: replace(d, channels=replace(d.channels, trusts={"app": frozenset({"wbe"}), "web": frozenset()})), "`trusts` of `app` names the channel `wbe`.*did you mean `web`"),
    ("currency-unknown", lambda d: operation(d, amount_at="/a", currency="EUT"), "`EUT` is no currency.*write `EUR`"),
    ("invariant-vacuous", lambda d: invariant(operation(d, max_age=0.0), never=when(operation="refund", assurance="stale", outcome="allow")), "says nothing of `refund`"),
    ("retry-expiry", lambda d: replace(d, fallbacks={**d.fallbacks, "back": Fallback(name="back", kind=Outcome.RETRY, until_expiry=True)}, on_fault="back"), "a fault of the guard has no rule"),
    ("rule-impossible", lambda d: replace(operation(d, scopes=frozenset()), base=False, rules=(Rule(when=when(operation="refund", scope="missing"), do="refuse", index=0), *(replace(one, index=one.index + 1) for one in d.rules))), "of `refund`, none needs `scopes`"),
    ("invariant-idle", lambda d: invariant(d, never={"account": frozenset(), "outcome": frozenset({"allow"})}), "`account` names no value"),
    ("issuer-address", lambda d: issuer(d, issuer="https://*.idp.example"), "has a wildcard"),
    ("limit-currencies", lambda d: operation(d, amount_at="/a", currency_at="/c", limits=(Limit(name="r/0", amount="5", currency="EUR"), Limit(name="r/1", amount="5", currency="USD"))), "in `EUR` and `USD`"),
    ("max-age-idle", lambda d: operation(d, max_age=90_000.0), "a session ends 12h after its sign-in"),
    ("timer-dropped", lambda d: replace(d, timers=tuple(one for one in d.timers if one.states != ("approved",)), changes=Changes(timers=(ReplacedTimer(event="transaction.lapsed", after="5m", since="entered", states=("approved",)),))), "no longer falls due in `approved`; add `- {event: transaction.lapsed, after: 5m, since: entered, states: .approved.}`"),
    ("value-unusual", lambda d: fallback(d, "await_approval", approvers=(Approvers("supervisor", 20),)), "`count: 20` is unusual"),
    ("approved-held", lambda d: rule(d, "await_approval", risk="high", actor="agent"), "holds what is approved already"),
    ("idempotency-idle", lambda d: operation(d, idempotency=True, effect="read"), "a read may be repeated freely"),
    ("idempotency-idle", lambda d: operation(d, idempotency=True, risk="public"), "no subject that owns the key"),
    ("idempotency-idle", lambda d: rule(operation(d, idempotency=True, risk="routine"), "allow", risk="routine", credential="good", session="active", service="live", scope="granted", actor="subject"), "to run once under its `Idempotency-Key`, and rule `0:allow`"),
    ("assurance-unknown", lambda d: operation(d, acr="aal3"), "`aal3`"),
    ("assurance-unknown", lambda d: replace(d, identity="gold"), "`gold`"),
    ("assurance-unknown", lambda d: fallback(d, "step_up", acr="aal9"), "`aal9`"),
    ("assurance-unknown", lambda d: replace(d, assurance=Assurance(order=("aal1",), map={"x": "aal2"})), "`aal2`"),
    ("attempts-incomplete", lambda d: fallback(d, "refuse", attempts=3), "does not say `per` and `then`"),
    ("attempts-incomplete", lambda d: fallback(d, "step_up", attempts=0), "`attempts`"),
    ("chain-loop", lambda d: line(line(d, "session", RAISING), "verification", BACK), "`session.ended` raises itself: .* -> `verification.moved` -> `session.ended`"),
    ("chain-loop", lambda d: line(d, "session", replace(RAISING, raises=("service.impaired",) * 9)), "9 further events"),
    ("duplicate-name", lambda d: replace(d, operations=(REFUND, replace(REFUND, match=Match(path="/other")))), "operation `refund`"),
    ("duplicate-name", lambda d: replace(d, issuers=(ISSUER, ISSUER)), "idp.example"),
    ("duplicate-name", lambda d: line(d, "session", states=(*d.machines["session"].states, "idle")), "state `idle` twice"),
    ("duplicate-name", lambda d: fallback(d, "allow"), "engine's own"),
    ("fault-admits", lambda d: replace(d, on_fault="read_only"), "a `restrict`"),
    ("fault-admits", lambda d: replace(d, on_fault="sign_in"), "a `challenge`"),
    ("hold-without-approver", lambda d: fallback(d, "await_approval", approvers=()), "no approvers"),
    ("event-demanded", lambda d: line(d, "service", Line(triggers=("engaged",), sources=("*",), dest="=")), "an operator could not stop the agent"),
    ("initial-demanded", lambda d: line(d, "verification", initial="verified"), "begins in `verified`, the state of a proven identity"),
    ("skip-idle", lambda d: skip(d, account="minor", risk="sensitive", effect="write"), "`[0-9]+:skip_phase` changes no answer"),
    ("skip-over", lambda d: skip(d, account="minor", risk="high"), "leaves out .*`[0-9]+:to_a_person`"),
    ("skip-where", lambda d: replace(d, rules=tuple(replace(r, do="skip_phase") if r.phase == "identity" else r for r in d.rules)), "skips the phase `identity`"),
    ("state-demanded", lambda d: line(d, "account", states=tuple(s for s in d.machines["account"].states if s != "normal")), "no state `normal`"),
    ("initial-unknown", lambda d: line(d, "session", initial="gone"), "begins in `gone`"),
    ("invariant-broken", lambda d: rule(d, "allow", risk="high"), "rule `0:allow`.*leads to `allow`.*for one: service `live`"),
    ("invariant-broken", lambda d: fallback(d, "sign_in_fresh", then="read_only"), "leads to `restrict`"),
    ("invariant-broken", lambda d: invariant(d, never=when(account="locked", outcome="handoff")), "leads to `handoff`"),
    ("invariant-broken", lambda d: invariant(d, never=when(service="degraded")), "`mine` is broken"),
    ("invariant-empty", invariant, "`mine` has no content"),
    ("introspection-ambiguous", lambda d: replace(d, issuers=(asked(), asked(issuer="https://b.example"))), "`https://b.example` is the second"),
    ("introspection-cache", lambda d: replace(d, issuers=(asked(cache=3_601.0),)), "longer than its tokens live"),
    ("introspection-optional", lambda d: replace(d, issuers=(asked(optional=frozenset({"sub"})),)), "names the subject"),
    ("introspection-optional", lambda d: replace(d, issuers=(asked(optional=frozenset({"aud"})),)), "any active token"),
    ("issuer-insecure", lambda d: replace(d, issuers=(asked(url="http://idp.example/introspect"),)), "tokens would leak"),
    ("issuer-audience", lambda d: issuer(d, audience=""), "no audience"),
    ("issuer-insecure", lambda d: issuer(d, issuer="http://idp.example"), "without TLS"),
    ("issuer-http", lambda d: issuer(d, issuer="http://idp.internal", insecure_http=True), "can sign in"),
    ("issuer-tenants", lambda d: issuer(d, tenants=("a",)), "no place for them"),
    ("issuer-tenants", lambda d: issuer(d, issuer="https://idp.example/{tenantid}"), "names none"),
    ("issuer-insecure", lambda d: issuer(d, discovery=False, jwks_uri="http://127.0.0.1.evil.example/k"), "without TLS"),
    ("issuer-insecure", lambda d: issuer(d, discovery=False, jwks_uri="file:///etc/keys"), "without TLS"),
    ("issuer-keys", lambda d: issuer(d, discovery=False), "names no sources"),
    ("issuer-leeway", lambda d: issuer(d, leeway=61.0), "61 s off"),
    ("issuer-keys", lambda d: issuer(d, key_file="k.json"), "names 2 sources"),
    ("issuer-missing", lambda d: replace(d, issuers=()), "no issuer is declared"),
    ("issuer-without-algorithms", lambda d: issuer(d, algorithms=()), "list of signature algorithms"),
    ("limit-incomplete", lambda d: operation(d, limits=(Limit(name="r/0"),)), "counts nothing"),
    ("limit-incomplete", lambda d: operation(d, amount_at="/a", currency="EUR", limits=(Limit(name="r/0", amount="5", currency="EUR", calls=2),)), "both"),
    ("limit-shadowed", lambda d: operation(d, amount_at="/a", currency="EUR", limits=TIERS), "`high` never decides: what exceeds it exceeds `low`"),
    ("limit-order", lambda d: operation(d, amount_at="/a", currency="EUR", limits=(TIERS[0], replace(TIERS[1], per=60.0))), "may be approved still, and `refuse` may not"),
    ("machine-hole", lambda d: line(d, "session", *d.machines["session"].lines[:-1], first=False), "no answer to `accepted` in states `absent` and `active`;"),
    ("machine-missing", lambda d: replace(d, machines={n: s for n, s in d.machines.items() if n != "service"}), "`service` is not declared"),
    ("method-unknown", lambda d: replace(d, methods={"default": method("default", "otp")}), "method `alternate`"),
    ("method-unknown", lambda d: replace(d, methods={**d.methods, "default": method("default", "opt")}), "did you mean `otp`"),
    ("method-unknown", lambda d: replace(d, methods={**d.methods, "default": method("default")}), "no verifier"),
    ("methods-missing", lambda d: fallback(d, "prove_identity", methods=()), "names no verification method"),
    ("cors-open", lambda d: replace(d, cors=Cors(declared=True, allow_origins=("*",), allow_credentials=True)), "sends cookies along"),
    ("cors-origin", lambda d: replace(d, cors=Cors(declared=True)), "allows no origin"),
    ("cookie-origin", lambda d: replace(d, credentials=(COOKIE,)), "names no origin"),
    ("audience-elsewhere", lambda d: at_address(d, "https://other.example"), "neither `https://shop.example` nor.*add `https://shop.example`"),
    ("audience-elsewhere", lambda d: at_address(d, "http://shop.example"), "neither `https://shop.example` nor"),
    ("audience-elsewhere", lambda d: at_address(d, "https://shop.example/refnd"), "no operation is at or below `/refnd`.*did you mean `/refund`"),
    ("audience-partial", lambda d: replace(at_address(d, "https://shop.example/chat"), admits_unnamed=True), "`refund` is outside.*add `https://shop.example`"),
    ("cookie-origin", lambda d: replace(d, credentials=(replace(COOKIE, origins=frozenset({"*"})),)), "any page could use"),
    ("cookie-origin", lambda d: replace(d, credentials=(replace(COOKIE, origins=frozenset({"http://shop.example"})),)), "without TLS"),
    ("credential-bound", lambda d: operation(from_header(d, "x-token"), binds=("x-tenant", "x-token")), "`refund` binds `x-token`"),
    ("credential-bound", lambda d: operation(replace(d, credentials=(SUBPROTOCOL,)), binds=("sec-websocket-protocol",)), "binds `sec-websocket-protocol`"),
    ("credential-header", lambda d: from_header(d, "x-forwarded-user"), "carries a name"),
    ("credential-header", lambda d: from_header(d, "x-amzn-oidc-data"), "no standard JWT.*X-Amzn-Oidc-Accesstoken"),
    ("credential-header", lambda d: from_header(d, "authorization"), "cannot be the header.*write `authorization`"),
    ("credential-header", lambda d: from_header(d, "cookie"), "cannot be the header.*cookie: NAME"),
    ("credential-header", lambda d: from_header(d, "sec-fetch-site"), "cannot be the header"),
    ("credential-header", lambda d: from_header(replace(d, channels=replace(d.channels, header="x-channel")), "x-channel"), "header of `channels` too"),
    ("credential-opaque", lambda d: from_header(replace(d, issuers=(replace(ISSUER, introspection=ASKED),)), "x-token"), "may stand in `header: x-token`.*never trusts the proxy"),
    ("credential-unbound", lambda d: from_header(replace(d, issuers=(replace(ISSUER, sender_constraint="dpop"),)), "x-token"), "no place takes the scheme `DPoP`"),
    ("need-ignored", lambda d: operation(d, actor="forbidden", risk="public", effect="read"), "requires `actor`"),
    ("need-ignored", lambda d: operation(d, risk="routine", effect="read", acr="aal1"), "requires `assurance`, and rule `29:allow` does not check.*assurance `insufficient`"),
    ("need-ignored", lambda d: operation(d, risk="public", scopes=frozenset({"s"})), "requires `scopes`, and rule `0:allow`"),
    ("need-ignored", lambda d: operation(d, risk="public", limits=(Limit(name="r/0", calls=1, per=60),)), "requires `limits`"),
    ("operation-shadowed", lambda d: replace(d, operations=(REFUND, replace(REFUND, name="again"))), "`again` is never met: `refund`"),
    ("risk-own", lambda d: operation(d, risk="staff"), "`risk: staff`.*`roles: .supervisor.`"),
    ("risk-own", lambda d: operation(d, risk="self"), "`risk: self`.*`risk: routine`"),
    ("roles-unclaimed", lambda d: replace(operation(d, roles=frozenset({"supervisor"})), staff_claim=""), "no claim with roles"),
    ("need-ignored", lambda d: rule(operation(d, roles=frozenset({"supervisor"})), "allow", risk="high", session="active", verification="verified", credential="good", scope="missing", service="live", transaction="none"), "requires `roles`"),
    ("name-reserved", lambda d: operation(d, name="otherwise"), "`otherwise` has a reserved name"),
    ("name-reserved", lambda d: operation(d, name="authguard-session"), "`authguard-session`"),
    ("otherwise-open", lambda d: replace(d, admits_unnamed=True, otherwise=replace(d.otherwise, risk="public")), "would be `public`"),
    ("otherwise-open", lambda d: replace(d, admits_unnamed=True, otherwise=replace(d.otherwise, risk="self")), "would be `self`"),
    ("promise-broken", lambda d: rule(d, "refuse", account="deceased closed"), "`nobody is trapped` does not hold: with events by caller and clock no .* from .*account `.*reached by: .*account."),
    ("promise-broken", lambda d: invariant(d, always_reachable=("deny",), by=("clock",)), "`mine` does not hold: with events by clock"),
    ("proof-unearned", lambda d: timer(d, "verification.passed", states=("ambiguous",)), "`verification.passed`"),
    ("proof-unearned", lambda d: line(d, "service", Line(triggers=("repaired",), sources=("degraded",), dest="live", raises=("transaction.approved",))), "`transaction.approved`"),
    ("public-url-missing", lambda d: issuer(d, sender_constraint="dpop"), "by which address"),
    ("queue-missing", lambda d: fallback(d, "to_a_person", queue=""), "has no queue"),
    ("outcome-unmet", lambda d: rule(d, "await_approval", credential="missing"), "leads to `hold` by `await_approval` without a proven credential"),
    ("outcome-unmet", lambda d: rule(d, "say_again", credential="good", transaction="done failed"), "`repeat` by `say_again` without a transaction that has run"),
    ("raise-unowned", lambda d: line(d, "service", replace(RAISING, triggers=("engaged",), dest="rolled_back", raises=("session.revoked",))), "`session.revoked`, and the service has no one"),
    ("restrict-empty", lambda d: fallback(d, "read_only", effects=frozenset()), "has no effects"),
    ("restricts-writes", lambda d: rule(d, "read_only", risk="routine", account="dormant", session="active", credential="good", scope="granted", service="live", verification="verified"), "restricts writes by `read_only`"),
    ("rule-shadowed", lambda d: replace(d, rules=(*d.rules, Rule(when={}, do="refuse", index=len(d.rules)))), "decides nothing: .*`0:allow`"),
    ("service-insecure", lambda d: replace(d, verifiers={"otp": Verifier(name="otp", type="http", url="http://otp.example")}), "without TLS"),
    ("status-wrong", lambda d: fallback(d, "refuse", status=200), "the status 200.*4xx"),
    ("status-wrong", lambda d: fallback(d, "await_approval", status=403), "the status 403.*2xx"),
    ("table-gap", lambda d: replace(d, rules=d.rules[:-1]), "no rule decides 524 cells .widest: .*session `active`.*for one: .*add `- {when:"),
    ("then-admits", lambda d: fallback(d, "step_up", then="read_only"), "`read_only` lets the request through"),
    ("then-loop", lambda d: fallback(fallback(d, "step_up", then="prove_identity"), "prove_identity", then="step_up"), "cycle"),
    ("then-open", lambda d: fallback(d, "step_up", then="try_later"), "ends in `try_later`, a `retry`"),
    ("timer-idle", lambda d: timer(d, "session.idled", since="last_seen", states=("expired",)), "never falls due"),
    ("timer-loop", lambda d: timer(d, "service.impaired", states=("live",)), "`degraded` -> `live` -> `degraded`"),
    ("timer-loop", lambda d: line(line(d, "session", replace(RAISING, triggers=("aged",), sources=("active",))), "verification", replace(BACK, sources=("unverified",), dest="pending", raises=())), "`verification` through a cycle: `pending` -> `unverified` -> `pending`"),
    ("timer-moment", lambda d: timer(d, "transaction.lapsed", since="last_seen"), "no moment `last_seen`"),
    ("timer-moment", lambda d: timer(d, "transaction.lapsed", after=0), "has no delay"),
    ("transition-shadowed", lambda d: line(d, "session", *d.machines["session"].lines, RAISING, first=False), "line 9 of machine `session` has no effect"),
    ("transaction-idle", lambda d: operation(d, risk="sensitive", binds=("x-tenant",), failed_on=frozenset({409})), "has `binds` and `failed_on`, and its requests are no transactions"),
    ("trap", lambda d: rule(d, "try_later", account="deceased closed"), "no .* ever comes to .*from service `live`, account `deceased`"),
    ("unknown-name", lambda d: rule(d, sesion="active"), "`sesion`.*did you mean `session`"),
    ("unknown-name", lambda d: rule(d, session="actve"), "`actve` is not a value of `session`; did you mean `active`"),
    ("unknown-name", lambda d: rule(d, outcome="allow"), "`outcome`"),
    ("unknown-name", lambda d: rule(d, "refus", session="active"), "`refus` is not a fallback; did you mean `refuse`"),
    ("unknown-name", lambda d: invariant(d, never=when(outcome="alow")), "`alow`"),
    ("unknown-name", lambda d: invariant(d, always_reachable=("handof",)), "`handof`"),
    ("unknown-name", lambda d: line(d, "session", replace(RAISING, triggers=("endd",))), "`endd`"),
    ("unknown-name", lambda d: line(d, "session", replace(RAISING, sources=("activ",))), "`activ`"),
    ("unknown-name", lambda d: line(d, "session", replace(RAISING, dest="activ")), "`activ` is not a state of machine `session`; did you mean `active`"),
    ("unknown-name", lambda d: line(d, "session", replace(RAISING, raises=("verification.movd",))), "`verification.movd`.*did you mean `verification.moved`"),
    ("unknown-name", lambda d: replace(d, machines={**d.machines, "sesion": d.machines["session"]}), "`sesion` is not a machine"),
    ("unknown-name", lambda d: timer(d, "session.ided"), "`session.ided`"),
    ("unknown-name", lambda d: timer(d, "session.idled", "last_seen", states=("activ",)), "`activ`"),
    ("unknown-name", lambda d: fallback(d, "step_up", then="nobody"), "`nobody`"),
    ("unknown-name", lambda d: fallback(d, "step_up", then="allow"), "`allow` is not a fallback"),
    ("unknown-name", lambda d: fallback(d, "refuse", discloses=frozenset({"acount"})), "`acount`"),
    ("unknown-name", lambda d: replace(d, on_fault="nothing"), "`nothing`"),
    ("sign-in-undated", lambda d: replace(operation(d, max_age=300.0), issuers=(replace(d.issuers[0], evidence="none"),)), "carry no sign-in time: .* is asked to verify again; `max_age` of `refund` needs a verifier"),
    ("sign-in-undated", lambda d: undated(operation(d, max_age=300.0), Outcome.HANDOFF), "is handed to a person; nothing satisfies `max_age` of `refund`"),
    ("sign-in-undated", lambda d: undated(d, Outcome.DENY), "an idle, expired or signed-out customer is refused"),
    ("sign-in-undated", lambda d: rule(undated(d, Outcome.VERIFY), "nowhere", risk="high"), "customer is refused; the records"),
    ("sign-in-undated", lambda d: replace(d, issuers=(replace(d.issuers[0], evidence="sid"),)), "is asked to verify again, unless the session id is a new one; the records"),
    ("trap", lambda d: rule(d, "sign_in_fresh", credential="undated"), "with an undated credential ever comes to"),
    ("unknown-name", lambda d: operation(d, risk="hgh"), "`hgh`.*did you mean `high`"),
    ("unreachable-state", lambda d: line(d, "session", states=(*d.machines["session"].states, "paused")), "state `paused`"),
]  # fmt: skip


def test_the_standard_policy_and_a_complete_one_have_nothing_to_refuse(standard_draft: Draft) -> None:
    assert errors(standard_draft) == []
    assert errors(complete(standard_draft)) == []


@pytest.mark.parametrize(("code", "change", "says"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)])
def test_a_check_says_what_is_wrong(
    standard_draft: Draft, code: str, change: Callable[[Draft], Draft], says: str
) -> None:
    problems = run_checks(change(complete(standard_draft)))
    said = [str(problem) for problem in problems if problem.code == code]
    assert any(re.search(says, text) for text in said), [str(problem) for problem in problems]
    assert all("\n" not in str(problem) and not problem.message.endswith(".") for problem in problems)
    assert {problem.code for problem in problems} <= set(CODES)


def test_every_code_is_documented_and_has_a_case() -> None:
    tried = {code for code, _, _ in CASES}
    shown = {code for code, example in load_examples().items() if not example.no_example}
    assert tried <= set(CODES)
    assert set(CODES) - tried - shown == {"undecided"}
    assert list(CODES) == sorted(CODES)
    assert len(set(CHECKS)) == len(CHECKS)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(RAISING, triggers=("endd",)),
        replace(RAISING, sources=("activ", "idl")),
        replace(RAISING, dest="revokd"),
        replace(RAISING, raises=("verification.movd",)),
    ],
)
def test_a_wrong_name_in_a_transition_is_the_only_problem_of_its_line(standard_draft: Draft, wrong: Line) -> None:
    states = (*standard_draft.machines["session"].states, "paused")
    problems = errors(line(complete(standard_draft), "session", wrong, states=states))
    found = [problem.code for problem in problems if problem.code != "table-gap"]  # no rule names the new state
    assert found == ["unknown-name"] * len(wrong.sources)


@pytest.mark.parametrize(
    "audience", ["us", "https://shop.example", "https://shop.example/", "https://shop.example/refund", "api://shop"]
)
def test_an_audience_that_clients_ask_for_is_no_problem(standard_draft: Draft, audience: str) -> None:
    assert not [one for one in run_checks(at_address(complete(standard_draft), audience)) if "audience" in one.code]


def test_all_problems_are_told_at_once_in_the_order_of_the_file(standard_draft: Draft) -> None:
    broken = complete(standard_draft)
    for _, change, _ in (CASES[0], CASES[10], CASES[33]):
        broken = change(broken)
    broken = replace(broken, places={"": Place("p.yaml", 9, 1), "identity": Place("p.yaml", 2, 3)}, identity="gold")
    places = [problem.place for problem in run_checks(broken)]
    assert places == sorted(places)
    assert places[0] == Place("p.yaml", 2, 3)


@pytest.mark.parametrize("change", [lambda d: replace(d, issuers=()), lambda d: replace(d, accounts_declared=False)])
def test_a_base_need_not_say_what_only_a_deployment_can(
    standard_draft: Draft, change: Callable[[Draft], Draft]
) -> None:
    draft = change(complete(standard_draft))
    assert errors(draft) != []
    assert errors(replace(draft, base=True)) == []


def test_rules_too_tangled_are_refused_and_nothing_else_is_claimed_of_them(
    standard_draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    tight = partial(compute_coverage, boxes=20, nodes=20)
    monkeypatch.setattr(table, "compute_coverage", tight)
    problems = errors(complete(standard_draft))
    assert [problem.code for problem in problems] == ["undecided"]


def test_a_line_and_a_rule_that_an_extending_file_overrides_are_noted_and_not_refused(standard_draft: Draft) -> None:
    base, own = Place("standard.yaml", 1, 1), Place("mine.yaml", 1, 1)
    draft = rule(complete(standard_draft), "refuse", transaction="done")
    draft = line(draft, "session", Line(triggers=("idled",), sources=("*",), dest="expired"))
    places = {f"decisions[{i}]": base for i in range(1, len(draft.rules))}
    places |= {f"machines.session.transitions[{i}]": base for i in range(1, len(draft.machines["session"].lines))}
    places |= {"decisions[0]": own, "machines.session.transitions[0]": own, "": own, "machines.session.states": base}
    draft = replace(draft, places=places)
    notes = {problem.code for problem in run_checks(draft) if problem.severity == "note"}
    assert notes == {"overridden", "unreachable-state"}
    assert errors(draft) == []
    assert {p.code for p in errors(replace(draft, places={}))} == {
        "rule-shadowed",
        "transition-shadowed",
        "unreachable-state",
    }


@pytest.mark.parametrize(
    ("earlier", "later", "covered"),
    [
        (Match(path="/a/{x}"), Match(path="/a/{y}", method="GET"), True),
        (Match(path="/a/{x}"), Match(path="/a/b"), True),
        (Match(path="/a/{rest:path}"), Match(path="/a/b/c"), True),
        (Match(path="/a/{rest:path}"), Match(path="/a"), False),
        (Match(path="/a/b"), Match(path="/a/{x}"), False),
        (Match(path="/a/{x}", method="GET"), Match(path="/a/{x}", method="POST"), False),
        (Match(path="/a/{x}", method="GET"), Match(path="/a/{x}"), False),
        (Match(path="/a/{x}"), Match(path="/a/{rest:path}"), False),
        (Match(path="/a"), Match(path="/a/b"), False),
        (Match(method="GET"), Match(path="/a", method="GET"), True),
        (Match(path="/a"), Match(method="GET"), False),
        (Match(path="/live"), Match(websocket="/live"), False),
        (Match(websocket="/{x}"), Match(websocket="/live"), True),
    ],
)
def test_an_operation_hides_another_only_where_it_takes_all_of_it(
    standard_draft: Draft, earlier: Match, later: Match, *, covered: bool
) -> None:
    pair = (Operation(name="first", match=earlier), Operation(name="second", match=later))
    found = [
        p for p in run_checks(replace(complete(standard_draft), operations=pair)) if p.code == "operation-shadowed"
    ]
    assert bool(found) is covered


@pytest.mark.parametrize(
    "address", ["https://idp.example", "http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost"]
)
def test_keys_come_by_tls_or_from_this_machine(standard_draft: Draft, address: str) -> None:
    assert errors(issuer(complete(standard_draft), issuer=address)) == []


def test_every_hole_comes_with_the_line_that_fills_it(standard_draft: Draft) -> None:
    spec = standard_draft.machines["session"]
    for gone in range(len(spec.lines)):
        draft = line(standard_draft, "session", *spec.lines[:gone], *spec.lines[gone + 1 :], first=False)
        holes = list(machine.check_totality(draft))
        lines = [
            Line(
                triggers=tuple(re.findall(r"\w+", found[1])),
                sources=tuple(re.findall(r"\w+|\*", found[2])),
                dest="=",
            )
            for problem in holes
            if (found := re.search(r"trigger: (\[.*?\]|\w+), source: (\[.*?\]|'\*'|\w+), dest", problem.advice))
        ]
        assert len(lines) == len(holes)
        compile_machine(
            replace(spec, lines=(*draft.machines["session"].lines, *lines))
        )  # total again, or it would not build


@given(st.sets(st.integers(0, 37), min_size=1, max_size=4), st.data())
def test_taking_rules_away_either_leaves_no_gap_or_says_where(
    standard_draft: Draft, gone: set[int], data: st.DataObject
) -> None:
    kept = tuple(r for r in standard_draft.rules if r.index not in gone)
    draft = replace(standard_draft, rules=tuple(replace(r, index=i) for i, r in enumerate(kept)))
    values = table.table_space(draft).values
    cell = data.draw(st.tuples(*(st.sampled_from(known) for known in values.values())))
    gaps = list(table.check_gaps(draft))
    if not gaps:
        assert any(r.matches(cell) for r in draft.rules)
    else:
        shown = tuple(value for _, value in gaps[0].cell)
        assert len(shown) == len(values)
        assert not any(r.matches(shown) for r in draft.rules)


def test_the_figures_are_those_of_the_design(standard_draft: Draft) -> None:
    figures = table.count_proved(standard_draft)
    assert (figures.pairs, figures.cells, figures.rules, figures.invariants) == (411, 254_741_760, 47, 8)
