"""Run a program with a clock that the demo advances, so that no scene waits.

``python moved.py FILE MODULE:FUNCTION ARGUMENT...`` uses the machine's time plus the seconds in the file.
A deployment does not need this.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path


def follow(file: Path) -> None:
    """Advance `time.time` of this process by the seconds in a file."""
    true = time.time
    time.time = lambda: true() + ahead(file)


def ahead(file: Path) -> float:
    """Return the seconds."""
    return float(file.read_text("ascii")) if file.exists() else 0.0


def move(file: Path, seconds: float) -> float:
    """Advance the time of the processes that follow the file; return the new offset."""
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
