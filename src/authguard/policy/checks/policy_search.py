"""Search for the policy files below a folder, with bounds: the folder may be a whole disk.

Rules: links are not followed, except a link in place of a policy file to another place below the folder. What is not
searched is reported, because a policy there is not checked.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.policy.loading.locator import POLICY_FILENAME

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: most policies, files and folders, and levels below the folder; most seconds
MAX_POLICIES: Final = 1_000
MAX_ENTRIES: Final = 200_000
MAX_DEPTH: Final = 24
MAX_DURATION_S: Final = 10.0
#: folders whose content is not on a disk
SYSTEM_FOLDERS: Final = frozenset({"/proc", "/sys", "/dev"})


class PolicySearch(Struct, frozen=True):
    """The result of a search.

    Attributes:
        found: the policy files, sorted.
        skipped: each folder or file that was not searched, with the reason.
        limit: the bound at which the search ended; empty if it is complete.
    """

    found: tuple[Path, ...]
    skipped: tuple[str, ...]
    limit: str = ""


def find_policies(folder: Path, *, timer: Callable[[], float] = monotonic) -> PolicySearch:
    """Find every `policy.yaml` below a folder, the nearest first.

    Args:
        folder: an existing folder.
        timer: returns seconds; for tests.
    """
    found: list[Path] = []
    skipped: list[str] = []
    entries, end = 0, timer() + MAX_DURATION_S
    waiting = deque([(folder, 0)])
    while waiting:
        place, depth = waiting.popleft()
        try:
            listed = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            skipped.append(f"`{place}`: {error.strerror or type(error).__name__}")
            continue
        entries += len(listed)
        for entry in listed:
            path = place / entry.name
            if why := _explain_skip(entry, path, folder, depth):
                skipped.append(f"`{path}`: {why}")
            elif entry.name == POLICY_FILENAME:
                found.append(path)
            elif entry.is_dir(follow_symlinks=False):
                waiting.append((path, depth + 1))
        limit = _find_limit(len(found), entries, is_late=timer() > end)
        if limit:
            return PolicySearch(tuple(sorted(found)), tuple(skipped), limit)
    return PolicySearch(tuple(sorted(found)), tuple(skipped))


def _find_limit(policies: int, entries: int, *, is_late: bool) -> str:
    """Return the exceeded bound; empty if there is none."""
    if policies > MAX_POLICIES:
        return f"more than {MAX_POLICIES:,} policies"
    if entries > MAX_ENTRIES:
        return f"more than {MAX_ENTRIES:,} files and folders"
    return f"more than can be searched in {MAX_DURATION_S:.0f} seconds" if is_late else ""


def _explain_skip(entry: os.DirEntry[str], path: Path, folder: Path, depth: int) -> str:
    """Return why an entry is not searched; empty if it is, or if it is neither a policy nor a folder."""
    if entry.is_symlink():
        is_wanted = entry.name == POLICY_FILENAME or _is_folder(path)
        return f"it links to a place outside `{folder}`" if is_wanted and not _is_below(path, folder) else ""
    if entry.name == POLICY_FILENAME or not entry.is_dir(follow_symlinks=False):
        return ""
    if os.path.realpath(path) in SYSTEM_FOLDERS:
        return "it is no folder of a disk"
    return f"more than {MAX_DEPTH} levels below `{folder}`" if depth + 1 >= MAX_DEPTH else ""


def _is_below(path: Path, folder: Path) -> bool:
    """Return whether a link ends below a folder; a loop or a missing target does, since the check reports it."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return True


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError:
        return False
