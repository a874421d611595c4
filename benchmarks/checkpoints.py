"""Cost of storing and verifying a year of checkpoints: ``python -m benchmarks.checkpoints`` prints it.

A year at the standard policy's interval is thinned as a writer thins it, and the remaining checkpoints are signed and
verified. The cost of the whole year without thinning is the cost per checkpoint times their number.
"""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Final

from authguard import signing_key
from authguard.audit import checkpoint_file
from authguard.audit.verify.checkpoint_verifier import Trust
from authguard.audit.verify.log_verifier import verify
from authguard.records.chain import GENESIS, format_line
from authguard.records.checkpoint_retention import CheckpointInfo, select_retained
from authguard.records.entries import ActEntry
from authguard.records.merkle import Tree, leaf
from authguard.records.signed_note import Checkpoint, sign_note

YEAR_S: Final = 365 * 86_400
#: seconds between two checkpoints of a log with continuous writes
INTERVAL_S: Final = 10
BEGAN: Final = 1_700_000_000
#: checkpoints in a file that is twice as long as after it was thinned
DOUBLE: Final = 2


def year(interval: int = INTERVAL_S, length: int = YEAR_S) -> tuple[int, list[CheckpointInfo], int]:
    """Thin a year; return the number of written and of remaining checkpoints, and the largest number at any time."""
    kept: list[CheckpointInfo] = []
    due = most = 1_000
    count = length // interval
    for number in range(count):
        kept.append(CheckpointInfo(number + 1, BEGAN + number * interval, pivotal=False, digest=b""))
        if len(kept) >= due:
            most = max(most, len(kept))
            kept = [kept[place] for place in select_retained(kept, 0)]
            due = max(1_000, DOUBLE * len(kept))
    return count, kept, most


def cost_of(count: int, folder: Path) -> tuple[float, int]:
    """Sign a number of checkpoints; return the seconds to verify them, and their bytes."""
    key = signing_key.generate_key("bench")
    log = folder / "audit.jsonl"
    tree, head, lines, notes, origin = Tree(), GENESIS, [], [], ""
    for seq in range(count):
        line, head = format_line(ActEntry(id=f"r{seq}", at=float(BEGAN + seq), policy="ab", act="started"), seq, head)
        lines.append(line)
        tree.add(leaf(line[:-1]))
        origin = origin or checkpoint_file.chain_origin(key.key.name, head)
        notes.append(sign_note(Checkpoint(origin, tree.size, tree.root()), BEGAN + seq, ((key.key, key.sign),)))
    log.write_bytes(b"".join(lines))
    checkpoint_file.checkpoint_path(log).write_bytes(b"".join(map(checkpoint_file.encode_line, notes)))
    begun = perf_counter()
    found = verify(log, trust=Trust((key.key,), signing_key.verify_signature))
    took = perf_counter() - begun
    if not found.ok:
        raise AssertionError(found)
    return took, checkpoint_file.checkpoint_path(log).stat().st_size


def main() -> None:
    """Print the table."""
    written, kept, most = year()
    with tempfile.TemporaryDirectory() as folder:
        took, size = cost_of(len(kept), Path(folder))
    each, bytes_each = took / len(kept), size / len(kept)
    digest = sha256(repr([one.size for one in kept]).encode()).hexdigest()[:12]
    print(f"one checkpoint: {each * 1e3:.2f} ms to verify, {bytes_each:.0f} bytes")
    print("| a year, one each 10 s | checkpoints | file | verify |\n|---|---|---|---|")
    for name, count in (("all kept", written), ("thinned", len(kept)), ("thinned, at most", most)):
        print(f"| {name} | {count:,} | {count * bytes_each / 1e6:,.1f} MB | {count * each:,.1f} s |")
    print(f"chosen: {digest}")


if __name__ == "__main__":
    main()
