"""Print the processor time of every command on a small deployment: `python -m tests.cli_times`.

Each command runs as a process of its own, seven times; the least time counts. Exit 1 if a command exceeds its bound.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authguard.cli.command_table import COMMANDS
from authguard.clock import SystemClock
from authguard.testing import Mint
from tests.cli.calls import EXIT_CODES, arguments
from tests.cli.operated_app import create
from tests.support.issuer_server import IssuerServer

if TYPE_CHECKING:
    from tests.cli.operated_app import OperatedApp

#: most seconds of processor time of a command, and of those that have less
BOUND_S: Final = 0.4
BOUNDS_S: Final = {"audit tail": 0.2}
RUNS: Final = 7
DEADLINE_S: Final = 120


def measure(words: str, original: OperatedApp, issuer: str, room: Path) -> tuple[float, str]:
    """Return the processor seconds of one run, and what it said if it failed."""
    folder = Path(shutil.copytree(original.folder, room / "run"))
    made = replace(original, folder=folder)
    command = [sys.executable, "-m", "authguard", *arguments(words, made, issuer)]
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **made.variables}
    output = room / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=file, stderr=file
        )
        assert process.stdin
        process.stdin.write(made.token.encode())
        process.stdin.close()
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    shutil.rmtree(folder)
    wrong = process.returncode != EXIT_CODES.get(words, 0)
    return used.ru_utime + used.ru_stime, output.read_text("utf-8", "replace") if wrong else ""


def main(wanted: list[str]) -> int:
    """Measure all commands, or those that begin with one of the words; return the exit code."""
    failed = False
    with tempfile.TemporaryDirectory() as root, IssuerServer() as server:
        room = Path(root)
        (room / "app").mkdir()
        original = create(room / "app")
        issuer = server.publish(Mint.create(SystemClock()).jwks("ES256"))
        for command in COMMANDS:
            if wanted and not command.words.startswith(tuple(wanted)):
                continue
            runs = [measure(command.words, original, issuer, room) for _ in range(RUNS)]
            seconds, bound = min(seconds for seconds, _ in runs), BOUNDS_S.get(command.words, BOUND_S)
            verdict = "failed" if runs[0][1] else "ok" if seconds < bound else "over"
            failed |= verdict != "ok"
            sys.stdout.write(f"{verdict:<7}{seconds:6.3f} s of {bound} s  authguard {command.words}\n")
            sys.stdout.write("".join(f"         {line}\n" for line in runs[0][1].splitlines()[-5:]))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
