"""A chain followed in strides: many lines at once where all is as a writer makes it; the rest is for `follow`.

Rules of this file:
- It names no flaw. Where anything in a stride is not byte for byte what the chain demands, it gives nothing, and
  `authguard.core.chain.follow` goes through the same lines one by one and finds the flaw, or finds that there is none.
- Of a record its kind, its time and its outcome are read; the other members have to be JSON, and are under the hashes.
- What the log says of itself (``by: audit``), and what a person accepted, is left to `follow`: a reader may heed it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec

from authguard.core.chain import HASH_SUFFIX_BYTES, MAX_LINE_BYTES
from authguard.core.entries import ActEntry, DecisionEntry, FaultEntry, RefusalEntry, TransitionEntry, WithdrawalEntry
from authguard.core.handover import ACCEPTED, AUDIT_ACTOR

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Lines that follow each other without a flaw.

    Attributes:
        lines: how many, at least one.
        size: bytes.
        head: the hash of the last, 64 hex digits.
        leaves: their hashes as leaves of the tree; empty where none was asked for.
        kinds: kind of record -> how many.
        outcomes: outcome of a decision -> how many.
        first: earliest time, epoch seconds UTC.
        last: latest.
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
    """Follow lines at once, up to the first in which the log says something of itself.

    Args:
        lines: each with its newline.
        seq: number of the first, from 0.
        prev: hash of the line before, 64 hex digits.
        tree: whether the hashes of the leaves are wanted too.

    Returns:
        The lines taken, from the first; ``None`` where they have to be gone through one by one.
    """
    whole = b"".join(lines)
    try:
        said = _decode(whole)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    kinds = Counter(map(type, said))
    if kinds[_Act]:
        own = next((place for place, one in enumerate(said) if type(one) is _Act and _needs_single_check(one)), None)
        if own is not None:
            lines, said = lines[:own], said[:own]
            kinds, whole = Counter(map(type, said)), b"".join(lines)
    if not lines or len(said) != len(lines) or max(map(len, lines)) > MAX_LINE_BYTES:
        return None
    begun = sha256().copy
    for number, line in enumerate(lines, seq):
        hashing = begun()
        hashing.update(line[:-HASH_SUFFIX_BYTES])
        digest = hashing.hexdigest()
        if not line.endswith(f',"v":2,"seq":{number},"prev":"{prev}","hash":"{digest}"}}\n'.encode()):
            return None
        prev = digest
    times = [one.at for one in said]
    return Batch(
        lines=len(lines),
        size=len(whole),
        head=prev,
        leaves=_leaves(lines) if tree else (),
        kinds={_tag(kind): count for kind, count in kinds.items()},
        outcomes=Counter([one.outcome for one in said if type(one) is _Decision]),
        first=min(times),
        last=max(times),
    )


def _needs_single_check(one: _Act) -> bool:
    return one.by == AUDIT_ACTOR or one.act == ACCEPTED


def _leaves(lines: Sequence[bytes]) -> list[bytes]:
    """Hash lines without their newlines (`authguard.core.merkle.leaf`), each from a copy of what the mark comes to."""
    marked = sha256(b"\x00").copy
    found = []
    for line in lines:
        hashing = marked()
        hashing.update(line[:-1])
        found.append(hashing.digest())
    return found
