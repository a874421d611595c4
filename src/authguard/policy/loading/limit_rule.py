"""Expand rules with `do: by_limit`: each exceeded limit leads to its `then`; without one, reads and writes differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.tiers import EXCEEDED, LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.decision_table import Rule
    from authguard.core.request import Limit, Operation

    #: from `authguard.core.tiers.find_tiers`
    Tiers = Mapping[str, tuple[Operation, Limit]]

BY_LIMIT: Final = "by_limit"
#: effect -> fallback of an exceeded limit without `then`
OF_EFFECT: Final = {"read": "slow_down", "write": "await_approval"}


def expand_rule(rule: Rule, tiers: Tiers) -> Iterator[Rule]:
    """Yield the rules that a rule stands for; their cells are disjoint and make up those of the rule.

    Args:
        rule: as written; `limit: exceeded` includes the tiers already.
        tiers: from `authguard.core.tiers.find_tiers`.
    """
    if rule.do != BY_LIMIT:
        yield rule
        return
    limits = rule.when.get(LIMIT, frozenset())
    effects = rule.when.get("effect", frozenset(OF_EFFECT))
    answers: dict[str, set[str]] = {}
    for tier, (operation, limit) in tiers.items():
        if tier in limits and operation.effect in effects:
            answers.setdefault(limit.then, set()).add(tier)
    for do, names in answers.items():
        yield replace(rule, when={**rule.when, LIMIT: frozenset(names)}, do=do, name="")
    for effect, do in OF_EFFECT.items():
        if EXCEEDED in limits and effect in effects:
            when = {**rule.when, LIMIT: frozenset({EXCEEDED}), "effect": frozenset({effect})}
            yield replace(rule, when=when, do=do, name="")


def find_strange(rule: Rule, tiers: Tiers) -> str:
    """Return why a rule that does `by_limit` cannot be expanded; empty if it can.

    Args:
        rule: as written.
        tiers: from `authguard.core.tiers.find_tiers`.
    """
    if LIMIT not in rule.when:
        return "does not name `limit`"
    others = sorted(rule.when[LIMIT] - {EXCEEDED, *tiers})
    return f"names {', '.join(f'`{one}`' for one in others)}" if others else ""
