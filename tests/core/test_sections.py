"""The sections of a policy: run time reads them as they are declared, with their defaults."""

from __future__ import annotations

from authguard.core.sections import DEFAULT_DURABILITY, Audit, Budget
from authguard.policy.loading.loader import load_draft


def test_a_policy_without_a_section_has_its_defaults() -> None:
    draft = load_draft("standard").draft
    assert draft is not None
    assert draft.budget == Budget()


def test_a_risk_that_is_not_named_is_stored_as_by_default() -> None:
    assert Audit(durability={"high": "group"}).durability == {**DEFAULT_DURABILITY, "high": "group"}
    assert Audit().durability == DEFAULT_DURABILITY
