"""Registry of the checks: one function per check, and every problem code with its meaning.

A check takes a `Draft` and yields problems; it reports all of them, prints nothing and changes nothing. A check that
needs resolved names yields nothing while a name is unresolved, which is a problem of its kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.checks import (
    audience,
    cors,
    credentials,
    demands,
    deployment,
    fallback,
    idempotency,
    key_source,
    liveness,
    machine,
    outcome_needs,
    raised_events,
    sign_in,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from authguard.policy.draft import Draft
    from authguard.policy.problem import Problem

#: every problem code of a check and its meaning; the reference is generated from this table
CODES: Final[dict[str, str]] = {
    "account-map": "a claim's `map` has a target that is no account state which a report can raise",
    "accounts-undeclared": "the policy declares no source of account states; write `accounts: none` if there is none",
    "actor-unmet": "an operation is for agents only, and the policy registers none",
    "algorithm-mixed": "an issuer allows symmetric and asymmetric algorithms together (RFC 8725 3.1)",
    "algorithm-none": "an issuer allows unsigned tokens (RFC 8725 3.2)",
    "algorithm-secret": "HS* goes with `secret_env` and nothing else does (RFC 8725 3.5)",
    "algorithm-unknown": "an issuer allows an algorithm that authguard does not know",
    "amount-scale": "an amount in minor units has other digits than the currency of a limit",
    "amount-undeclared": "an operation limits amounts without the place of the amount or its currency",
    "approved-held": "a rule holds a transaction that is already approved",
    "assurance-unknown": "a level is not in `assurance.order`, so it cannot be compared",
    "attempts-incomplete": "`attempts`, `per` and `then` must be given together: number, period and next fallback",
    "audience-elsewhere": "an audience is a URL, but neither the app's address nor an operation's path (RFC 9728 3.3)",
    "audience-partial": "an operation is outside of every audience's path: its clients ask for a token of no audience",
    "chain-loop": "events raised by transitions form a cycle, or more of them follow than one step may raise",
    "cookie-origin": "a cookie as credential needs origins, since browsers add it to requests of any page",
    "cors-open": "`cors` allows any origin, header or method together with credentials",
    "cors-origin": "`cors` allows no origin, or its pattern cannot be read",
    "credential-bound": "an operation binds a transaction to the header of the credential, which is new each time",
    "credential-header": "a header of `credentials` has another meaning, or carries a name instead of a token",
    "credential-opaque": "an opaque token can stand in another place; the guard asks the issuer, not the proxy",
    "credential-unbound": "an issuer needs DPoP, and `credentials` does not list `authorization` (RFC 9449 7.1)",
    "duplicate-name": "a name that must be unique is used twice",
    "event-demanded": "an event that the guard sends does not have the effect that the guard relies on",
    "fault-admits": "`on_fault` must be a retry, a denial or a hand-off: a fault of the guard admits no request",
    "hold-without-approver": "a hold names no role of its approvers, or asks for no approver",
    "idempotency-idle": "an operation requires an `Idempotency-Key` and would not run once under it",
    "initial-demanded": "a machine begins in a state with which the guard cannot begin",
    "initial-unknown": "the initial state of a machine is not one of its states",
    "introspection-ambiguous": "two issuers accept opaque tokens, and a token is sent to one only (RFC 7662 4)",
    "introspection-cache": "introspection responses would be used for longer than the issuer's tokens live",
    "introspection-optional": "responses may lack the subject without another claim for it, or the audience",
    "invariant-broken": "a rule leads to what an invariant forbids; the message names the rule and one cell",
    "invariant-empty": "an invariant has no content",
    "issuer-audience": "an issuer has no audience: tokens for someone else would be accepted (RFC 8725 3.9)",
    "issuer-http": "keys may be fetched without TLS, by `insecure_http`",
    "issuer-insecure": "an issuer or its keys are fetched from another machine without TLS",
    "issuer-keys": "an issuer has no source of keys, or several",
    "issuer-leeway": "an issuer's leeway exceeds a minute, so that expired tokens would be accepted",
    "issuer-missing": "no issuer is declared: a policy for use needs at least one",
    "issuer-tenants": "an issuer has tenants without a placeholder, or a placeholder without tenants",
    "issuer-without-algorithms": "an issuer has no list of signature algorithms (RFC 8725 3.1)",
    "limit-incomplete": "a limit has neither an amount nor a number of calls, or both",
    "machine-hole": "a state does not handle an event; the advice is the line to add",
    "machine-missing": "one of the five machines is not declared",
    "method-unknown": "a fallback or a method names a verification method or a verifier that is not declared",
    "methods-missing": "a `verify` fallback names no method",
    "name-reserved": "an operation has a reserved name: `otherwise` or `authguard...`",
    "need-ignored": "an operation has a requirement that the table does not check",
    "operation-shadowed": "an earlier operation matches everything that this one does",
    "otherwise-open": "requests without an operation would be public, or treated like the guard's endpoints",
    "outcome-unmet": "a rule leads to an outcome in a cell that does not give what the outcome needs",
    "overridden": "a line of a base policy has no effect, because lines of this policy precede it",
    "payee-undeclared": "an operation has a limit by payee without the place of the payee",
    "promise-broken": "an `always_reachable` fails: from some reachable state no permitted events surely lead there",
    "proof-unearned": "a timer or another event would raise an event reserved for a proof or a person (DESIGN 2)",
    "public-url-missing": "`sender_constraint: dpop` needs `settings.public_url`, which proofs name (RFC 9449 4.3)",
    "queue-missing": "a hand-off has no queue",
    "raise-unowned": "a transition raises an event in a machine without determining the record that it moves",
    "restrict-empty": "a `restrict` fallback names no effects",
    "restricts-writes": "`restrict` can apply to writes that its `effects` do not include",
    "risk-own": "an operation has the risk `self` or `staff`, which is reserved for the guard's endpoints",
    "roles-unclaimed": "an operation requires a role, and the policy names no claim with roles",
    "rule-shadowed": "earlier rules decide all cells of this one",
    "service-insecure": "a verifier or an account directory on another machine is called without TLS",
    "sign-in-undated": "the tokens of an issuer state no sign-in time; the message lists the consequences",
    "state-demanded": "the account machine lacks a state that the guard itself reports",
    "status-wrong": "a fallback has an HTTP status that contradicts its outcome",
    "table-gap": "cells that no rule decides: the widest box in words, and one cell",
    "then-admits": "exhausted attempts lead to a fallback that admits the request",
    "then-loop": "`then` forms a cycle of fallbacks",
    "then-open": "`then` ends in an outcome other than a hand-off or a denial",
    "timer-idle": "a timer can never fall due, because its event moves no state in which it runs",
    "timer-loop": "timers lead a machine through a cycle, so it never comes to rest",
    "timer-moment": "a timer counts from a moment that its machine does not have, or has no delay",
    "transition-shadowed": "earlier lines handle everything that this line handles",
    "trap": "from some reachable states no events surely lead to an admission, a hand-off, a hold or a denial",
    "undecided": "the rules or the states of the machines exceed the proof's budget, so nothing is proved",
    "unknown-name": "a name is not declared; the message has the nearest one that is",
    "unreachable-state": "no transition leads to this state",
}

CHECKS: Final[tuple[Callable[[Draft], Iterable[Problem]], ...]] = (
    machine.check_names,
    machine.check_totality,
    machine.check_shadowed_transitions,
    machine.check_reachable_states,
    machine.check_raised_events,
    raised_events.check_raise_owners,
    machine.check_reserved_events,
    machine.check_timers,
    machine.check_timer_cycles,
    demands.check_needed_states,
    demands.check_initial_states,
    demands.check_needed_events,
    table.check_names,
    table.check_decidable,
    table.check_gaps,
    table.check_shadowed_rules,
    table.check_invariants,
    table.check_restrictions,
    table.check_operation_needs,
    idempotency.check_idempotency_keys,
    idempotency.check_approved_not_held,
    outcome_needs.check_outcome_needs,
    liveness.check_no_deadlock,
    fallback.check_names,
    fallback.check_attempts,
    fallback.check_then_chains,
    fallback.check_required_keys,
    fallback.check_on_fault,
    deployment.check_account_sources,
    deployment.check_app_reports,
    deployment.check_service_urls,
    deployment.check_issuers,
    key_source.check_key_sources,
    key_source.check_tenants,
    deployment.check_opaque_token_issuer,
    deployment.check_dpop_public_url,
    deployment.check_shadowed_operations,
    deployment.check_limits,
    deployment.check_assurance_levels,
    deployment.check_method_names,
    audience.check_audience_addresses,
    audience.check_audience_coverage,
    sign_in.check_sign_in_evidence,
    cors.check_cors_origins,
    credentials.check_credential_headers,
    credentials.check_bound_credentials,
    credentials.check_credential_cookies,
    credentials.check_credential_kinds,
)


def run_checks(draft: Draft) -> tuple[Problem, ...]:
    """Run every check.

    Args:
        draft: the merged document.

    Returns:
        All problems and notes, in the order of the file; the policy may be used if none is an ``error``.
    """
    found = (problem for one in CHECKS for problem in one(draft))
    return tuple(sorted(found, key=lambda problem: (problem.place, problem.code, problem.message)))
