"""Text of proposed operations: lines of a policy, each with its reason, and the scenarios that they bring about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.operation_proposal import WEBSOCKET
from authguard.policy.render.yaml_document import scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.policy.operation_proposal import Proposal

#: operations that get scenarios; further ones are like them
MAX_SCENARIOS: Final = 12

#: name, given states, events, question, expected outcome
Row = tuple[str, str, str, str, str]


def render_operations(
    proposals: Sequence[Proposal], level: str, *, has_scopes: bool, staff_role: str = ""
) -> Iterator[str]:
    """Yield the operations as lines of a policy, each below its reason.

    Args:
        proposals: at least one.
        level: assurance level that proves the identity; operations of high risk require it.
        has_scopes: whether tokens of the provider have scopes.
        staff_role: role that operations for staff need; empty if tokens have no roles.
    """
    for one in proposals:
        yield f"  # {one.why}"
        match = f"websocket: {scalar(one.path)}" if one.method == WEBSOCKET else f"path: {scalar(one.path)}"
        method = f", method: {one.method}" if one.method not in {"", WEBSOCKET} else ""
        rest = f"risk: {one.risk}, effect: {one.effect}"
        if one.scopes and has_scopes:
            rest += f", scopes: [{', '.join(scalar(scope) for scope in one.scopes)}]"
        if one.for_staff and staff_role:
            rest += f", roles: [{scalar(staff_role)}]"
        if one.risk == "high":
            rest += f", assurance: {{acr: {scalar(level)}, max_age: 5m}}"
        yield f"  - {{name: {scalar(one.name)}, match: {{{match}{method}}}, {rest}}}"


def list_scenarios(proposals: Sequence[Proposal], proof: str) -> Iterator[Row]:
    """Yield the scenarios of proposed operations: who may use them, and what a customer has to prove.

    Args:
        proposals: at least one.
        proof: outcome for a customer whose identity is not proven.
    """
    known = "account: normal, verification: verified"
    for one in proposals[:MAX_SCENARIOS]:
        ask = f"operation: {one.name}"
        if one.risk == "public":
            yield f"{one.name} needs no sign-in", "session: absent", "", f"{ask}, credential: missing", "allow"
            continue
        yield f"{one.name} needs a sign-in", "session: absent", "", f"{ask}, credential: missing", "challenge"
        if not one.for_staff:
            yield f"a known customer may use {one.name}", known, "", ask, "allow"
        if one.scopes:
            yield f"{one.name} needs its scope", known, "", f"{ask}, scope: missing", "deny"
        if one.risk != "routine":
            yield f"{one.name} needs a proof of identity", "account: normal", "", ask, proof
        if one.risk == "high":
            yield f"{one.name} needs a fresh sign-in", known, "", f"{ask}, assurance: stale", "step_up"
