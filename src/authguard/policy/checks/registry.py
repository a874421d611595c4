"""What is proved of a policy before it may be used: one function per check, every problem at once.

A check takes a `Draft` and yields problems; it never stops at the first, never prints and never changes anything.
Checks that prove something about names that do not resolve wait until they do: the names are problems already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.checks import cors, deployment, fallback, idempotency, liveness, machine, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from authguard.policy.draft import Draft
    from authguard.policy.problem import Problem

#: Every code that a check can give, and what it means; the reference is generated from this table.
CODES: Final[dict[str, str]] = {
    "account-map": "a claim's `map` leads to something that is no account state a report can raise",
    "accounts-undeclared": "the policy does not say where account states come from; `accounts: none` says so too",
    "actor-unmet": "an operation takes agents only, and the policy registers none",
    "algorithm-mixed": "an issuer allows symmetric and asymmetric algorithms together (RFC 8725 3.1)",
    "algorithm-none": "an issuer allows unsigned tokens (RFC 8725 3.2)",
    "algorithm-secret": "HS* goes with `secret_env` and nothing else does (RFC 8725 3.5)",
    "algorithm-unknown": "an issuer allows an algorithm that authguard does not know",
    "amount-undeclared": "an operation has a limit on amounts and does not say where the amount or its currency stands",
    "approved-held": "a rule holds again what people approved already",
    "assurance-unknown": "a level is not in `assurance.order`, so it cannot be compared",
    "attempts-incomplete": "`attempts`, `per` and `then` go together: how often, within what time, and what then",
    "chain-loop": "events raised by transitions lead back to themselves, or to more than one step may raise",
    "cors-open": "`cors` lets any page, header or method in together with credentials",
    "cors-origin": "`cors` allows no origin, or its pattern cannot be read",
    "duplicate-name": "a name that must be unique is used twice",
    "fault-admits": "`on_fault` must be a retry, a denial or a hand-off: a fault of the guard lets nothing through",
    "hold-without-approver": "a hold does not say which role approves, or asks for nobody",
    "idempotency-idle": "an operation demands an `Idempotency-Key` and would not run once under it",
    "initial-unknown": "a machine begins in a state that it does not have",
    "introspection-ambiguous": "two issuers take opaque tokens, and a token is shown to one only (RFC 7662 4)",
    "introspection-cache": "introspection answers would be used for longer than the issuer's tokens live",
    "invariant-broken": "a rule leads to what an invariant forbids; the message names the rule and one cell",
    "invariant-empty": "an invariant says nothing",
    "issuer-audience": "an issuer has no audience: tokens for someone else would be accepted (RFC 8725 3.9)",
    "issuer-insecure": "an issuer or its keys are fetched without TLS from another machine",
    "issuer-keys": "an issuer names no source of keys, or several",
    "issuer-leeway": "an issuer's clock may be off by more than a minute, so expired tokens would pass",
    "issuer-missing": "nobody may speak: a policy for use needs at least one issuer",
    "issuer-without-algorithms": "an issuer does not say which algorithms it signs with (RFC 8725 3.1)",
    "limit-incomplete": "a limit counts neither an amount nor calls, or both",
    "machine-hole": "a state has no answer to an event; the advice is the line to type",
    "machine-missing": "one of the five machines is not declared",
    "method-unknown": "a fallback or a method names a verification method or a verifier that is not declared",
    "methods-missing": "a `verify` fallback names no method",
    "name-reserved": "an operation is called `otherwise` or `authguard...`, which are names of the guard's own",
    "need-ignored": "an operation declares a need that the table does not ask for",
    "operation-shadowed": "an earlier operation matches everything that this one does",
    "otherwise-open": "what nobody named would be public, or walk as one of the guard's own endpoints",
    "overridden": "a line of an extended policy answers nothing any more, because this policy's lines come first",
    "payee-undeclared": "an operation has a limit by payee and does not say where the payee stands",
    "promise-broken": "an `always_reachable` fails: from some reachable state no events of those named lead on",
    "proof-unearned": "a timer or another event would raise what only a proof or a person may (DESIGN 2)",
    "public-url-missing": "`sender_constraint: dpop` needs `settings.public_url`, which proofs name (RFC 9449 4.3)",
    "queue-missing": "a hand-off does not name its queue",
    "restrict-empty": "a `restrict` fallback names no effects: it would leave nothing, or everything",
    "restricts-writes": "`restrict` can reach writes that its `effects` do not name",
    "risk-own": "an operation has the risk `self` or `staff`, which is for the guard's own endpoints",
    "roles-unclaimed": "an operation needs a role, and the policy does not say which claim holds roles",
    "rule-shadowed": "earlier rules decide all cells of this one",
    "service-insecure": "a verifier or an account directory is asked without TLS on another machine",
    "status-wrong": "a fallback sets an HTTP status that tells the caller the opposite",
    "table-gap": "cells that no rule decides: the widest box in words, and one cell",
    "then-admits": "attempts that run out lead to something that lets the request through",
    "then-loop": "`then` leads back to a fallback whose attempts have run out",
    "then-open": "`then` ends in something other than a hand-off or a denial",
    "timer-idle": "a timer can never fall due, because it moves no state in which it runs",
    "timer-loop": "timers lead a machine round in a circle, so it never comes to rest",
    "timer-moment": "a timer counts from a moment that its machine does not have, or no time at all",
    "transition-shadowed": "earlier lines answer everything that this line does",
    "trap": "from some reachable states nothing ever leads to a person, an admission or a denial",
    "undecided": "the rules are too tangled to prove anything within the budget; nothing is assumed",
    "unknown-name": "a name that is not declared, with the nearest one that is",
    "unreachable-state": "no transition leads to this state",
}

CHECKS: Final[tuple[Callable[[Draft], Iterable[Problem]], ...]] = (
    machine.check_names,
    machine.check_totality,
    machine.check_shadowed_transitions,
    machine.check_reachable_states,
    machine.check_raised_events,
    machine.check_reserved_events,
    machine.check_timers,
    machine.check_timer_cycles,
    table.check_names,
    table.check_decidable,
    table.check_gaps,
    table.check_shadowed_rules,
    table.check_invariants,
    table.check_restrictions,
    table.check_operation_needs,
    idempotency.check_idempotency_keys,
    idempotency.check_approved_not_held,
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
    deployment.check_opaque_token_issuer,
    deployment.check_dpop_public_url,
    deployment.check_shadowed_operations,
    deployment.check_limits,
    deployment.check_assurance_levels,
    deployment.check_method_names,
    cors.check_cors_origins,
)


def run_checks(draft: Draft) -> tuple[Problem, ...]:
    """Run every check.

    Args:
        draft: the merged document.

    Returns:
        All problems and notes, in the order of the file; the policy may be used when none is an ``error``.
    """
    found = (problem for one in CHECKS for problem in one(draft))
    return tuple(sorted(found, key=lambda problem: (problem.place, problem.code, problem.message)))
