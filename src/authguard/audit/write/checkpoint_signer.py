"""Signing a chain while it is written: the tree is fed from the file, in a thread of its own, and its root is signed.

Rules: no request waits for any of this; only lines that descend to the writer's own last line are signed, so that what
somebody else put into the file is never made good; lines are on the disk before a checkpoint says that they are; a
checkpoint that was signed once is never contradicted by another.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authguard.audit import checkpoint_file, segment_file
from authguard.audit.chain_file import sync_folder
from authguard.audit.write.checkpoint_thinner import CheckpointThinner
from authguard.audit.write.leaf_reader import append_leaves, find_base
from authguard.audit.write.takeover import ChainTakeover
from authguard.core.chain import GENESIS, MAX_LINE_BYTES, ChainedLine, parse_line
from authguard.core.handover import format_opened_note
from authguard.core.merkle import Tree
from authguard.core.signed_note import Checkpoint, open_note, sign_note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from authguard.audit.segment_file import Segment
    from authguard.audit.write.anchor_publisher import AnchorPublisher
    from authguard.audit.write.retention import PendingRecord, SegmentRetention
    from authguard.core.signed_note import Check, Key, Sign
    from authguard.ports import Clock


#: lines, and seconds, after which a log is signed unless a policy says otherwise
DEFAULT_INTERVAL_LINES: Final = 1_000
DEFAULT_INTERVAL_S: Final = 10.0
#: looks at a folder that changes meanwhile, and seconds between them
MAX_LIST_ATTEMPTS: Final = 5
RETRY_INTERVAL_S: Final = 0.01
#: seconds until a log to which nothing is added is signed anew; twice as long each time, and at most
IDLE_INTERVAL_S: Final = 60.0
MAX_IDLE_INTERVAL_S: Final = 3_600.0
#: seconds that a stop waits for the last checkpoint
SHUTDOWN_TIMEOUT_S: Final = 10.0


class SigningError(Exception):
    """The chain cannot be signed, for the reason that it is given."""


class CheckpointSigner:
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
        publisher: sends every checkpoint on to its anchors.
        retention: keeps the segments that were closed and signed.
        threaded: whether a thread does all of it; else `step` does.

    Attributes:
        predecessor: finds out what the writer before left.
        trouble: why the last checkpoint could not be made; empty where it could.
        untidy: why closed segments could not be kept as they should; empty where they could.
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
        every: int = DEFAULT_INTERVAL_LINES,
        within: float = DEFAULT_INTERVAL_S,
        publisher: AnchorPublisher | None = None,
        retention: SegmentRetention | None = None,
        threaded: bool = True,
    ) -> None:
        self._path = path
        self._identity = os.fstat(fd)
        self._head = head
        self._turned = False
        self._signers = tuple(signers)
        self._check = check
        self._memory = memory
        self._clock = clock
        self._within = within
        self._publisher = publisher
        self._retention = retention
        self._thinner = CheckpointThinner(path)
        self._threaded = threaded
        self._woken = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._tree = Tree()
        #: number of the first line of the file that was read last, and how many of its bytes were
        self._base = 0
        self._offset = 0
        self._last = GENESIS
        self._origin = ""
        self._at = 0
        self._size = -1
        self._endorses: tuple[tuple[Key, Sign], ...] = ()
        self.every: Final = every
        self.takeover: Final = ChainTakeover(path, self._signers, check, memory, every, within)
        self.signing_error = ""
        self.retention_error = ""

    @property
    def anchor_error(self) -> str:
        """Which anchors do not have the newest checkpoint, and why; empty where all do or will at once."""
        return self._publisher.error if self._publisher is not None else ""

    @property
    def pending_record(self) -> PendingRecord | None:
        """What has to be recorded before a segment may go."""
        return (self._retention.pending_record if self._retention is not None else None) or self._thinner.pending_record

    def confirm(self, pending_record: PendingRecord, lines: int) -> None:
        """Hear that it was, and how many lines the chain has with it."""
        self._thinner.confirm(pending_record, lines)
        if self._retention is not None:
            self._retention.confirm(pending_record, lines)

    def on_rotate(self, fd: int) -> None:
        """Hear that the chain goes on in another file."""
        self._identity, self._turned = os.fstat(fd), True
        self._woken.set()

    def start(self) -> None:
        """Begin the thread; it ends with the process, or at `stop`."""
        if not self._threaded:
            return
        self._thread = threading.Thread(target=self._run, name="authguard-checkpoints", daemon=True)
        self._thread.start()

    def run_once(self) -> bool:
        """Do at once what the thread does when it wakes; give whether the log has to say something before more is."""
        self._try_sign()
        self._maintain()
        return self.pending_record is not None and not self.signing_error and not self.retention_error

    def wake(self) -> None:
        """Sign soon: there are enough lines."""
        self._woken.set()

    def startup_record(self) -> tuple[str, str] | None:
        """What the log has to say before a signature covers it: an act and its note; ``None`` for nothing.

        A memory that cannot be read is told of when it is used.
        """
        try:
            first = segment_file.read_first_hash(self._path)
            current = self._signers[-1][0]
            head = (
                checkpoint_file.load_head(self._memory, checkpoint_file.chain_origin(current.name, first))
                if first
                else None
            )
        except (OSError, ValueError):
            return None
        found = open_note(head.note, [key for key, _ in self._signers], self._check) if head is not None else None
        return ("key.rotated", current.text()) if found is not None and current not in found.keys else None

    def opened_note(self, prev: str, record: str, at: float) -> str:
        """Write what this writer begins with, signed by the key that whoever trusted the chain so far knows.

        Args:
            prev: hash of the line that it follows.
            record: id of the record.
            at: its time.
        """
        key, sign = self._signers[-1]
        with suppress(OSError, ValueError):
            first = segment_file.read_first_hash(self._path)
            head = (
                checkpoint_file.load_head(self._memory, checkpoint_file.chain_origin(key.name, first))
                if first
                else None
            )
            found = open_note(head.note, [one for one, _ in self._signers], self._check) if head is not None else None
            key, sign = next((one for one in self._signers if found and one[0] in found.keys), (key, sign))
        return format_opened_note(key, sign, prev, record, at)

    def abandon(self) -> None:
        """End without waiting: the file is gone."""
        self._closing = True
        self._woken.set()

    def stop(self) -> None:
        """Sign all that was written, and end; waits for that, but not for ever."""
        self._closing = True
        self._woken.set()
        if self._thread is None:
            self._try_sign()
        else:
            self._thread.join(SHUTDOWN_TIMEOUT_S)
        if self._publisher is not None:
            self._publisher.stop()

    def _run(self) -> None:
        idle, patience = time.monotonic(), max(IDLE_INTERVAL_S, self._within)
        while True:
            self._woken.wait(self._within)
            closing = self._closing
            self._woken.clear()
            due = time.monotonic() - idle >= patience
            before = self._size
            if self._try_sign(again=due):
                idle = time.monotonic()
                patience = (
                    min(2 * patience, MAX_IDLE_INTERVAL_S)
                    if self._size == before
                    else max(IDLE_INTERVAL_S, self._within)
                )
            if closing:
                return
            self._maintain()

    def _try_sign(self, *, again: bool = False) -> bool:
        """Sign, or keep the reason why not; give whether a checkpoint was made."""
        try:
            made = self.sign(again=again)
        except SigningError as error:
            self.signing_error = str(error)
        except OSError as error:
            self.signing_error = f"a checkpoint cannot be made: {_where(error)}{error.strerror or type(error).__name__}"
        except Exception as error:  # noqa: BLE001 - a thread that dies would leave the log unsigned and nobody told
            self.signing_error = f"a checkpoint cannot be made: {type(error).__name__}"
        else:
            self.signing_error = ""
            return made
        return False

    def _maintain(self) -> None:
        """Keep what is closed and signed, and thin what signs it, or keep the reason why not."""
        if self._size < 0:
            return
        try:
            if self._retention is not None:
                self._retention.run(self._size)
            self._thinner.run(self._size)
        except OSError as error:
            self.retention_error = (
                f"a closed segment cannot be kept: {_where(error)}{error.strerror or type(error).__name__}"
            )
        except Exception as error:  # noqa: BLE001 - as in `_try_sign`
            self.retention_error = f"a closed segment cannot be kept: {type(error).__name__}"
        else:
            self.retention_error = ""

    def sign(self, *, again: bool = False) -> bool:
        """Sign what was written since the last checkpoint; give whether there was anything.

        Args:
            again: to sign the same lines anew with a newer time, which proves the silence.

        Raises:
            SigningError: what is in the file is not what was written.
            OSError: a file cannot be read or written.
        """
        target = self._head()
        if not self._origin and not self._resume_chain():
            return False
        if target != self._last:
            self._append_lines(target)
        if not self._tree.size or (self._tree.size == self._size and not again):
            return False
        if self._turned:
            sync_folder(self._path.parent)
            self._turned = False
        self._write_checkpoint()
        return True

    def _resume_chain(self) -> bool:
        """Go on where the last writer of the chain left off; a chain without a line has no name yet."""
        first = segment_file.read_first_hash(self._path)
        if not first:
            return False
        chain = checkpoint_file.chain_origin(self._signers[-1][0].name, first)
        try:
            head = checkpoint_file.load_head(self._memory, chain)
            if head is not None:
                self._restore_tree(head)
        except ValueError as error:
            raise SigningError("the memory of the log's newest checkpoint is damaged") from error
        self._origin = chain
        return True

    def _restore_tree(self, head: checkpoint_file.Head) -> None:
        """Check that the file still holds what was signed, as far as one line tells, and take up its tree."""
        found = open_note(head.note, [key for key, _ in self._signers], self._check)
        if found is None:
            raise SigningError("the log was last signed by a key that is not at hand")
        tree = Tree(found.checkpoint.size, (bytes.fromhex(part) for part in head.edge))
        if tree.root() != found.checkpoint.root:
            raise SigningError("the memory of the log's newest checkpoint is damaged")
        start = max(0, head.offset - MAX_LINE_BYTES)
        segment = next(
            (one for one in segment_file.list_segments(self._path) if one.base == head.base and not one.is_tombstone),
            None,
        )
        if segment is None:
            raise SigningError("the log is not the one that was signed: a segment of it is gone")
        with segment_file.open_segment(segment) as file:
            file.seek(start)
            before = file.read(head.offset - start)
        last = parse_line(before[before.rfind(b"\n", 0, -1) + 1 :])
        if not isinstance(last, ChainedLine) or (last.hash, last.seq + 1) != (head.last, tree.size):
            raise SigningError("the log is not the one that was signed: lines were cut off or changed")
        self._tree, self._base, self._offset, self._last = tree, head.base, head.offset, head.last
        self._at = found.at
        if self._signers[-1][0] in found.keys:
            self._size = tree.size
        else:
            self._endorses = tuple(one for one in self._signers if one[0] in found.keys)

    def _append_lines(self, target: str) -> None:
        """Take the lines up to the writer's last into the tree, where they descend to it, and bring them to the disk.

        Raises:
            SigningError: the files do not hold what was written.
            OSError: one cannot be read.
        """
        for _ in range(MAX_LIST_ATTEMPTS):
            tree, last = Tree(self._tree.size, self._tree.edge), self._last
            for segment in self._list_unread():
                with segment_file.open_segment(segment) as file:
                    self._require_own_file(segment, file)
                    # the file that is written may have had no line yet, or another name, when the folder was listed
                    base = find_base(segment, file, tree.size)
                    file.seek(self._offset if base == self._base else 0)
                    last = append_leaves(file, tree, last, target)
                    offset = file.tell()
                    if segment.form != segment_file.GZIP_SUFFIX:
                        os.fsync(file.fileno())
                if last == target:
                    self._tree, self._base, self._offset, self._last = tree, base, offset, last
                    return
            # the writer may have gone on to another file between a look at the folder and the opening
            time.sleep(RETRY_INTERVAL_S)
        raise SigningError("the log does not hold what was written: lines were changed or cut off")

    def _list_unread(self) -> tuple[Segment, ...]:
        """List the files that hold lines that were not taken in."""
        found = segment_file.list_segments(self._path)
        return tuple(one for one in found if one.live or (one.base >= self._base and not one.is_tombstone))

    def _require_own_file(self, segment: Segment, file: BinaryIO) -> None:
        """Demand that the file that is written is the writer's.

        Raises:
            SigningError: it is another.
        """
        if not segment.live:
            return
        for _ in range(MAX_LIST_ATTEMPTS):
            status, ours = os.fstat(file.fileno()), self._identity
            if (status.st_dev, status.st_ino) == (ours.st_dev, ours.st_ino):
                return
            time.sleep(RETRY_INTERVAL_S)  # it may be so new that the writer has not yet said so
        raise SigningError("the file of the log was replaced")

    def _write_checkpoint(self) -> None:
        at = max(int(self._clock.now()), self._at)
        body = Checkpoint(self._origin, self._tree.size, self._tree.root())
        note = sign_note(body, at, (*self._endorses, self._signers[-1]))
        edge = tuple(part.hex() for part in self._tree.edge)
        head = checkpoint_file.Head(1, self._path.name, note, self._offset, self._last, edge, self._base)
        # remembered last: who verifies reads the memory first, and finds all of it in the file
        checkpoint_file.append_note(checkpoint_file.checkpoint_path(self._path), note)
        checkpoint_file.save_head(self._memory, head, self._origin)
        self._size, self._at, self._endorses = self._tree.size, at, ()
        if self._publisher is not None:
            self._publisher.publish(self._origin, note)


def _where(error: OSError) -> str:
    """Name the file that an error is about, without its folder."""
    return f"{Path(error.filename).name}: " if isinstance(error.filename, str | Path) else ""
