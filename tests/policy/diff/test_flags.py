"""Changes of flags: longer is stricter for one that restricts, and looser for one that permits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.diff.policy_diff import diff_policies
from authguard.policy.loading.loader import load_draft
from tests.policy.diff.pairs import CHANGED, LOOSER, MAY, STRICTER, Case, Edit, compare
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from authguard.policy.draft import Draft

RULE = "  - {when: {risk: high, effect: write, credential: good, session: active, hurried: VALUE}, do: later}\n"
FLAGS = """
decisions:
RULEfallbacks:
  later: {kind: deny}
flags:
  hurried:
    by: subject
    expires: 24h
    set_by: [SETTERS]
    cleared_by: [{role: fraud}]
"""


def flag_text(value: str, setters: str) -> str:
    return POLICY + FLAGS.replace("RULE", RULE.replace("VALUE", value)).replace("SETTERS", setters)


RESTRICTS = flag_text("set", "{operation: refund, event: started}, {app: report}")
PERMITS = flag_text("clear", "{operation: chat, event: committed}, {role: fraud}")
LONGER: Edit = ("expires: 24h", "expires: 7d")
NOBODY: Edit = ("[{role: fraud}]\n", "[]\n")
OTHER_OWNER: Edit = ("by: subject\n    expires", "by: payee\n    expires")

CASES = [
    Case("a restriction that lasts longer", (), (LONGER,), STRICTER, LOOSER, RESTRICTS),
    Case("a permission that lasts longer", (), (LONGER,), LOOSER, STRICTER, PERMITS),
    Case("a restriction that nobody clears", (), (NOBODY,), STRICTER, LOOSER, RESTRICTS),
    Case("a permission that nobody clears", (), (NOBODY,), LOOSER, STRICTER, PERMITS),
    Case("a setter less of a restriction", (), ((", {app: report}", ""),), LOOSER, STRICTER, RESTRICTS),
    Case("a setter less of a permission", (), ((", {role: fraud}]", "]"),), STRICTER, LOOSER, PERMITS),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_change_is_told_with_its_direction_both_ways(case: Case) -> None:
    assert compare(case) == (case.forward, case.back)


def read(text: str) -> Draft:
    found = load_draft("test-desk.yaml", text=text.encode()).draft
    assert found is not None
    return found


def told(before: str, after: str) -> list[tuple[str, str]]:
    found = diff_policies(read(before), read(after), find_paths=False).differences
    return [(one.direction.value, one.message) for one in found if one.what == "flags"]


def test_a_flipped_polarity_is_looser_either_way() -> None:
    assert ("looser", "flag `hurried` restricted, and permits now") in told(RESTRICTS, PERMITS)
    assert ("looser", "flag `hurried` permitted, and restricts now") in told(PERMITS, RESTRICTS)


def test_another_owner_has_no_order() -> None:
    assert (MAY.value, "flag `hurried` was kept by subject, is kept by payee") in told(
        RESTRICTS, RESTRICTS.replace(*OTHER_OWNER)
    )


def test_a_flag_of_one_policy_only() -> None:
    assert told(RESTRICTS, POLICY) == [("looser", "flag `hurried` is gone")]
    assert told(POLICY, RESTRICTS) == [("stricter", "flag `hurried` is new")]
    assert told(POLICY, PERMITS) == [(CHANGED.value, "flag `hurried` is new")]
