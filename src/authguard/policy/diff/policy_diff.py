"""Compare two policies and sort the differences, the worst first; the table comparison is exact over all cells.

The tables are compared cell by cell (`authguard.policy.table.comparison`), over the states of both policies. For a
state that a policy does not have, its answer is `on_fault`, as the engine answers a record that it cannot interpret.
`authguard.policy.diff.part_diff` compares everything outside the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from authguard.core.decision_table import CONDITIONS, SKIP_PHASE, dimension_values
from authguard.core.events import MACHINES
from authguard.core.extra_dimensions import find_extra
from authguard.core.outcomes import ADMITTING, ALLOW, Outcome
from authguard.core.tiers import LIMIT, limit_values, translate_tiers
from authguard.policy.diff.difference import Difference
from authguard.policy.diff.example_search import ExampleSearch
from authguard.policy.diff.fallbacks import compare_fallbacks
from authguard.policy.diff.own_conditions import pair_conditions, translate
from authguard.policy.diff.part_diff import diff_parts
from authguard.policy.diff.permissiveness import ORDER, RISKS, Direction
from authguard.policy.diff.policy_pair import PolicyPair
from authguard.policy.table.boxes import Box, Space, Undecided, find_skips, is_empty
from authguard.policy.table.comparison import compare
from authguard.policy.table_space import draft_values, impossible_conditions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from authguard.core.outcomes import Fallback
    from authguard.policy.diff.own_conditions import Pairs
    from authguard.policy.draft import Draft

#: the answer to a state that a policy does not have
UNKNOWN_STATE: Final = "?"
#: outcome -> its words
_KINDS: Final = {
    Outcome.ALLOW: "the app answers",
    Outcome.RESTRICT: "the app answers, with fewer scopes",
    Outcome.REPEAT: "the first response again",
    Outcome.CHALLENGE: "a sign-in is asked for",
    Outcome.STEP_UP: "a stronger or fresher sign-in is asked for",
    Outcome.VERIFY: "a proof of identity is asked for",
    Outcome.HOLD: "it waits for approval",
    Outcome.RETRY: "try again later",
    Outcome.HANDOFF: "a person takes over",
    Outcome.DENY: "refused",
    Outcome.TERMINATE: "refused, and the session ends",
}
_DIRECTIONS = tuple(Direction)


class PolicyDiff(Struct, frozen=True, kw_only=True):
    """The differences of two policies.

    Attributes:
        old: name of the old policy.
        new: name of the new policy.
        differences: the worst first.
        undecided: whether the tables exceed the budget of the comparison, so that nothing is known about them.
    """

    old: str
    new: str
    differences: tuple[Difference, ...]
    undecided: bool = False

    def of(self, direction: Direction) -> tuple[Difference, ...]:
        """Return the differences of one direction."""
        return tuple(one for one in self.differences if one.direction is direction)

    @property
    def loosening(self) -> tuple[Difference, ...]:
        """The differences that are looser, or may be."""
        return self.of(Direction.LOOSER) + self.of(Direction.MAY_LOOSEN)


def diff_policies(old: Draft, new: Draft, *, find_paths: bool = True) -> PolicyDiff:
    """Compare two policies, both without errors.

    Args:
        old: the old policy.
        new: the new policy.
        find_paths: whether to search for the cell that a request reaches first, and for the shortest events to it.
            Without the search the same differences are found, each with an arbitrary cell.
    """
    pair = PolicyPair(old, new)
    table = _diff_tables(pair, find_paths=find_paths)
    beyond = list(diff_parts(pair))
    found = [*(table or ()), *beyond]
    if not found and table is not None and old.digest != new.digest:
        message = "the text differs, and the same is admitted"
        found = [Difference(direction=Direction.CHANGED, what="policy", message=message)]
    return PolicyDiff(
        old=old.name, new=new.name, differences=tuple(sorted(found, key=_sort_key)), undecided=table is None
    )


def _sort_key(one: Difference) -> tuple[int, int, bool, int, int, str]:
    """Sort by direction (looser first), risk, admission, distance and number of cells."""
    risk = RISKS.index(one.risk) if one.risk in RISKS else 2
    return (_DIRECTIONS.index(one.direction), risk, not one.admits, -one.distance, -one.cells, one.message)


def _diff_tables(pair: PolicyPair, *, find_paths: bool) -> list[Difference] | None:
    """Compare the tables; return None if they exceed the budget."""
    old, new = pair.old, pair.new
    pairs = pair_conditions(old, new)
    values = _values(old, new, pairs)
    space = Space(values)
    # a limit that only the other policy has is possible in this one, which knows it under another name
    impossible = [
        space.box(when)
        for draft in (old, new)
        for when in impossible_conditions(draft, values | {LIMIT: limit_values(draft)})
    ]
    olds, news = (
        {_answer_key(item, old): item for item in _fallbacks(draft).values()}
        | {UNKNOWN_STATE: draft.fallbacks[draft.on_fault]}
        for draft in (old, new)
    )
    idle = [(box, UNKNOWN_STATE) for box in impossible if not is_empty(box)]
    tables = (idle + _rules(old, old, space, pairs, new), idle + _rules(new, old, space, pairs, old))
    slices = [space.box({"risk": {risk}}) for risk in CONDITIONS["risk"]]
    skips = tuple(find_skips(draft.rules, len(idle) + len(MACHINES)) for draft in (old, new))
    compared = compare(space.whole, tables, slices, skips=(skips[0], skips[1]))
    if isinstance(compared, Undecided):
        return None
    directed = []
    for change in compared.changes:
        before, after = olds[change.before], news[change.after]
        if UNKNOWN_STATE in (change.before, change.after):
            direction = _state_direction(before, after, is_new=change.before == UNKNOWN_STATE)
        else:
            direction = compare_fallbacks(pair, before, after)
        directed.append((direction, change))
    search = ExampleSearch((new, old) if find_paths else (), space, pairs)
    found = []
    # the search for events is bounded, so that the worst changes come first
    for direction, change in sorted(directed, key=lambda one: _DIRECTIONS.index(one[0])):
        before, after = olds[change.before], news[change.after]
        cell, path = search.find(change, compared.make_finder(change))
        found.append(
            Difference(
                direction=direction,
                what="decisions",
                message=(
                    f"the answer was {_format_answer(change.before, before)},"
                    f" is now {_format_answer(change.after, after)}"
                ),
                risk=CONDITIONS["risk"][change.slice],
                before=before.kind.value,
                after=after.kind.value,
                admits=after.kind in ADMITTING and before.kind not in ADMITTING,
                distance=abs(ORDER.index(before.kind) - ORDER.index(after.kind)),
                cells=change.cells,
                box=space.words(change.box),
                cell=cell,
                path=path,
            )
        )
    return found


def _format_answer(answer: str, item: Fallback) -> str:
    return "none (the policy has no such state)" if answer == UNKNOWN_STATE else f"`{item.name}` ({_KINDS[item.kind]})"


def _state_direction(before: Fallback, after: Fallback, *, is_new: bool) -> Direction:
    """Return the direction of adding or removing a state, by whether its requests are admitted."""
    if (after if is_new else before).kind in ADMITTING:
        return Direction.LOOSER if is_new else Direction.STRICTER
    return Direction.CHANGED


def _values(old: Draft, new: Draft, pairs: Pairs) -> dict[str, tuple[str, ...]]:
    states = {name: tuple(dict.fromkeys((*old.machines[name].states, *new.machines[name].states))) for name in MACHINES}
    named = set(draft_values(old)) | set(draft_values(new))
    extra = dict[str, tuple[str, ...]]()
    for draft in (old, new):
        for name, values in find_extra(draft, named).items():
            extra[name] = tuple(pairs.get(name, ())) or tuple(dict.fromkeys((*extra.get(name, ()), *values)))
    limits = tuple(dict.fromkeys((*limit_values(old), *limit_values(new))))
    return dimension_values(states, extra) | {LIMIT: limits}


def _fallbacks(draft: Draft) -> dict[str, Fallback]:
    return {ALLOW.name: ALLOW} | dict(draft.fallbacks)


def _rules(draft: Draft, old: Draft, space: Space, pairs: Pairs, other: Draft) -> list[tuple[Box, str]]:
    """Return the rules of a policy as boxes over the states of both; unknown states have the answer of `on_fault`."""
    known, side = _fallbacks(draft), int(draft is not old)
    unknown = [{name: set(space.values[name]) - set(draft.machines[name].states)} for name in MACHINES]
    rules = [(space.box(when), UNKNOWN_STATE) for when in unknown]
    foreign = translate_tiers(draft.operations, other.operations)
    boxes = (space.box(_with_foreign(translate(rule.when, pairs, side), foreign)) for rule in draft.rules)
    answers = (SKIP_PHASE if rule.skips else _answer_key(known[rule.do], old) for rule in draft.rules)
    return [*rules, *zip(boxes, answers, strict=True)]


def _with_foreign(when: Mapping[str, AbstractSet[str]], foreign: Mapping[str, str]) -> Mapping[str, AbstractSet[str]]:
    """Return a condition that also has the other policy's limits which are one of its values."""
    if LIMIT not in when or not foreign:
        return when
    return {**when, LIMIT: when[LIMIT] | {tier for tier, value in foreign.items() if value in when[LIMIT]}}


def _answer_key(item: Fallback, old: Draft) -> str:
    """Return a key that is equal for fallbacks that differ only in a new name."""
    name = item.name
    if name not in old.fallbacks and item.kind is not Outcome.ALLOW:
        name = next((known for known, other in old.fallbacks.items() if replace(other, name=name) == item), name)
    return f"{name}/{item.kind}"
