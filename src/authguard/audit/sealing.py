"""Signing a chain while it is written: the tree is fed from the file, in a thread of its own, and its root is signed.

Rules: no request waits for any of this; only lines that descend to the writer's own last line are signed, so that what
somebody else put into the file is never made good; lines are on the disk before a checkpoint says that they are; a
checkpoint that was signed once is never contradicted by another.
"""

from __future__ import annotations

import os
import threading
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from authguard.audit import checkpoints
from authguard.core.chain import GENESIS, LINE_BOUND, Linked, read
from authguard.core.notes import Checkpoint, opened, signed
from authguard.core.tree import Tree, leaf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from authguard.core.notes import Check, Key, Sign
    from authguard.ports import Clock

    #: hands a signed note on, with the name of the chain's file
    Publish = Callable[[str, str], None]

#: bytes that are read at once, and lines that are hashed before another thread gets its turn
CHUNK: Final = 65_536
TURN: Final = 64
#: seconds between checkpoints of a log to which nothing is added
IDLE: Final = 60.0
#: seconds that a stop waits for the last checkpoint
LAST: Final = 10.0


class UnsealedError(Exception):
    """The chain cannot be signed, for the reason that it is given."""


class Sealer:
    """Signs one file.

    Args:
        path: of the chain.
        fd: where the writer holds it; only looked at, to tell that it is the same file.
        head: gives the hash of the line that the writer wrote last.
        signers: the keys with which it signs, the current one last.
        check: of signatures.
        memory: folder of the newest checkpoints.
        clock: for their times.
        every: lines after which to sign.
        within: seconds after which to sign.
        publish: hands every checkpoint on; what it raises is kept as trouble.

    Attributes:
        trouble: why the last checkpoint could not be made; empty where it could.
    """

    def __init__(
        self,
        path: Path,
        fd: int,
        head: Callable[[], str],
        *,
        signers: Sequence[tuple[Key, Sign]],
        check: Check,
        memory: Path,
        clock: Clock,
        every: int = 1_000,
        within: float = 10.0,
        publish: Publish | None = None,
    ) -> None:
        self._path = path
        self._identity = os.fstat(fd)
        self._head = head
        self._signers = tuple(signers)
        self._check = check
        self._memory = memory
        self._clock = clock
        self._within = within
        self._publish = publish
        self._woken = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._tree = Tree()
        self._offset = 0
        self._last = GENESIS
        self._origin = ""
        self._at = 0
        self._size = -1
        self._endorses: tuple[tuple[Key, Sign], ...] = ()
        self.every: Final = every
        self.trouble = ""

    def start(self) -> None:
        """Begin the thread; it ends with the process, or at `stop`."""
        self._thread = threading.Thread(target=self._run, name="authguard-checkpoints", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Sign soon: there are enough lines."""
        self._woken.set()

    def news(self) -> tuple[str, str] | None:
        """What the log has to say before a signature covers it: an act and its note; ``None`` for nothing.

        A memory that cannot be read is told of when it is used.
        """
        try:
            with self._path.open("rb", buffering=0) as file:
                first = read(next(_lines(file.fileno(), 0), b""))
            current = self._signers[-1][0]
            if not isinstance(first, Linked):
                return None
            head = checkpoints.recall(self._memory, checkpoints.origin(current.name, first.hash))
        except (OSError, ValueError):
            return None
        if head is None:
            return "adopted", "the lines so far were under no checkpoint"
        found = opened(head.note, [key for key, _ in self._signers], self._check)
        return ("key.rotated", current.text()) if found is not None and current not in found.keys else None

    def abandon(self) -> None:
        """End without waiting: the file is gone."""
        self._closing = True
        self._woken.set()

    def stop(self) -> None:
        """Sign all that was written, and end; waits for that, but not for ever."""
        self._closing = True
        self._woken.set()
        if self._thread is None:
            self._try()
        else:
            self._thread.join(LAST)

    def _run(self) -> None:
        idle = time.monotonic()
        while True:
            self._woken.wait(self._within)
            closing = self._closing
            self._woken.clear()
            due = time.monotonic() - idle >= max(IDLE, self._within)
            if self._try(again=due):
                idle = time.monotonic()
            if closing:
                return

    def _try(self, *, again: bool = False) -> bool:
        """Sign, or keep the reason why not; give whether a checkpoint was made."""
        try:
            made = self.seal(again=again)
        except UnsealedError as error:
            self.trouble = str(error)
        except OSError as error:
            self.trouble = f"a checkpoint cannot be written: {error.strerror or type(error).__name__}"
        except Exception as error:  # noqa: BLE001 - a thread that dies would leave the log unsigned and nobody told
            self.trouble = f"a checkpoint cannot be made: {type(error).__name__}"
        else:
            self.trouble = ""
            return made
        return False

    def seal(self, *, again: bool = False) -> bool:
        """Sign what was written since the last checkpoint; give whether there was anything.

        Args:
            again: to sign the same lines anew with a newer time, which proves the silence.

        Raises:
            UnsealedError: what is in the file is not what was written.
            OSError: a file cannot be read or written.
        """
        target = self._head()
        with self._path.open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if (status.st_dev, status.st_ino) != (self._identity.st_dev, self._identity.st_ino):
                raise UnsealedError("the file of the log was replaced")
            if not self._origin and not self._take_up(file.fileno()):
                return False
            if target != self._last:
                self._feed(file.fileno(), target)
            if self._tree.size == self._size and not again:
                return False
            if not self._tree.size:
                return False
            os.fsync(file.fileno())
        self._sign()
        return True

    def _take_up(self, fd: int) -> bool:
        """Go on where the last writer of the chain left off; a chain without a line has no name yet."""
        first = read(next(_lines(fd, 0), b""))
        if not isinstance(first, Linked):
            return False
        chain = checkpoints.origin(self._signers[-1][0].name, first.hash)
        try:
            head = checkpoints.recall(self._memory, chain)
            if head is not None:
                self._resume(fd, head)
        except ValueError as error:
            raise UnsealedError("the memory of the log's newest checkpoint is damaged") from error
        self._origin = chain
        return True

    def _resume(self, fd: int, head: checkpoints.Head) -> None:
        """Check that the file still holds what was signed, as far as one line tells, and take up its tree."""
        found = opened(head.note, [key for key, _ in self._signers], self._check)
        if found is None:
            raise UnsealedError("the log was last signed by a key that is not at hand")
        tree = Tree(found.checkpoint.size, (bytes.fromhex(part) for part in head.edge))
        if tree.root() != found.checkpoint.root:
            raise UnsealedError("the memory of the log's newest checkpoint is damaged")
        start = max(0, head.offset - LINE_BOUND)
        before = os.pread(fd, head.offset - start, start)
        last = read(before[before.rfind(b"\n", 0, -1) + 1 :])
        if not isinstance(last, Linked) or (last.hash, last.seq + 1) != (head.last, tree.size):
            raise UnsealedError("the log is not the one that was signed: lines were cut off or changed")
        self._tree, self._offset, self._last, self._at = tree, head.offset, head.last, found.at
        if self._signers[-1][0] in found.keys:
            self._size = tree.size
        else:
            self._endorses = tuple(one for one in self._signers if one[0] in found.keys)

    def _feed(self, fd: int, target: str) -> None:
        """Take the lines up to the writer's last into the tree, where they descend to it."""
        tree, offset, last = Tree(self._tree.size, self._tree.edge), self._offset, self._last
        for number, line in enumerate(_lines(fd, offset)):
            if number % TURN == TURN - 1:
                time.sleep(0)  # a request may be waiting for the interpreter
            # the form of a line: `authguard.core.chain`
            if line[-76 - 65 : -76] != f'{last}"'.encode() or not line[-76:].startswith(b',"hash":"'):
                break
            stated = line[-67:-3]
            if sha256(line[:-76]).hexdigest().encode() != stated:
                break
            tree.add(leaf(line[:-1]))
            offset, last = offset + len(line), stated.decode()
            if last == target:
                self._tree, self._offset, self._last = tree, offset, last
                return
        raise UnsealedError("the log does not hold what was written: lines were changed or cut off")

    def _sign(self) -> None:
        at = max(int(self._clock.now()), self._at)
        body = Checkpoint(self._origin, self._tree.size, self._tree.root())
        note = signed(body, at, (*self._endorses, self._signers[-1]))
        edge = tuple(part.hex() for part in self._tree.edge)
        head = checkpoints.Head(1, self._path.name, note, self._offset, self._last, edge)
        # remembered last: who verifies reads the memory first, and finds all of it in the file
        checkpoints.append(checkpoints.beside(self._path), note)
        checkpoints.remember(self._memory, head, self._origin)
        self._size, self._at, self._endorses = self._tree.size, at, ()
        if self._publish is not None:
            self._publish(self._path.name, note)


def _lines(fd: int, offset: int) -> Iterator[bytes]:
    """Read the whole lines from an offset on."""
    rest = b""
    while data := os.pread(fd, CHUNK, offset):
        offset += len(data)
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(rest) > LINE_BOUND:
            return
