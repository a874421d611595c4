"""Absolute paths and private folders, independent of the later working directory and umask of the process.

Rules: a relative path is resolved against the folder in which the guard is built, at that time. Symbolic links are
kept, so that an operator can still point a mounted folder elsewhere. Folders that the guard creates are accessible to
their owner only.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from authguard.errors import SettingsError

#: mode of a created folder
_FOLDER_MODE: Final = 0o700


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
