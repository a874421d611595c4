"""A replay brings the recorded conditions to a request again, and never assumes one that is not recorded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from authguard.audit.query.recorded_conditions import bring_conditions
from authguard.audit.query.recorded_input import UnknownInputError
from authguard.core.own_conditions import OwnCondition, read_conditions
from authguard.core.request import Match, Operation, Principal, Proven
from authguard.evaluation.request import RequestFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.policy import Policy

OPERATION = Operation(name="op", match=Match(path="/op"), risk="high", effect="write")
COUNTRY = OwnCondition(
    name="country",
    kind="claim",
    claim="/at/country",
    values=("home", "abroad"),
    default="abroad",
    labels={"DE": "home"},
)
SEGMENT = OwnCondition(name="segment", kind="header", header="x-segment", values=("vip", "plain"), default="plain")
SCREEN = OwnCondition(name="screen", kind="call", call="app:screen", values=("clean", "unavailable"))


def bring(context: Mapping[str, str], *, asks: bool = True) -> dict[str, str]:
    conditions = (COUNTRY, SEGMENT, SCREEN)
    asked = {"op": (SCREEN,) if asks else ()}
    policy: Any = SimpleNamespace(own_conditions=conditions, asked_conditions=asked, operation_limits={"op": ()})
    credential = Proven(Principal(issuer="i", subject="s", fingerprint="f"))
    found = bring_conditions(_policy(policy), OPERATION, context, RequestFacts(now=1.0, credential=credential))
    assert isinstance(found.credential, Proven)
    return read_conditions(conditions, found.credential.principal.claims, found.brought, found.now)


def _policy(policy: Policy) -> Policy:
    return policy


@pytest.mark.parametrize("country", ["home", "abroad"])
def test_each_recorded_value_is_read_again(country: str) -> None:
    context = {"country": country, "segment": "vip", "screen": "clean"}
    assert bring(context) == context


@pytest.mark.parametrize("name", ["country", "segment", "screen"])
def test_a_condition_that_is_not_recorded_is_unknown(name: str) -> None:
    context = {"country": "home", "segment": "vip", "screen": "clean"}
    del context[name]
    with pytest.raises(UnknownInputError, match=name):
        bring(context)


def test_a_call_that_decides_nothing_need_not_be_recorded() -> None:
    assert bring({"country": "home", "segment": "plain"}, asks=False)["screen"] == "unavailable"
