"""Check of the evidence of sign-ins: what an issuer without a sign-in time cannot have, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.outcomes import Outcome
from authguard.policy.checks.table import deciding_rules, prove_table
from authguard.policy.problem import Problem, list_names
from authguard.policy.table_space import table_space

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.policy.draft import Draft

#: evidence that an issuer declares -> what its tokens lack
_LACKS: Final[Mapping[str, str]] = {
    "none": "no sign-in time",
    "sid": "a session id and no sign-in time",
}
_CONSEQUENCES: Final[Mapping[Outcome, str]] = {
    Outcome.VERIFY: "an idle, expired or signed-out customer is asked to verify again",
    Outcome.HANDOFF: "an idle, expired or signed-out customer is handed to a person",
}
_OTHER_CONSEQUENCE: Final = "an idle, expired or signed-out customer is refused"


def check_sign_in_evidence(draft: Draft) -> Iterator[Problem]:
    """Tell what an issuer that declares no sign-in time cannot have."""
    for evidence in _LACKS:
        lacking = [index for index, issuer in enumerate(draft.issuers) if issuer.evidence == evidence]
        if lacking:
            yield Problem(
                code="sign-in-undated",
                place=draft.place(f"issuers[{lacking[0]}]", "issuers"),
                message="; ".join(_consequences(draft, evidence, [draft.issuers[index].issuer for index in lacking])),
                advice="if each of its tokens can have an `auth_time`, let it send one and write `evidence: auth_time`",
                severity="note",
            )


def _consequences(draft: Draft, evidence: str, issuers: list[str]) -> Iterator[str]:
    lacks = f"tokens of issuer{'s' if len(issuers) > 1 else ''} {list_names(issuers)} carry {_LACKS[evidence]}"
    new = ", unless the session id is a new one" if evidence == "sid" else ""
    outcome = _typical_outcome(draft)
    yield f"{lacks}: {_CONSEQUENCES.get(outcome, _OTHER_CONSEQUENCE)}{new}"
    aged = [operation.name for operation in draft.all_operations if operation.max_age]
    if aged and outcome is Outcome.VERIFY:
        yield f"`max_age` of {list_names(aged)} needs a verifier: a sign-in does not satisfy it"
    elif aged:
        yield f"nothing satisfies `max_age` of {list_names(aged)}, since the policy asks no verifier"
    yield "the records of its sessions are never deleted"


def _typical_outcome(draft: Draft) -> Outcome:
    """Return the outcome for an undated credential of a customer in good standing."""
    proof = prove_table(draft)
    if proof is None:
        return Outcome.DENY  # other checks report why
    initial = {name: {machine.initial} for name, machine in draft.machines.items()}
    typical = {**initial, "account": {"normal"}, "actor": {"subject"}, "credential": {"undated"}, "risk": {"routine"}}
    known = table_space(draft).values
    box = table_space(draft).box({name: values for name, values in typical.items() if values <= set(known[name])})
    kinds = {Outcome.ALLOW.value: Outcome.ALLOW} | {name: item.kind for name, item in draft.fallbacks.items()}
    return next((kinds[rule.do] for rule in deciding_rules(draft, proof, box)), Outcome.DENY)
