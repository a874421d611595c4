"""Checks of what no request brings: rules that no operation can meet, and invariants that say nothing of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.extra_dimensions import OPERATION, OWN_OPERATIONS
from authguard.core.possible_values import find_possible
from authguard.policy.problem import Problem, list_names
from authguard.policy.table_space import draft_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.policy.draft import Draft

    #: dimension -> values
    Values = Mapping[str, frozenset[str]]

#: dimension -> what gives an operation its other values
_CAUSES: Final[Mapping[str, str]] = {
    "scope": "needs `scopes` or `roles`",
    "assurance": "has an `assurance` of that kind",
    "limit": "has `limits` of that kind",
    "channel_change": "can tell channels apart",
    "actor": "is open to it: see `agents` and `delegations`",
    "credential": "checks a credential: they are public",
}


def check_impossible_rules(draft: Draft) -> Iterator[Problem]:
    """Check that an operation can meet each rule of the policy's own file."""
    own = draft.place().file
    if draft.base or not draft.operations:
        return
    brought, known = _find_brought(draft), draft_values(draft)
    for rule in draft.rules:
        place = draft.place(f"decisions[{rule.index}]", "decisions")
        if not all(values <= set(known.get(name, ())) for name, values in rule.when.items()):
            continue  # an unknown name is a problem of its kind
        if place.file != own or any(_can_meet(values, rule.when) for values in brought.values()):
            continue
        yield Problem(
            code="rule-impossible",
            place=place,
            message=f"rule `{rule.name}` decides nothing: {_describe_lack(brought, rule.when)}",
            advice="correct the condition, or delete the rule",
            # a rule that names no operation is proved as if every operation could bring every value
            severity="error" if OPERATION in known else "note",
        )


def check_vacuous_invariants(draft: Draft) -> Iterator[Problem]:
    """Check that an invariant says something of each operation that it names."""
    brought = _find_brought(draft)
    for index, invariant in enumerate(draft.invariants):
        place = draft.place(f"invariants[{index}]", "invariants")
        idle: dict[str, list[str]] = {}
        for name in sorted(invariant.never.get(OPERATION, frozenset()) & brought.keys()):
            for lacking in _lacking(brought[name], invariant.never)[:1]:
                idle.setdefault(lacking, []).append(name)
        for lacking, names in idle.items():
            asked, shown = _describe(invariant.never, [lacking]), list_names(names)
            yield Problem(
                code="invariant-vacuous",
                place=place,
                message=f"`{invariant.name}` says nothing of {shown}, which never bring{'' if len(names) > 1 else 's'}"
                f" {asked}",
                advice=f"leave {shown} out of it, or make the operation one that {_cause(lacking)}",
            )


def _find_brought(draft: Draft) -> dict[str, Values]:
    """Return operation -> what its requests can bring, of the dimensions in which they cannot bring everything."""
    found: dict[str, Values] = {}
    for (risk, effect), name in OWN_OPERATIONS.items():
        found[name] = {OPERATION: frozenset({name}), "risk": frozenset({risk}), "effect": frozenset({effect})}
    for operation in reversed(draft.all_operations):
        possible = {name: frozenset(values) for name, values in find_possible(draft, operation).items()}
        found[operation.name] = {OPERATION: frozenset({operation.name}), **possible}
    return found


def _lacking(brought: Values, when: Values) -> list[str]:
    """Return the dimensions of a condition of which an operation brings no value."""
    return [name for name, values in when.items() if name in brought and not values & brought[name]]


def _can_meet(brought: Values, when: Values) -> bool:
    return not _lacking(brought, when)


def _describe_lack(brought: Mapping[str, Values], when: Values) -> str:
    """Return why no operation meets a condition: by what it is, or by what those that are it never bring."""
    kind = {name: values for name, values in when.items() if name in {OPERATION, "risk", "effect"}}
    meant = sorted(name for name, values in brought.items() if _can_meet(values, kind))
    if not meant:
        return f"no operation has {_describe(kind, list(kind))}"
    lacking = dict.fromkeys(name for one in meant for name in _lacking(brought[one], when))
    causes = dict.fromkeys(_cause(name) for name in lacking)
    reasons = " and none ".join(causes)
    return f"no request can meet {_describe(when, list(lacking))}: of {list_names(meant)}, none {reasons}"


def _cause(dimension: str) -> str:
    return _CAUSES.get(dimension, f"has such a `{dimension}`")


def _describe(when: Values, names: list[str]) -> str:
    """Return parts of a condition, as a policy writes them."""
    written = []
    for name in names:
        values = sorted(when[name])
        written.append(f"`{name}: {values[0] if len(values) == 1 else '[' + ', '.join(values) + ']'}`")
    return " and ".join(written)
