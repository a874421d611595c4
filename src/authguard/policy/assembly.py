"""Assembly of a `Policy` from a draft and its machines: for the compiler, and for checks that run the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.decision_table import Table, dimension_values
from authguard.core.outcomes import ALLOW
from authguard.core.policy import Policy
from authguard.core.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.machine import Machine
    from authguard.policy.draft import Draft


def assemble(draft: Draft, machines: Mapping[str, Machine]) -> Policy:
    """Return a policy with the content of a draft.

    Args:
        draft: with resolved names; only a draft without errors may decide requests.
        machines: its machines, total.
    """
    values = dimension_values({name: machine.spec.states for name, machine in machines.items()})
    fallbacks = {ALLOW.name: ALLOW} | dict(draft.fallbacks)
    origins = {f"rule:{rule.index}": rule.origin for rule in draft.rules}
    for name in draft.fallbacks:
        place = draft.place(f"fallbacks.{name}")
        origins[f"fallback:{name}"] = f"{place.file}:{place.line}"
    for name, spec in draft.machines.items():
        for index in range(len(spec.lines)):
            place = draft.place(f"machines.{name}.transitions[{index}]")
            origins[f"line:{name}:{index}"] = f"{place.file}:{place.line}"
    return Policy(
        name=draft.name,
        digest=draft.digest,
        machines=machines,
        timers=Timers.compile(draft.timers, machines),
        table=Table(values, draft.rules),
        fallbacks=fallbacks,
        on_fault=draft.on_fault,
        operations=draft.operations,
        otherwise=draft.otherwise,
        admits_unnamed=draft.admits_unnamed,
        issuers={one.issuer: one for issuer in draft.issuers for one in issuer.expand()},
        credentials=draft.credentials,
        agents=draft.agents,
        accounts=draft.accounts,
        assurance=draft.assurance,
        identity=draft.identity,
        verifiers=draft.verifiers,
        methods=draft.methods,
        channels=draft.channels,
        request_budget=draft.request_budget,
        body_budget=draft.body_budget,
        body_idle_timeout=draft.body_idle_timeout,
        body_min_rate=draft.body_min_rate,
        body_timeout=draft.body_timeout,
        nodes_budget=draft.nodes_budget,
        in_flight_budget=draft.in_flight_budget,
        max_held=draft.max_held,
        durability=draft.durability,
        pseudonymous=draft.pseudonymous,
        public_windows=draft.public_windows,
        request_properties=draft.request_properties,
        pseudonymous_peers=draft.pseudonymous_peers,
        checkpoint_every=draft.checkpoint_every,
        checkpoint_max_interval=draft.checkpoint_max_interval,
        rotate_size=draft.rotate_size,
        rotate_max_age=draft.rotate_max_age,
        log_retention=draft.log_retention,
        response_retention=draft.response_retention,
        app_reports=draft.app_reports,
        public_url=draft.public_url,
        hosts=draft.hosts,
        root_path=draft.root_path,
        cors=draft.cors,
        rollback_roles=draft.rollback_roles,
        rollback_message=draft.rollback_message,
        staff_claim=draft.staff_claim,
        staff_issuers=draft.staff_issuers,
        staff_roles=draft.staff_roles,
        origins=origins,
        file=draft.place().file,
        changes=draft.changes,
    )
