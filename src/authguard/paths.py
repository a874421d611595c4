"""Paths and folders that do not hang on where the process stands or on its umask later on.

Rules: a relative path is meant from the folder in which the guard is built, and is made absolute then; symlinks stay as
they are, so that whoever mounts a folder may still switch it; what the guard makes is its owner's alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from authguard.errors import SettingsError

if TYPE_CHECKING:
    import os

#: mode of a folder that is made
_MODE: Final = 0o700


def absolute(given: str | os.PathLike[str]) -> Path:
    """Return a path as it is meant now, from the current folder.

    Raises:
        SettingsError: it is relative, and the current folder no longer exists.
    """
    try:
        return Path(given).absolute()
    except OSError as error:
        raise SettingsError(
            f"`{given}` is a relative path and the current folder is gone: name an absolute path"
        ) from error


def make_folder(path: Path) -> None:
    """Make a folder, and every missing one above it, each with mode 0700 whatever the umask allows.

    `Path.mkdir` gives its mode to the last folder only; without a umask everybody could replace the others.

    Raises:
        OSError: one cannot be made.
    """
    for folder in (*reversed(path.parents), path):
        if not folder.is_dir():
            folder.mkdir(mode=_MODE, exist_ok=True)
