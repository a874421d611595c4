"""Settings of a fallback are declared once: the policy's model and the compiled fallback have them from one class."""

from __future__ import annotations

from typing import get_args

from authguard.core.events import MACHINES
from authguard.core.fallback_settings import FallbackSettings, Machine
from authguard.core.outcomes import Fallback, Outcome
from authguard.policy.schema import document


def test_the_model_and_the_compiled_fallback_share_one_declaration() -> None:
    assert issubclass(document.Fallback, FallbackSettings)
    assert issubclass(Fallback, FallbackSettings)
    assert Fallback(name="refuse", kind=Outcome.DENY).scopes == frozenset()


def test_the_machines_are_those_of_the_vocabulary() -> None:
    assert get_args(Machine) == MACHINES
