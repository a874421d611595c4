"""Runs a program whose clock the demo moves on, so that no scene waits and none has to hurry.

``python moved.py FILE MODULE:FUNCTION ARGUMENT...``: the machine's time, and the seconds that the file says.
A deployment needs nothing of this.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path


def follow(file: Path) -> None:
    """Let `time.time` in this process be ahead by the seconds that a file says whenever it is asked."""
    true = time.time
    time.time = lambda: true() + ahead(file)


def ahead(file: Path) -> float:
    """Return the seconds."""
    return float(file.read_text("ascii")) if file.exists() else 0.0


def move(file: Path, seconds: float) -> float:
    """Move the time of whoever follows the file on; return how far ahead it is now."""
    new = file.with_suffix(".new")
    new.write_text(f"{ahead(file) + seconds!r}", "ascii")
    new.replace(file)
    return ahead(file)


def main() -> None:
    """Run the program."""
    _, file, program, *words = sys.argv
    follow(Path(file))
    module, _, function = program.partition(":")
    sys.argv = [program, *words]
    getattr(import_module(module), function)()


if __name__ == "__main__":
    main()
