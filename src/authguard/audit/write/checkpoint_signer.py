"""Signer of a chain's checkpoints, in a separate thread.

The thread adds the leaves that the writer handed over to a Merkle tree, reads the lines after them from the file, and
signs the root. Where leaves are missing (after a start, a rotation, a repair or too many lines), it reads the lines.

Rules: no request waits for it. Only lines that the writer wrote, or that lead to its last line, are signed, so foreign
lines in the file are never legitimized. At least the last line is read, at the place where it was written. Lines are on
the disk before a checkpoint covers them. Two checkpoints of a chain never contradict each other.
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
from authguard.audit.write.events import EventBox, LogAct, Part, PartFailed, PartWorks
from authguard.audit.write.leaf_buffer import LeafBuffer, append_slices
from authguard.audit.write.leaf_reader import append_leaves, find_base
from authguard.audit.write.takeover import ChainTakeover
from authguard.records.chain import GENESIS, MAX_LINE_BYTES, ChainedLine, parse_line
from authguard.records.handover import format_opened_note
from authguard.records.merkle import Tree
from authguard.records.signed_note import Checkpoint, open_note, sign_note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from authguard.audit.segment_file import Segment
    from authguard.audit.write.anchor_publisher import AnchorPublisher
    from authguard.audit.write.leaf_buffer import LeafSlice
    from authguard.audit.write.retention import SegmentRetention
    from authguard.ports import Clock
    from authguard.records.signed_note import Check, Key, Sign


#: lines and seconds after which a log is signed, unless the policy sets others
DEFAULT_INTERVAL_LINES: Final = 1_000
DEFAULT_INTERVAL_S: Final = 10.0
#: attempts to list a folder that changes at the same time, and seconds between them
MAX_LIST_ATTEMPTS: Final = 5
RETRY_INTERVAL_S: Final = 0.01
#: seconds until an idle log is signed again; the interval doubles each time, up to the maximum
IDLE_INTERVAL_S: Final = 60.0
MAX_IDLE_INTERVAL_S: Final = 3_600.0
#: seconds that `stop` waits for the last checkpoint
SHUTDOWN_TIMEOUT_S: Final = 10.0


class SigningError(Exception):
    """The chain cannot be signed; the text is the reason."""


class CheckpointSigner:
    """Signer of one chain.

    Args:
        path: path of the chain.
        fd: descriptor of the writer's file; only its identity is used.
        head: returns the hash of the writer's last line.
        signers: keys to sign with, the current one last.
        check: verifies signatures.
        memory: folder of the heads.
        clock: clock for the checkpoints.
        every: lines after which to sign.
        within: seconds after which to sign.
        publisher: publishes the checkpoints to anchors.
        retention: compresses and retires signed segments.
        threaded: whether a thread does the work; otherwise `run_once` does.

    Attributes:
        leaves: receives the leaves of the lines from the writer; wakes the signer.
        takeover: takes the chain over from its last writer.
        events: what failed, works again or may be removed, for the writer to record.
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
        #: number of the first line of the last read file, and the bytes read from it
        self._base = 0
        self._offset = 0
        self._last = GENESIS
        self._origin = ""
        self._at = 0
        self._size = -1
        self._endorses: tuple[tuple[Key, Sign], ...] = ()
        self.leaves: Final = LeafBuffer(every, self._woken.set)
        self.takeover: Final = ChainTakeover(
            path, self._signers, check=check, memory=memory, every=every, within=within
        )
        self.events: Final = EventBox()
        if publisher is not None:
            publisher.connect(self.events)

    def on_rotate(self, fd: int) -> None:
        """Continue in the file that the rotation created."""
        self._identity, self._turned = os.fstat(fd), True
        self._woken.set()

    def start(self) -> None:
        """Start the thread; it ends with the process or with `stop`."""
        if not self._threaded:
            return
        self._thread = threading.Thread(target=self._run, name="authguard-checkpoints", daemon=True)
        self._thread.start()

    def run_once(self) -> bool:
        """Do one turn of the thread's work; return whether a record must be written before the next turn."""
        self._try_sign()
        self._maintain()
        return self.events.has_requests() and not self.events.find_failure(Part.SIGNING, Part.RETENTION)

    def startup_record(self) -> LogAct | None:
        """Return the act of a key rotation, to record before the first signature; else ``None``.

        If the head cannot be read, the error is reported when it is used.
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
        return LogAct("key.rotated", current.text()) if found is not None and current not in found.keys else None

    def opened_note(self, prev: str, record: str, at: float) -> str:
        """Return the signed note of the writer's first record.

        It is signed with the key of the last checkpoint, so that a verifier that trusts that key accepts it.

        Args:
            prev: hash of the line before the record.
            record: id of the record.
            at: time of the record, epoch seconds UTC.
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
        """End the thread without waiting, because the file was removed."""
        self._closing = True
        self._woken.set()

    def stop(self) -> None:
        """Sign all lines and end; waits until a deadline."""
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
        made, reason = False, ""
        try:
            made = self.sign(again=again)
        except SigningError as error:
            reason = str(error)
        except OSError as error:
            reason = f"a checkpoint cannot be written: {_where(error)}{error.strerror or type(error).__name__}"
        except Exception as error:  # noqa: BLE001 - the thread must survive, to report the error
            reason = f"a checkpoint cannot be written: {type(error).__name__}"
        self.events.put(PartFailed(Part.SIGNING, reason) if reason else PartWorks(Part.SIGNING))
        return made

    def _maintain(self) -> None:
        """Compress, retire and thin signed files."""
        if self._size < 0:
            return
        reason = ""
        try:
            for one in (self._retention, self._thinner):
                if one is not None and (request := one.run(self._size)) is not None:
                    self.events.put(request)
        except OSError as error:
            reason = f"a closed segment cannot be processed: {_where(error)}{error.strerror or type(error).__name__}"
        except Exception as error:  # noqa: BLE001 - as in `_try_sign`
            reason = f"a closed segment cannot be processed: {type(error).__name__}"
        self.events.put(PartFailed(Part.RETENTION, reason) if reason else PartWorks(Part.RETENTION))

    def sign(self, *, again: bool = False) -> bool:
        """Sign the lines since the last checkpoint; return whether there were any.

        Args:
            again: whether to sign the same lines again, with a newer time, to prove that none were added.

        Raises:
            SigningError: the file does not contain what the writer wrote.
            OSError: a file cannot be read or written.
        """
        # before the head is read: at least its line then follows the slices
        slices = self.leaves.take()
        target = self._head()
        if not self._origin and not self._resume_chain():
            return False
        if target != self._last:
            self._append_lines(target, slices)
        if not self._tree.size or (self._tree.size == self._size and not again):
            return False
        if self._turned:
            sync_folder(self._path.parent)
            self._turned = False
        self._write_checkpoint()
        return True

    def _resume_chain(self) -> bool:
        """Load the head of the chain; return whether the chain has a line, which names it."""
        for _ in range(MAX_LIST_ATTEMPTS):
            with suppress(FileNotFoundError):  # rotated between the listing and the opening
                return self._try_resume()
            time.sleep(RETRY_INTERVAL_S)
        raise SigningError("the files of the log are renamed repeatedly")

    def _try_resume(self) -> bool:
        first = segment_file.read_first_hash(self._path)
        if not first:
            return False
        try:
            chain = checkpoint_file.chain_origin(self._signers[-1][0].name, first)
            head = checkpoint_file.load_head(self._memory, chain)
            if head is not None:
                self._restore_tree(head)
        except ValueError as error:
            raise SigningError("the head of the log is damaged") from error
        self._origin = chain
        return True

    def _restore_tree(self, head: checkpoint_file.Head) -> None:
        """Restore the Merkle tree from the head, if the file still contains its last signed line."""
        found = open_note(head.note, [key for key, _ in self._signers], self._check)
        if found is None:
            raise SigningError("the log was last signed by a key that is not available")
        tree = Tree(found.checkpoint.size, (bytes.fromhex(part) for part in head.edge))
        if tree.root() != found.checkpoint.root:
            raise SigningError("the head of the log is damaged")
        start = max(0, head.offset - MAX_LINE_BYTES)
        segment = next(
            (one for one in segment_file.list_segments(self._path) if one.base == head.base and not one.is_tombstone),
            None,
        )
        if segment is None:
            raise SigningError("the log is not the signed one: a segment is missing")
        with segment_file.open_segment(segment) as file:
            file.seek(start)
            before = file.read(head.offset - start)
        last = parse_line(before[before.rfind(b"\n", 0, -1) + 1 :])
        if not isinstance(last, ChainedLine) or (last.hash, last.seq + 1) != (head.last, tree.size):
            raise SigningError("the log is not the signed one: lines were removed or changed")
        self._tree, self._base, self._offset, self._last = tree, head.base, head.offset, head.last
        self._at = found.at
        if self._signers[-1][0] in found.keys:
            self._size = tree.size
        else:
            self._endorses = tuple(one for one in self._signers if one[0] in found.keys)

    def _append_lines(self, target: str, slices: list[LeafSlice]) -> None:
        """Add the lines up to the writer's last line to the tree, and sync the files.

        If the lines on the disk do not continue the slices, all lines are read, and decide.
        """
        for _ in range(MAX_LIST_ATTEMPTS):
            tree, begin, last = Tree(self._tree.size, self._tree.edge), self._offset, self._last
            if (added := append_slices(slices, tree, self._base)) is not None:
                begin, last, slices = added.offset, added.last, []
            # a file that was rotated between the listing and the opening is listed again
            with suppress(FileNotFoundError):
                for segment in self._list_unread():
                    with segment_file.open_segment(segment) as file:
                        self._require_own_file(segment, file)
                        # when the folder was listed, the file may have had no line yet, or another name
                        base = find_base(segment, file, tree.size)
                        file.seek(begin if base == self._base else 0)
                        last = append_leaves(file, tree, last, target)
                        offset = file.tell()
                        if segment.form != segment_file.GZIP_SUFFIX:
                            os.fsync(file.fileno())
                    if last == target:
                        self._tree, self._base, self._offset, self._last = tree, base, offset, last
                        return
            time.sleep(RETRY_INTERVAL_S)
        raise SigningError("the log does not contain the written lines: they were changed or removed")

    def _list_unread(self) -> tuple[Segment, ...]:
        found = segment_file.list_segments(self._path)
        return tuple(one for one in found if one.live or (one.base >= self._base and not one.is_tombstone))

    def _require_own_file(self, segment: Segment, file: BinaryIO) -> None:
        if not segment.live:
            return
        for _ in range(MAX_LIST_ATTEMPTS):
            status, ours = os.fstat(file.fileno()), self._identity
            if (status.st_dev, status.st_ino) == (ours.st_dev, ours.st_ino):
                return
            time.sleep(RETRY_INTERVAL_S)  # the writer may have rotated the file, and not reported the new one yet
        raise SigningError("the file of the log was replaced")

    def _write_checkpoint(self) -> None:
        at = max(int(self._clock.now()), self._at)
        body = Checkpoint(self._origin, self._tree.size, self._tree.root())
        note = sign_note(body, at, (*self._endorses, self._signers[-1]))
        edge = tuple(part.hex() for part in self._tree.edge)
        head = checkpoint_file.Head(1, self._path.name, note, self._offset, self._last, edge, self._base)
        # saved last: a verifier reads the heads first, and must then find the checkpoint in the file
        checkpoint_file.append_note(checkpoint_file.checkpoint_path(self._path), note)
        checkpoint_file.save_head(self._memory, head, self._origin)
        self._size, self._at, self._endorses = self._tree.size, at, ()
        if self._publisher is not None:
            self._publisher.publish(self._origin, note)


def _where(error: OSError) -> str:
    """Return the name of an error's file as a prefix, without its folder."""
    return f"{Path(error.filename).name}: " if isinstance(error.filename, str | Path) else ""
