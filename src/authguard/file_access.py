"""Files of a deployment: the setting that names each, and the reason why a path cannot be used.

Rule: a message names the file's role, the folder or file in the way, and the variable that names another place.
"""

from __future__ import annotations

import errno
import os
import stat
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO, Final

#: errors of a disk without free space, quotas and size limits included
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: errors of a place, which `find_obstacle` explains
_PLACE: Final = (*(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),)
_BESIDE_THE_STORE: Final = "set AUTHGUARD_STORE (`store=`, `--store`), next to which it is kept, to a file elsewhere"


class FileRole(Enum):
    """Roles of files, each with its name and the setting that moves it."""

    STORE = ("store", "set AUTHGUARD_STORE (`store=`, `--store`) to a file elsewhere")
    AUDIT_LOG = ("audit log", "set AUTHGUARD_AUDIT_LOG (`audit_log=`, `--log`) to a file elsewhere")
    PSEUDONYM_KEY = ("pseudonym key", f"{_BESIDE_THE_STORE}, or AUTHGUARD_PSEUDONYM_KEY to the key itself")
    ERASABLE_KEYS = ("pseudonym keys", _BESIDE_THE_STORE)
    SIGNING_KEY = (
        "signing key",
        f"{_BESIDE_THE_STORE}, or AUTHGUARD_SIGNING_KEY (`signing_key=`) to the key or its file",
    )
    CHECKPOINT_MEMORY = ("checkpoint memory", _BESIDE_THE_STORE)
    CHECKPOINTS = (
        "checkpoint file",
        "set AUTHGUARD_AUDIT_LOG (`audit_log=`, `--log`), next to which it is kept, to a file elsewhere",
    )
    ANCHOR = ("anchor", "set AUTHGUARD_ANCHORS (`anchors=`, `--anchor`) to another file")
    OUTPUT = ("file", "name another file")
    TEMPORARY = ("temporary folder", "set TMPDIR to a folder that this process may write")


class Access(Enum):
    """How a path is used: what of it has to be there, and what has to be writable."""

    READ = auto()
    READ_OR_CREATE = auto()
    WRITE = auto()
    #: SQLite writes files next to its own
    DATABASE = auto()
    #: a folder in which files are created
    FOLDER = auto()


def describe_failure(
    role: FileRole, path: Path | str, done: str, access: Access, error: BaseException | None = None
) -> str:
    """Build the message for a file that cannot be used.

    Args:
        role: of the file.
        path: its path.
        done: the operation that failed, as in "cannot be `created`".
        access: the access that failed.
        error: the error, if there was one.
    """
    name, remedy = role.value
    why = explain_failure(Path(path), access, error)
    return f"the {name} `{path}` cannot be {done}: {why}; change that, or {remedy}"


def explain_failure(path: Path, access: Access, error: BaseException | None = None) -> str:
    """Return why a path cannot be used: what is in the way, else the words of the operating system."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return os.strerror(error.errno)
    is_about_the_place = error is None or (isinstance(error, OSError) and error.errno in _PLACE)
    if is_about_the_place and (obstacle := find_obstacle(path, access)):
        return obstacle
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def find_obstacle(path: Path, access: Access) -> str:
    """Return what prevents the access to a path; empty if nothing is seen, which is no promise."""
    above = Path(path.anchor or ".")
    try:
        for folder in reversed(path.parents):
            if not stat.S_ISDIR(folder.stat().st_mode):
                return f"`{folder}` is not a folder"
            above = folder
        found = path.stat()
    except FileNotFoundError:
        if access is Access.READ:
            return f"there is no file `{path}`"
        return _find_search_obstacle(above) or _find_write_obstacle(above)
    except OSError as error:
        return _find_search_obstacle(above) or error.strerror or type(error).__name__
    is_folder = stat.S_ISDIR(found.st_mode)
    if is_folder != (access is Access.FOLDER):
        return _describe_kind(path, is_folder=is_folder)
    return _find_write_obstacle(path) if is_folder else _find_file_obstacle(path, access)


def find_structural_obstacle(path: Path, access: Access) -> str:
    """Return what prevents the access to a path under any permission: a file in place of a folder, or the reverse."""
    try:
        for folder in reversed(path.parents):
            if not stat.S_ISDIR(folder.stat().st_mode):
                return f"`{folder}` is not a folder"
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except OSError:
        return ""
    return "" if is_folder == (access is Access.FOLDER) else _describe_kind(path, is_folder=is_folder)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; a pipe would wait for a writer, and a device may never end.

    Raises:
        OSError: the file cannot be opened, or is not a regular file.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return file


def is_path_blocked(path: Path) -> bool:
    """Return whether something in the way of a path prevents even a look at it; a missing path is not blocked."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _find_file_obstacle(path: Path, access: Access) -> str:
    """Return what prevents the access to an existing file."""
    if not os.access(path, os.R_OK):
        return _describe_denial("read", path)
    if access in {Access.WRITE, Access.DATABASE} and not os.access(path, os.W_OK):
        return _describe_denial("write", path)
    return _find_write_obstacle(path.parent) if access is Access.DATABASE else ""


def _describe_kind(path: Path, *, is_folder: bool) -> str:
    return f"`{path}` is {'a folder' if is_folder else 'not a folder'}"


def _find_search_obstacle(folder: Path) -> str:
    return "" if os.access(folder, os.X_OK) else _describe_denial("enter", folder)


def _find_write_obstacle(folder: Path) -> str:
    return "" if os.access(folder, os.W_OK | os.X_OK) else _describe_denial("write in", folder)


def _describe_denial(word: str, path: Path) -> str:
    if "write" in word and os.statvfs(path).f_flag & os.ST_RDONLY:
        return f"`{path}` is on a read-only file system"
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    return f"user {os.geteuid()} may not {word} `{path}`, which has owner {found.st_uid} and mode {mode:04o}"
