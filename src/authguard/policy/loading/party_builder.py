"""Build agents and staff issuers: a client id or a role counts only in tokens of its issuer.

An issuer with several tenants can be named by its template, which means all of them, or by the ``iss`` of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.agents import Agent
from authguard.core.deployment import expand_tenants
from authguard.policy.problem import did_you_mean

if TYPE_CHECKING:
    from authguard.policy.loading.problem_collector import ProblemCollector
    from authguard.policy.schema import document as model


def build_agents(document: model.Document, found: ProblemCollector) -> frozenset[Agent]:
    """Build the agents; a client without an issuer is accepted only if the policy has one issuer."""
    issuers, names = _names(document)
    only = issuers[0] if len(issuers) == 1 else ""
    for index, agent in enumerate(document.agents):
        path = f"agents[{index}]"
        if not agent.issuer and len(issuers) > 1:
            message = f"the policy has {len(issuers)} issuers, and any of them could name a client `{agent.client}`"
            advice = f"write `{{issuer: '{issuers[0]}', client: {agent.client}}}` with the issuer of that client"
            found.add("agent-issuer", path, message, advice)
        elif agent.issuer and issuers and agent.issuer not in names:
            message = f"`{agent.issuer}` is not an issuer of the policy"
            found.add("agent-issuer", f"{path}.issuer", message, did_you_mean(agent.issuer, names))
    return frozenset(
        Agent(issuer, agent.client, agent.alone)
        for agent in document.agents
        for issuer in names.get(agent.issuer, (agent.issuer or only,))
    )


def build_staff_issuers(document: model.Document, found: ProblemCollector) -> frozenset[str]:
    """Return the issuers whose staff roles count: those that the policy names, otherwise the only issuer."""
    staff, (issuers, names) = document.staff, _names(document)
    if staff is None:
        return frozenset()
    if staff.issuer is None:
        if len(issuers) > 1:
            message = f"the policy has {len(issuers)} issuers, and roles from any of them would make staff"
            key = f"staff: {{claim: {staff.claim}, issuer: '{issuers[0]}'}}"
            advice = f"write `{key}` with the issuer of your staff, or `issuer: []` for no staff"
            found.add("staff-issuer", "issuers[1]" if len(document.issuers) > 1 else "staff", message, advice)
        return frozenset(issuers if len(issuers) == 1 else ())
    for issuer in staff.issuer:
        if issuers and issuer not in names:
            message = f"`{issuer}` is not an issuer of the policy"
            found.add("staff-issuer", "staff.issuer", message, did_you_mean(issuer, names))
    return frozenset(one for issuer in staff.issuer for one in names.get(issuer, (issuer,)))


def _names(document: model.Document) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Return the ``iss`` of all issuers, and name -> the ``iss`` that it means."""
    templates = {issuer.issuer: expand_tenants(issuer.issuer, issuer.tenants) for issuer in document.issuers}
    issuers = tuple(one for expanded in templates.values() for one in expanded)
    return issuers, {one: (one,) for one in issuers} | templates
