"""What a start imports, counted without a clock: modules that only some deployments or commands need stay out."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

#: builds a guard whose issuer publishes its keys, whose verifiers are services, and which keeps its state in memory
STANDING: Final = """\
from authguard import AuthGuard
AuthGuard(None, policy="support-desk", store="memory", pseudonym_key=bytes(32), environ={})
"""
CHECK: Final = """\
from authguard.cli import main
try:
    main(["policy", "check", "standard"])
except SystemExit:
    pass
"""
#: slow modules: those of a first request to an issuer or a service, of a policy that is not parsed already, of people
NEVER: Final = frozenset(
    {"pydantic", "httpx2", "httpcore2", "http.cookiejar", "tenacity", "trio", "ruamel", "yaml"}
    | {"structlog", "rich", "pygments"}
)


def imported(program: str) -> frozenset[str]:
    """Run a program in an interpreter of its own; return the modules it imported."""
    script = f"{program}\nimport sys\nprint(*sys.modules)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this interpreter
    return frozenset(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("program", "others"),
    [
        (STANDING, {"typer", "uvicorn", "websockets"}),
        (CHECK, {"starlette", "anyio", "asyncio", "jwt", "cryptography", "sqlite3", "ssl"}),
    ],
    ids=["a standing guard", "policy check"],
)
def test_a_start_imports_nothing_that_it_does_not_use(program: str, others: set[str]) -> None:
    assert sorted(imported(program) & (NEVER | others)) == []


def test_the_probe_sees_what_is_imported() -> None:
    assert imported("import http.cookiejar, ruamel.yaml, httpcore2") >= {"http.cookiejar", "ruamel", "httpcore2"}
