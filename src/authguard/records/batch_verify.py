"""Batch verification of hash-chained lines; `authguard.records.chain.iter_chain` handles every mismatch.

Rules of this file:
- It reports no violation: if a batch is not byte for byte as a writer makes it, the result is None. `iter_chain` then
  checks the same lines one by one and returns the violation, if there is one.
- Of an entry only kind, time and outcome are decoded. The other members must be valid JSON and are covered by the hash.
- Entries about the log itself (``by: audit``) and acceptances by a person are left to `iter_chain`, since a reader may
  act on them.
"""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from authguard.records.chain import HASH_SUFFIX_BYTES, MAX_LINE_BYTES
from authguard.records.entries import (
    ActEntry,
    DecisionEntry,
    FaultEntry,
    RefusalEntry,
    TransitionEntry,
    WithdrawalEntry,
)
from authguard.records.handover import ACCEPTED, AUDIT_ACTOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def _tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)


class _Decision(msgspec.Struct, frozen=True, gc=False, tag=_tag(DecisionEntry), tag_field="kind"):
    at: float
    outcome: str


class _Transition(msgspec.Struct, frozen=True, gc=False, tag=_tag(TransitionEntry), tag_field="kind"):
    at: float


class _Refusal(msgspec.Struct, frozen=True, gc=False, tag=_tag(RefusalEntry), tag_field="kind"):
    at: float


class _Fault(msgspec.Struct, frozen=True, gc=False, tag=_tag(FaultEntry), tag_field="kind"):
    at: float


class _Withdrawal(msgspec.Struct, frozen=True, gc=False, tag=_tag(WithdrawalEntry), tag_field="kind"):
    at: float


class _Act(msgspec.Struct, frozen=True, gc=False, tag=_tag(ActEntry), tag_field="kind"):
    at: float
    act: str
    by: str = ""


_decode: Final = msgspec.json.Decoder(_Decision | _Transition | _Refusal | _Fault | _Withdrawal | _Act).decode_lines


class Batch(Struct, frozen=True, kw_only=True):
    """Consecutive lines without a violation.

    Attributes:
        lines: number of lines, at least one.
        size: bytes.
        head: hash of the last line, 64 hex digits.
        leaves: Merkle leaf hashes of the lines; empty if not requested.
        kinds: kind of entry -> number of entries.
        outcomes: outcome of a decision -> number of decisions.
        first: earliest time, epoch seconds UTC.
        last: latest time.
    """

    lines: int
    size: int
    head: str
    leaves: Sequence[bytes]
    kinds: Mapping[str, int]
    outcomes: Mapping[str, int]
    first: float
    last: float


def verify_batch(lines: Sequence[bytes], seq: int, prev: str, *, tree: bool) -> Batch | None:
    """Verify lines together, up to the first entry about the log itself.

    Args:
        lines: each with its newline.
        seq: number of the first, from 0.
        prev: hash of the previous line, 64 hex digits.
        tree: whether to compute the leaf hashes too.

    Returns:
        The verified lines, from the first; ``None`` if they must be checked one by one.
    """
    whole = b"".join(lines)
    try:
        records = _decode(whole)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    kinds = Counter(map(type, records))
    if kinds[_Act]:
        own = next((place for place, one in enumerate(records) if type(one) is _Act and _needs_single_check(one)), None)
        if own is not None:
            lines, records = lines[:own], records[:own]
            kinds, whole = Counter(map(type, records)), b"".join(lines)
    if not lines or len(records) != len(lines) or max(map(len, lines)) > MAX_LINE_BYTES:
        return None
    begun = sha256().copy
    for number, line in enumerate(lines, seq):
        hashing = begun()
        hashing.update(line[:-HASH_SUFFIX_BYTES])
        digest = hashing.hexdigest()
        if not line.endswith(f',"v":2,"seq":{number},"prev":"{prev}","hash":"{digest}"}}\n'.encode()):
            return None
        prev = digest
    times = [one.at for one in records]
    return Batch(
        lines=len(lines),
        size=len(whole),
        head=prev,
        leaves=_leaves(lines) if tree else (),
        kinds={_tag(kind): count for kind, count in kinds.items()},
        outcomes=Counter([one.outcome for one in records if type(one) is _Decision]),
        first=min(times),
        last=max(times),
    )


def _needs_single_check(one: _Act) -> bool:
    return one.by == AUDIT_ACTOR or one.act == ACCEPTED


def _leaves(lines: Sequence[bytes]) -> list[bytes]:
    """Hash lines without their newlines, as `authguard.records.merkle.leaf` does; copying a primed hash is faster."""
    marked = sha256(b"\x00").copy
    found = []
    for line in lines:
        hashing = marked()
        hashing.update(line[:-1])
        found.append(hashing.digest())
    return found
