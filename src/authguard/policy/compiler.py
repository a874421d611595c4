"""Compile a checked draft to a `Policy`; raise `PolicyError` for a policy with errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.decision_table import Table, dimension_values
from authguard.core.machine import compile_machine
from authguard.core.outcomes import ALLOW
from authguard.core.policy import Policy
from authguard.core.timers import Timers
from authguard.errors import PolicyError
from authguard.policy.checks.registry import run_checks
from authguard.policy.loading.loader import load_draft

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.policy.draft import Draft
    from authguard.policy.loading.loader import LoadedDraft


def load(source: str | Path, *, text: bytes | None = None) -> Policy:
    """Load, check and compile a policy.

    Args:
        source: a shipped name (``standard``, ``support-desk``) or a path.
        text: content of the file; if given, `source` only names the file and its folder.

    Raises:
        PolicyError: the policy has errors. The exception lists errors and notes, ordered by file and line.
    """
    return compile_draft(require_sound(load_draft(source, text=text)))


def require_sound(reading: LoadedDraft) -> Draft:
    """Return a loaded draft if its checks find no error.

    Raises:
        PolicyError: the policy has errors. The exception lists errors and notes, ordered by file and line.
    """
    found = [*reading.problems, *(run_checks(reading.draft) if reading.draft else ())]
    problems = sorted(found, key=lambda problem: problem.place)
    if reading.draft is None or any(problem.severity == "error" for problem in problems):
        raise PolicyError(problems)
    return reading.draft


def compile_draft(draft: Draft) -> Policy:
    """Compile a draft without errors.

    Raises:
        MachineFaultError: a machine is not total, or differs from its table.
    """
    machines = {name: compile_machine(spec) for name, spec in draft.machines.items()}
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
