"""The service of `anchor_server.py` for tests: started, killed, and started again on the same port."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

SERVER: Final = Path(__file__).with_name("anchor_server.py")


class Service:
    """A process that keeps checkpoints in a file."""

    def __init__(self, file: Path, token: str = "t0ken") -> None:
        self.file = file
        self.token = token
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, on the same port as before."""
        self.process = subprocess.Popen(  # noqa: S603 - this interpreter and a script of the tests
            [sys.executable, str(SERVER), str(self.file), str(self.port), self.token], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        """Kill it, as a machine that loses its power."""
        if self.process is not None and self.process.stdout is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None
