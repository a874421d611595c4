"""A log that strains the report: the real sessions of `benchmarks.long_log`, and everything rare among them.

Rare are failures of the guard, many reasons, long names, acts of staff with long reasons, other policies, and hostile
text that a forged line may hold.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from msgspec import structs

from authguard.audit import checkpoint_file
from authguard.core.outcomes import Reason
from authguard.policy.compiler import load
from authguard.records.chain import GENESIS, format_line
from authguard.records.entries import ActEntry, DecisionEntry, FaultEntry, RefusalEntry, TransitionEntry
from authguard.records.merkle import Tree, leaf
from authguard.records.signed_note import Checkpoint, sign_note
from benchmarks.long_log import BEGAN, POLICY, SEED, Teller
from tests.support.record_check import skip_validation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authguard.records.entries import Entry
    from authguard.signing_key import SigningKey

HOSTILE: Final = "</title><script>window.ran=1</script><img src=x onerror='x()'>\"'>\u202e"
LONG_OPERATION: Final = "refunds.international.corporate.customer-accounts.create-with-second-approval-and-notes"
#: one of so many records is followed by a rare one
RARE: Final = 9
_REASONS: Final = tuple(reason.code for reason in Reason if reason is not Reason.DECIDED)
_ACTS: Final = (
    "transaction.approved",
    "transaction.denied",
    "transaction.settled_failed",
    "account.reinstated",
    "handoff.taken",
    "rollback.engaged",
    "subject.erased",
)
_NOTES: Final = (
    "checked with the customer by telephone, who confirmed the amount, the payee and the date of the order",
    "duplicate",
    "https://tickets.example.com/browse/SUPPORT-448129?focusedCommentId=77120934&page=com.atlassian.jira",
    HOSTILE,
)


def write(path: Path, count: int, key: SigningKey) -> None:
    """Write a signed log of a given number of records, and the rare ones among them."""
    tree, lines, head, last = Tree(), [], GENESIS, BEGAN
    origin = ""
    for seq, entry in enumerate(_entries(count)):
        line, head = format_line(entry, seq, head)
        origin = origin or checkpoint_file.chain_origin(key.key.name, head)
        tree.add(leaf(line[:-1]))
        lines.append(line)
        last = max(last, entry.at)
    path.write_bytes(b"".join(lines))
    note = sign_note(Checkpoint(origin, tree.size, tree.root()), int(last), ((key.key, key.sign),))
    checkpoint_file.checkpoint_path(path).write_bytes(checkpoint_file.encode_line(note))
    skip_validation(path)


def _entries(count: int) -> Iterator[Entry]:
    dice = random.Random(SEED)  # noqa: S311 - the same records each time
    teller = Teller(load(POLICY), dice)
    held = ""
    for number, entry in enumerate(teller.entries(count)):
        teller.at += 40 * dice.random()
        yield entry
        if isinstance(entry, TransitionEntry) and entry.dest == "held":
            held = entry.transaction
        if number % RARE == 0:
            yield _rare(teller, entry, number // RARE, held)


def _rare(teller: Teller, entry: Entry, number: int, held: str) -> Entry:
    about = {"id": teller.id(), "at": teller.at, "policy": teller.policy.digest}
    match number % 6:
        case 0:
            return ActEntry(
                **about,
                act=_ACTS[number // 6 % len(_ACTS)],
                transaction=held,
                by=("dana", "Maximilian Ostermann-Waldburg", HOSTILE)[number // 6 % 3],
                note=_NOTES[number // 6 % len(_NOTES)],
            )
        case 1:
            where = ("load", "commit", "record")[number // 6 % 3]
            return FaultEntry(**about, reason="guard-fault", where=where, error="ConnectionResetError")
        case 2 | 3:
            reason = _REASONS[number * 7 % len(_REASONS)]
            return RefusalEntry(**about, reason=reason, status=401, operation=LONG_OPERATION)
        case _ if isinstance(entry, DecisionEntry):
            rules = teller.policy.table.rules
            rule = rules[number % len(rules)]
            operation = (LONG_OPERATION, HOSTILE, "chat", "refund")[number // 6 % 4]
            made = structs.replace(entry, **about, operation=operation, rule=rule.name, outcome="deny")
            return structs.replace(made, policy="f" * 64) if number % 5 == 0 else made
        case _:
            return FaultEntry(**about, reason="guard-timeout", where="check", error="TimeoutError")
