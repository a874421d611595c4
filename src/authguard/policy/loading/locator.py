"""Where policy files are: those that ship with authguard by name, others by path, none outside of its own folder.

A path in a policy (`extends`, a key file) leads nowhere but into the folder of the policy that is loaded, symlinks
resolved: a policy that somebody sends cannot make authguard read what lies elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from authguard.policy.loading.yaml_parser import MAX_BYTES

#: the name of a policy's file in its folder
POLICY_FILENAME: Final = "policy.yaml"
#: the folder beside it that holds its scenarios
SCENARIOS_DIRNAME: Final = "scenarios"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
#: the folder of a policy that was not found; nothing is ever looked for in it
NO_FOLDER: Final = Path()
_STANDARD: Final = Path(__file__).parents[1] / "standard.yaml"


class PolicyNotFoundError(Exception):
    """There is no such file; the message says what was looked for."""


class OutsideFolderError(Exception):
    """The path leads out of the policy's own folder."""


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One file.

    Attributes:
        path: where it is, symlinks resolved.
        shown: its name in places: as typed, or as shipped.
        folder: what no path in it may leave.
    """

    path: Path
    shown: str
    folder: Path


def shipped_policies() -> dict[str, Path]:
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
    resolve_reference = (
        (checkout / "policies",) if (checkout / "pyproject.toml").is_file() and package.parent.name == "src" else ()
    )
    return package / "policies", *resolve_reference


def is_name(reference: str) -> bool:
    """Whether a reference has the form of a shipped policy's name; anything else is a path."""
    return _NAME.fullmatch(reference) is not None


def find_shipped(name: str) -> PolicyFile:
    """Find a shipped policy.

    Raises:
        NotFound: none has this name.
    """
    path = shipped_policies().get(name)
    if path is None:
        raise PolicyNotFoundError(f"no policy named `{name[:64]}` ships with authguard")
    shown = path.name if path == _STANDARD else f"{name}/{path.name}"
    return PolicyFile(path.resolve(), shown, path.resolve().parent)


def resolve_source(source: str | Path) -> PolicyFile:
    """Find what somebody asked for: a shipped name, else a path.

    Raises:
        NotFound: it is neither.
    """
    if isinstance(source, str) and is_name(source) and source in shipped_policies():
        return find_shipped(source)
    return file_at(source)


def resolve_folder(typed: str) -> str:
    """Take a folder, or a file of scenarios, for the `policy.yaml` in it or beside it; anything else for itself."""
    path = Path(typed)
    resolve_reference = path.parent.parent / POLICY_FILENAME
    if path.parent.name == SCENARIOS_DIRNAME and path.name != POLICY_FILENAME and resolve_reference.is_file():
        return str(resolve_reference)
    return str(path / POLICY_FILENAME) if path.is_dir() else typed


def scenarios_folder(source: PolicyFile) -> Path:
    """Give the folder of a policy's scenarios, which lies beside it; the standard policy's ships with the others."""
    if source.path != _STANDARD.resolve():
        return source.path.parent / "scenarios"
    folders = [folder / "standard" / "scenarios" for folder in _folders()]
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def file_at(source: str | Path) -> PolicyFile:
    """Take a path as it is, whether or not a file is there.

    Raises:
        NotFound: it is no path.
    """
    try:
        path = Path(source).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise PolicyNotFoundError(f"`{str(source)[:200]}` is no path") from error
    return PolicyFile(path, str(source), path.parent)


def resolve_reference(source: PolicyFile, reference: str) -> PolicyFile:
    """Find the file that a policy names by a path relative to itself.

    Raises:
        NotFound: it is no path.
        Outside: it leaves the folder.
    """
    return PolicyFile(
        resolve_within(source.folder, source.path.parent, reference),
        str(PurePath(source.shown).parent / reference),
        source.folder,
    )


def resolve_within(folder: Path, start: Path, reference: str) -> Path:
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
        raise OutsideFolderError
    try:
        path = (start / reference).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a loop of symlinks, a name that no file can have
        raise PolicyNotFoundError(f"`{reference[:200]}` is no path") from error
    if not path.is_relative_to(folder):
        raise OutsideFolderError
    return path


def read_file(source: PolicyFile) -> bytes:
    """Read a regular file, and no more of it than the reader takes (one byte over tells it so).

    Raises:
        NotFound: there is none, it is no regular file, or it cannot be read.
    """
    try:
        if not source.path.is_file():  # a pipe or a device would be read for ever
            raise PolicyNotFoundError(f"there is no file `{source.shown[:200]}`")
        with source.path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PolicyNotFoundError(f"the file `{source.shown[:200]}` cannot be read: {type(error).__name__}") from error
