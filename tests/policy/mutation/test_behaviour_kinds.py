"""Each kind of mutant of transitions, timers, rules and fallbacks changes what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.mutation import behaviour_kinds
from authguard.policy.mutation.mutant import make_mutant
from tests.policy.mutation.desk import desk_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authguard.policy.mutation.mutant import Mutant
    from authguard.policy.tree import Node

LINE = "locked from normal to locked"
RULE = "{account: locked, credential: good, session: active} -> to_a_person"
TIMER = "session.idled in [active] after 5m"
RELEASE = "rollback.authority.release"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            behaviour_kinds.drop_transitions,
            [f"transition-dropped machines.account.transitions[0]: {LINE} removed"],
        ),
        (
            behaviour_kinds.ignore_events,
            [f"transition-ignored machines.account.transitions[0].dest: {LINE}: dest -> ="],
        ),
        (
            behaviour_kinds.drop_raised_events,
            [f"raises-dropped machines.account.transitions[0].raises: {LINE}: raises removed"],
        ),
        (behaviour_kinds.drop_timers, [f"timer-dropped timers[11]: {TIMER} removed"]),
        (behaviour_kinds.lengthen_timers, [f"timer-lengthened timers[11].after: {TIMER}: 5m -> 50m"]),
        (behaviour_kinds.drop_rules, [f"rule-dropped decisions[22]: {RULE} removed"]),
        (behaviour_kinds.loosen_rules, [f"rule-allows decisions[22].do: {RULE} -> allow"]),
        (
            behaviour_kinds.change_approvers,
            [
                "approver-role-changed fallbacks.await_approval.approvers.role: boss -> other-role",
                "approver-count-changed fallbacks.await_approval.approvers.count: count: 2 -> 1",
                "approver-level-dropped fallbacks.await_approval.approvers.acr: aal2 removed",
            ],
        ),
        (
            behaviour_kinds.raise_attempts,
            [
                "attempts-raised fallbacks.step_up.attempts: 3 -> 30",
                "attempts-raised fallbacks.prove_identity.attempts: 3 -> 30",
                "attempts-window-shortened fallbacks.step_up.per: 15m -> 90s",
                "attempts-window-shortened fallbacks.prove_identity.per: 15m -> 90s",
            ],
        ),
        (behaviour_kinds.drop_demands, ["demand-dropped fallbacks.step_up.acr: aal2 removed"]),
        (
            behaviour_kinds.swap_methods,
            [
                "method-swapped fallbacks.prove_identity.methods: [default] -> [alternate]",
                "method-swapped fallbacks.prove_otherwise.methods: [alternate] -> [default]",
            ],
        ),
        (behaviour_kinds.change_queues, ["queue-changed fallbacks.to_a_person.queue: people -> other-queue"]),
        (behaviour_kinds.change_on_fault, ["on-fault-changed on_fault: try_later -> ask_scope"]),
        (
            behaviour_kinds.weaken_rollback,
            [
                "rollback-role-changed rollback.authority.engage.role: operations -> other-role",
                f"rollback-role-changed {RELEASE}.role: operations -> other-role",
                f"rollback-count-lowered {RELEASE}.count: 2 -> 1",
            ],
        ),
    ],
)
def test_a_kind_finds_every_place_of_the_file(kind: Callable[[Node], Iterator[Mutant]], expected: list[str]) -> None:
    found = [mutant.name for mutant in kind(desk_tree()) if mutant.place.file == "desk.yaml"]
    assert found == expected


def test_each_kind_of_several_approvers_is_changed_and_left_out() -> None:
    """Mutate a hold of two roles."""
    joint = [{"role": "boss", "acr": "aal2"}, {"role": "clerk", "count": 2}]
    base, path = desk_tree(), ("fallbacks", "await_approval", "approvers")
    tree = make_mutant("joint", base, path, joint).apply(base)
    found = [(one.kind, one.where.rpartition(".approvers")[2]) for one in behaviour_kinds.change_approvers(tree)]
    assert found == [
        ("approver-role-changed", "[0].role"),
        ("approver-count-changed", "[0].count"),
        ("approver-level-dropped", "[0].acr"),
        ("approver-role-changed", "[1].role"),
        ("approver-count-changed", "[1].count"),
        ("approvers-dropped", "[0]"),
        ("approvers-dropped", "[1]"),
    ]
