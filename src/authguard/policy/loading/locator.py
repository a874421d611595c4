"""Locate policy files: shipped policies by name, other files by path.

A path in a policy (`extends`, a key file) must stay in the folder of the loaded policy after symlinks are resolved, so
that a policy from another party cannot make authguard read other files.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import Final

from msgspec import Struct

from authguard.policy.loading.yaml_parser import MAX_BYTES

#: name of the policy file in its folder
POLICY_FILENAME: Final = "policy.yaml"
#: name of the scenario folder next to the policy file
SCENARIOS_DIRNAME: Final = "scenarios"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
#: scheme of a URL (RFC 3986 3.1)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
#: folder of a policy that was not found; never searched
NO_FOLDER: Final = Path()
_STANDARD: Final = Path(__file__).parents[1] / "standard.yaml"


class PolicyNotFoundError(Exception):
    """The policy file does not exist or cannot be read; the message names it."""


class OutsideFolderError(Exception):
    """The path leaves the policy's folder."""


class PolicyFile(Struct, frozen=True):
    """A policy file.

    Attributes:
        path: path of the file, symlinks resolved.
        shown: name of the file in places: as typed, or the name of the shipped file.
        folder: folder that paths in the policy must not leave.
        is_shipped: whether it was named by the name of a shipped policy.
    """

    path: Path
    shown: str
    folder: Path
    is_shipped: bool = False


def shipped_policies() -> dict[str, Path]:
    """Return the paths of the shipped policies by name."""
    found = {"standard": _STANDARD}
    for folder in _folders():
        if folder.is_dir():
            found |= {path.parent.name: path for path in sorted(folder.glob("*/policy.yaml"))}
    return found


def _folders() -> tuple[Path, ...]:
    """Return the folders of shipped policies: in the wheel, or next to ``src`` in a checkout."""
    package = Path(__file__).resolve().parents[2]
    checkout = package.parents[1]
    in_checkout = (
        (checkout / "policies",) if (checkout / "pyproject.toml").is_file() and package.parent.name == "src" else ()
    )
    return package / "policies", *in_checkout


def is_name(reference: str) -> bool:
    """Return whether a reference has the form of a policy name; anything else is a path."""
    return _NAME.fullmatch(reference) is not None


def find_shipped(name: str) -> PolicyFile:
    """Return a shipped policy by name.

    Raises:
        PolicyNotFoundError: no shipped policy has this name.
    """
    path = shipped_policies().get(name)
    if path is None:
        raise PolicyNotFoundError(f"no policy named `{name[:64]}` ships with authguard")
    shown = path.name if path == _STANDARD else f"{name}/{path.name}"
    return PolicyFile(path.resolve(), shown, path.resolve().parent, is_shipped=True)


def resolve_source(source: str | Path) -> PolicyFile:
    """Return the policy file for a shipped name or a path.

    Raises:
        PolicyNotFoundError: the source is neither, or both: what is checked must be what runs.
    """
    if isinstance(source, str) and is_shipped_name(source):
        if (Path(source) / POLICY_FILENAME).exists():
            raise PolicyNotFoundError(
                f"`{source}` is a shipped policy and a folder here: write `./{source}` for the folder, or rename it"
            )
        return find_shipped(source)
    return file_at(source)


def is_shipped_name(source: str) -> bool:
    """Return whether a text names a shipped policy, whatever is in the current folder."""
    return is_name(source) and source in shipped_policies()


def resolve_folder(typed: str) -> str:
    """Return the `policy.yaml` for a folder or a scenario file; return a shipped name or another path unchanged."""
    if is_shipped_name(typed):
        return typed
    path = Path(typed)
    policy = path.parent.parent / POLICY_FILENAME
    if path.parent.name == SCENARIOS_DIRNAME and path.name != POLICY_FILENAME and policy.is_file():
        return str(policy)
    return str(path / POLICY_FILENAME) if path.is_dir() else typed


def scenarios_folder(source: PolicyFile) -> Path:
    """Return the scenario folder of a policy, next to its file; for `standard`, the shipped folder."""
    if source.path != _STANDARD.resolve():
        return source.path.parent / "scenarios"
    folders = [folder / "standard" / "scenarios" for folder in _folders()]
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def file_at(source: str | Path) -> PolicyFile:
    """Return the policy file for a path, or for the folder that holds it; the file need not exist.

    Raises:
        PolicyNotFoundError: the text is a URL, or not a path.
    """
    if scheme := _SCHEME.match(str(source)):
        raise PolicyNotFoundError(f"`{scheme[0]}` begins a URL, and a policy is a file, a folder or a shipped name")
    try:
        path = Path(source).resolve()
        if path.is_dir() and (path / POLICY_FILENAME).is_file():
            return file_at(Path(source) / POLICY_FILENAME)
    except (OSError, ValueError, RuntimeError) as error:
        raise PolicyNotFoundError(f"`{str(source)[:200]}` is not a path") from error
    return PolicyFile(path, str(source), path.parent)


def resolve_reference(source: PolicyFile, reference: str) -> PolicyFile:
    """Return the file that a policy names by a path relative to itself.

    Raises:
        PolicyNotFoundError: the text is not a path.
        OutsideFolderError: the path leaves the folder.
    """
    return PolicyFile(
        resolve_within(source.folder, source.path.parent, reference),
        str(PurePath(source.shown).parent / reference),
        source.folder,
    )


def resolve_within(folder: Path, start: Path, reference: str) -> Path:
    """Resolve a relative path, including symlinks, that must not leave a folder.

    Args:
        folder: resolved folder that the path must not leave.
        start: folder to which the path is relative.
        reference: path in the policy.

    Raises:
        PolicyNotFoundError: the text is not a path.
        OutsideFolderError: the path leaves the folder.
    """
    if PurePath(reference).is_absolute() or "\\" in reference:
        raise OutsideFolderError
    try:
        path = (start / reference).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a symlink loop, or an invalid file name
        raise PolicyNotFoundError(f"`{reference[:200]}` is not a path") from error
    if not path.is_relative_to(folder):
        raise OutsideFolderError
    return path


def read_file(source: PolicyFile) -> bytes:
    """Read a regular file, up to one byte more than the parser accepts.

    Raises:
        PolicyNotFoundError: the file does not exist, is not a regular file, or cannot be read.
    """
    try:
        if not source.path.is_file():  # reading a pipe or a device may never end
            shown = f"`{source.shown[:200]}`"
            raise PolicyNotFoundError(f"{shown} is no file" if source.path.exists() else f"there is no file {shown}")
        with source.path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
        raise PolicyNotFoundError(f"the file `{source.shown[:200]}` cannot be read: {reason.lower()}") from error
