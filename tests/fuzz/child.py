"""A hold on the guarded app in its child process: raw exchanges with it, and its ledger against the guard's log."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from authguard.testing.minting import Mint

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

ROOT = Path(__file__).parents[2]
POLICY = Path(__file__).with_name("policy.yaml")
#: route -> the operation that the policy makes of it; one that nobody named falls to `otherwise`
OPERATIONS = {name: name for name in ("health", "chat", "order", "refund", "files", "item", "live")} | {
    "hidden": "otherwise"
}
#: seconds without a byte after which a connection is given up, where an answer is owed and where maybe none is
PATIENCE = 300.0
SILENCE = 0.1
SWITCHED = b"HTTP/1.1 101 "
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


class WallClock:
    """The machine's clock: the child has no other."""

    def now(self) -> float:
        return time.time()


class Child:
    """The child process; a context manager."""

    def __init__(self, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="authguard-fuzz-"))
        self.mint = Mint.create(WallClock())
        (self.folder / "keys.json").write_text(json.dumps(self.mint.jwks("ES256")), "utf-8")
        shutil.copy(POLICY, self.folder)
        (self.folder / "runs.jsonl").touch()
        self._options = options
        self._read = {"runs.jsonl": 0, "audit.jsonl": 0}
        self._decided: dict[str, tuple[str, str]] = {}
        self._used: set[str] = set()
        self.runs = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of this repository
            [sys.executable, "-m", "tests.fuzz.server", str(self.folder), *self._options],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            self.port = self._line()["port"]
        except ValueError:
            self._process.communicate()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process as process:
            assert process.stdin
            process.stdin.close()
            try:
                code = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        shutil.rmtree(self.folder)
        assert code == 0, "the child ended badly"

    def figures(self) -> dict[str, int]:
        """Ask the child for its memory, tasks, threads, handles and objects."""
        return self._asked(b"\n")

    def kinds(self) -> dict[str, int]:
        """Ask the child how many objects of which type it has: the difference of two tells what grew."""
        return self._asked(b"kinds\n")

    def _asked(self, word: bytes) -> dict[str, int]:
        assert self._process.stdin
        self._process.stdin.write(word)
        self._process.stdin.flush()
        answer: dict[str, int] = self._line()
        return answer

    def token(self, **claims: Any) -> str:
        """Mint a token of a customer in good standing."""
        given = {"scope": "chat", "acr": "aal2", "account_status": "ok", "lifetime": 3_000, **claims}
        return self.mint.mint(**given)

    def exchange(self, sent: bytes, silence: float = PATIENCE) -> bytes:
        """Send bytes as they are, and give what comes back until the other side ends, switches, or falls silent."""
        received = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            try:
                connection.sendall(sent)
                connection.settimeout(silence)
                while SWITCHED not in received and (more := connection.recv(65_536)):
                    received += more
            except (TimeoutError, ConnectionError):
                return received
        return received

    def check(self) -> list[dict[str, Any]]:
        """Look at what ran since the last look: each run was decided, recorded, admitted, and what it was taken for."""
        runs = self._new("runs.jsonl")
        for entry in self._new("audit.jsonl"):
            if entry["kind"] == "decision":
                self._decided[entry["id"]] = (entry["operation"], entry["outcome"])
        for run in runs:
            self.runs += 1
            assert run["record"], f"the app was reached undecided: {run}"
            assert run["record"] not in self._used, f"one decision admitted two runs: {run}"
            self._used.add(run["record"])
            assert run["headers"].count("authorization") <= 1, f"one of two credentials was taken: {run}"
            operation, outcome = self._decided[run["record"]]
            assert outcome in ("allow", "restrict"), f"the app ran although the log says `{outcome}`: {run}"
            assert operation == run["operation"]
            if run["route"]:
                assert operation == OPERATIONS[run["route"]], f"guard and router disagree: {run}"
            else:
                redirected = run["path"].endswith(
                    "/"
                )  # one slash more is the same operation, and the router's redirect
                unrouted = operation in ("otherwise", "files") or redirected
                assert unrouted, f"the router took no route for an operation: {run}"
        return runs

    def _line(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def _new(self, name: str) -> list[dict[str, Any]]:
        with (self.folder / name).open("rb") as file:
            file.seek(self._read[name])
            whole = file.read()
        whole = whole[: whole.rfind(b"\n") + 1]
        self._read[name] += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


def statuses(received: bytes) -> list[int]:
    """Find the statuses of everything that came back; no body of this app holds a status line."""
    return [int(status) for status in STATUS.findall(received)]
