"""The phases of the standard policy changed no answer, and after the phase `caller` the caller is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from authguard.core.decision_table import PHASES
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.locator import shipped_policies
from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.table.comparison import Comparison, compare
from authguard.policy.table_space import table_space

if TYPE_CHECKING:
    from authguard.policy.table.boxes import Box, Space

#: a representative who may not act in the account's state is handed over, as everybody without attempts
EXHAUSTED = (("verification", "exhausted"), ("actor", "representative"))
BEFORE = Path(__file__).parent / "decisions_before_phases.yaml"


def rules_before(space: Space) -> list[tuple[Box, str]]:
    """Return the rules of the standard policy from before it had phases, as boxes."""
    document = parse_yaml(BEFORE.read_bytes(), BEFORE.name).tree.to_plain()
    found = []
    for rule in document["decisions"]:
        when = {name: {values} if isinstance(values, str) else set(values) for name, values in rule["when"].items()}
        found.append((space.box(when), rule["do"]))
    return found


def test_phases_changed_only_the_hold_of_what_is_held_and_representatives_without_attempts() -> None:
    draft = load_draft("standard").draft
    assert draft is not None
    space = table_space(draft)
    new = [(space.box(rule.when), rule.do) for rule in draft.rules]
    compared = compare(space.whole, (rules_before(space), new), [space.whole])
    assert isinstance(compared, Comparison)
    found = {(one.before, one.after): compared.make_finder(one) for one in compared.changes}
    assert found.keys() == {("await_approval", "waiting"), ("refuse", "to_a_person")}
    others = {name: set(space.values[name]) - {state} for name, state in (("transaction", "held"), *EXHAUSTED)}
    assert found["await_approval", "waiting"](space.box({"transaction": others["transaction"]})) is None
    for name, _ in EXHAUSTED:
        assert found["refuse", "to_a_person"](space.box({name: others[name]})) is None


def test_its_rules_are_in_phases_and_none_skips_one() -> None:
    draft = load_draft("standard").draft
    assert draft is not None
    assert list(dict.fromkeys(rule.phase for rule in draft.rules)) == list(PHASES[:-1]), "the last one is for others"
    assert not any(rule.skips for rule in draft.rules)


@pytest.mark.parametrize("name", sorted(shipped_policies()))
def test_after_the_phase_caller_the_caller_is_known(name: str) -> None:
    draft = load_draft(name).draft
    assert draft is not None
    space = table_space(draft)
    left = [(space.box(rule.when), "left") for rule in draft.rules if PHASES.index(rule.phase) > PHASES.index("caller")]
    known = [(space.box(rule.when), rule.do) for rule in draft.rules if PHASES.index(rule.phase) < 2]
    compared = compare(space.whole, ([(space.whole, "any")], [*known, *left]), [space.whole])
    assert isinstance(compared, Comparison)
    reaches = next(compared.make_finder(one) for one in compared.changes if one.after == "left")
    for unmet in (
        {"service": {"rolled_back"}},
        {"credential": set(space.values["credential"]) - {"good"}},
        {"session": set(space.values["session"]) - {"active"}},
        {"actor": {"stranger"}},
        {"scope": {"missing"}},
        {"verification": {"exhausted"}},
        {"risk": {"public", "self", "staff"}},
    ):
        assert reaches(space.box(unmet)) is None, unmet
    assert reaches(space.whole) is not None
