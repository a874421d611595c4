"""Where policy files are: those that ship with authguard by name, others by path, none outside of its own folder.

A path in a policy (`extends`, a key file) leads nowhere but into the folder of the policy that is loaded, symlinks
resolved: a policy that somebody sends cannot make authguard read what lies elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from authguard.policy.loading.yaml_parser import BYTES_BOUND

#: the name of a policy's file in its folder
FILE: Final = "policy.yaml"
#: the folder beside it that holds its scenarios
SCENARIOS: Final = "scenarios"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
#: the folder of a policy that was not found; nothing is ever looked for in it
NOWHERE: Final = Path()
_STANDARD: Final = Path(__file__).parents[1] / "standard.yaml"


class NotFound(Exception):  # noqa: N818 - says what happened; caught within the package
    """There is no such file; the message says what was looked for."""


class Outside(Exception):  # noqa: N818 - as above
    """The path leads out of the policy's own folder."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file.

    Attributes:
        path: where it is, symlinks resolved.
        shown: its name in places: as typed, or as shipped.
        folder: what no path in it may leave.
    """

    path: Path
    shown: str
    folder: Path


def shipped() -> dict[str, Path]:
    """Give the policies that ship with authguard, by name."""
    found = {"standard": _STANDARD}
    for folder in _folders():
        if folder.is_dir():
            found |= {path.parent.name: path for path in sorted(folder.glob("*/policy.yaml"))}
    return found


def _folders() -> tuple[Path, ...]:
    """Give where policies ship: in the wheel, or beside ``src`` in a checkout."""
    package = Path(__file__).resolve().parents[2]
    checkout = package.parents[1]
    beside = (
        (checkout / "policies",) if (checkout / "pyproject.toml").is_file() and package.parent.name == "src" else ()
    )
    return package / "policies", *beside


def is_name(reference: str) -> bool:
    """Whether a reference has the form of a shipped policy's name; anything else is a path."""
    return _NAME.fullmatch(reference) is not None


def named(name: str) -> Source:
    """Find a shipped policy.

    Raises:
        NotFound: none has this name.
    """
    path = shipped().get(name)
    if path is None:
        raise NotFound(f"no policy named `{name[:64]}` ships with authguard")
    shown = path.name if path == _STANDARD else f"{name}/{path.name}"
    return Source(path.resolve(), shown, path.resolve().parent)


def given(source: str | Path) -> Source:
    """Find what somebody asked for: a shipped name, else a path.

    Raises:
        NotFound: it is neither.
    """
    if isinstance(source, str) and is_name(source) and source in shipped():
        return named(source)
    return at(source)


def in_folder(typed: str) -> str:
    """Take a folder, or a file of scenarios, for the `policy.yaml` in it or beside it; anything else for itself."""
    path = Path(typed)
    beside = path.parent.parent / FILE
    if path.parent.name == SCENARIOS and path.name != FILE and beside.is_file():
        return str(beside)
    return str(path / FILE) if path.is_dir() else typed


def scenarios(source: Source) -> Path:
    """Give the folder of a policy's scenarios, which lies beside it; the standard policy's ships with the others."""
    if source.path != _STANDARD.resolve():
        return source.path.parent / "scenarios"
    folders = [folder / "standard" / "scenarios" for folder in _folders()]
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def at(source: str | Path) -> Source:
    """Take a path as it is, whether or not a file is there.

    Raises:
        NotFound: it is no path.
    """
    try:
        path = Path(source).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise NotFound(f"`{str(source)[:200]}` is no path") from error
    return Source(path, str(source), path.parent)


def beside(source: Source, reference: str) -> Source:
    """Find the file that a policy names by a path relative to itself.

    Raises:
        NotFound: it is no path.
        Outside: it leaves the folder.
    """
    return Source(
        within(source.folder, source.path.parent, reference),
        str(PurePath(source.shown).parent / reference),
        source.folder,
    )


def within(folder: Path, start: Path, reference: str) -> Path:
    """Resolve a relative path, symlinks too, that may not leave a folder.

    Args:
        folder: what it may not leave, resolved.
        start: where it begins.
        reference: as typed.

    Raises:
        NotFound: it is no path.
        Outside: it leaves the folder.
    """
    if PurePath(reference).is_absolute() or "\\" in reference:
        raise Outside
    try:
        path = (start / reference).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a loop of symlinks, a name that no file can have
        raise NotFound(f"`{reference[:200]}` is no path") from error
    if not path.is_relative_to(folder):
        raise Outside
    return path


def contents(source: Source) -> bytes:
    """Read a regular file, and no more of it than the reader takes (one byte over tells it so).

    Raises:
        NotFound: there is none, it is no regular file, or it cannot be read.
    """
    try:
        if not source.path.is_file():  # a pipe or a device would be read for ever
            raise NotFound(f"there is no file `{source.shown[:200]}`")
        with source.path.open("rb") as file:
            return file.read(BYTES_BOUND + 1)
    except (OSError, ValueError) as error:
        raise NotFound(f"the file `{source.shown[:200]}` cannot be read: {type(error).__name__}") from error
