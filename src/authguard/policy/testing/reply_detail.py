"""Details of a reply that a scenario may expect besides its fallback: approvers, queue, methods, age of a sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.policy.schema.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.policy import Policy
    from authguard.policy.testing.request import ScenarioDecision

#: key of `then` -> the form of its value
DETAILS: Final[dict[str, str]] = {
    "message": "the text for the customer, in the default language and channel",
    "queue": "the queue of a hand-off",
    "approvers": "the approvers of a hold: `{role: NAME, count: NUMBER, acr: LEVEL}`, or a list of such",
    "methods": "the offered methods: `[NAME]`",
    "verifiers": "the verifiers of the offered methods: `[NAME]`",
    "scopes": "the scopes of the token that remain for the app: `[NAME]`",
    "retry_after": "the time after which the request may be repeated: a duration",
    "max_age": "the age that a new sign-in may have: a duration, or `since_entered`",
}


def read_details(policy: Policy, answer: ScenarioDecision) -> dict[str, Any]:
    """Return the details of a reply, as a policy writes them; none for a request that is refused before it is decided.

    Args:
        policy: the policy.
        answer: the decision.
    """
    if not answer.fallback:
        return {}
    found = policy.fallbacks[answer.fallback]
    offered = [policy.methods[name] for name in found.methods if name in policy.methods]
    return {
        "message": found.message.texts.get(("", "default"), ""),
        "queue": found.queue,
        "approvers": [{"role": one.role, "count": one.count, "acr": one.acr} for one in found.approvers],
        "methods": list(found.methods),
        "verifiers": list(dict.fromkeys(name for method in offered for name in method.verifiers)),
        "scopes": list(answer.scopes),
        "retry_after": format_duration(answer.retry_after),
        "max_age": "since_entered" if found.since_entered else format_duration(found.max_age),
    }


def compare_details(policy: Policy, answer: ScenarioDecision, expected: Mapping[str, Any]) -> Iterator[str]:
    """Yield one phrase per detail that differs from an expected one.

    Args:
        policy: the policy.
        answer: the decision.
        expected: key of `DETAILS` -> value; keys of approvers that are left out are not compared.
    """
    actual = read_details(policy, answer)
    for key, value in expected.items():
        found = actual.get(key)
        if key == "approvers" and isinstance(found, list) and len(found) == len(value):
            found = [{name: one[name] for name in wanted} for one, wanted in zip(found, value, strict=True)]
        if found != value:
            yield f"`{key}` is `{_format(found)}`, not `{_format(value)}`"


def _format(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {one}" for key, one in value.items())
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return "; ".join(map(_format, value))
    return ", ".join(map(str, value if isinstance(value, list) else [value or ""])) or "none"
