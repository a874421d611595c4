"""What a scenario runs on: a policy as it would be deployed, and operations that it only describes by their risk.

A base policy has no issuers, operations and sources; any deployment may add them. So what it leaves open is completed
by one of each, and its scenarios name requests by their risk and effect.
"""

from __future__ import annotations

import re
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.agents import Agent
from authguard.core.decision_table import CONDITIONS
from authguard.core.deployment import AccountSource, Assurance, Channels, Issuer
from authguard.core.extra_dimensions import CHANNEL
from authguard.core.request import Limit, Operation
from authguard.core.verification import Method
from authguard.evaluation.driver import APP_SOURCE, NO_SOURCE
from authguard.evaluation.operation_index import WEBSOCKET
from authguard.evaluation.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from authguard.core.outcomes import Reason
    from authguard.core.policy import Policy
    from authguard.policy.testing.request import ScenarioRequest

_PARAMETER: Final = re.compile(r"\{[^{}]*\}")
ISSUER: Final = "https://issuer.example"
AGENT: Final = "agent"
SCOPE: Final = "scenario"
#: the source that a base policy is completed with; a directory, so that it may be unreachable
SOURCE: Final = AccountSource(name="directory", url="https://accounts.example", delegations_at="/may_act")
LEVELS: Final = Assurance(order=("aal1", "aal2", "aal3"))
CHANNELS: Final = Channels(trusts={"app": frozenset(), "voice": frozenset()}, declared=True)
#: seconds since authentication that an operation which is only described requires
MAX_AGE_S: Final = 300.0
#: the request of the session's status, by which an event of a token reaches the guard
STATUS: Final = Operation(name="authguard.session", risk="self", effect="read")
LIMIT: Final = Limit(name="described/0", amount="100", currency="EUR")


def complete_policy(policy: Policy) -> Policy:
    """Return the policy as a deployment would run it; one with issuers is returned as it is."""
    if policy.issuers:
        return policy
    names = {name for fallback in policy.fallbacks.values() for name in fallback.methods}
    missing = {name: Method(name=name, verifiers=("verifier",), need=1) for name in names - policy.methods.keys()}
    added: dict[str, Any] = {"methods": {**policy.methods, **missing}}
    added["issuers"] = {ISSUER: Issuer(issuer=ISSUER, audience=("scenarios",), algorithms=("ES256",))}
    added["agents"] = policy.agents or frozenset({Agent(ISSUER, AGENT)})
    added["accounts"] = policy.accounts or (SOURCE,)
    added["assurance"] = policy.assurance if policy.assurance.order else LEVELS
    if not policy.channels.declared and CHANNEL not in policy.table.extra:
        added["channels"] = CHANNELS
    if not policy.operations:
        added["operations"] = tuple(
            describe_operation({"risk": risk, "effect": effect}, added["assurance"])
            for risk, effect in product(("routine", "sensitive", "high"), CONDITIONS["effect"])
        )
    return replace(policy, **added)


def describe_operation(conditions: Mapping[str, str], levels: Assurance) -> Operation:
    """Return an operation that only its risk and effect describe, with what the other conditions need.

    Args:
        conditions: as typed, with risk and effect.
        levels: of the policy.
    """
    needs: dict[str, Any] = {}
    if conditions.get("scope") == "missing":
        needs["scopes"] = frozenset({SCOPE})
    if conditions.get("assurance") == "insufficient" and levels.order:
        needs["acr"] = levels.order[-1]
    if conditions.get("assurance") == "stale":
        needs["max_age"] = MAX_AGE_S
    if conditions.get("limit", "within") != "within":
        needs |= {"amount_at": "/amount", "currency": "EUR", "limits": (LIMIT,)}
    risk, effect = conditions["risk"], conditions["effect"]
    return Operation(name=f"{risk}-{effect}", risk=risk, effect=effect, **needs)


def find_sources(policy: Policy, state: str) -> tuple[str, ...]:
    """Return the names of the sources that can report an account state; none if it cannot be reported.

    Args:
        policy: completed.
        state: of the account.
    """
    found = [
        source.name
        for source in policy.accounts
        if not source.map or state == "unrecognised" or state in source.map.values()
    ]
    if f"account.{state}" in policy.reports.app:
        found.append(APP_SOURCE)
    if state == "normal" and not policy.accounts:
        found.append(NO_SOURCE)
    return tuple(found)


class Deployment:
    """A policy as a scenario runs on it; immutable, so that all scenarios of a policy share one.

    Attributes:
        policy: completed.
    """

    def __init__(self, policy: Policy) -> None:
        """Complete the policy."""
        self.policy: Final = complete_policy(policy)
        operations = (STATUS, self.policy.otherwise, *reversed(self.policy.operations))
        self._named = {one.name: one for one in operations}
        self._host = min(self.policy.hosts, default="app.example").replace("*", "www").encode()

    @cached_property
    def _resolver(self) -> Resolver:
        """The operations, indexed as the guard does; only requests by method and path need it."""
        policy = self.policy
        return Resolver(
            policy.operations,
            policy.otherwise,
            (),
            admits=policy.admits_unnamed,
            hosts=policy.hosts,
            root=policy.settings.root_path,
        )

    @cached_property
    def timeless(self) -> Policy:
        """The policy with clock conditions that a scenario types, since it names no time."""
        if not any(one.hours for one in self.policy.conditions):
            return self.policy
        return replace(self.policy, conditions=tuple(replace(one, hours=None) for one in self.policy.conditions))

    @cached_property
    def scopes(self) -> tuple[str, ...]:
        """All scopes that the policy's operations need."""
        return tuple(sorted(frozenset[str]().union(*(one.scopes for one in self.policy.all_operations))))

    def find_operation(self, asked: ScenarioRequest) -> Operation | Reason:
        """Return the operation of a request, or the reason why the guard refuses it."""
        if asked.operation:
            return self._named[asked.operation]
        if not asked.target:
            return describe_operation(asked.conditions, self.policy.assurance)
        path = asked.target.partition("?")[0]
        scope = {"path": path, "root_path": self.policy.settings.root_path, "headers": [(b"host", self._host)]}
        where = self._resolver.path(scope)
        if asked.method == WEBSOCKET:
            return self._resolver.find_socket(where, scope)
        return self._resolver.find(asked.method, where, {**scope, "method": asked.method})


def request_line(operation: Operation, asked: ScenarioRequest) -> tuple[str, bytes]:
    """Return method and target of a request; those of a named operation are made up from its template."""
    if asked.target:
        return asked.method, asked.target.encode()
    match = operation.match
    if match.websocket:
        return WEBSOCKET, _PARAMETER.sub("1", match.websocket).encode()
    method = match.method or ("GET" if operation.effect == "read" else "POST")
    return method, _PARAMETER.sub("1", match.path or f"/{operation.name}").encode()
