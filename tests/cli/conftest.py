"""Fixtures of the command line: what a real app left behind, a copy of it to work on, and a running issuer."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authguard.clock import SystemClock
from authguard.testing import Mint
from tests.cli.operated_app import create
from tests.support.issuer_server import IssuerServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.operated_app import OperatedApp


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> OperatedApp:
    """Return a deployment that no test changes."""
    return create(tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """Run an issuer and return its URL."""
    with IssuerServer() as server:
        yield server.publish(Mint.create(SystemClock()).jwks("ES256"))


@pytest.fixture
def made(original: OperatedApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OperatedApp:
    """Return a copy of the deployment, whose variables are set and whose token is on standard input."""
    copy = replace(original, folder=shutil.copytree(original.folder, tmp_path / "app"))
    for name, value in copy.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(copy.folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(copy.token.encode())))
    return copy
