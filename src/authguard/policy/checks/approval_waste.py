"""Note on rules that refuse what was approved as soon as time changes a condition that they name."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from authguard.core.flags import CLEAR
from authguard.core.machine import expand
from authguard.core.outcomes import ADMITTING, Outcome
from authguard.policy.checks.table import deciding_rules, outcomes, prove_table
from authguard.policy.problem import Problem
from authguard.policy.table_space import table_space

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.decision_table import Rule
    from authguard.policy.draft import Draft


def check_wasted_approvals(draft: Draft) -> Iterator[Problem]:
    """Note each own rule that refuses an approved transaction when opening hours or a flag change by time."""
    proof, spec = prove_table(draft), draft.machines.get("transaction")
    if proof is None or spec is None or not (draft.conditions or draft.flags):
        return
    approved = {edge.dest for (_, trigger), edge in expand(spec).edges.items() if trigger == "approved" and edge.moves}
    for rule in deciding_rules(draft, proof, table_space(draft).box({"transaction": approved})):
        name = _find_timed(draft, rule)
        if name and not outcomes(draft, rule) & {*ADMITTING, Outcome.HOLD}:
            yield Problem(
                code="approval-wasted",
                severity="note",
                place=draft.place(f"decisions[{rule.index}]", "decisions"),
                message=f"rule `{rule.name}` also refuses what was approved as soon as `{name}` changes by time",
                advice="add `transaction: none` to its `when`, if what was approved may still run",
            )


def _find_timed(draft: Draft, rule: Rule) -> str:
    """Return a condition of a rule that time alone can bring about; empty if there is none."""
    for condition in draft.conditions:
        if condition.hours is not None and condition.name in rule.when:
            return condition.name
    for flag in draft.flags:
        if flag.expires < inf and rule.when.get(flag.name) == frozenset({CLEAR}):
            return flag.name
    return ""
