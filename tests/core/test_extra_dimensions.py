"""Tests of the dimensions that a policy adds to its table."""

from authguard.core.content import Content
from authguard.core.extra_dimensions import (
    OPERATION,
    OTHERWISE,
    OWN_OPERATIONS,
    expand_groups,
    extra_names,
    find_extra,
    named_dimensions,
    operation_value,
)
from authguard.core.request import Operation

CHAT = Operation(name="chat", risk="routine", effect="read")
PAY = Operation(name="pay", risk="high", effect="write")


def declared(*operations: Operation) -> Content:
    return Content(name="p", digest="", otherwise=Operation(name="otherwise"), operations=operations)


def test_a_table_has_only_the_dimensions_that_are_named() -> None:
    assert find_extra(declared(CHAT, PAY), {"account", "risk"}) == {}
    assert find_extra(declared(CHAT, PAY), {OPERATION}) == {
        OPERATION: ("chat", "pay", OTHERWISE, *OWN_OPERATIONS.values())
    }


def test_every_policy_can_add_the_operation() -> None:
    assert extra_names(declared(CHAT, PAY))[0] == OPERATION
    assert find_extra(declared(), {OPERATION})[OPERATION][0] == OTHERWISE


def test_operations_of_one_name_are_one_value() -> None:
    found = find_extra(declared(CHAT, CHAT, PAY), {OPERATION})[OPERATION]
    assert found[:3] == ("chat", "pay", OTHERWISE)


def test_the_guards_own_endpoints_share_a_value_by_risk_and_effect() -> None:
    own = Operation(name="authguard.session", risk="self", effect="read")
    assert operation_value(own, {"chat"}) == "authguard.self.read"


def test_what_is_not_declared_is_otherwise() -> None:
    assert operation_value(PAY, {"pay"}) == "pay"
    assert operation_value(Operation(name="high-write", risk="high", effect="write"), {"pay"}) == OTHERWISE


def test_a_group_stands_for_its_operations_and_any_other_name_for_itself() -> None:
    groups = {"money": frozenset({"pay", "refund"})}
    assert expand_groups(groups, ("money", "chat", "unknown")) == {"pay", "refund", "chat", "unknown"}


def test_the_named_dimensions_are_those_of_all_conditions() -> None:
    assert named_dimensions([{"risk": ()}, {"operation": ()}, {}]) == {"risk", "operation"}
