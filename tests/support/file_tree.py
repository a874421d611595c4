"""Snapshot of a folder: the path, kind, mode, size, time and content of everything in it."""

from __future__ import annotations

import stat
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def snapshot(folder: Path) -> dict[str, tuple[int, int, int, str]]:
    """Return mode, size, time of the last change and hash of each file and folder, by path; the folder included."""
    found = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.lstat()
        content = sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else ""
        size = status.st_size if content else 0
        found[str(path.relative_to(folder))] = (status.st_mode, size, status.st_mtime_ns, content)
    return found
