"""Build a draft from a validated document: core values, with the place of each definition.

The builders report keys that exclude each other and key files outside the policy's folder. They do not resolve names;
the checks do.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.approvers import Approvers
from authguard.core.decision_table import ALONE, Rule
from authguard.core.deployment import Assurance
from authguard.core.extra_dimensions import OPERATION, expand_groups
from authguard.core.fallback_settings import FallbackSettings
from authguard.core.machine import Line, Spec
from authguard.core.outcomes import Fallback, Outcome
from authguard.core.tiers import LIMIT, expand_exceeded, find_tiers
from authguard.core.timers import Timer
from authguard.policy.draft import Draft, Invariant
from authguard.policy.loading import (
    condition_builder,
    credential_builder,
    deployment_builder,
    flag_builder,
    party_builder,
)
from authguard.policy.loading.limit_rule import BY_LIMIT, expand_rule, find_strange
from authguard.policy.loading.problem_collector import ProblemCollector
from authguard.policy.loading.validation import canonical_json
from authguard.policy.schema.document import KIND_KEYS
from authguard.policy.tree import format_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from authguard.policy.loading.limit_rule import Tiers
    from authguard.policy.problem import Place, Problem
    from authguard.policy.schema import document as model
    from authguard.policy.tree import Node

_OF_EVERY_KIND: Final = frozenset({"kind", "status", "message", "discloses", "attempts", "per", "then"})


def build_draft(document: model.Document, tree: Node, folder: Path) -> tuple[Draft, tuple[Problem, ...]]:
    """Build a draft.

    Args:
        document: the merged document.
        tree: tree of the document, with the places.
        folder: base folder of key files; files outside it are refused.
    """
    found = ProblemCollector({format_path(path): node.place for path, node in tree.iter_nodes()})
    if found.is_given("audit.peers") and "peer" not in document.audit.request and not document.base:
        message = "`peers` has no effect without `peer` in `request`"
        found.add("key-not-for-kind", "audit.peers", message, "write `request: [peer]`, or remove `peers`")
    credentials = credential_builder.build_credential_places(document.credentials, found)
    groups = _find_groups(document)
    conditions = tuple(
        condition_builder.build_condition(name, condition, found) for name, condition in document.conditions.items()
    )
    accounts = tuple(
        deployment_builder.build_account_source(index, source, folder, found)
        for index, source in enumerate(document.accounts or ())
    )
    operations = tuple(
        deployment_builder.build_operation(index, operation, found)
        for index, operation in enumerate(document.operations)
    )
    tiers = find_tiers(operations)
    draft = Draft(
        name=document.name,
        digest=sha256(canonical_json(tree)).hexdigest(),
        base=document.base,
        machines={name: _machine(name, machine) for name, machine in document.machines.items()},
        timers=tuple(
            Timer(event=timer.event, after=timer.after, since=timer.since, states=timer.states)
            for timer in document.timers
        ),
        rules=_rules(document, groups, tiers, found),
        fallbacks={name: _fallback(name, fallback, found) for name, fallback in document.fallbacks.items()},
        on_fault=document.on_fault,
        invariants=tuple(
            _invariant(index, invariant, groups, tiers, found) for index, invariant in enumerate(document.invariants)
        ),
        operations=operations,
        otherwise=deployment_builder.build_otherwise(document.otherwise),
        admits_unnamed=document.otherwise is not None,
        issuers=tuple(
            deployment_builder.build_issuer(index, issuer, document.assurance.order, folder, found)
            for index, issuer in enumerate(document.issuers)
        ),
        credentials=credentials,
        agents=party_builder.build_agents(document, found),
        accounts=condition_builder.add_pointers(accounts, conditions, found, base=document.base),
        accounts_declared=document.accounts is not None,
        assurance=Assurance(order=document.assurance.order, map=document.assurance.map),
        identity=document.identity.credential if document.identity else "",
        methods={
            name: deployment_builder.build_method(name, method, found) for name, method in document.methods.items()
        },
        verifiers={
            name: deployment_builder.build_verifier(name, one, folder, found)
            for name, one in document.verifiers.items()
        },
        channels=deployment_builder.build_channels(document.channels, found),
        conditions=conditions,
        budget=document.budget,
        transactions=document.transactions,
        audit=document.audit,
        reports=document.reports,
        settings=document.settings,
        hosts=frozenset(document.hosts),
        cors=deployment_builder.build_cors(document.cors, credentials, found),
        rollback=document.rollback,
        staff_claim=document.staff.claim if document.staff else "",
        staff_issuers=party_builder.build_staff_issuers(document, found),
        staff_roles=dict(document.staff.authority.items()) if document.staff else {},
        flags=flag_builder.build_flags(document.flags, found),
        places=found.places,
    )
    return draft, tuple(found.problems)


def _machine(name: str, machine: model.States) -> Spec:
    lines = tuple(
        Line(triggers=line.trigger, sources=line.source, dest=line.dest, raises=line.raises)
        for line in machine.transitions
    )
    return Spec(name=name, initial=machine.initial, states=tuple(one.name for one in machine.states), lines=lines)


def _find_groups(document: model.Document) -> dict[str, frozenset[str]]:
    """Return group -> names of its operations."""
    found: dict[str, set[str]] = {}
    for operation in document.operations:
        for group in operation.groups:
            found.setdefault(group, set()).add(operation.name)
    return {group: frozenset(names) for group, names in found.items()}


def _conditions(
    when: Mapping[str, tuple[str, ...]], groups: Mapping[str, frozenset[str]], tiers: Iterable[str]
) -> dict[str, frozenset[str]]:
    """Return dimension -> values, with the operations of each named group, and all tiers for ``exceeded``."""
    found = {
        dimension: expand_groups(groups, values) if dimension == OPERATION else frozenset(values)
        for dimension, values in when.items()
    }
    return found | {LIMIT: expand_exceeded(found[LIMIT], tiers)} if LIMIT in found else found


def _rules(
    document: model.Document, groups: Mapping[str, frozenset[str]], tiers: Tiers, found: ProblemCollector
) -> tuple[Rule, ...]:
    """Build the rules of the table; one with `do: by_limit` becomes several, at its place."""
    rules: list[Rule] = []
    places: dict[str, Place] = {}
    for index, rule in enumerate(document.decisions):
        whole = _rule(index, rule, groups, tiers, found)
        if rule.do == BY_LIMIT and (strange := find_strange(whole, tiers)):
            message = f"a rule that does `by_limit` decides exceeded limits, and this one {strange}"
            found.add("by-limit-unclear", f"decisions[{index}]", message, "write `limit: exceeded`, or names of limits")
        parts, first = tuple(expand_rule(whole, tiers)), len(rules)
        for one in parts:
            places[f"decisions[{len(rules)}]"] = found.places[f"decisions[{index}]"]
            rules.append(replace(one, index=len(rules), first=first if len(parts) > 1 else ALONE, name=""))
    found.places = {**found.places, **places}
    return tuple(rules)


def _rule(
    index: int, rule: model.Rule, groups: Mapping[str, frozenset[str]], tiers: Iterable[str], found: ProblemCollector
) -> Rule:
    place = found.places[f"decisions[{index}]"]
    when = _conditions(rule.when, groups, tiers)
    return Rule(when=when, do=rule.do, index=index, phase=rule.phase, origin=f"{place.file}:{place.line}")


def _fallback(name: str, fallback: model.Fallback, found: ProblemCollector) -> Fallback:
    allowed = _OF_EVERY_KIND | KIND_KEYS.get(fallback.kind, frozenset())
    found.add_unexpected(
        f"fallbacks.{name}",
        fallback.__struct_encode_fields__,
        allowed,
        f"`kind: {fallback.kind}`",
    )
    return Fallback(
        **deployment_builder.declared_in(FallbackSettings, fallback),
        name=name,
        kind=Outcome(fallback.kind),
        message=fallback.message,
        acr=fallback.acr,
        max_age=max(fallback.max_age, 0.0),
        since_entered=fallback.max_age < 0,
        approvers=tuple(Approvers(one.role, one.count, one.acr) for one in fallback.approvers),
        after=max(fallback.after, 0.0),
        until_expiry=fallback.after < 0,
    )


def _invariant(
    index: int,
    invariant: model.Invariant,
    groups: Mapping[str, frozenset[str]],
    tiers: Iterable[str],
    found: ProblemCollector,
) -> Invariant:
    if invariant.never is not None and (invariant.always_reachable or invariant.by):
        message = "an invariant has `never` or `always_reachable`, not both"
        found.add("key-not-for-kind", f"invariants[{index}]", message, "write two invariants")
    return Invariant(
        name=invariant.name,
        never=_conditions(invariant.never or {}, groups, tiers),
        always_reachable=invariant.always_reachable,
        by=invariant.by,
    )
