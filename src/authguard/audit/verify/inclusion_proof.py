"""Inclusion proofs: a record with the proof that a signed log contains it, verifiable without the log.

The format is C2SP tlog-proof (``c2sp.org/tlog-proof@v1``): the record's line as ``extra``, its ``index``, the hashes
of its siblings from the leaf to the root, and the signed checkpoint.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.audit import checkpoint_file, segment_file
from authguard.audit.verify.log_reader import decode_line
from authguard.errors import AuditError
from authguard.records import merkle
from authguard.records.chain import MAX_LINE_BYTES, ChainedLine, parse_line
from authguard.records.signed_note import MAX_NOTE_CHARS, decode_base64, open_note, parse_checkpoint
from authguard.records.tombstone import Tombstone, subtree_levels

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from authguard.records.signed_note import Check, Key

HEADER: Final = "c2sp.org/tlog-proof@v1"
#: maximum of characters in a proof
MAX_PROOF_CHARS: Final = 2 * MAX_LINE_BYTES + 64 * merkle.MAX_LEVELS + MAX_NOTE_CHARS
_PROOF: Final = re.compile(
    re.escape(HEADER) + r"\nextra ([A-Za-z0-9+/=]+)\nindex (0|[1-9][0-9]{0,17})\n((?:[A-Za-z0-9+/]{43}=\n){0,63})\n"
)


class ProofError(AuditError):
    """A record cannot be proved: the key did not sign the checkpoint, or the log does not match it."""


class VerifiedRecord(Struct, frozen=True):
    """A record that a signed log contains.

    Attributes:
        line: the line of the log with its newline.
        index: number of the line, from 0.
        origin: origin of the chain.
        size: lines that the checkpoint covers.
        at: time of the signature, epoch seconds UTC.
        key: key of the checkpoint.
    """

    line: bytes
    index: int
    origin: str
    size: int
    at: int
    key: Key


def create_proof(log: Path, record: str, keys: Collection[Key], check: Check) -> str:
    """Create the proof of a record, under the first checkpoint that covers it.

    Args:
        log: path of the log's first chain.
        record: id of the record.
        keys: public keys, one of which must have signed the checkpoint.
        check: verifies signatures.

    Raises:
        ProofError: none of the keys signed the checkpoint, or the log does not match it.
        AuditError: no chain has the record, or no checkpoint covers it yet.
    """
    needle = record.encode("utf-8", "surrogatepass")
    retired = False
    for path in segment_file.list_chains(log):
        try:
            index = 0
            for item in _iter_items(path):
                if isinstance(item, Tombstone):
                    index, retired = index + item.count, True
                    continue
                if needle in item and decode_line(item).get("id") == record:
                    return _prove(path, index, item, keys, check)
                index += 1
        except OSError as error:
            raise AuditError(f"the log `{path}` cannot be read: {error.strerror}") from error
    hint = "; the lines of its oldest segments were retired" if retired else ""
    raise AuditError(f"no chain of `{log}` has a record of that id{hint}")


def _prove(path: Path, index: int, line: bytes, keys: Collection[Key], check: Check) -> str:
    try:
        for note in checkpoint_file.read_notes(checkpoint_file.checkpoint_path(path)):
            checkpoint = parse_checkpoint(note)
            if checkpoint is not None and checkpoint.size > index:
                break
        else:
            raise AuditError(
                "no checkpoint covers the record yet: wait for the next one, at most `checkpoint.max_interval`"
            )
    except FileNotFoundError:
        raise AuditError(f"`{path}` has no checkpoints: the log is not signed") from None
    if open_note(note, keys, check) is None:
        raise ProofError("the checkpoint that covers the record is not signed by the key, or was changed")
    try:
        found = merkle.prove(_iter_leaves(path), index, checkpoint.size)
    except ValueError:
        found = ()
    if merkle.root_of(merkle.leaf(line[:-1]), index, checkpoint.size, found) != checkpoint.root:
        raise ProofError("the log does not match its checkpoint: run `authguard audit verify`")
    hashes = "".join(f"{b64encode(one).decode()}\n" for one in found)
    return f"{HEADER}\nextra {b64encode(line).decode()}\nindex {index}\n{hashes}\n{note}"


def _iter_items(path: Path) -> Iterator[bytes | Tombstone]:
    """Yield the lines of a chain over all its files, and tombstones in place of retired lines."""
    for segment in segment_file.list_segments(path):
        if segment.is_tombstone:
            yield segment_file.read_tombstone(segment)[0]
            continue
        with segment_file.open_segment(segment) as file:
            while line := file.readline(MAX_LINE_BYTES + 1):
                yield line


def _iter_leaves(path: Path) -> Iterator[bytes | tuple[bytes, int]]:
    """Yield the leaf hashes of a chain, and the subtree roots of tombstones with their levels."""
    for item in _iter_items(path):
        if isinstance(item, Tombstone):
            for level, block in zip(subtree_levels(item.base, item.base + item.count), item.blocks, strict=True):
                yield bytes.fromhex(block), level
        else:
            yield merkle.leaf(item.removesuffix(b"\n"))


def verify_proof(text: str, keys: Collection[Key], check: Check) -> VerifiedRecord:
    """Verify a proof.

    Raises:
        AuditError: the proof is invalid.
    """
    found = _PROOF.match(text) if len(text) <= MAX_PROOF_CHARS else None
    if found is None:
        raise AuditError("this is not a proof: a proof begins with `c2sp.org/tlog-proof@v1`")
    try:
        line = decode_base64(found[1])
        path = [decode_base64(one) for one in found[3].split()]
    except ValueError:
        raise AuditError("the record in the proof was changed") from None
    note = open_note(text[found.end() :], keys, check)
    if note is None:
        raise AuditError("the checkpoint in the proof is not signed by the key, or was changed")
    record = parse_line(line)
    checkpoint, index = note.checkpoint, int(found[2])
    if not isinstance(record, ChainedLine) or record.seq != index:
        raise AuditError("the record in the proof was changed")
    if merkle.root_of(merkle.leaf(line[:-1]), index, checkpoint.size, path) != checkpoint.root:
        raise AuditError("the checkpoint does not cover this record: the record or the proof was changed")
    return VerifiedRecord(line, index, checkpoint.origin, checkpoint.size, note.at, note.keys[0])
