"""Models declare their keys once: by the name in the policy, with a type, required unless there is a default."""

from __future__ import annotations

import pytest

from authguard.policy.schema.deployment import AccountSource
from authguard.policy.schema.document import Document
from authguard.policy.schema.model import DeclaredKey, keys_of
from authguard.policy.schema.verification import Breaker


def test_a_key_has_its_name_in_the_policy() -> None:
    assert keys_of(AccountSource)["from"].field == "source"
    assert "source" not in keys_of(AccountSource)


def test_a_key_without_a_default_is_required() -> None:
    assert [key for key, declared in keys_of(Document).items() if declared.is_required] == ["authguard", "name"]
    assert all(declared.is_required for declared in keys_of(Breaker).values())


def test_keys_are_in_the_order_of_their_declaration() -> None:
    assert list(keys_of(Breaker)) == ["failures", "open_for"]
    assert isinstance(keys_of(Breaker)["failures"], DeclaredKey)


def test_a_model_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Breaker(failures=1, open_for=1.0).failures = 2  # type: ignore[misc]  # that it cannot be set is the test
