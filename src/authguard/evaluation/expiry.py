"""When time alone makes a rule stop matching, for ``retry: {after: expiry}``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.flags import SET
from authguard.core.opening_hours import holds_until
from authguard.evaluation.flags import next_expiry

if TYPE_CHECKING:
    from authguard.core.decision_table import Rule
    from authguard.evaluation.driver import Evaluation


def find_expiry(evaluation: Evaluation, rule: Rule) -> float:
    """Return the earliest moment at which time alone makes a rule stop matching.

    Args:
        evaluation: of the request.
        rule: that matches now.

    Returns:
        Epoch seconds UTC; infinity if nothing that the rule names ends by time.
    """
    policy, now = evaluation.policy, evaluation.now
    moments = [
        holds_until(condition.hours, rule.when[condition.name], now)
        for condition in policy.own_conditions
        if condition.hours is not None and condition.name in rule.when
    ]
    wanted = tuple(flag for flag in policy.flags if rule.when.get(flag.name) == frozenset({SET}))
    return min([*moments, next_expiry(wanted, evaluation.snapshot, evaluation.keys, now)])
