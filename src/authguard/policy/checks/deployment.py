"""Checks of deployment settings: issuers, account sources, services, operations, limits, levels and methods."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from authguard.core.currency import MINOR_DIGITS
from authguard.core.decision_table import CONDITIONS
from authguard.core.deployment import expand_tenants
from authguard.formats.urls import is_secure
from authguard.policy.checks.machine import unknown_name
from authguard.policy.checks.read_operation import moves_nothing
from authguard.policy.problem import Place, Problem, list_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from authguard.core.deployment import Issuer
    from authguard.core.request import Match, Operation
    from authguard.policy.draft import Draft

SYMMETRIC: Final = ("HS256", "HS384", "HS512")
ASYMMETRIC: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519"),
)
#: most clock difference in seconds
MAX_LEEWAY_S: Final = 60.0
#: reserved operation names: requests without an operation are recorded under the first, and the names of the guard's
#: endpoints start with the second
UNNAMED: Final = "otherwise"
RESERVED_PREFIX: Final = "authguard"
#: reserved risk of the guard's endpoints -> advice for an operation of the app
RESERVED_RISKS: Final = {
    "self": "write `risk: routine`, or `sensitive` where it shows or changes what only the customer may",
    "staff": "write `risk: sensitive` or `high`, and the roles that may: `roles: [supervisor]`",
}
#: risks that `otherwise` may not have: without requirements, or with those of the guard's endpoints
OPEN: Final = frozenset({"public", "self", "staff"})


def check_account_sources(draft: Draft) -> Iterator[Problem]:
    """Check that account sources are declared and map to states that a report can raise."""
    if not draft.accounts_declared and not draft.base:
        message = "the policy declares no source of account states"
        advice = (
            "write `accounts: none` where every account is `normal`, else `- {from: claim, claim: NAME, map: {...}}`"
        )
        yield Problem(code="accounts-undeclared", place=draft.place("accounts"), message=message, advice=advice)
    reported = tuple(
        state
        for state in (draft.machines["account"].states if "account" in draft.machines else ())
        if state in draft.machines["account"].triggers
    )
    for index, source in enumerate(draft.accounts):
        place = draft.place(f"accounts[{index}]", "accounts")
        if "" in source.map:
            message = "an empty status is never mapped, since a value that is no status counts as one"
            yield Problem(code="account-map", place=place, message=message, advice="remove it from `map`")
        for status, state in source.map.items():
            if state not in reported:
                found = unknown_name(place, "an account state that a report can raise", state, reported)
                message = f"`{status}` maps to `{state}`, which is no account state that a report can raise"
                yield Problem(code="account-map", place=place, message=message, advice=found.advice)
    yield from _unique(draft.place("accounts"), "account source", (source.name for source in draft.accounts))


def check_app_reports(draft: Draft) -> Iterator[Problem]:
    """Check that `reports` lists account events that a report can raise."""
    account = draft.machines.get("account")
    if account is None:
        return
    states = (state for state in account.states if state in account.triggers and state != "normal")
    known = tuple(f"account.{state}" for state in states)
    for event in sorted(draft.reports.app - set(known)):
        yield unknown_name(
            draft.place("reports.app", "reports"), "an account event that the app may report", event, known
        )


def _unique(place: Place, what: str, names: Iterable[str]) -> Iterator[Problem]:
    for name, times in Counter(names).items():
        if times > 1:
            yield Problem(code="duplicate-name", place=place, message=f"two of one name: {what} `{name}`")


def check_issuers(draft: Draft) -> Iterator[Problem]:
    """Check that issuers exist and have an audience and named algorithms (RFC 8725 3)."""
    if not draft.issuers and not draft.base:
        advice = "add `issuers: [{issuer: https://..., audience: ..., algorithms: [ES256], keys: discovery}]`"
        yield Problem(
            code="issuer-missing", place=draft.place("issuers"), message="no issuer is declared", advice=advice
        )
    names = (one for issuer in draft.issuers for one in expand_tenants(issuer.issuer, issuer.tenants))
    yield from _unique(draft.place("issuers"), "issuer", names)
    for index, issuer in enumerate(draft.issuers):
        place = draft.place(f"issuers[{index}]", "issuers")
        yield from _algorithms(place, issuer)
        yield from _asking(draft.place(f"issuers[{index}].introspection", f"issuers[{index}]"), issuer)
        if not issuer.audience:
            message = f"issuer `{issuer.issuer}` has no audience, so tokens for someone else would pass"
            yield Problem(code="issuer-audience", place=place, message=message, advice="add `audience: NAME`")
        if issuer.leeway > MAX_LEEWAY_S:
            message = f"issuer `{issuer.issuer}` is allowed a clock that is {issuer.leeway:g} s off"
            advice = f"at most {MAX_LEEWAY_S:g}s: a longer `leeway` lets expired tokens in (RFC 7519 4.1.4)"
            yield Problem(code="issuer-leeway", place=place, message=message, advice=advice)


def _asking(place: Place, issuer: Issuer) -> Iterator[Problem]:
    """Check that introspection uses TLS, and that its answers expire no later than the tokens."""
    asked = issuer.introspection
    if asked is None:
        return
    if not is_secure(asked.url):
        message = f"issuer `{issuer.issuer}` has its introspection at `{asked.url}` without TLS: tokens would leak"
        yield Problem(code="issuer-insecure", place=place, message=message, advice="use https")
    if asked.cache > issuer.max_lifetime:
        message = f"introspection responses of issuer `{issuer.issuer}` would be used for longer than its tokens live"
        advice = "write a shorter `cache`: it is how long a revoked token still passes"
        yield Problem(code="introspection-cache", place=place, message=message, advice=advice)
    if "sub" in asked.optional and set(issuer.claims.subject) <= {"sub"}:
        message = (
            f"introspection responses of issuer `{issuer.issuer}` may lack `sub`, and nothing else names the subject"
        )
        advice = "write `claims: {subject: [sub, username]}` with the claim that does"
        yield Problem(code="introspection-optional", place=place, message=message, advice=advice)
    if "aud" in asked.optional and not issuer.require:
        message = f"without `aud`, any active token of issuer `{issuer.issuer}` passes, also one for another service"
        advice = (
            "pin another claim, such as `require: {client_id: [app]}`, or have the issuer answer only for this service"
        )
        yield Problem(code="introspection-optional", place=place, message=message, advice=advice, severity="note")


def check_service_urls(draft: Draft) -> Iterator[Problem]:
    """Check that verifiers and account directories use TLS or are on this machine."""
    asked = [(f"accounts[{index}]", "accounts", source.url) for index, source in enumerate(draft.accounts)]
    for name, verifier in draft.verifiers.items():
        hedge = verifier.hedge if verifier.type == "http" else ""
        asked += [(f"verifiers.{name}", "verifiers", address) for address in (verifier.url, hedge)]
    for path, above, address in asked:
        if address and not is_secure(address):
            message = f"customer data would be sent to `{address}` without TLS"
            yield Problem(code="service-insecure", place=draft.place(path, above), message=message, advice="use https")


def check_opaque_token_issuer(draft: Draft) -> Iterator[Problem]:
    """Check that at most one issuer accepts opaque tokens, since a second one would learn the token (RFC 7662 4)."""
    opaque = [issuer for issuer in draft.issuers if issuer.introspection and not issuer.introspection.always]
    for index, issuer in enumerate(draft.issuers):
        if issuer in opaque[1:]:
            message = (
                f"issuer `{issuer.issuer}` is the second with `on: opaque`, and a token is shown to one issuer only"
            )
            advice = (
                "keep `on: opaque` with the issuer of opaque tokens; write `on: always` for one whose tokens are JWTs"
            )
            place = draft.place(f"issuers[{index}].introspection", f"issuers[{index}]")
            yield Problem(code="introspection-ambiguous", place=place, message=message, advice=advice)


def check_dpop_public_url(draft: Draft) -> Iterator[Problem]:
    """Check that `public_url` is set for DPoP: a proof is compared with it, never with what the caller sends."""
    if draft.settings.public_url or draft.base:
        return
    bound = [index for index, issuer in enumerate(draft.issuers) if issuer.sender_constraint == "dpop"]
    if bound:
        several = len(bound) > 1
        message = (
            f"issuer{'s' if several else ''} {list_names(draft.issuers[index].issuer for index in bound)}"
            f" {'have' if several else 'has'} `sender_constraint: dpop`,"
            " and the policy does not say by which address it is met"
        )
        advice = "add `settings: {public_url: https://...}`, as callers write it, or set AUTHGUARD_PUBLIC_URL"
        place = draft.place(f"issuers[{bound[0]}].sender_constraint", f"issuers[{bound[0]}]")
        # a note, since only the deployment knows the variable; the app refuses to start without it
        yield Problem(code="public-url-missing", place=place, message=message, advice=advice, severity="note")


def _algorithms(place: Place, issuer: Issuer) -> Iterator[Problem]:
    who = f"issuer `{issuer.issuer}`"
    if not issuer.algorithms:
        advice = "add `algorithms: [ES256]`"
        message = f"{who} has no list of signature algorithms"
        yield Problem(code="issuer-without-algorithms", place=place, message=message, advice=advice)
    for name in issuer.algorithms:
        if name.casefold() == "none":
            yield Problem(code="algorithm-none", place=place, message=f"{who} allows unsigned tokens")
        elif name not in (*SYMMETRIC, *ASYMMETRIC):
            advice = unknown_name(place, "", name, (*SYMMETRIC, *ASYMMETRIC)).advice
            message = f"{who} allows `{name}`, which is no known algorithm"
            yield Problem(code="algorithm-unknown", place=place, message=message, advice=advice)
    symmetric = [name for name in issuer.algorithms if name.upper().startswith("HS")]
    if symmetric and len(symmetric) < len(issuer.algorithms):
        message = f"{who} allows symmetric and asymmetric algorithms together, so a public key could pass for a secret"
        yield Problem(code="algorithm-mixed", place=place, message=message, advice="keep one kind")
    if bool(symmetric) != bool(issuer.secret_env) and issuer.algorithms:
        message = f"{who} allows HS* without `secret_env`" if symmetric else f"{who} has a secret and allows no HS*"
        advice = "a secret goes with HS256, HS384 or HS512, and those with a secret"
        yield Problem(code="algorithm-secret", place=place, message=message, advice=advice)


def check_shadowed_operations(draft: Draft) -> Iterator[Problem]:
    """Check that operations have unique names, known risks and effects, and that no earlier operation shadows one."""
    yield from _unique(draft.place("operations"), "operation", (operation.name for operation in draft.operations))
    begun: dict[str, list[Operation]] = {}
    names = {operation.name for operation in draft.operations}
    for index, operation in enumerate(draft.operations):
        place = draft.place(f"operations[{index}]", "operations")
        yield from _classified(place, operation)
        if operation.name == UNNAMED or operation.name.startswith(RESERVED_PREFIX):
            message = f"operation `{operation.name}` has a reserved name"
            advice = f"choose a name that is not `{UNNAMED}` and does not begin with `{RESERVED_PREFIX}`"
            yield Problem(code="name-reserved", place=place, message=message, advice=advice)
        yield from _check_groups(place, operation, names)
        if operation.risk in RESERVED_RISKS:
            message = (
                f"operation `{operation.name}` has `risk: {operation.risk}`, which is for the guard's own endpoints"
            )
            yield Problem(code="risk-own", place=place, message=message, advice=RESERVED_RISKS[operation.risk])
        if operation.roles and not draft.staff_claim and not draft.base:
            message = f"operation `{operation.name}` requires a role, and the policy names no claim with roles"
            advice = "add `staff: {claim: roles}`, with the issuer's claim of roles"
            yield Problem(code="roles-unclaimed", place=place, message=message, advice=advice)
        has_actors = draft.agents or draft.base or any(source.delegations_at for source in draft.accounts)
        if operation.actor == "required" and not has_actors:
            message = f"operation `{operation.name}` is for agents and representatives only, and the policy knows none"
            advice = "add `agents: [NAME]`, or `delegations: POINTER` to an account source"
            yield Problem(code="actor-unmet", place=place, message=message, advice=advice)
        for earlier in _candidates(begun, operation.match):
            same_hosts = not earlier.hosts or (operation.hosts and operation.hosts <= earlier.hosts)
            if same_hosts and _covers(earlier.match, operation.match):
                message = (
                    f"operation `{operation.name}` is never met: `{earlier.name}` before it matches all that it does"
                )
                yield Problem(code="operation-shadowed", place=place, message=message, advice="move it before that one")
                break
        begun.setdefault(_beginning(operation.match), []).append(operation)
    place = draft.place("otherwise")
    yield from _classified(place, draft.otherwise)
    if draft.admits_unnamed and draft.otherwise.risk in OPEN:
        message = f"requests without an operation would be `{draft.otherwise.risk}`"
        yield Problem(code="otherwise-open", place=place, message=message, advice="write `otherwise: deny`")


def _check_groups(place: Place, operation: Operation, names: AbstractSet[str]) -> Iterator[Problem]:
    """Check that no group has the name of an operation: rules name both in one place."""
    for group in operation.groups:
        if group in names or group == UNNAMED:
            message = f"group `{group}` of operation `{operation.name}` has the name of an operation"
            yield Problem(code="duplicate-name", place=place, message=message, advice="choose another name")


def _classified(place: Place, operation: Operation) -> Iterator[Problem]:
    for dimension, value in (("risk", operation.risk), ("effect", operation.effect)):
        if value not in CONDITIONS[dimension]:
            yield unknown_name(place, f"a value of `{dimension}`", value, CONDITIONS[dimension])


def _beginning(match: Match) -> str:
    """Return the literal first segment of a match; empty if it is a parameter."""
    segments = (match.path or match.websocket).split("/")
    return segments[1] if len(segments) > 1 and not segments[1].startswith("{") else ""


def _candidates(begun: dict[str, list[Operation]], match: Match) -> Iterator[Operation]:
    """Yield the earlier operations that could match: with the same first segment or a parameter there."""
    beginning = _beginning(match)
    yield from begun.get("", ())
    if beginning:
        yield from begun.get(beginning, ())


def _covers(earlier: Match, later: Match) -> bool:
    """Return whether an earlier match includes a later one."""
    if bool(earlier.websocket) != bool(later.websocket):
        return False
    if earlier.websocket:
        return _path_covers(earlier.websocket, later.websocket)
    return earlier.method in ("", later.method) and _path_covers(earlier.path, later.path)


def _path_covers(earlier: str, later: str) -> bool:
    if not earlier:
        return True
    if not later:
        return False
    wide, narrow = earlier.split("/"), later.split("/")
    for place, segment in enumerate(wide):
        if segment.endswith(":path}") and segment.startswith("{"):
            return len(narrow) > place
        if place >= len(narrow) or (narrow[place] != segment and not _takes(segment, narrow[place])):
            return False
    return len(wide) == len(narrow)


def _takes(segment: str, narrow: str) -> bool:
    """Return whether a segment is a parameter that includes the other segment."""
    return segment.startswith("{") and segment.endswith("}") and ":" not in segment and not narrow.endswith(":path}")


def check_limits(draft: Draft) -> Iterator[Problem]:
    """Check that each limit counts one unit, and that a limited amount can be read from the request."""
    for index, operation in enumerate(draft.operations):
        place = draft.place(f"operations[{index}]", "operations")
        for limit in operation.limits:
            if bool(limit.amount) == (limit.calls > 0):
                message = f"limit `{limit.name}` counts {'both amounts and calls' if limit.amount else 'nothing'}"
                yield Problem(code="limit-incomplete", place=place, message=message, advice="write `amount` or `calls`")
        if not moves_nothing(operation):
            yield from _check_measures(place, operation)


def _check_measures(place: Place, operation: Operation) -> Iterator[Problem]:
    """Check that what an operation limits can be read from its body."""
    if not operation.has_payee and any(limit.by == "payee" for limit in operation.limits):
        message = f"operation `{operation.name}` has limits by payee without the place of the payee"
        yield Problem(code="payee-undeclared", place=place, message=message, advice="add `payee: {at: /to}`")
    amounts = [limit for limit in operation.limits if limit.amount]
    if not amounts:
        return
    if not operation.has_amount or not (operation.currency_at or operation.currency_form or operation.currency):
        what = "the amount" if not operation.has_amount else "the currency"
        message = f"operation `{operation.name}` limits amounts without the place of {what}"
        advice = "add `amount: {at: /amount, currency: {at: /currency}}`"
        yield Problem(code="amount-undeclared", place=place, message=message, advice=advice)
    for limit in amounts:
        digits = MINOR_DIGITS.get(limit.currency, operation.scale)
        if operation.scale not in {0, digits}:
            message = f"the amount has `scale: {operation.scale}`, and `{limit.currency}` has {digits} minor digits"
            advice = f"write `scale: {digits}`, unless the app sends other units (ISO 4217)"
            yield Problem(code="amount-scale", place=place, message=message, advice=advice, severity="note")
        if operation.currency and limit.currency != operation.currency:
            message = f"limit `{limit.name}` is in `{limit.currency}`, the amount in `{operation.currency}`"
            yield Problem(code="amount-undeclared", place=place, message=message, advice="use one currency")


def check_assurance_levels(draft: Draft) -> Iterator[Problem]:
    """Check that every required level is in `assurance.order` (RFC 9470 9: `acr` values have no inherent order)."""
    asked = [(draft.place("identity"), draft.identity)]
    asked += [
        (draft.place(f"operations[{index}]", "operations"), operation.acr)
        for index, operation in enumerate(draft.operations)
    ]
    asked += [(draft.place("otherwise"), draft.otherwise.acr)]
    asked += [(draft.place(f"fallbacks.{name}", "fallbacks"), item.acr) for name, item in draft.fallbacks.items()]
    asked += [(draft.place("assurance"), level) for level in draft.assurance.map.values()]
    asked += list(_issuer_levels(draft))
    for place, level in asked:
        if level and level not in draft.assurance.order:
            message = f"the level `{level}` is not in `assurance.order`"
            advice = unknown_name(place, "", level, draft.assurance.order).advice
            yield Problem(code="assurance-unknown", place=place, message=message, advice=advice)
    yield from _unique(draft.place("assurance"), "level", draft.assurance.order)


def _issuer_levels(draft: Draft) -> Iterator[tuple[Place, str]]:
    """Yield the levels of issuers; those of a preset are unused in a policy without levels."""
    for index, issuer in enumerate(draft.issuers):
        if issuer.levels is not None and (draft.assurance.order or not issuer.provider):
            place = draft.place(f"issuers[{index}].levels", f"issuers[{index}]")
            yield from ((place, level) for level in (*issuer.levels.map.values(), issuer.levels.none))


def check_method_names(draft: Draft) -> Iterator[Problem]:
    """Check that every method combines declared verifiers."""
    if draft.base:
        return
    for name, method in draft.methods.items():
        place = draft.place(f"methods.{name}", "methods")
        if not method.verifiers:
            message = f"method `{name}` combines no verifier"
            yield Problem(code="method-unknown", place=place, message=message, advice="write `all: [VERIFIER]`")
        for verifier in method.verifiers:
            if verifier not in draft.verifiers:
                advice = unknown_name(place, "", verifier, tuple(draft.verifiers)).advice
                message = f"method `{name}` names the verifier `{verifier}`, which is not declared"
                yield Problem(code="method-unknown", place=place, message=message, advice=advice)
