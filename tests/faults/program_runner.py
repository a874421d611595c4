"""Run the fault programs as processes, on a folder in memory if the machine has one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
#: a kill leaves the same behind in memory as on a disk, and sooner; a power cut is another matter
MEMORY: Final = Path("/dev/shm")
#: seconds for one program; a busy machine is no failure
LIMIT: Final = 600


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder of one's own, which whoever gave up root may enter too."""
    parent = MEMORY if os.access(MEMORY, os.W_OK | os.X_OK) else None
    made = Path(tempfile.mkdtemp(prefix="authguard-faults-", dir=parent))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


def run(program: str, place: Path, shares: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Run a program once for each share of its names, at once, and put what they found together.

    Args:
        program: name of a module beside this one.
        place: its folder; each share has a folder of its own in it.
        shares: the names.
    """
    begun = []
    for number, names in enumerate(shares):
        own = place / f"{program}-{number}"
        own.mkdir()
        command = [sys.executable, "-W", "error", "-m", f"tests.faults.{program}", str(own), *names]
        begun.append(
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603 - our own
        )
    found: dict[str, Any] = {}
    try:
        for process in begun:
            said, complained = process.communicate(timeout=LIMIT)
            assert process.returncode == 0, complained.decode()[-4_000:]
            found |= json.loads(said)
    finally:
        for process in begun:
            process.kill()
            process.communicate()
    return found
