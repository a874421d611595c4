"""The demo's world: an identity provider and the guarded desk, each its own process, and a folder for what is kept.

Rules: everything listens on loopback; every wait is bounded; only processes that were started here are ended.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx2
from customer import PATIENCE, Customer
from log import Log

from authguard.testing import IdentityProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE: Final = Path(__file__).resolve().parent
#: seconds in which the desk has to listen, a command to finish and a process to end
READY: Final = 20.0
COMMAND: Final = 30.0
END: Final = 5.0
#: seconds after which a session is idle, and after which a repaired or released service is itself again
IDLE: Final = 3.0
CALM: Final = 2.0

POLICY: Final = """\
# Written by the demo: the example's policy, with the address of the identity provider that the demo started, and with
# timers short enough to wait for.
authguard: 1
name: support-desk-demo
extends: desk.yaml

issuers:
  - issuer: {issuer}
    audience: support-agent
    algorithms: [ES256]
    keys: discovery
    leeway: 0s

timers:
  - {{event: session.idled, after: {idle}s, since: last_seen, states: [active]}}
  - {{event: service.repaired, after: {calm}s, since: faulted, states: [degraded]}}
  - {{event: service.recovered, after: {calm}s, since: entered, states: [recovering]}}
"""
_LISTENING: Final = re.compile(r"running on (http://127\.0\.0\.1:\d+)")


@dataclass(frozen=True, slots=True)
class World:
    """What the scenes play in.

    Attributes:
        folder: policy, store, log.
        provider: the identity provider.
        http: a client with the desk's address.
        log: the audit log.
    """

    folder: Path
    provider: IdentityProvider
    http: httpx2.Client
    log: Log

    @property
    def settings(self) -> dict[str, str]:
        """The variables by which the desk, and an operator's command, find policy, store and log."""
        return {
            "AUTHGUARD_POLICY": str(self.folder / "policy.yaml"),
            "AUTHGUARD_STORE": str(self.folder / "authguard.db"),
            "AUTHGUARD_LOG": str(self.log.path),
        }

    def customer(self, name: str) -> Customer:
        """Let a customer come by, who has not signed in yet."""
        return Customer(name, self.provider, self.http)

    def command(self, *words: str) -> tuple[int, str]:
        """Run `authguard` as an operator would; give its exit code and what it said."""
        done = subprocess.run(  # noqa: S603 - this interpreter's own console script
            [sys.executable, "-c", "from authguard.cli import main; main()", *words],
            env=os.environ | self.settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND,
            check=False,
        )
        return done.returncode, done.stdout.strip()


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Start everything, and end it again.

    Args:
        folder: for what is kept.

    Raises:
        RuntimeError: the desk did not start; what it said is in the message.
    """
    shutil.copyfile(HERE / "policy.yaml", folder / "desk.yaml")
    with IdentityProvider() as provider:
        policy = POLICY.format(issuer=provider.issuer, idle=int(IDLE), calm=int(CALM))
        (folder / "policy.yaml").write_text(policy, "utf-8")
        log = Log(folder / "audit.jsonl")
        with httpx2.Client(timeout=PATIENCE, trust_env=False) as http:
            made = World(folder, provider, http, log)
            with _desk(made) as address:
                http.base_url = address
                yield made


@contextmanager
def _desk(made: World) -> Iterator[str]:
    """Serve the desk on a free port; give its address."""
    words = ["app:app", "--app-dir", str(HERE), "--host", "127.0.0.1", "--port", "0", "--no-access-log"]
    output = made.folder / "desk.txt"
    with output.open("w") as file:
        process = subprocess.Popen(  # noqa: S603 - this interpreter and the example beside this file
            [sys.executable, "-m", "uvicorn", *words],
            env=os.environ | made.settings,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _listening(process, output)
    finally:
        process.terminate()
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listening(process: subprocess.Popen[bytes], output: Path) -> str:
    """Wait until the desk says where it listens."""
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline and process.poll() is None:
        found = _LISTENING.search(output.read_text("utf-8"))
        if found:
            return found.group(1)
        time.sleep(0.05)
    raise RuntimeError(f"the desk did not start within {READY:.0f} s:\n{output.read_text('utf-8')[-2000:]}")
