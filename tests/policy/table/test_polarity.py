"""The polarity of a flag, against a second reading that decides every cell twice."""

from __future__ import annotations

import random
from itertools import product
from typing import TYPE_CHECKING

import pytest

from authguard.core.approvers import Approvers
from authguard.core.decision_table import Rule
from authguard.core.outcomes import ALLOW, Fallback, Outcome
from authguard.policy.table.boxes import Space
from authguard.policy.table.mdd import NodeLimitError
from authguard.policy.table.polarity import Polarity, PolarityProof, compare_openness

if TYPE_CHECKING:
    from collections.abc import Sequence

VALUES = {"first": ("a", "b", "c"), "second": ("x", "y"), "flag": ("clear", "set"), "other": ("clear", "set")}
LEVELS = ("", "aal1", "aal2")
ANSWERS = {
    "allow": ALLOW,
    "less": Fallback(name="less", kind=Outcome.RESTRICT, effects=frozenset({"read"})),
    "least": Fallback(name="least", kind=Outcome.RESTRICT, effects=frozenset()),
    "again": Fallback(name="again", kind=Outcome.REPEAT),
    "one": Fallback(name="one", kind=Outcome.HOLD, approvers=(Approvers("officer"),)),
    "two": Fallback(name="two", kind=Outcome.HOLD, approvers=(Approvers("officer", 2),)),
    "other": Fallback(name="other", kind=Outcome.HOLD, approvers=(Approvers("controller"),)),
    "no": Fallback(name="no", kind=Outcome.DENY),
    "later": Fallback(name="later", kind=Outcome.RETRY),
}


def rules_of(*rows: tuple[dict[str, str], str]) -> list[Rule]:
    return [
        Rule(when={name: frozenset(values.split()) for name, values in when.items()}, do=do, index=index)
        for index, (when, do) in enumerate(rows)
    ]


def prove(rules: Sequence[Rule], space: Space | None = None) -> Polarity:
    return PolarityProof(space or Space(VALUES), rules, ANSWERS, LEVELS.index).find("flag")


def test_a_flag_that_only_closes_restricts() -> None:
    found = prove(rules_of(({"flag": "set", "first": "a"}, "no"), ({}, "allow")))
    assert found.restricts
    assert not found.permits
    assert found.closes == {("allow", "no"): 4}


def test_a_flag_that_only_opens_permits() -> None:
    found = prove(rules_of(({"flag": "set", "first": "a"}, "allow"), ({}, "one")))
    assert found.permits
    assert found.opens == {("one", "allow"): 4}


def test_a_flag_that_changes_no_openness_is_idle() -> None:
    assert prove(rules_of(({"flag": "set", "first": "a"}, "later"), ({}, "no"))).is_idle
    assert prove(rules_of(({"first": "a b c"}, "no"), ({"flag": "set"}, "allow"))).is_idle


def test_a_flag_that_does_both_is_neither() -> None:
    found = prove(rules_of(({"flag": "set", "first": "a"}, "no"), ({"flag": "set"}, "allow"), ({}, "one")))
    assert (found.restricts, found.permits, found.is_idle) == (False, False, False)


def test_holds_are_compared_by_their_approvers() -> None:
    assert prove(rules_of(({"flag": "set"}, "two"), ({}, "one"))).restricts
    assert prove(rules_of(({"flag": "set"}, "one"), ({}, "two"))).permits
    assert prove(rules_of(({"flag": "set"}, "other"), ({}, "one"))).unordered == {("one", "other"): 12}


def test_cells_that_no_request_can_have_do_not_count() -> None:
    space = Space(VALUES, ({"flag": frozenset({"set"}), "first": frozenset({"b", "c"})},))
    found = prove(rules_of(({"flag": "set", "first": "a"}, "no"), ({"flag": "set"}, "allow"), ({}, "one")), space)
    assert found.restricts


def test_past_the_bound_nothing_is_assumed() -> None:
    rules = rules_of(({"flag": "set", "first": "a"}, "no"), ({"second": "x"}, "one"), ({}, "allow"))
    with pytest.raises(NodeLimitError):
        PolarityProof(Space(VALUES), rules, ANSWERS, LEVELS.index, nodes=1)


@pytest.mark.parametrize("seed", range(40))
def test_the_diagrams_agree_with_every_cell(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a fixed seed
    names, answers = list(VALUES), list(ANSWERS)
    rows: list[tuple[dict[str, str], str]] = []
    for _ in range(chance.randint(2, 8)):
        when = {name: chance.choice(VALUES[name]) for name in chance.sample(names, chance.randint(0, 3))}
        rows.append((when, chance.choice(answers)))
    rules = rules_of(*rows, ({}, chance.choice(answers)))
    impossible = {name: frozenset({chance.choice(VALUES[name])}) for name in chance.sample(names, 2)}
    found = prove(rules, Space(VALUES, (impossible,)))

    def decide(cell: dict[str, str]) -> Fallback | None:
        if all(cell[name] in values for name, values in impossible.items()):
            return None
        first = next(rule for rule in rules if all(cell[name] in values for name, values in rule.when.items()))
        return ANSWERS[first.do]

    counted: dict[int | None, int] = {1: 0, -1: 0, 0: 0, None: 0}
    for values in product(*(VALUES[name] for name in names if name != "flag")):
        cell = dict(zip([name for name in names if name != "flag"], values, strict=True))
        before, after = decide(cell | {"flag": "clear"}), decide(cell | {"flag": "set"})
        if before is not None and after is not None:
            counted[compare_openness(before, after, LEVELS.index)] += 1
    assert sum(found.opens.values()) == counted[1]
    assert sum(found.closes.values()) == counted[-1]
    assert sum(found.unordered.values()) == counted[None]
