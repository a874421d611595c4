"""Candidates for settings ask at the border of each: scopes, levels, ages, amounts, calls, agents and channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authguard.policy.mutation.kinds import find_mutants
from authguard.policy.mutation.mutant import make_mutant
from authguard.policy.mutation.proposal import propose_scenario
from authguard.policy.mutation.setting_candidates import fallback_candidates, setting_candidates
from authguard.policy.mutation.trial import Fate, load_original, try_mutant

if TYPE_CHECKING:
    from authguard.policy.mutation.trial import Original
    from authguard.policy.tree import Path


@pytest.fixture(scope="module")
def banking() -> Original:
    """Give a policy with every setting, as if it had no scenario."""
    from msgspec.structs import replace  # noqa: PLC0415

    return replace(load_original("banking"), scenarios=())


@pytest.mark.parametrize(
    ("path", "new", "asked"),
    [
        (("accounts", 0, "map", "fraud"), "normal", {"token": {"claims": {"account_status": "fraud"}}}),
        (("operations", 7, "scopes"), [], {"token": {"scope": ["other-scope"]}}),
        (("operations", 7, "assurance", "acr"), "aal2", {"token": {"acr": "aal2"}}),
        (("operations", 7, "assurance", "max_age"), "50m", {"token": {"age": "6m"}}),
        (("operations", 7, "idempotency"), None, {"idempotency_key": ""}),
        (("operations", 7, "limits", 2, "amount"), "50000 EUR", {"body": {"amount": 5001, "currency": "EUR"}}),
        (("assurance", "map", "urn:bank:otp"), "aal3", {"token": {"acr": "urn:bank:otp"}}),
        (("identity", "credential"), "aal1", {"token": {"acr": "aal1"}}),
        (("agents", 0), None, {"token": {"act": ["bank-assistant"]}}),
        (("agents",), ["bank-assistant", "unregistered-agent"], {"token": {"act": ["unregistered-agent"]}}),
        (("channels", "trusts", "web"), ["app"], {"channel": "web"}),
    ],
)
def test_a_candidate_asks_at_the_border(banking: Original, path: Path, new: Any, asked: dict[str, Any]) -> None:
    found = setting_candidates(banking, make_mutant("any", banking.tree, path, new))
    asks = [step["ask"] for candidate in found for step in candidate["steps"]]
    assert any(asked.items() <= ask.items() for ask in asks)


def test_calls_are_repeated_up_to_the_limit_and_once_more(banking: Original) -> None:
    mutant = make_mutant("any", banking.tree, ("operations", 5, "limits", 0, "calls"), 300)
    first = next(setting_candidates(banking, mutant))
    assert [step.get("times", 1) for step in first["steps"]] == [30, 1]


def test_attempts_are_used_up_in_their_window(banking: Original) -> None:
    found = list(fallback_candidates(banking.policy, banking.policy.fallbacks["step_up"], ""))
    assert all(len(one["steps"]) == 4 for one in found)
    assert {step["after"] for one in found for step in one["steps"][1:]} == {"112s"}


@pytest.mark.parametrize(
    "kind",
    [
        "status-normal",
        "scopes-emptied",
        "level-lowered",
        "age-lengthened",
        "limit-raised",
        "window-shortened",
        "identity-lowered",
        "agent-added",
        "trust-widened",
        "verifier-dropped",
        "approver-role-changed",
        "approver-count-changed",
        "attempts-raised",
        "attempts-window-shortened",
        "method-swapped",
        "queue-changed",
        "demand-dropped",
        "idempotency-dropped",
        "write-as-read",
    ],
)
def test_a_scenario_is_proposed_for_a_mutant_of_each_kind(banking: Original, kind: str) -> None:
    mutants = (one for one in find_mutants(banking.tree, banking.policy.file) if one.kind == kind)
    trial = next(one for mutant in mutants if (one := try_mutant(banking, mutant)).fate is Fate.SURVIVED)
    assert propose_scenario(banking, trial).startswith("- name: ")
