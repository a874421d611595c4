"""Preview of a caller's options: the current outcome of each operation, and a summary for a model's prompt.

Neither contains a state, a score or a rule: only names of operations, and the next step for those that need one.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from authguard.core import conditions
from authguard.core.decision_table import DIMENSIONS
from authguard.core.outcomes import ADMITTING, RESPONSES, Outcome
from authguard.core.snapshot import blank
from authguard.core.staff import effective_roles
from authguard.core.tiers import operation_values
from authguard.evaluation.attempts import follow_then
from authguard.evaluation.driver import Evaluation, authenticated_at, classify_credential, unproven_cell
from authguard.evaluation.extra_values import Given, read_extra
from authguard.evaluation.flags import preview_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.decision_table import Cell
    from authguard.core.outcomes import Fallback
    from authguard.core.policy import Policy
    from authguard.core.request import Operation, Principal
    from authguard.evaluation.decision import Verdict

#: maximum number of operations listed, so that a prompt stays short
MAX_OPERATIONS: Final = 40

_TRANSACTION: Final = DIMENSIONS.index("transaction")
_LIMIT: Final = DIMENSIONS.index("limit")
_NOW: Final = "now"
#: next step -> sentence for the prompt
_INSTRUCTIONS: Final[Mapping[str, str]] = {
    "authenticate": "for {names} they have to sign in again, or more strongly (point to it)",
    "retry": "for {names} they have to come back a little later (say so)",
    "talk_to_person": "for {names} a colleague takes over: offer to connect them",
    "verify": "for {names} they have to prove who they are (offer it)",
    "wait": "for {names} an approval is needed (say that it will be asked for)",
}
_STOP: Final = "stop"


def preview(policy: Policy, verdict: Verdict) -> dict[str, str]:
    """Return the next step that each operation of the policy would need.

    Args:
        policy: checked.
        verdict: of the caller's request; an unproven caller can do nothing yet.

    Returns:
        Operation -> ``now``, or the next action of its reply.
    """
    return {
        operation.name: _next(policy, verdict, operation)
        for operation in policy.operations[:MAX_OPERATIONS]
        if operation.risk not in {"self", "staff"}
    }


def _next(policy: Policy, verdict: Verdict, operation: Operation) -> str:
    kind = preview_outcome(policy, verdict, operation).kind
    return _NOW if kind in ADMITTING else RESPONSES[kind][2]


def preview_outcome(policy: Policy, verdict: Verdict, operation: Operation) -> Fallback:
    """Return the fallback that would answer an operation now, if its limits permit it.

    Args:
        policy: checked.
        verdict: of the caller's request.
        operation: to preview.
    """
    return preview_chain(policy, verdict, operation)[-1]


def preview_chain(policy: Policy, verdict: Verdict, operation: Operation) -> tuple[Fallback, ...]:
    """Return the fallbacks of an operation that have no attempts left now, and the one that applies instead.

    Args:
        policy: checked.
        verdict: of the caller's request.
        operation: to preview.
    """
    fallback = policy.fallbacks[policy.table.decide(_cell(policy, verdict, operation)).do]
    return _follow(policy, verdict, operation, fallback) if fallback.attempts else (fallback,)


def preview_others(policy: Policy, verdict: Verdict, operation: Operation) -> Iterator[tuple[Fallback, ...]]:
    """Yield the chains of the other fallbacks of an operation now: with a transaction, and over a limit.

    Args:
        policy: checked.
        verdict: of the caller's request.
        operation: to preview.
    """
    cell = _cell(policy, verdict, operation)
    limits = operation_values(operation) if operation.limits else (cell[_LIMIT],)
    seen = {policy.table.decide(cell).do}
    for transaction, limit in product(policy.table.values["transaction"], limits):
        other = (*cell[:_TRANSACTION], transaction, *cell[_TRANSACTION + 1 : _LIMIT], limit, *cell[_LIMIT + 1 :])
        name = policy.table.decide(other).do
        if name not in seen:
            seen.add(name)
            yield _follow(policy, verdict, operation, policy.fallbacks[name])


def _follow(policy: Policy, verdict: Verdict, operation: Operation, fallback: Fallback) -> tuple[Fallback, ...]:
    principal = verdict.principal
    if principal is None or not fallback.attempts or not verdict.snapshot.account.tallies:
        return (fallback,)
    evaluation = Evaluation(policy, verdict.snapshot, verdict.at, verdict.keys)
    return follow_then(evaluation, operation, principal, fallback)


def _cell(policy: Policy, verdict: Verdict, operation: Operation) -> Cell:
    """Return the cell of an operation without a transaction, within its limits."""
    snapshot, initial, principal = verdict.snapshot, policy.initial, verdict.principal
    if principal is None or operation.risk == "public":  # its credential is not checked
        own = snapshot if principal is None else blank(initial)
        states = (snapshot.service.state, *own.states()[1:4], initial["transaction"])
        cell = unproven_cell(policy, operation, "missing", states)
        return (*cell[:_LIMIT], "within", *cell[_LIMIT + 1 :], *_extra(policy, verdict, operation, None))
    states = (*snapshot.states()[:4], initial["transaction"])
    acting, channel = conditions.classify_actor(principal, policy.agents), "same"
    if acting == "stranger":
        acting = conditions.represent(operation, principal, acting, snapshot.account, sources=policy.accounts)
    if policy.channels.declared:
        channel = conditions.compare_channel(verdict.channel, snapshot.session.channel, policy.channels.trusts)
    held = effective_roles(operation, principal, acting, policy.role_sources)
    proven_at = conditions.find_proof_time(principal, snapshot)
    assurance = conditions.check_assurance(operation, principal, proven_at, policy.assurance.rank, verdict.at)
    return (
        *states,
        classify_credential(policy, principal, snapshot, assurance, authenticated_at(policy, principal)),
        operation.risk,
        operation.effect,
        # the next request has the scopes that a restriction removed from this one
        conditions.check_scope(operation, principal.token_scopes, held),
        assurance,
        "within",
        channel,
        acting if operation.actor == "any" else conditions.restrict_actor(operation, acting),
        *(_extra(policy, verdict, operation, principal) if policy.table.extra else ()),
    )


def _extra(policy: Policy, verdict: Verdict, operation: Operation, principal: Principal | None) -> tuple[str, ...]:
    """Return the values of the policy's own dimensions: those of the caller's request.

    A condition that was not asked counts as its first value, as limits count as not exceeded.
    """
    if not policy.table.extra:
        return ()
    expected = {one.name: one.values[0] for one in policy.own_conditions if one.call}
    brought = {**expected, **verdict.decision.context}
    channel = "" if principal is None else verdict.channel
    flags = {}
    if principal is not None:
        flags = preview_values(policy, operation, verdict.snapshot, verdict.keys, verdict.at)
    given = Given(principal=principal, channel=channel, conditions=brought, flags=flags, now=verdict.at)
    return read_extra(policy, operation, given)


def briefing(policy: Policy, verdict: Verdict) -> str:
    """Return a summary for a model: what this customer may do now, what not, and what to offer.

    It is safe in a prompt: it contains names of operations from the policy and fixed words, and nothing that the
    customer may not read. All callers with the same outcomes have the same summary, whatever the reason of their
    refusals.
    """
    groups: dict[str, list[str]] = {}
    for name, step in preview(policy, verdict).items():
        groups.setdefault(step, []).append(name.replace("_", " ").replace("-", " "))
    allowed = ", ".join(groups.pop(_NOW, [])) or "nothing that needs the guard's consent"
    refused = ", ".join(groups.pop(_STOP, []))
    only = " (reading only)" if verdict.fallback.kind is Outcome.RESTRICT else ""
    ways = "; ".join(_INSTRUCTIONS[step].format(names=", ".join(names)) for step, names in sorted(groups.items()))
    sentences = [f"This customer may now use: {allowed}{only}."]
    if ways:
        sentences.append(f"{ways[0].upper()}{ways[1:]}.")
    if refused:
        sentences.append(f"Do not offer {refused}, and give no reason.")
    if len(sentences) == 1:
        sentences.append("Nothing more is asked of them for that.")
    return " ".join(sentences)
