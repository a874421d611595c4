"""Candidates of scenarios for mutants of settings: tokens, bodies, channels and repeated requests at their borders.

Each asks for what the setting decides: a token without the scope, with a lower level, an older sign-in or another
status; an amount just above a limit; one call more than permitted.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import chain, product
from typing import TYPE_CHECKING, Any, Final

from authguard.core.events import MACHINES
from authguard.core.extra_dimensions import OPERATION
from authguard.core.outcomes import Outcome
from authguard.core.tiers import find_tiers
from authguard.policy.checks.reachability import Reachability
from authguard.policy.mutation.access_kinds import ADDED_AGENT, ADDED_AUDIENCE
from authguard.policy.schema.units import format_duration
from authguard.policy.table.boxes import BoxCoverage, reach
from authguard.policy.table_space import policy_space
from authguard.policy.testing.scenario import DEFAULT_CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.outcomes import Fallback
    from authguard.core.policy import Policy
    from authguard.core.request import Limit, Operation
    from authguard.policy.mutation.mutant import Mutant
    from authguard.policy.mutation.scenario_text import PlainScenario
    from authguard.policy.mutation.trial import Original

#: states of a customer who may do everything, and of one who has not proved identity
PROVED: Final = {"account": "normal", "verification": "verified"}
UNPROVED: Final = {"account": "normal"}
#: a scope that no operation needs
_OTHER_SCOPE: Final = "other-scope"
#: seconds by which a sign-in is older than permitted
_MARGIN_S: Final = 60.0
#: most calls that a candidate repeats
_MAX_CALLS: Final = 100


def setting_candidates(original: Original, mutant: Mutant) -> Iterator[PlainScenario]:
    """Yield scenarios without expectations for a mutant of a setting.

    Args:
        original: the policy.
        mutant: a change of it.
    """
    policy = original.policy
    match mutant.path:
        case ("accounts", int(index), "map", str(status)):
            yield from _for_status(policy, index, status)
        case ("operations", int(index), *rest):
            yield from _for_operation(policy, policy.operations[index], rest)
        case ("assurance" | "identity", *_):
            yield from _for_levels(policy, mutant)
        case ("agents", *rest):
            yield from _for_agents(policy, rest)
        case ("issuers", int(index), "audience"):
            yield from _for_audience(policy, index)
        case ("channels", "trusts", str(channel)):
            yield from _for_channel(policy, channel)
        case ("methods", str(name), *_):
            yield from _for_method(policy, name)
        case _:
            pass


def _for_status(policy: Policy, index: int, status: str) -> Iterator[PlainScenario]:
    claim = policy.accounts[index].claim
    for operation in _guarded(policy):
        yield {
            "name": f"the status {status} counts as {policy.accounts[index].map[status]}",
            "steps": [{"ask": {"operation": operation.name, "token": {"claims": {claim: status}}}}],
            "watch": "account",
        }


def _for_operation(policy: Policy, operation: Operation, rest: list[str | int]) -> Iterator[PlainScenario]:
    """Yield requests at the border of the changed setting first, then requests in different states."""
    name = operation.name
    if rest[0] == "limits":
        yield from _for_limit(operation, operation.limits[int(rest[1])])
    if rest[0] == "idempotency":
        yield _ask(f"{name} needs an Idempotency-Key", PROVED, {"operation": name, "idempotency_key": ""})
    for title, token in _insufficient_tokens(policy, operation):
        yield _ask(title, PROVED, {"operation": name, "token": token})
    for given, token in product(_GIVEN, ({}, *({"act": [agent.client]} for agent in sorted(policy.agents)[:1]))):
        who = "an agent" if token else "the customer"
        asked = {"operation": name, **({"token": token} if token else {})}
        yield _ask(f"{who} asks for {name} with {_words(given)}", given, asked)
    for fallback in policy.fallbacks.values():
        if fallback.kind is Outcome.RESTRICT and operation.scopes:  # the scopes of other effects are withheld
            yield from fallback_candidates(policy, fallback, "scopes")
    yield _ask(f"nobody asks for {name}", {"session": "absent"}, {"operation": name, "credential": "missing"})


def _insufficient_tokens(policy: Policy, operation: Operation) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield tokens that just lack what an operation needs, each with a title."""
    name = operation.name
    for level in policy.assurance.order[: max(0, policy.assurance.rank(operation.acr) - 1)][::-1]:
        yield f"{level} is too weak for {name}", {"acr": level}
    if operation.max_age:
        age = format_duration(operation.max_age + _MARGIN_S)
        yield f"a sign-in {age} ago is too old for {name}", {"age": age}
    if operation.scopes:
        yield f"{name} needs its scope", {"scope": [_OTHER_SCOPE]}
    if operation.roles:
        yield f"{name} needs its role", {"roles": []}


def _for_limit(operation: Operation, limit: Limit) -> Iterator[PlainScenario]:
    name = operation.name
    if limit.amount:
        most = Decimal(limit.amount)
        amounts = [most + 1] if not limit.per else _spread(operation, most)
        steps = [
            {"ask": {"operation": name, "idempotency_key": f"key-{place}", "body": _body(operation, amount, limit)}}
            for place, amount in enumerate(amounts)
        ]
        yield {"name": f"{name} over {limit.amount} {limit.currency}", "given": PROVED, "steps": steps}
        for signed_in in _COME_BACK if limit.per else ():
            *earlier, last = steps
            wait = {"after": _wait(limit.per), **signed_in}
            yield {
                "name": f"{name} over {limit.amount} {limit.currency} in {format_duration(limit.per)}",
                "given": PROVED,
                "steps": [*earlier, {**wait, **last}],
            }
        return
    calls = min(limit.calls, _MAX_CALLS)
    first: dict[str, Any] = {**({"times": calls} if calls > 1 else {}), "ask": {"operation": name}}
    final = {"operation": name, "idempotency_key": "last"}
    yield {
        "name": f"{name} more than {limit.calls} times",
        "given": PROVED,
        "steps": [first, {"ask": final}],
    }
    for signed_in in _COME_BACK:
        yield {
            "name": f"{name} more than {limit.calls} times in {format_duration(limit.per)}",
            "given": PROVED,
            "steps": [first, {"after": _wait(limit.per), **signed_in, "ask": final}],
        }


#: how a customer comes back after a while: with the same sign-in, or with a new one and a new proof
_COME_BACK: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"when": ["session.renewed", "account.normal", "verification.started", "verification.passed"]},
)


def _wait(window: float) -> str:
    """Return a time that is longer than a tenth of a window; a few of them are shorter than the window."""
    return format_duration(round(window / 8))


def _spread(operation: Operation, most: Decimal) -> list[Decimal]:
    """Return amounts that exceed a limit together, and no limit per call alone."""
    single = [Decimal(one.amount) for one in operation.limits if one.amount and not one.per]
    each = min([*single, most])
    return [each] * min(int(most / each) + 1, _MAX_CALLS)


def _body(operation: Operation, amount: Decimal, limit: Limit) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if operation.amount_at:
        fields[operation.amount_at.strip("/")] = int(amount)
    if operation.currency_at:
        fields[operation.currency_at.strip("/")] = limit.currency
    return fields


def _for_levels(policy: Policy, mutant: Mutant) -> Iterator[PlainScenario]:
    claimed = [str(mutant.path[2])] if mutant.path[0] == "assurance" else list(policy.assurance.order)
    for acr in claimed:
        yield {
            "name": f"whether a sign-in of level {acr} proves identity",
            "given": {"session": "absent"},
            "steps": [
                {"ask": {"operation": operation.name, "token": {"acr": acr}}} for operation in _guarded(policy)[:1]
            ],
            "watch": "verification",
        }
        for operation in _guarded(policy):
            yield _ask(f"{acr} for {operation.name}", PROVED, {"operation": operation.name, "token": {"acr": acr}})


def _for_agents(policy: Policy, rest: list[str | int]) -> Iterator[PlainScenario]:
    names = [one.client for one in sorted(policy.agents)] if rest else [ADDED_AGENT]
    for name, operation in product(names, _guarded(policy)):
        ask = {"operation": operation.name, "token": {"act": [name]}}
        yield _ask(f"{name} asks for {operation.name}", PROVED, ask)


def _for_audience(policy: Policy, index: int) -> Iterator[PlainScenario]:
    """Yield requests with a token for another service; tenants of one issuer share its audience."""
    named = list(policy.issuers.values())[min(index, len(policy.issuers) - 1)]
    claims = {named.claims.audience[0]: ADDED_AUDIENCE}
    for operation in _guarded(policy):
        token = {"issuer": named.issuer, "claims": claims}
        yield _ask(
            f"a token for another service and {operation.name}", PROVED, {"operation": operation.name, "token": token}
        )


def _for_channel(policy: Policy, channel: str) -> Iterator[PlainScenario]:
    level = "".join(policy.assurance.order[-1:])
    for operation, other in product(_guarded(policy), policy.channels.trusts):
        for proved, asked in ((channel, other), (other, channel)):
            proof = {"operation": operation.name, "channel": proved, "token": {"acr": level}}
            later = {"operation": operation.name, "channel": asked, "token": {"acr": level}}
            yield {
                "name": f"identity was proved in {proved}, and {operation.name} is asked for in {asked}",
                "given": {"account": "normal", "session": "absent"},
                "steps": [{"ask": proof}, {"ask": later}],
            }


def _for_method(policy: Policy, name: str) -> Iterator[PlainScenario]:
    for fallback in policy.fallbacks.values():
        if name in fallback.methods:
            yield from fallback_candidates(policy, fallback, "verifiers")


def fallback_candidates(policy: Policy, fallback: Fallback, detail: str) -> Iterator[PlainScenario]:
    """Yield scenarios that lead to a fallback and expect one of its details, and that use up its attempts.

    Args:
        policy: the policy.
        fallback: one of its fallbacks.
        detail: the key of `then` that is expected; empty for none.
    """
    variants = (*_ASKED, *({"limit": tier} for tier in find_tiers(policy.operations)))
    starts = ((given, {**asked, **ask}) for asked, given, ask in product(_requests(policy), _GIVEN, variants))
    for given, asked in chain(_cells(policy, fallback), starts):
        name = f"{fallback.name} for {_words({**asked, **given})}"
        if detail:
            yield {**_ask(name, given, asked), "detail": detail, "of": fallback.name}
        elif fallback.attempts:
            again: dict[str, Any] = {"after": _wait(fallback.per), "ask": asked}
            if fallback.kind is Outcome.VERIFY:
                again = {"after": _wait(fallback.per), "when": ["verification.failed"], "ask": asked}
            yield {
                "name": f"{name}, again and again",
                "given": given,
                "steps": [{"ask": asked}, *([again] * fallback.attempts)],
            }


def _cells(policy: Policy, fallback: Fallback) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Yield states and requests of reachable cells that the policy's rules with this fallback decide."""
    proof = reach(policy.table.rules, policy_space(policy))
    if not isinstance(proof, BoxCoverage):
        return
    search = Reachability.of(policy)
    for rule in policy.table.rules:
        found = search.cell(proof.reaches[rule.index]) if rule.do == fallback.name else None
        if isinstance(found, tuple):
            known = dict(zip(policy.table.values, found[0], strict=True))
            given = {machine: known[machine] for machine in MACHINES if known[machine] != policy.initial[machine]}
            unusual = {key: known[key] for key, usual in DEFAULT_CONDITIONS.items() if known[key] != usual}
            for asked in _requests(policy, (known["risk"], known["effect"]), known.get(OPERATION, "")):
                yield {**given, "session": known["session"]}, {**asked, **unusual}


def _requests(policy: Policy, kind: tuple[str, str] | None = None, name: str = "") -> list[dict[str, str]]:
    """Return requests of the policy's operations, or described ones if it has none; those of one kind if given."""
    if name in policy.operation_limits and name != policy.otherwise.name:
        return [{"operation": name}]
    if policy.operations:
        known = [one for one in policy.operations if kind in (None, (one.risk, one.effect))]
        return [{"operation": one.name} for one in known if one.risk != "public"]
    kinds = [kind] if kind else [*product(("routine", "sensitive", "high"), ("read", "write"))]
    return [{"risk": risk, "effect": effect} for risk, effect in kinds]


_GIVEN: Final[tuple[dict[str, str], ...]] = (
    PROVED,
    UNPROVED,
    {"account": "normal", "session": "idle"},
    {"account": "normal", "verification": "ambiguous"},
    *({"account": state} for state in ("compromised", "deceased", "locked", "minor")),
    {"account": "minor", "verification": "verified"},
)
_ASKED: Final[tuple[dict[str, str], ...]] = (
    {},
    {"assurance": "insufficient"},
    {"limit": "exceeded"},
    {"actor": "agent"},
    {"channel_change": "switched"},
)


def _ask(name: str, given: dict[str, str], ask: dict[str, Any]) -> PlainScenario:
    return {"name": name, "given": given, "steps": [{"ask": ask}]}


def _guarded(policy: Policy) -> list[Operation]:
    return [operation for operation in policy.operations if operation.risk != "public"]


def _words(given: dict[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in given.items()) or "nothing else"
