"""Absolute paths and private folders, independent of the later working directory and umask of the process.

Rules: a relative path is resolved against the folder in which the guard is built, at that time. Symbolic links are
kept, so that an operator can still point a mounted folder elsewhere. Folders that the guard creates are accessible to
their owner only, and git ignores them.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from authguard.errors import SettingsError

#: mode of a created folder
_FOLDER_MODE: Final = 0o700
#: scheme of a URL (RFC 3986 3.1); one letter is no scheme
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
#: file that makes git ignore the folder, itself included (gitignore(5))
_IGNORE_FILE: Final = ".gitignore"
_IGNORE_ALL: Final = b"*\n"


def require_path(given: str | os.PathLike[str], advice: str) -> None:
    """Check that a path is given, not a URL: it would become a folder such as ``postgres:``.

    A message has the scheme only, because a URL may hold a password.

    Args:
        given: the path; a file with a colon in its name is given as ``./name``.
        advice: what is accepted, for the message.

    Raises:
        SettingsError: a URL is given (RFC 3986 3.1).
    """
    if scheme := _SCHEME.match(os.fspath(given)):
        raise SettingsError(f"`{scheme[0]}` begins a URL, and a path is needed: {advice}")


def absolute(given: str | os.PathLike[str]) -> Path:
    """Return a path made absolute against the current folder.

    Raises:
        SettingsError: the path begins with `~`, or is relative, and the current folder no longer exists.
    """
    if os.fspath(given).startswith("~"):
        raise SettingsError(f"`{given}`: only a shell expands `~`, so write the path in full")
    try:
        return Path(given).absolute()
    except OSError as error:
        raise SettingsError(
            f"`{given}` is a relative path and the current folder no longer exists: use an absolute path"
        ) from error


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents, each with mode 0700 whatever the umask allows.

    `Path.mkdir` applies its mode to the last folder only; without a umask, other users could replace the parents.

    Raises:
        OSError: a folder cannot be created.
    """
    for folder in (*reversed(path.parents), path):
        if not folder.is_dir():
            folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)


def make_data_folder(path: Path) -> None:
    """Create a folder for the store, the keys or the log, as `make_folder` does, with a file that makes git ignore it.

    A folder that exists gets no such file: what is in it is not only ours.

    Raises:
        OSError: a folder or the file cannot be created.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    with suppress(FileExistsError):  # another process created it, and the file in it
        path.mkdir(mode=_FOLDER_MODE)
        _write_ignore_file(path)


def _write_ignore_file(folder: Path) -> None:
    """Write the file completely or not at all; an existing one is kept."""
    new = folder / f".{_IGNORE_FILE}.{secrets.token_hex(8)}"
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(_IGNORE_ALL)
        os.link(new, folder / _IGNORE_FILE)
    finally:
        new.unlink(missing_ok=True)
