"""The collection of garbage pauses, and goes on afterwards as it was set before."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from authguard import AuthGuard
from authguard.errors import SettingsError
from authguard.garbage_collection import paused_collection

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    was_enabled = gc.isenabled()
    yield
    (gc.enable if was_enabled else gc.disable)()


@pytest.mark.parametrize("was_enabled", [True, False])
def test_it_is_paused_and_then_as_before(*, was_enabled: bool) -> None:
    (gc.enable if was_enabled else gc.disable)()
    with paused_collection():
        assert not gc.isenabled()
    assert gc.isenabled() is was_enabled


def test_an_error_ends_the_pause() -> None:
    gc.enable()
    with pytest.raises(ValueError, match="x"), paused_collection():
        raise ValueError("x")
    assert gc.isenabled()


def test_a_guard_that_cannot_be_built_leaves_it_as_it_was() -> None:
    gc.enable()
    with pytest.raises(SettingsError):
        AuthGuard(None, policy="standard", store="memory", environ={})  # type: ignore[arg-type]  # no app is called
    assert gc.isenabled()
