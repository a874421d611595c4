"""Erasable pseudonyms of subjects for the audit log: one key per subject, none of them stored.

The keys are the leaves of a tree of keyed hashes (a puncturable pseudorandom function: Goldreich, Goldwasser and
Micali 1986; Boneh and Waters 2013). The root key computes all of them. To destroy one leaf, the root is replaced by the
siblings of the nodes on the path to that leaf: they compute every other leaf, and nothing computes that one.

Rules: a file next to the store holds the nodes and no subject's name. A subject that appears again after its erasure
gets a key from a tree that was created at the erasure. The file is replaced as a whole, and the old one is overwritten.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

from authguard.core.record_keys import account_key
from authguard.errors import SettingsError
from authguard.file_access import Access, FileRole, describe_failure, open_regular
from authguard.paths import make_data_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: levels of a tree and branches of a node: 48 bits. Of ten million names, two share a leaf once in 500,000
#: cases; then the erasure of one also changes the pseudonym of the other
LEVELS: Final = 24
BRANCHES: Final = 4
KEY_BYTES: Final = 32
#: bytes of a pseudonym; the log has it in hexadecimal
PSEUDONYM_BYTES: Final = 16
#: maximum size of the file: about ten thousand erased subjects
MAX_FILE_BYTES: Final = 128 * 1024 * 1024
#: how often a file is read again while other processes replace it
MAX_ATTEMPTS: Final = 64


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of the key file.

    Attributes:
        v: version of the format.
        path_key: key that turns names into paths through the trees, hexadecimal.
        since: time at which the first tree was created, epoch seconds UTC.
        before: whether there are older lines, with pseudonyms under the deployment's key.
        trees: nodes of each tree, the oldest tree first: path from the root (digits 0 to 3) -> key, hexadecimal.
        erased: path -> time at which its key was destroyed.
    """

    v: int
    path_key: str = msgspec.field(name="way")
    since: float
    before: bool
    trees: tuple[dict[str, str], ...]
    erased: dict[str, float] = msgspec.field(name="forgotten")


_decode: Final = msgspec.json.Decoder(_File).decode


@dataclass(frozen=True, slots=True)
class PseudonymInfo:
    """The pseudonym of a subject and its history.

    Attributes:
        pseudonym: current pseudonym; a pseudonym from before an erasure cannot be computed again.
        erased: time at which the key was destroyed, epoch seconds UTC; 0 if it never was.
        since: time of the first erasable pseudonym; earlier lines use the deployment's key; 0 if there are none.
    """

    pseudonym: str
    erased: float
    since: float


def key_file_path(store: Path) -> Path:
    """Return the path of the key file next to a store."""
    return store.with_name(store.name + ".names")


class ErasablePseudonyms:
    """Pseudonyms of subjects, each under a key that can be destroyed.

    Args:
        path: path of the key file.

    Raises:
        SettingsError: the file cannot be read.
    """

    __slots__ = ("_file", "_path", "_seen")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = (0, 0, 0)
        self._file = self._read()

    @property
    def check(self) -> str:
        """Return a value that is equal for equal keys and reveals nothing about them."""
        return blake2b(b"names", digest_size=PSEUDONYM_BYTES, key=bytes.fromhex(self._current().path_key)).hexdigest()

    def subject(self, issuer: str, subject: str) -> str:
        """Return the pseudonym of a subject of an issuer.

        Raises:
            SettingsError: the key file can no longer be read.
        """
        return self.account(account_key(issuer, subject))

    def account(self, account: bytes) -> str:
        """Return the pseudonym of an account's subject, as `subject` does.

        Args:
            account: from `authguard.core.record_keys.account_key`.

        Raises:
            SettingsError: the key file can no longer be read.
        """
        return self.get_info(account).pseudonym

    def get_info(self, account: bytes) -> PseudonymInfo:
        """Return the pseudonym of an account's subject with its history.

        Raises:
            SettingsError: the key file cannot be read.
        """
        file = self._current()
        path = _leaf_path(file, account)
        leaf = next(filter(None, (_compute_leaf(tree, path) for tree in file.trees)), b"")
        if not leaf:
            raise _unreadable_error(self._path, None)
        before = file.since if file.before else 0.0
        return PseudonymInfo(_derive_pseudonym(leaf, account), file.erased.get(path, 0.0), before)

    def erase(self, account: bytes, at: float, record: Callable[[], object]) -> None:
        """Destroy the key of a subject's pseudonym.

        Args:
            account: the account, from `authguard.core.record_keys.account_key`.
            at: epoch seconds UTC.
            record: writes the erasure to the log, before the key is destroyed. If it raises, the key stays.

        Raises:
            SettingsError: the file cannot be written.
        """
        with _locked(self._path):
            file = self._read()
            path = _leaf_path(file, account)
            trees = list(file.trees)
            # the first tree that still has the leaf names the subject; after the erasure, the next tree does
            index = next((number for number, tree in enumerate(trees) if _compute_leaf(tree, path)), len(trees))
            if index >= len(trees) - 1:
                trees.append({"": secrets.token_hex(KEY_BYTES)})
            trees[index] = _puncture(trees[index], path)
            new = msgspec.structs.replace(file, trees=tuple(trees), erased=file.erased | {path: at})
            record()
            _replace(self._path, msgspec.json.encode(new))
        self._file = self._read()

    def _current(self) -> _File:
        """Return the content of the file; another process may have destroyed a key."""
        try:
            status = self._path.stat()
        except OSError as error:
            raise _unreadable_error(self._path, error) from error
        if (status.st_ino, status.st_size, status.st_mtime_ns) != self._seen:
            self._file = self._read()
        return self._file

    def _read(self) -> _File:
        status = os.stat_result((0,) * 10)
        for remaining in reversed(range(MAX_ATTEMPTS)):
            try:
                with open_regular(self._path) as file:
                    status = os.fstat(file.fileno())
                    found = _decode(file.read(MAX_FILE_BYTES))
                break
            except (OSError, ValueError) as error:
                # another process that replaces the file overwrites the old one, which may still be open here
                if not remaining or not status.st_ino or not self._is_replaced(status):
                    raise _unreadable_error(self._path, error) from error
        if found.v != 1 or not found.trees or len(found.path_key) != 2 * KEY_BYTES:
            raise _unreadable_error(self._path, None)
        self._seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        return found

    def _is_replaced(self, status: os.stat_result) -> bool:
        """Return whether the path now names another file than the one that was read."""
        try:
            now = self._path.stat()
        except OSError:
            return False
        return (now.st_ino, now.st_size, now.st_mtime_ns) != (status.st_ino, status.st_size, status.st_mtime_ns)


def _unreadable_error(path: Path, error: Exception | None) -> SettingsError:
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        return SettingsError(describe_failure(FileRole.ERASABLE_KEYS, path, "read", Access.READ, error))
    why = type(error).__name__ if error else "unknown format"
    return SettingsError(f"the pseudonym keys `{path}` cannot be read ({why}): restore the file from a backup")


def _unchangeable_error(path: Path, error: OSError) -> SettingsError:
    return SettingsError(describe_failure(FileRole.ERASABLE_KEYS, path, "changed", Access.DATABASE, error))


def create_key_file(path: Path, now: float, *, before: bool) -> None:
    """Create the key file if there is none; processes that do so at the same time get the same file.

    Args:
        path: path of the file.
        now: epoch seconds UTC.
        before: whether the log already has lines, with pseudonyms under the deployment's key.

    Raises:
        SettingsError: the file cannot be created.
    """
    if path.exists():
        return
    file = _File(1, secrets.token_hex(KEY_BYTES), now, before, ({"": secrets.token_hex(KEY_BYTES)},), {})
    try:
        make_data_folder(path.parent)
        new = _write(path, msgspec.json.encode(file))
        try:
            os.link(new, path)
        except FileExistsError:
            return  # another process created the file first: its keys count
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(
            describe_failure(FileRole.ERASABLE_KEYS, path, "created", Access.READ_OR_CREATE, error)
        ) from error


def _write(path: Path, data: bytes) -> Path:
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        new.unlink()
        raise
    return new


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock under which one process at a time changes the file."""
    try:
        fd = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _unchangeable_error(path, error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _replace(path: Path, data: bytes) -> None:
    """Replace the key file, and overwrite the old one as far as the disk allows."""
    try:
        old = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            _write(path, data).replace(path)
            os.pwrite(old, bytes(os.fstat(old).st_size), 0)
            os.fsync(old)
        finally:
            os.close(old)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _unchangeable_error(path, error) from error


# --- the trees


def _leaf_path(file: _File, account: bytes) -> str:
    """Return the path to the leaf of an account, one digit per level."""
    digest = blake2b(account, digest_size=LEVELS // 4, key=bytes.fromhex(file.path_key), person=b"way").digest()
    return "".join(str(byte >> shift & 3) for byte in digest for shift in (6, 4, 2, 0))


def _derive_child(key: bytes, digit: str) -> bytes:
    return blake2b(digit.encode(), digest_size=KEY_BYTES, key=key, person=b"node").digest()


def _compute_leaf(tree: dict[str, str], path: str) -> bytes:
    """Compute a leaf; return empty bytes if its key was destroyed."""
    for length in range(LEVELS + 1):
        if (found := tree.get(path[:length])) is not None:
            key = bytes.fromhex(found)
            for digit in path[length:]:
                key = _derive_child(key, digit)
            return key
    return b""


def _puncture(tree: dict[str, str], path: str) -> dict[str, str]:
    """Replace the node above a leaf by the siblings of the nodes on the path to it."""
    ancestor = next((path[:length] for length in range(LEVELS + 1) if path[:length] in tree), None)
    if ancestor is None:
        return tree
    remaining = dict(tree)
    key = bytes.fromhex(remaining.pop(ancestor))
    for length in range(len(ancestor), LEVELS):
        for digit in map(str, range(BRANCHES)):
            if digit != path[length]:
                remaining[path[:length] + digit] = _derive_child(key, digit).hex()
        key = _derive_child(key, path[length])
    return remaining


def _derive_pseudonym(leaf: bytes, account: bytes) -> str:
    return blake2b(account, digest_size=PSEUDONYM_BYTES, key=leaf, person=b"subject").hexdigest()
