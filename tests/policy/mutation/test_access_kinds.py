"""Each kind of mutant changes what it says, at every place of a policy that has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.mutation import access_kinds
from authguard.policy.mutation.mutant import make_mutant
from tests.policy.mutation.desk import desk_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authguard.policy.mutation.mutant import Mutant
    from authguard.policy.tree import Node


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (access_kinds.mutate_account_maps, ["status-normal accounts[0].map.gone: gone: locked -> normal"]),
        (
            access_kinds.empty_scopes,
            [
                "scopes-emptied operations[0].scopes: [chat] -> []",
                "scopes-emptied operations[1].scopes: [pay] -> []",
            ],
        ),
        (access_kinds.empty_roles, ["roles-emptied operations[1].roles: [clerk] -> []"]),
        (access_kinds.lower_levels, ["level-lowered operations[1].assurance.acr: aal2 -> aal1"]),
        (access_kinds.lengthen_ages, ["age-lengthened operations[1].assurance.max_age: 5m -> 50m"]),
        (
            access_kinds.raise_limits,
            [
                "limit-raised operations[1].limits[0].amount: 5.50 EUR -> 55.00 EUR",
                "limit-raised operations[1].limits[1].calls: 3 -> 30",
            ],
        ),
        (access_kinds.shorten_windows, ["window-shortened operations[1].limits[1].per: 1d -> 144m"]),
        (
            access_kinds.drop_limits,
            [
                "limit-dropped operations[1].limits[0]: {amount: 5.50 EUR, per: call} removed",
                "limit-dropped operations[1].limits[1]: {calls: 3, per: 1d} removed",
            ],
        ),
        (
            access_kinds.lower_risks,
            [
                "risk-lowered operations[0].risk: routine -> public",
                "risk-lowered operations[1].risk: high -> sensitive",
            ],
        ),
        (access_kinds.make_writes_reads, ["write-as-read operations[1].effect: write -> read"]),
        (
            access_kinds.drop_operation_needs,
            [
                "idempotency-dropped operations[1].idempotency: required removed",
                "actor-dropped operations[1].actor: forbidden removed",
            ],
        ),
        (access_kinds.raise_mapped_levels, ["level-map-raised assurance.map.weak: weak: aal1 -> aal2"]),
        (access_kinds.lower_identity, ["identity-lowered identity.credential: aal2 -> aal1"]),
        (
            access_kinds.change_agents,
            ["agent-dropped agents[0]: helper removed", "agent-added agents: unregistered-agent added"],
        ),
        (access_kinds.add_audiences, ["audience-added issuers[0].audience: other-audience added"]),
        (access_kinds.widen_trust, ["trust-widened channels.trusts.app: web added to app"]),
        (
            access_kinds.weaken_methods,
            [
                "verifier-dropped methods.default.all[0]: code removed",
                "verifier-dropped methods.default.all[1]: card removed",
                "quorum-lowered methods.alternate.quorum: 2 -> 1",
                "method-attempts-raised methods.alternate.attempts: 2 -> 20",
                "method-window-shortened methods.alternate.per: 15m -> 90s",
            ],
        ),
        (access_kinds.drop_app_reports, ["app-report-dropped reports.app[0]: account.compromised removed"]),
    ],
)
def test_a_kind_finds_every_place(kind: Callable[[Node], Iterator[Mutant]], expected: list[str]) -> None:
    assert [mutant.name for mutant in kind(desk_tree())] == expected


def test_a_limit_loses_its_own_answer() -> None:
    base, path = desk_tree(), ("operations", 1, "limits", 1)
    named = {"calls": 3, "per": "1d", "name": "often", "then": "refuse"}
    tree = make_mutant("named", base, path, named).apply(base)
    assert [one.name for one in access_kinds.drop_limit_answers(tree)] == [
        "limit-answer-dropped operations[1].limits[1].then: refuse removed"
    ]
    assert list(access_kinds.drop_limit_answers(base)) == []
