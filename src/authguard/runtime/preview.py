"""What a caller could do next: each operation's outcome as the table would give it now, and the same in sentences.

Neither tells a state, a score or a rule: only operations by name, and the next step for those that need one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core import conditions, delegations
from authguard.core.outcomes import ADMITTING, RESPONSES, Outcome
from authguard.core.staff import effective_roles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.outcomes import Fallback
    from authguard.core.request import Operation
    from authguard.policy.compiled_policy import Policy
    from authguard.runtime.access import Verdict

#: operations that are told of at the most, so that a prompt stays short
MAX_OPERATIONS: Final = 40

_NOW: Final = "now"
#: next step -> how to ask for what needs it
_INSTRUCTIONS: Final[Mapping[str, str]] = {
    "authenticate": "for {names} they have to sign in again, or more strongly (point to it)",
    "retry": "for {names} they have to come back a little later (say so)",
    "talk_to_person": "for {names} a colleague takes over: offer to connect them",
    "verify": "for {names} they have to prove who they are (offer it)",
    "wait": "for {names} an approval is needed (say that it will be asked for)",
}
_STOP: Final = "stop"


def preview(policy: Policy, verdict: Verdict) -> dict[str, str]:
    """Tell, for each operation that the policy names, what its caller would have to do next.

    Args:
        policy: proved.
        verdict: of the request in whose light this is told; nobody proven can do nothing yet.

    Returns:
        Operation -> ``now``, or the next action of the reply that it would get.
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
    """Tell what the table would answer to an operation, asked for now and within its limits.

    Args:
        policy: proved.
        verdict: of the request in whose light this is told.
        operation: to ask for.
    """
    states = (*verdict.snapshot.states()[:4], policy.initial["transaction"])
    principal = verdict.principal
    if principal is None:
        credential = ("missing", operation.risk, operation.effect)
        cell = (*states, *credential, "missing", "insufficient", "within", "same", "subject")
    else:
        acting, channel = conditions.classify_actor(principal, policy.agents), "same"
        if acting == "stranger" and delegations.covers(verdict.snapshot.account, principal, operation):
            acting = "agent"
        if policy.channels.declared:
            channel = conditions.compare_channel(
                verdict.channel, verdict.snapshot.session.channel, policy.channels.trusts
            )
        held = effective_roles(operation, principal, acting, policy.staff_claim, policy.staff_issuers)
        cell = (
            *states,
            "good",
            operation.risk,
            operation.effect,
            # what a restriction cut is back in the next request
            conditions.check_scope(operation, principal.token_scopes, held),
            conditions.check_assurance(operation, principal, policy.assurance.rank, verdict.at),
            "within",
            channel,
            acting,
        )
    return policy.fallbacks[policy.table.decide(cell).do]


def briefing(policy: Policy, verdict: Verdict) -> str:
    """Tell a model, in two or three sentences, what this customer may do now, what not, and how to ask.

    It is safe to put in a prompt: names of operations from the policy, fixed words, nothing that a customer may not
    read. Whoever would get the same answers gets the same briefing, whatever they are refused for.
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
