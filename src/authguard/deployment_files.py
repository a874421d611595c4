"""Check of the files of a deployment, so that one message names every setting to change.

When the guard is built, only what no permission mends is an error: a command that reads the app's routes may run where
nothing may be written. When the guard opens, every obstacle is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from authguard import erasable_pseudonym, signing_key
from authguard.audit.checkpoint_file import checkpoint_path
from authguard.audit.write.anchor import is_url
from authguard.errors import SettingsError
from authguard.file_access import Access, FileRole, describe_failure, find_obstacle, find_structural_obstacle
from authguard.pseudonym import key_file_path
from authguard.settings import MEMORY, deployment_file_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.settings import Settings


def require_usable_files(settings: Settings, *, plain: bool, is_opening: bool) -> None:
    """Check that this process can use every file of the deployment.

    Nothing is created. A file that is kept next to another one is not listed for the same reason again.

    Args:
        settings: of the deployment.
        plain: whether the policy writes plain names of subjects, so that no file of pseudonym keys is needed.
        is_opening: whether the files are opened next, so that they have to be readable and writable as well.

    Raises:
        SettingsError: a file cannot be used; the message has one line per file.
    """
    problems: list[str] = []
    reported: set[str] = set()
    for role, path, access, is_named in _list_files(settings, plain=plain):
        find = find_obstacle if is_opening or (is_named and access is Access.READ) else find_structural_obstacle
        why = find(path, access)
        if why and (is_named or why not in reported):
            problems.append(describe_failure(role, path, "used", access))
        reported.add(why)
    if problems:
        raise SettingsError("\n".join(problems))


def _list_files(settings: Settings, *, plain: bool) -> Iterator[tuple[FileRole, Path, Access, bool]]:
    """Yield each file with its role, its use, and whether a setting of its own names it."""
    base = deployment_file_prefix(settings.store, settings.audit_log)
    if settings.store != MEMORY:
        store = Path(settings.store)
        yield FileRole.STORE, store, Access.DATABASE, True
        if not settings.pseudonym_key:
            yield FileRole.PSEUDONYM_KEY, key_file_path(store), Access.READ_OR_CREATE, False
            if not plain:
                yield FileRole.ERASABLE_KEYS, erasable_pseudonym.key_file_path(store), Access.READ_OR_CREATE, False
    log = Path(settings.audit_log)
    yield FileRole.AUDIT_LOG, log, Access.WRITE, True
    yield FileRole.CHECKPOINTS, checkpoint_path(log), Access.WRITE, False
    if not settings.signing_key:
        yield FileRole.SIGNING_KEY, signing_key.key_file_path(base), Access.READ_OR_CREATE, False
    elif (named := signing_key.named_file(settings.signing_key)) is not None:
        yield FileRole.SIGNING_KEY, named, Access.READ, True
    yield FileRole.CHECKPOINT_MEMORY, signing_key.checkpoint_memory_path(base), Access.FOLDER, False
    for anchor in settings.anchors:
        # the folder of an anchor may be a mount point, so a missing one is an outage: the log records it
        if not callable(anchor) and not is_url(str(anchor)) and Path(anchor).absolute().parent.exists():
            yield FileRole.ANCHOR, Path(anchor).absolute(), Access.WRITE, True
