"""Random pairs of policies, and random requests to both: what only one of them admits is always told.

The number of pairs is that of CI; `AUTHGUARD_DIFF_PAIRS` sets another (`make soak`).
"""

from __future__ import annotations

import os
import re
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Final

import pytest
from msgspec.structs import replace

from authguard.core.decision_table import Rule
from authguard.core.outcomes import Outcome
from authguard.errors import MachineFaultError
from authguard.policy.compiler import compile_draft
from authguard.policy.diff.policy_diff import diff_policies
from authguard.policy.loading import locator
from authguard.policy.loading.loader import load_draft
from tests.policy.diff.mutations import mutate
from tests.policy.diff.pairs import draft_of
from tests.policy.diff.walk import find_admission
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.policy.draft import Draft

PAIRS: Final = int(os.environ.get("AUTHGUARD_DIFF_PAIRS") or 200)
#: processes may share the parts
PARTS: Final = 4
#: walks of one pair, and the requests, events and waits of one walk
WALKS: Final = 2
STEPS: Final = 50
#: in a hundred pairs, so many at least admit more: the walks are worth their time
LEAST_ADMITTED: Final = 4


def with_last_rule(draft: Draft) -> Draft:
    """Return a policy whose table is total, whatever rule is changed."""
    refusal = next(name for name, item in sorted(draft.fallbacks.items()) if item.kind is Outcome.DENY)
    return replace(draft, rules=(*draft.rules, Rule(when={}, do=refusal, index=len(draft.rules))))


@cache
def base(name: str) -> tuple[Draft, Policy]:
    draft = draft_of(POLICY) if name == "desk" else load_draft(name).draft
    assert draft is not None
    total = with_last_rule(draft)
    return total, compile_draft(total)


NAMES: Final = ("desk", *(name for name in sorted(locator.shipped_policies()) if name != "standard"))


def paths_of(*drafts: Draft) -> list[tuple[str, str]]:
    found = []
    for draft in drafts:
        for match in (one.match for one in draft.operations if one.match.path):
            path = re.sub(r"\{\w+:path\}", "x/y", match.path)
            path = re.sub(r"\{\w+\}", "x", path)
            found += [*[(match.method or "GET", path)] * 6, ("HEAD", path), ("POST", path)]
    return found


@pytest.mark.parametrize("part", range(PARTS))
def test_a_request_that_only_one_policy_admits_is_told_as_looser(part: int) -> None:
    admitted, missed = 0, []
    seeds = range(part, PAIRS, PARTS)
    for seed in seeds:
        random = Random(seed)  # noqa: S311 - the choices of a test
        draft, compiled = base(random.choice(NAMES))
        kind, changed = mutate(random, draft)
        try:
            other = compile_draft(changed)
        except MachineFaultError:
            continue  # no total machine: such a policy is not accepted
        walks = (find_admission(random, compiled, other, paths_of(draft, changed), STEPS) for _ in range(WALKS))
        admitting, story = next((one for one in walks if one[1]), (-1, []))
        if story:
            admitted += 1
            found = diff_policies(*((changed, draft) if admitting == 0 else (draft, changed)), find_paths=False)
            if not found.loosening and not found.undecided:
                told = [f"{one.direction}: {one.what}: {one.message}" for one in found.differences]
                missed.append("\n".join([f"seed {seed}: {kind}, policy {admitting} admits", *told, *story]))
    assert not missed, missed[0]
    assert admitted * 100 >= LEAST_ADMITTED * len(seeds)
