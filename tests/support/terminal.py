"""A command with a terminal of its own: the test reads what it prints and types answers, without a sleep."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

#: seconds that a busy machine may take for one step
WITHIN_S: Final = 240.0
END_OF_INPUT: Final = "\x04"
INTERRUPT: Final = "\x03"
#: makes standard input the controlling terminal, so that Ctrl-C is a signal, and runs the console script
_PROGRAM: Final = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from authguard.cli import main; main()"


class Terminal:
    """The person's side of a terminal on which one command runs."""

    def __init__(self, process: subprocess.Popen[bytes], handle: int) -> None:
        """Take the process and the terminal's own end."""
        self._process = process
        self._handle = handle
        self._seen = 0
        self.shown = ""

    def expect(self, text: str) -> str:
        """Read until the command has printed a text; return what it printed since the last call."""
        ends = monotonic() + WITHIN_S
        while (found := self.shown.find(text, self._seen)) < 0:
            assert self._read(ends), f"the command ended without {text!r}; it printed:\n{self.shown}"
        since = self.shown[self._seen : found + len(text)]
        self._seen = found + len(text)
        return since

    def type(self, text: str) -> None:
        """Type a text; a line needs its line break."""
        os.write(self._handle, text.encode())

    def answer(self, question: str, text: str) -> str:
        """Wait for a question, type a line, and return what was printed before it, on one line."""
        since = self.expect(question) + self.expect("]: ")
        self.type(f"{text}\n")
        return " ".join(since.split())

    def end(self) -> int:
        """Read all that is left; return the exit code."""
        ends = monotonic() + WITHIN_S
        while self._read(ends):
            pass
        return self._process.wait(WITHIN_S)

    def _read(self, ends: float) -> bool:
        ready, _, _ = select.select([self._handle], [], [], max(0.0, ends - monotonic()))
        assert ready, f"the command printed nothing more in {WITHIN_S:g} s; before that:\n{self.shown}"
        try:
            chunk = os.read(self._handle, 65_536)
        except OSError:  # EIO: the command has closed its side
            return False
        self.shown += chunk.decode().replace("\r\n", "\n")
        return bool(chunk)


@contextmanager
def run_on_terminal(
    arguments: Sequence[str],
    folder: Path,
    *,
    columns: int = 80,
    stdout: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Terminal]:
    """Run `authguard` on a new terminal; kill it at the end if it still runs.

    Args:
        arguments: words after `authguard`.
        folder: current folder of the command.
        columns: width of the terminal.
        stdout: file for standard output; default: the terminal.
        environment: variables besides those of this process.
    """
    handle, other = os.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    values = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    try:
        with open(stdout or os.devnull, "wb") as file:  # noqa: PTH123 - a path or the null device
            process = subprocess.Popen(  # noqa: S603 - the console script of this project
                [sys.executable, "-c", _PROGRAM, *arguments],
                cwd=folder,
                stdin=other,
                stdout=file if stdout else other,
                stderr=other,
                env={**values, "TERM": "xterm", **(environment or {})},
                start_new_session=True,
            )
        os.close(other)
        with process:
            try:
                yield Terminal(process, handle)
            finally:
                process.kill()
    finally:
        os.close(handle)
