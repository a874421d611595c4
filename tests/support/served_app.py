"""A guarded app in a child process: a folder, keys, raw exchanges, and new lines of its files."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from authguard.testing.mint import Mint

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

ROOT = Path(__file__).parents[2]
#: seconds without a byte after which a connection is given up, where an answer is owed and where maybe none is
PATIENCE = 300.0
SILENCE = 0.1
SWITCHED = b"HTTP/1.1 101 "


class WallClock:
    """The machine's clock: the child has no other."""

    def now(self) -> float:
        return time.time()


class ServedApp:
    """A child process that serves; a context manager.

    The child gets its folder as the first argument, prints one line of JSON when it serves, answers each line of its
    standard input with one line of JSON, and ends with its standard input.

    Args:
        module: run by this interpreter.
        options: after the folder.
    """

    def __init__(self, module: str, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="authguard-served-"))
        self.mint = Mint.create(WallClock())
        (self.folder / "keys.json").write_text(json.dumps(self.mint.jwks("ES256")), "utf-8")
        self._module = module
        self._options = options
        self._read: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of this repository
            [sys.executable, "-m", self._module, str(self.folder), *self._options],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            self.started = self._line()
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

    def asked(self, word: bytes = b"\n") -> Any:
        """Send the child a line, and read its answer."""
        assert self._process.stdin
        self._process.stdin.write(word)
        self._process.stdin.flush()
        return self._line()

    def token(self, **claims: Any) -> str:
        """Mint a token of a customer in good standing."""
        given = {"scope": "chat", "acr": "aal2", "account_status": "ok", "lifetime": 3_000, **claims}
        return self.mint.mint(**given)

    def new(self, name: str) -> list[dict[str, Any]]:
        """Read the whole lines of JSON that a file of the folder got since the last look."""
        path = self.folder / name
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(self._read.get(name, 0))
            whole = file.read()
        whole = whole[: whole.rfind(b"\n") + 1]
        self._read[name] = self._read.get(name, 0) + len(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def _line(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())


def exchange(port: int, sent: bytes, silence: float = PATIENCE) -> bytes:
    """Send bytes as they are, and give what comes back until the other side ends, falls silent, or switches.

    Args:
        port: on loopback.
        sent: bytes.
        silence: seconds without a byte after which the connection is given up.
    """
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        try:
            connection.sendall(sent)
            connection.settimeout(silence)
            while SWITCHED not in received and (more := connection.recv(65_536)):
                received += more
        except (TimeoutError, ConnectionError):
            return received
    return received
