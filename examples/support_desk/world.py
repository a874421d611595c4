"""Processes and files of the demo: identity provider, back office and guarded desk, each a process, and a folder.

Rules: every server listens on loopback; every wait is bounded; only processes that were started here are stopped.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final, Self

import httpx2
from customer import PATIENCE, Customer
from log import Log
from moved import move

from authguard.testing import IdentityProvider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HERE: Final = Path(__file__).resolve().parent
#: timeout in seconds for the start of the desk, a command, and the end of a process
READY: Final = 120.0
COMMAND: Final = 120.0
END: Final = 60.0
#: next to the processes' output
MOVED: Final = "moved.txt"
#: seconds until a session is idle, and until a repaired or released service is live again
IDLE: Final = 900.0
CALM: Final = 120.0

#: the back office's address in the example's policy
BACK_OFFICE: Final = "http://127.0.0.1:9001"
POLICY: Final = """\
# Written by the demo: the example's policy, with the addresses of the servers that the demo started, and with
# timers shorter than a token lives.
authguard: 1
name: support-desk-demo
extends: desk.yaml

issuers:
  - issuer: {issuer}
    audience: support-agent
    algorithms: [ES256]
    keys: discovery
    leeway: 0s

budget: {{request: 60s}}

timers:
  - {{event: verification.aged, after: 30m, since: entered, states: [verified]}}
  - {{event: verification.aged, after: 2m, since: entered, states: [pending]}}
  - {{event: verification.aged, after: {calm}s, since: entered, states: [unavailable]}}
  - {{event: session.idled, after: {idle}s, since: last_seen, states: [active]}}
  - {{event: service.repaired, after: {calm}s, since: faulted, states: [degraded]}}
  - {{event: service.recovered, after: {calm}s, since: entered, states: [recovering]}}
"""
_LISTENING: Final = re.compile(r"running on (http://127\.0\.0\.1:\d+)")


@dataclass(frozen=True, slots=True)
class World:
    """Processes and files of the demo.

    Attributes:
        folder: policy, store, log.
        provider: the identity provider.
        http: a client with the desk's address.
        log: the audit log.
        records: the back office: verification service and account directory.
    """

    folder: Path
    provider: IdentityProvider
    http: httpx2.Client
    log: Log
    records: Server

    @property
    def settings(self) -> dict[str, str]:
        """Return the environment variables with the paths of policy, store and log."""
        return {
            "AUTHGUARD_POLICY": str(self.folder / "policy.yaml"),
            "AUTHGUARD_STORE": str(self.folder / "authguard.db"),
            "AUTHGUARD_AUDIT_LOG": str(self.log.path),
            "DESK_OUTBOX": str(self.folder / "outbox.jsonl"),
        }

    @property
    def moved(self) -> Path:
        """Return the file with the offset of the processes' clock."""
        return self.folder / MOVED

    def wait(self, seconds: float) -> None:
        """Advance the time of every process without waiting."""
        self.provider.set_clock(offset=move(self.moved, seconds))

    def customer(self, name: str) -> Customer:
        """Return a new customer without a sign-in."""
        return Customer(name, self.provider, self.http)

    def code(self, name: str) -> str:
        """Return the last code that was sent to a customer."""
        messages = [json.loads(line) for line in (self.folder / "outbox.jsonl").read_text("utf-8").splitlines()]
        return str([message["code"] for message in messages if message["to"] == name][-1])

    def command(self, *words: str) -> tuple[int, str]:
        """Run `authguard` as an operator; return its exit code and output."""
        done = subprocess.run(  # noqa: S603 - this interpreter's own console script
            [sys.executable, str(HERE / "moved.py"), str(self.moved), "authguard.cli:main", *words],
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
    """Start all processes, and stop them at the end.

    Args:
        folder: for policy, store and log.

    Raises:
        RuntimeError: the desk did not start; its output is in the message.
    """
    # a demo has to pass on busy machines too
    policy = (HERE / "policy.yaml").read_text("utf-8").replace("timeout: 1s", "timeout: 60s")
    with IdentityProvider() as provider, Server("records:app", folder / "records.txt") as records:
        (folder / "desk.yaml").write_text(policy.replace(BACK_OFFICE, records.address), "utf-8")
        demo = POLICY.format(issuer=provider.issuer, idle=int(IDLE), calm=int(CALM))
        (folder / "policy.yaml").write_text(demo, "utf-8")
        log = Log(folder / "audit.jsonl")
        with httpx2.Client(timeout=PATIENCE, trust_env=False) as http:
            made = World(folder, provider, http, log, records)
            with Server("app:app", folder / "desk.txt", made.settings) as desk:
                http.base_url = desk.address
                yield made


class Server:
    """One app of this folder, served as a process on a port of this machine; it can be stopped and restarted.

    Attributes:
        address: its address after the first start.
    """

    def __init__(self, app: str, output: Path, settings: Mapping[str, str] | None = None) -> None:
        """Store what is needed to start it.

        Args:
            app: ``module:app``.
            output: file for its output.
            settings: further environment variables.
        """
        self.address = ""
        self._app = app
        self._output = output
        self._environ = os.environ | dict(settings or {})
        self._process: subprocess.Popen[str] | None = None
        self._reader: Thread | None = None
        self._addresses: SimpleQueue[str] = SimpleQueue()

    def __enter__(self) -> Self:
        """Start the process."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the process."""
        self.stop()

    def start(self) -> None:
        """Start the process on a free port, and later on the same port.

        Raises:
            RuntimeError: it did not start; its output is in the message.
        """
        port = self.address.rpartition(":")[2] or "0"
        words = [self._app, "--app-dir", str(HERE), "--host", "127.0.0.1", "--port", port, "--no-access-log"]
        self._process = process = subprocess.Popen(  # noqa: S603 - this interpreter and the example beside this file
            [sys.executable, "-u", str(HERE / "moved.py"), str(self._output.with_name(MOVED)), "uvicorn:main", *words],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = Thread(target=self._read, args=(process,))
        self._reader.start()
        address = ""
        try:
            with suppress(Empty):
                address = self._addresses.get(timeout=READY)
        finally:
            if not address:
                self.stop()
        if not address:
            raise RuntimeError(f"`{self._app}` did not start:\n{self._output.read_text('utf-8')[-2000:]}")
        self.address = address

    def stop(self) -> None:
        """Stop the process, if it runs."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join(END)
        self._addresses = SimpleQueue()

    def _read(self, process: subprocess.Popen[str]) -> None:
        """Copy the process's output and pass on its address; None if it ends before."""
        lines = process.stdout
        if lines is None:
            return
        with self._output.open("w", encoding="utf-8") as file, lines:
            for line in lines:
                file.write(line)
                file.flush()
                if found := _LISTENING.search(line):
                    self._addresses.put(found.group(1))
        self._addresses.put("")
