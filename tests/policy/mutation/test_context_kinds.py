"""Each kind changes what rules name besides states, at every place of a policy that has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.loading.loader import load_draft
from authguard.policy.mutation import context_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authguard.policy.mutation.mutant import Mutant
    from authguard.policy.tree import Node

SHOP = """\
authguard: 1
name: shop
extends: standard
issuers: [{issuer: 'https://idp.example', audience: shop, algorithms: [ES256], keys: discovery}]
operations:
  - name: pay
    match: {path: /pay, method: POST}
    risk: high
    effect: write
    groups: [money]
    amount: {at: /amount, currency: EUR}
    limits:
      - {name: large, amount: 500 EUR, per: call, then: to_a_person}
      - {name: more, amount: 100 EUR, per: call, then: refuse}
conditions:
  country: {from: {claim: country}, values: {home: [DE, AT]}, default: abroad}
  desk: {from: {time_zone: Europe/Berlin}, values: {open: 'Mo-Fr 08:00-18:00'}, except: [2026-12-25], default: closed}
flags:
  paid: {by: subject, expires: 24h, set_by: [{operation: pay, event: started}]}
  barred: {by: subject, expires: never, set_by: [{app: report}], cleared_by: [{role: boss}]}
decisions:
  - {phase: request, when: {paid: set}, do: later}
fallbacks:
  later: {kind: retry, after: expiry}
"""


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            context_kinds.change_flags,
            [
                "flag-setter-dropped flags.paid.set_by[0]: paid: {operation: pay, event: started} removed",
                "flag-event-changed flags.paid.set_by[0].event: paid: started -> committed",
                "flag-lengthened flags.paid.expires: paid: 24h -> 10d",
                "flag-shortened flags.paid.expires: 24h -> 144m",
                "flag-owner-changed flags.paid.by: paid: subject -> session",
                "flag-setter-dropped flags.barred.set_by[0]: barred: {app: report} removed",
                "flag-clearer-dropped flags.barred.cleared_by[0]: barred: {role: boss} removed",
                "flag-shortened flags.barred.expires: barred: never -> 1h",
                "flag-owner-changed flags.barred.by: barred: subject -> session",
            ],
        ),
        (
            context_kinds.change_conditions,
            [
                "condition-value-dropped conditions.country.values.home[0]: country.home: DE removed",
                "condition-value-dropped conditions.country.values.home[1]: country.home: AT removed",
                "condition-default-changed conditions.country.default: country: abroad -> home",
                "exception-dropped conditions.desk.except[0]: desk: 2026-12-25 removed",
                "span-shifted conditions.desk.values.open: desk.open: -18:00 -> -19:00",
                "condition-default-changed conditions.desk.default: desk: closed -> open",
            ],
        ),
        (context_kinds.drop_groups, ["group-dropped operations[0].groups[0]: pay: money removed"]),
        (
            context_kinds.change_tiers,
            [
                "limit-answer-changed operations[0].limits[0].then: to_a_person -> refuse",
                "limits-reordered operations[0].limits: large after more",
                "limit-answer-changed operations[0].limits[1].then: refuse -> to_a_person",
            ],
        ),
        (context_kinds.fix_expiry, ["expiry-fixed fallbacks.later.after: expiry -> 60s"]),
    ],
)
def test_a_kind_finds_every_place(kind: Callable[[Node], Iterator[Mutant]], expected: list[str]) -> None:
    assert [one.name for one in kind(_tree()) if one.place.file == "shop.yaml"] == expected


def test_a_rule_decides_in_the_default_phase_instead() -> None:
    found = [one for one in context_kinds.change_phases(_tree()) if one.place.file == "shop.yaml"]
    assert [(one.kind, one.change) for one in found] == [("phase-changed", "{paid: set}: phase request removed")]


def test_limits_change_their_places() -> None:
    tree = _tree()
    (mutant,) = (one for one in context_kinds.change_tiers(tree) if one.kind == "limits-reordered")
    changed = mutant.apply(tree).find(("operations", 0, "limits")).items()
    assert [one.entries()["name"].value for one in changed] == ["more", "large"]


def _tree() -> Node:
    tree = load_draft("shop.yaml", text=SHOP.encode()).tree
    assert tree is not None
    return tree
