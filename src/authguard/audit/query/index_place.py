"""The place of the indexes: a private folder in the user's cache. A command that reads a log never writes beside it.

Rules:
- The folder is `authguard` in XDG_CACHE_HOME, or else in `~/.cache` (XDG Base Directory Specification). It belongs to
  this user and has mode 0700, as does each index (0600); anything else is not used.
- An index is named after the absolute path of its log. Whether it is of the same log is checked by its content.
- An index that was not used for a week, or that is not among the last sixteen used, is removed. So it does not keep for
  long what its log has lost.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

#: seconds after which an unused index is removed
MAX_UNUSED_S: Final = 7 * 86_400.0
#: maximum number of indexes
MAX_INDEXES: Final = 16
_PREFIX: Final = "audit-"
_SUFFIX: Final = ".index"


class UnusableCacheError(Exception):
    """There is no private cache folder; the message states why, and what to do."""


def find_index(log: Path) -> Path:
    """Return the path of the index of a log; neither it nor its folder need exist.

    Raises:
        UnusableCacheError: this user has no cache.
    """
    name = sha256(os.fsencode(log.parent.resolve() / log.name)).hexdigest()
    return _find_base() / "authguard" / f"{_PREFIX}{name[:32]}{_SUFFIX}"


def old_path(log: Path) -> Path:
    """Return where earlier versions wrote an index: beside the log."""
    return log.with_name(log.name + ".index")


def prepare_folder(index: Path) -> None:
    """Create the private folder of an index if it is missing, and check that nobody else can write there.

    Raises:
        UnusableCacheError: it cannot be created, or somebody else could write there.
    """
    own = index.parent
    for folder in (own.parent, own):
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            status = folder.lstat() if folder is own else folder.stat()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise UnusableCacheError(f"`{folder}` cannot be created ({reason}){_REMEDY}") from None
        others = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in {0, os.geteuid()} or others:
            raise UnusableCacheError(f"somebody else can write in `{folder}`{_REMEDY}")
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise UnusableCacheError(f"`{folder}` is not yours alone: give it to this user with mode 0700, or remove it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UnusableCacheError(f"`{folder}` cannot be written{_REMEDY}")


_REMEDY: Final = ": set XDG_CACHE_HOME to a folder of your own"


def _find_base() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    # a relative path is to be ignored, by the specification
    if given.startswith("/"):
        return Path(given)
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        raise UnusableCacheError(f"this user has no home{_REMEDY}") from None


def is_private(index: Path) -> bool:
    """Return whether an index exists and is a file that only this user can write and read."""
    try:
        status = index.lstat()
    except OSError:
        return False
    private = status.st_uid == os.geteuid() and not status.st_mode & 0o077 and status.st_nlink == 1
    return private and stat.S_ISREG(status.st_mode)


def mark_used(index: Path) -> None:
    """Note that an index was used now, and remove the indexes beside it that are no longer used."""
    with suppress(OSError):
        os.utime(index)
        now = index.stat().st_mtime
        used = sorted(_list_indexes(index.parent), reverse=True)
        for number, (at, path) in enumerate(used):
            if path != index and (number >= MAX_INDEXES or now - at > MAX_UNUSED_S):
                remove(path)


def _list_indexes(folder: Path) -> list[tuple[float, Path]]:
    """List the indexes, also those that were not finished, with the time of their last use."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.lstrip(".").startswith(_PREFIX) and not entry.name.endswith("-journal"):
                with suppress(FileNotFoundError):
                    found.append((entry.stat(follow_symlinks=False).st_mtime, Path(entry.path)))
    return found


def remove(index: Path) -> None:
    """Remove an index with its journal."""
    index.unlink(missing_ok=True)
    index.with_name(f"{index.name}-journal").unlink(missing_ok=True)
