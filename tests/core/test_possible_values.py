"""Tests of the values that a request for an operation can bring."""

import pytest

from authguard.core.agents import Agent
from authguard.core.content import Content
from authguard.core.deployment import AccountSource, Channels
from authguard.core.possible_values import find_possible
from authguard.core.request import Limit, Operation


def declared(**given: object) -> Content:
    return Content(name="p", digest="", otherwise=Operation(name="otherwise"), **given)  # type: ignore[arg-type]


NAMING = AccountSource(name="claim:status", claim="status", delegations_at="/may_act")
EVERYTHING = declared(
    channels=Channels(declared=True), agents=frozenset({Agent("issuer", "client")}), accounts=(NAMING,)
)
LIMIT = Limit(name="pay/0", amount="1", currency="EUR")


def test_an_operation_with_needs_can_bring_everything_but_another_risk_and_effect() -> None:
    needy = Operation(
        name="pay", risk="high", effect="write", scopes=frozenset({"pay"}), acr="aal2", max_age=60.0, limits=(LIMIT,)
    )
    assert find_possible(EVERYTHING, needy) == {"risk": ("high",), "effect": ("write",)}


@pytest.mark.parametrize(
    ("operation", "dimension", "values"),
    [
        (Operation(name="a"), "scope", ("granted",)),
        (Operation(name="a"), "assurance", ("met",)),
        (Operation(name="a", acr="aal2"), "assurance", ("met", "insufficient")),
        (Operation(name="a"), "limit", ("within",)),
        (Operation(name="a", amount_at="/amount"), "limit", ("within", "unmeasured")),
        (Operation(name="a", risk="public"), "credential", ("missing",)),
    ],
)
def test_an_operation_without_a_need_cannot_fail_it(
    operation: Operation, dimension: str, values: tuple[str, ...]
) -> None:
    assert find_possible(EVERYTHING, operation)[dimension] == values


def test_without_channels_nothing_switches_and_without_agents_none_acts() -> None:
    found = find_possible(declared(), Operation(name="a"))
    assert found["channel_change"] == ("same",)
    assert found["actor"] == ("subject", "stranger")
    assert find_possible(declared(accounts=(NAMING,)), Operation(name="a"))["actor"] == (
        "subject",
        "representative",
        "stranger",
    )
