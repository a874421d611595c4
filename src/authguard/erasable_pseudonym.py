"""What subjects are called in the log, so that one of them can be forgotten: a key for each, none of them stored.

The keys are the leaves of a tree of keyed hashes (a puncturable pseudorandom function: Goldreich, Goldwasser and
Micali 1986; Boneh and Waters 2013). Who has the root computes them all. To destroy one, the root is replaced by the
nodes beside the way to that leaf: from them every other leaf is computed, and that one by nobody.

Rules: a file beside the store holds the nodes, never a subject's name; a name that was forgotten and comes again gets
another key, from a tree that was begun then; the file is replaced whole, and the old one overwritten.
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

from authguard.core.snapshot import account_key
from authguard.errors import SettingsError
from authguard.paths import make_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: levels of a tree, each with so many branches: 48 bits, so that two of ten million names share a leaf once in 500,000
#: times, and then only forgetting one of them gives the other another pseudonym
LEVELS: Final = 24
BRANCHES: Final = 4
KEY: Final = 32
#: bytes of a pseudonym; the log has it in hexadecimal
PSEUDONYM: Final = 16
#: most bytes of the file: about ten thousand who were forgotten
FILE_BOUND: Final = 128 * 1024 * 1024
#: how often a file that other processes replace is read again
TRIES: Final = 64


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds.

    Attributes:
        v: version of the form.
        way: key under which names become ways through the trees, hexadecimal.
        since: when the first tree was begun, epoch seconds UTC.
        before: whether there are older lines, whose subjects are named by the deployment's key.
        trees: the nodes of each, the oldest tree first: the way from the root (digits 0 to 3) -> key, hexadecimal.
        forgotten: way -> when its key was destroyed.
    """

    v: int
    way: str
    since: float
    before: bool
    trees: tuple[dict[str, str], ...]
    forgotten: dict[str, float]


_decode: Final = msgspec.json.Decoder(_File).decode


@dataclass(frozen=True, slots=True)
class PseudonymInfo:
    """What is known of a name.

    Attributes:
        pseudonym: that it has now; what it had before its key was destroyed nobody can compute.
        forgotten: when its key was destroyed, epoch seconds UTC; 0 where it never was.
        before: until when lines name it by the deployment's key, which stands elsewhere; 0 where there are none.
    """

    pseudonym: str
    forgotten: float
    before: float


def key_file_path(store: Path) -> Path:
    """Name the file that is kept beside a store."""
    return store.with_name(store.name + ".names")


class ErasablePseudonyms:
    """ErasablePseudonyms subjects for the log.

    Args:
        path: of the file.

    Raises:
        SettingsError: it cannot be read.
    """

    __slots__ = ("_file", "_path", "_seen")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = (0, 0, 0)
        self._file = self._read()

    @property
    def check(self) -> str:
        """Return a value that is equal for equal keys and tells nothing of them."""
        return blake2b(b"names", digest_size=PSEUDONYM, key=bytes.fromhex(self._current().way)).hexdigest()

    def subject(self, issuer: str, subject: str) -> str:
        """Name a subject of an issuer.

        Raises:
            SettingsError: the file of the keys cannot be read any more.
        """
        return self.account(account_key(issuer, subject))

    def account(self, account: bytes) -> str:
        """Name the subject of an account, as `subject` does.

        Args:
            account: from `authguard.core.snapshot.account_key`.

        Raises:
            SettingsError: the file of the keys cannot be read any more.
        """
        return self.look_up(account).pseudonym

    def look_up(self, account: bytes) -> PseudonymInfo:
        """Tell what is known of the name of an account.

        Raises:
            SettingsError: the file cannot be read.
        """
        file = self._current()
        way = _path(file, account)
        leaf = next(filter(None, (_leaf(tree, way) for tree in file.trees)), b"")
        if not leaf:
            raise _unreadable(self._path, None)
        before = file.since if file.before else 0.0
        return PseudonymInfo(_pseudonym(leaf, account), file.forgotten.get(way, 0.0), before)

    def erase(self, account: bytes, at: float, record: Callable[[], object]) -> None:
        """Destroy the key of a name.

        Args:
            account: whose, from `authguard.core.snapshot.account_key`.
            at: epoch seconds UTC.
            record: writes that it is done, before it is; what it raises is raised, and nothing was destroyed.

        Raises:
            SettingsError: the file cannot be written.
        """
        with _locked(self._path):
            file = self._read()
            way = _path(file, account)
            trees = list(file.trees)
            # the first tree in which the leaf is left names whoever it is; who comes again is named by the next
            place = next((number for number, tree in enumerate(trees) if _leaf(tree, way)), len(trees))
            if place >= len(trees) - 1:
                trees.append({"": secrets.token_hex(KEY)})
            trees[place] = _puncture(trees[place], way)
            new = msgspec.structs.replace(file, trees=tuple(trees), forgotten=file.forgotten | {way: at})
            record()
            _replace(self._path, msgspec.json.encode(new))
        self._file = self._read()

    def _current(self) -> _File:
        """Give what the file holds now; another process may have destroyed a key."""
        try:
            status = self._path.stat()
        except OSError as error:
            raise _unreadable(self._path, error) from error
        if (status.st_ino, status.st_size, status.st_mtime_ns) != self._seen:
            self._file = self._read()
        return self._file

    def _read(self) -> _File:
        status = os.stat_result((0,) * 10)
        for left in reversed(range(TRIES)):
            try:
                with self._path.open("rb") as file:
                    status = os.fstat(file.fileno())
                    found = _decode(file.read(FILE_BOUND))
                break
            except (OSError, msgspec.DecodeError) as error:
                # a file that another process replaces is overwritten while it may still be open here
                if not left or not status.st_ino or not self._is_replaced(status):
                    raise _unreadable(self._path, error) from error
        if found.v != 1 or not found.trees or len(found.way) != 2 * KEY:
            raise _unreadable(self._path, None)
        self._seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        return found

    def _is_replaced(self, status: os.stat_result) -> bool:
        """Whether another file stands there than the one that was read."""
        try:
            now = self._path.stat()
        except OSError:
            return False
        return (now.st_ino, now.st_size, now.st_mtime_ns) != (status.st_ino, status.st_size, status.st_mtime_ns)


def _unreadable(path: Path, error: Exception | None) -> SettingsError:
    why = type(error).__name__ if error else "another form"
    return SettingsError(f"the keys of names `{path}` cannot be read ({why}): restore the file from a backup")


def create_key_file(path: Path, now: float, *, before: bool) -> None:
    """Make the file where there is none; processes that do so at once end up with the same.

    Args:
        path: of the file.
        now: epoch seconds UTC.
        before: whether there are lines already, whose subjects are named by the deployment's key.

    Raises:
        SettingsError: it cannot be made.
    """
    if path.exists():
        return
    file = _File(1, secrets.token_hex(KEY), now, before, ({"": secrets.token_hex(KEY)},), {})
    try:
        make_folder(path.parent)
        new = _write(path, msgspec.json.encode(file))
        try:
            os.link(new, path)
        except FileExistsError:
            return  # another process was faster: its keys are the keys
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"the keys of names `{path}` cannot be made: {type(error).__name__}") from error


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
    """Let one process at a time change the file."""
    try:
        fd = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise SettingsError(f"the keys of names `{path}` cannot be changed: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _replace(path: Path, data: bytes) -> None:
    """Put new keys in the place of the old, and overwrite those, as far as the disk lets itself be overwritten."""
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
        raise SettingsError(f"the keys of names `{path}` cannot be changed: {error.strerror}") from error


# --- the trees


def _path(file: _File, account: bytes) -> str:
    """Tell the way to a name's leaf, one digit a level."""
    digest = blake2b(account, digest_size=LEVELS // 4, key=bytes.fromhex(file.way), person=b"way").digest()
    return "".join(str(byte >> shift & 3) for byte in digest for shift in (6, 4, 2, 0))


def _child(key: bytes, digit: str) -> bytes:
    return blake2b(digit.encode(), digest_size=KEY, key=key, person=b"node").digest()


def _leaf(tree: dict[str, str], way: str) -> bytes:
    """Compute a leaf; empty where its key was destroyed."""
    for length in range(LEVELS + 1):
        if (found := tree.get(way[:length])) is not None:
            key = bytes.fromhex(found)
            for digit in way[length:]:
                key = _child(key, digit)
            return key
    return b""


def _puncture(tree: dict[str, str], way: str) -> dict[str, str]:
    """Replace the node over a leaf by those beside the way to it."""
    above = next((way[:length] for length in range(LEVELS + 1) if way[:length] in tree), None)
    if above is None:
        return tree
    left = dict(tree)
    key = bytes.fromhex(left.pop(above))
    for length in range(len(above), LEVELS):
        for digit in map(str, range(BRANCHES)):
            if digit != way[length]:
                left[way[:length] + digit] = _child(key, digit).hex()
        key = _child(key, way[length])
    return left


def _pseudonym(leaf: bytes, account: bytes) -> str:
    return blake2b(account, digest_size=PSEUDONYM, key=leaf, person=b"subject").hexdigest()
