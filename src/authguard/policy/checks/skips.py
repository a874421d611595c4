"""Checks of rules that skip the rest of their phase: where they stand, what they change, and what they leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.decision_table import DEFAULT_PHASE
from authguard.policy.checks.table import find_skipped
from authguard.policy.problem import Problem
from authguard.policy.table.boxes import GAP, Undecided, find_skips
from authguard.policy.table.comparison import compare
from authguard.policy.table.coverage import compute_coverage
from authguard.policy.table_space import table_space

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.core.decision_table import Rule
    from authguard.policy.draft import Draft
    from authguard.policy.problem import Place
    from authguard.policy.table.boxes import Space


def check_skip_phases(draft: Draft) -> Iterator[Problem]:
    """Check that only rules of the phase `account` skip it: later rules rely on what the other phases check."""
    for rule in draft.rules:
        if rule.skips and rule.phase != DEFAULT_PHASE:
            yield Problem(
                code="skip-where",
                place=_place(draft, rule),
                message=f"rule `{rule.name}` skips the phase `{rule.phase}`, whose checks later rules rely on",
                advice="remove `phase` from the rule, or let it decide",
            )


def check_idle_skips(draft: Draft) -> Iterator[Problem]:
    """Check that every rule that skips its phase changes an answer."""
    space = table_space(draft)
    for rule, _ in find_skipped(draft):
        if _changes_example(draft, space, rule):
            continue
        others = _without(draft.rules, rule)
        idle = [(box, "") for box in space.impossible_boxes]
        tables = ([*idle, *((space.box(one.when), one.do) for one in some)] for some in (draft.rules, others))
        skips = (find_skips(draft.rules, len(idle)), find_skips(others, len(idle)))
        compared = compare(space.whole, (next(tables), next(tables)), [space.whole], skips=skips)
        if not isinstance(compared, Undecided) and not compared.changes:
            yield Problem(
                code="skip-idle",
                place=_place(draft, rule),
                message=f"rule `{rule.name}` changes no answer: without it, every request is decided in the same way",
                advice="delete it",
            )


def _changes_example(draft: Draft, space: Space, rule: Rule) -> bool:
    """Return whether a rule that skips is seen to change an answer in some cells; the whole comparison costs more."""
    proof, others = compute_coverage(draft.rules, space), _without(draft.rules, rule)
    without = compute_coverage(others, space, within=space.box(rule.when))
    if isinstance(proof, Undecided) or isinstance(without, Undecided):
        return False
    for left in _left_out(draft, space, rule):
        cells = without.example(others.index(left), space.box(rule.when))
        if any(draft.rules[one].do != left.do for one in proof.deciders(cells) if one != GAP):
            return True
    return False


def check_skipped_rules(draft: Draft) -> Iterator[Problem]:
    """Note the rules of the same file that a rule leaves out."""
    space = table_space(draft)
    for rule, _ in find_skipped(draft):
        place = _place(draft, rule)
        names = [f"`{one.name}`" for one in _left_out(draft, space, rule) if _place(draft, one).file == place.file]
        if names:
            yield Problem(
                code="skip-over",
                place=place,
                message=f"rule `{rule.name}` leaves out {', '.join(names)} of this file",
                severity="note",
                advice="put it after the rules that must still hold",
            )


def _left_out(draft: Draft, space: Space, rule: Rule) -> Iterator[Rule]:
    """Yield the rules that would decide a cell if a rule did not skip it."""
    others = _without(draft.rules, rule)
    without = compute_coverage(others, space, within=space.box(rule.when))
    if isinstance(without, Undecided):
        return
    decide = without.deciders(space.box(rule.when))
    yield from (
        one
        for place, one in enumerate(others)
        if place in decide and one.index > rule.index and one.phase == rule.phase
    )


def _without(rules: Sequence[Rule], rule: Rule) -> list[Rule]:
    return [one for one in rules if one.index != rule.index]


def _place(draft: Draft, rule: Rule) -> Place:
    return draft.place(f"decisions[{rule.index}]", "decisions")
