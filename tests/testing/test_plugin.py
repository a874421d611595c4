"""The plugin gives fixtures, and costs a test run that does not use them nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

import authguard.testing

if TYPE_CHECKING:
    from authguard.testing import FakeClock, IdentityProvider, Mint

HEAVY = ("authguard.testing.idp", "cryptography", "httpx2", "jwt", "msgspec", "starlette", "uvicorn")


def test_pytest_finds_it_by_its_entry_point() -> None:
    (found,) = entry_points(group="pytest11", name="authguard")
    assert found.value == "authguard.testing.plugin"


def test_loading_it_imports_nothing_heavy() -> None:
    script = "import json, sys, authguard.testing.plugin; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", script]))  # noqa: S603 - this interpreter
    assert not set(HEAVY) & set(loaded)


def test_the_clock_and_the_issuer_share_one_time(authguard_clock: FakeClock, authguard_issuer: Mint) -> None:
    authguard_clock.advance(5)
    assert authguard_issuer.claims()["iat"] == int(authguard_clock.now())


def test_the_identity_provider_is_one_process_for_the_session(
    authguard_idp: IdentityProvider, authguard_fresh_idp: IdentityProvider
) -> None:
    assert authguard_fresh_idp is authguard_idp
    assert authguard_idp.pid is not None


@pytest.mark.parametrize("name", authguard.testing.__all__)
def test_every_public_name_loads_lazily_and_is_documented(name: str) -> None:
    assert getattr(authguard.testing, name).__doc__
    assert name in dir(authguard.testing)


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonesuch"):
        _ = authguard.testing.nonesuch
