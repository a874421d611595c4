"""The demo's world: identity provider, back office and guarded desk, each a process, and a folder for what is kept.

Rules: everything listens on loopback; every wait is bounded; only processes that were started here are ended.
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
#: seconds in which the desk has to listen, a command to finish and a process to end
READY: Final = 120.0
COMMAND: Final = 120.0
END: Final = 60.0
#: beside what the processes say
MOVED: Final = "moved.txt"
#: seconds after which a session is idle, and after which a repaired or released service is itself again
IDLE: Final = 900.0
CALM: Final = 120.0

#: where the example's policy has it by hand
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
    """What the scenes play in.

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
        """The variables by which the desk, and an operator's command, find policy, store and log."""
        return {
            "AUTHGUARD_POLICY": str(self.folder / "policy.yaml"),
            "AUTHGUARD_STORE": str(self.folder / "authguard.db"),
            "AUTHGUARD_AUDIT_LOG": str(self.log.path),
            "DESK_OUTBOX": str(self.folder / "outbox.jsonl"),
        }

    @property
    def moved(self) -> Path:
        """The file that says how far the demo has moved the time of its processes on."""
        return self.folder / MOVED

    def wait(self, seconds: float) -> None:
        """Let time pass for everybody, at once."""
        self.provider.set_clock(offset=move(self.moved, seconds))

    def customer(self, name: str) -> Customer:
        """Let a customer come by, who has not signed in yet."""
        return Customer(name, self.provider, self.http)

    def code(self, name: str) -> str:
        """Look at a customer's telephone: the code that came last."""
        messages = [json.loads(line) for line in (self.folder / "outbox.jsonl").read_text("utf-8").splitlines()]
        return str([message["code"] for message in messages if message["to"] == name][-1])

    def command(self, *words: str) -> tuple[int, str]:
        """Run `authguard` as an operator would; give its exit code and what it said."""
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
    """Start everything, and end it again.

    Args:
        folder: for what is kept.

    Raises:
        RuntimeError: the desk did not start; what it said is in the message.
    """
    # a demo is played on busy machines, too
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
    """One app of this folder, served as a process of its own on a port of this machine; it can go down and come back.

    Attributes:
        address: where it listens, from the first start on.
    """

    def __init__(self, app: str, output: Path, settings: Mapping[str, str] | None = None) -> None:
        """Keep what it takes to start it.

        Args:
            app: ``module:app``.
            output: file for what it says.
            settings: further variables.
        """
        self.address = ""
        self._app = app
        self._output = output
        self._environ = os.environ | dict(settings or {})
        self._process: subprocess.Popen[str] | None = None
        self._reader: Thread | None = None
        self._heard: SimpleQueue[str] = SimpleQueue()

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()

    def start(self) -> None:
        """Start it: on a free port, and again on the same.

        Raises:
            RuntimeError: it did not start; what it said is in the message.
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
        heard = ""
        try:
            with suppress(Empty):
                heard = self._heard.get(timeout=READY)
        finally:
            if not heard:
                self.stop()
        if not heard:
            raise RuntimeError(f"`{self._app}` did not start:\n{self._output.read_text('utf-8')[-2000:]}")
        self.address = heard

    def stop(self) -> None:
        """End it, if it runs."""
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
        self._heard = SimpleQueue()

    def _read(self, process: subprocess.Popen[str]) -> None:
        """Keep what it says, and pass on where it listens; nothing, where it ends before it does."""
        said = process.stdout
        if said is None:
            return
        with self._output.open("w", encoding="utf-8") as file, said:
            for line in said:
                file.write(line)
                file.flush()
                if found := _LISTENING.search(line):
                    self._heard.put(found.group(1))
        self._heard.put("")
