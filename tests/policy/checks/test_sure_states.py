"""Sure states: what every answer of the driver leads to, searched backwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.core.outcomes import Outcome
from authguard.policy.checks.driver_probe import DriverProbe
from authguard.policy.checks.event_sources import CALLER, CLOCK, OPERATOR
from authguard.policy.checks.reachability import Reachability
from authguard.policy.checks.sure_states import RequestKind, SureStates
from authguard.policy.checks.table import prove_table

if TYPE_CHECKING:
    from authguard.policy.draft import Draft

ADMITTED = frozenset({Outcome.ALLOW})
HIGH_WRITE = RequestKind("high", "write")


@pytest.mark.parametrize(
    ("by", "account", "surely"),
    [
        ({CALLER}, "normal", True),
        ({CALLER, CLOCK}, "closed", False),
        ({CALLER, CLOCK, OPERATOR}, "closed", True),  # staff reinstate it
        ({CLOCK}, "normal", True),  # the request itself is always made
    ],
)
def test_without_sources_an_admission_is_sure_where_somebody_can_bring_it_about(
    standard_draft: Draft, by: set[str], account: str, *, surely: bool
) -> None:
    sure, reach = _search(replace(standard_draft, base=False, accounts_declared=True), by)
    state = reach.state_space.bit(("live", account, "active", "verified", "none"))
    assert bool(sure.leading_into(ADMITTED, HIGH_WRITE, reach.reached) & state) is surely


def test_with_sources_no_admission_is_sure(standard_draft: Draft) -> None:
    sure, reach = _search(standard_draft, {CALLER, CLOCK, OPERATOR})
    assert not sure.leading_into(ADMITTED, HIGH_WRITE, reach.reached), "they may report that the account is closed"


def test_a_person_or_an_admission_is_sure_from_everywhere(standard_draft: Draft) -> None:
    sure, reach = _search(standard_draft, {CALLER, CLOCK})
    wanted = frozenset({Outcome.ALLOW, Outcome.HANDOFF, Outcome.HOLD})
    assert not reach.reached & ~sure.leading_into(wanted, HIGH_WRITE, reach.reached)
    nothing = sure.leading_into(frozenset({Outcome.REPEAT}), HIGH_WRITE, reach.reached)
    new = reach.state_space.having("transaction", "none")
    assert not nothing & new, "nobody surely has a transaction that is done"


def _search(draft: Draft, by: set[str]) -> tuple[SureStates, Reachability]:
    proof = prove_table(draft)
    assert proof is not None
    reach = Reachability.of(draft)
    return SureStates(DriverProbe(draft), draft, proof, reach.state_space, by=frozenset(by), is_dated=True), reach
