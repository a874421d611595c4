"""Cost of queries over a long log: ``python -m benchmarks.asking [RECORDS ...]`` creates logs and prints a table each.

Each part runs in a separate process to measure its memory; rates are per second of processor time. `verify` is compared
with slicing and hashing the same raw lines, in alternation within one process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Final

from authguard import signing_key
from authguard.asgi.endpoints import own_operations
from authguard.audit.query.export import format_csv, format_jsonl
from authguard.audit.query.index import open_index
from authguard.audit.query.index_place import find_index
from authguard.audit.query.replay import replay
from authguard.audit.query.search import Query, count_by_template, count_period, find, last
from authguard.audit.report.collect import collect_report
from authguard.audit.report.data import ReportContext
from authguard.audit.report.page import render_page
from authguard.audit.verify.checkpoint_verifier import Trust
from authguard.audit.verify.log_verifier import verify
from authguard.policy.compiler import load
from authguard.records.signed_note import parse_key
from benchmarks.long_log import POLICY, write
from benchmarks.table import Row, markdown

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.audit.query.index import Index
    from authguard.core.policy import Policy

    Measured = dict[str, float]

RECORDS: Final = 1_000_000
ROUNDS: Final = 3
#: repetitions of each query, each for another person or session
ASKED: Final = 25
#: bytes of a line that its hash does not cover
AFTER: Final = 76
#: required share (issue 8)
SHARE: Final = 1 / 3
REBUILT: Final = 100_000
REPLAYED: Final = 50_000
ANSWERED: Final = 5.0
REPORTED: Final = 20.0
#: records per second: 200,000 in 8 s (issue 17)
EXPORTED: Final = 25_000


def bare(log: Path) -> int:
    """Slice and hash the raw lines; return their number."""
    number = 0
    with log.open("rb") as file:
        for line in file:
            sha256(line[:-AFTER]).hexdigest()
            number += 1
    return number


def verified(log: Path) -> Measured:
    """Verify with tree and signatures, in turns with the bare hashing."""
    trust = Trust((parse_key(public_of(log).read_text("ascii")),), signing_key.verify_signature)
    ratios, rates = [], []
    for _ in range(ROUNDS):
        begun = process_time()
        number = bare(log)
        hashed = process_time()
        found = verify(log, trust=trust)
        done = process_time()
        ratios.append((hashed - begun) / (done - hashed))
        rates.append((number / (hashed - begun), number / (done - hashed)))
        if not found.ok or found.chains[0].ranges.signed != number:
            raise RuntimeError("the log does not verify")
    return {"share": median(ratios), "bare": median(one for one, _ in rates), "rate": median(two for _, two in rates)}


def rebuilt(log: Path) -> Measured:
    """Rebuild the index."""
    begun, wall = process_time(), perf_counter()
    with open_index(log, fresh=True) as index:
        took, waited = process_time() - begun, perf_counter() - wall
        number = sum(count_by_template(index, float("-inf"), float("inf")).values())
    return {"rate": number / took, "seconds": waited, "bytes": find_index(log).stat().st_size / number}


def exported(log: Path) -> Measured:
    """Build the index and export every record as CSV, then as JSON lines; write both to files."""
    rates = {}
    for name, form in (("csv", format_csv), ("jsonl", format_jsonl)):
        output = log.with_name(f"export.{name}")
        begun = process_time()
        with open_index(log, fresh=True) as index, output.open("w", encoding="utf-8", newline="") as file:
            number = count_period(index, float("-inf"), float("inf"))
            file.writelines(form(find(index, Query(), newest=False)))
        rates[name] = number / (process_time() - begun)
        output.unlink()
    return rates


def asked(log: Path) -> Measured:
    """Query one session, one subject, and the last hundred denials with an open index; milliseconds each."""
    with open_index(log) as index:
        whole = index.db.execute("SELECT max(no) FROM record").fetchone()[0]
        some = [_line(index, 7 + whole * step // ASKED) for step in range(ASKED)]
        subjects = [one["subject"] for one in some if one.get("subject")]
        sessions = [one["session"] for one in some if one.get("session")]
        return {
            "session": _time(index, [Query(session=one) for one in sessions]),
            "subject": _time(index, [Query(subjects=(one,)) for one in subjects]),
            "denials": _time(index, [Query(outcomes=("deny",))] * ASKED),
        }


def _line(index: Index, number: int) -> dict[str, str]:
    (place,) = index.db.execute("SELECT at FROM record WHERE no = ?", (number,)).fetchone()
    found = last(index, Query(since=place, until=place), 1)
    return found[0].record if found else {}


def _time(index: Index, queries: list[Query]) -> float:
    times = []
    for question in queries:
        begun = perf_counter()
        found = [one.record for one in last(index, question, 100)]
        times.append(perf_counter() - begun)
        if not found:
            raise RuntimeError("a question without an answer")
    return median(times) * 1_000


def replayed(log: Path) -> Measured:
    """Replay under the same policy, and under a policy with other session transitions, which visits every record."""
    policy, own = load(POLICY), own_operations("/.authguard")
    with open_index(log) as index:
        rates = {}
        for name, one in (("same", policy), ("other", other())):
            begun = process_time()
            found = replay(index, one, own)
            rates[name] = (found.decisions + found.transitions) / (process_time() - begun)
            if bool(found.changed_transitions) != (name == "other") or (
                name == "same" and (found.differences or found.undetermined)
            ):
                raise RuntimeError("a replay that differs where it should not, or does not where it should")
    return rates


def other() -> Policy:
    """Return a policy in which an idle session ends, so that every state is computed again."""
    machine = "machines: {session: {transitions: [{trigger: idled, source: active, dest: expired}]}}"
    text = f"authguard: 1\nname: other\nextends: {POLICY}\n{machine}\n"
    return load("other.yaml", text=text.encode())


def reported(log: Path) -> Measured:
    """Write a report of the whole log, verified with tree and signatures; the index exists."""
    begun, wall = process_time(), perf_counter()
    with open_index(log) as index:
        data = collect_report(index, float("-inf"), float("inf"))
    found = verify(log, trust=Trust((parse_key(public_of(log).read_text("ascii")),), signing_key.verify_signature))
    cover = ReportContext(
        log=log.name,
        since=float("-inf"),
        until=float("inf"),
        made=0.0,
        by="benchmark",
        verification=found,
        signed=True,
        policy=load(POLICY),
    )
    size = len(render_page(cover, data))
    return {"worked": process_time() - begun, "seconds": perf_counter() - wall, "size": size / 1_024}


PARTS: Final[dict[str, Callable[[Path], Measured]]] = {
    "rebuilt": rebuilt,
    "exported": exported,
    "asked": asked,
    "replayed": replayed,
    "verified": verified,
    "reported": reported,
}


def public_of(log: Path) -> Path:
    """Return the file with the public key of a log."""
    return log.with_suffix(".pub")


def here(part: str, log: Path) -> Measured:
    """Run one part in this process; the result includes its peak memory in MB."""
    found = PARTS[part](log)
    return found | {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024}


def apart(part: str, log: Path) -> Measured:
    """Run one part in a separate process."""
    command = [sys.executable, "-m", "benchmarks.asking", "--part", part, str(log)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Measured = json.loads(done.stdout)
    return found


def measure(records: int, run: Callable[[str, Path], Measured], base: Path | None = None) -> list[Row]:
    """Create a log of a given number of records, measure every part, and return the rows."""
    with tempfile.TemporaryDirectory(dir=base) as folder:
        log = Path(folder) / "audit.jsonl"
        key = signing_key.generate_key("benchmark")
        write(log, records, key)
        public_of(log).write_text(key.key.text(), "ascii")
        found = {part: run(part, log) for part in PARTS}
        size = log.stat().st_size / records
    index, verification, answers = found["rebuilt"], found["verified"], found["asked"]
    return [
        Row(what="bytes of a line", value=size, unit="bytes"),
        Row(what="index made anew", value=index["rate"], unit="records/s", must=REBUILT, aim=2 * REBUILT, more=True),
        Row(what="index made anew, by the clock", value=index["seconds"], unit="s"),
        Row(what="bytes of the index for a record", value=index["bytes"], unit="bytes"),
        Row(
            what="CSV of all records, with a new index",
            value=found["exported"]["csv"],
            unit="records/s",
            must=EXPORTED,
            aim=2 * EXPORTED,
            more=True,
        ),
        Row(
            what="JSON lines of all records, with a new index",
            value=found["exported"]["jsonl"],
            unit="records/s",
            must=EXPORTED,
            aim=2 * EXPORTED,
            more=True,
        ),
        Row(what="one session", value=answers["session"], unit="ms", must=ANSWERED, aim=1.0),
        Row(what="one subject", value=answers["subject"], unit="ms", must=ANSWERED, aim=1.0),
        Row(what="the last 100 denials", value=answers["denials"], unit="ms", must=ANSWERED, aim=2.0),
        Row(what="slicing and hashing the raw lines", value=verification["bare"], unit="records/s"),
        Row(what="`verify`, with tree and signatures", value=verification["rate"], unit="records/s"),
        Row(what="`verify` / slicing and hashing", value=verification["share"], must=SHARE, aim=0.5, more=True),
        Row(
            what="`replay`, same policy",
            value=found["replayed"]["same"],
            unit="records/s",
            must=REPLAYED,
            aim=4 * REPLAYED,
            more=True,
        ),
        Row(
            what="`replay`, every record",
            value=found["replayed"]["other"],
            unit="records/s",
            must=REPLAYED,
            aim=4 * REPLAYED,
            more=True,
        ),
        Row(what="`report`", value=found["reported"]["worked"], unit="s", must=REPORTED, aim=REPORTED / 4),
        Row(what="`report`, by the clock", value=found["reported"]["seconds"], unit="s"),
        *(Row(what=f"memory: {part}", value=one["memory"], unit="MB") for part, one in found.items()),
    ]


def main(arguments: list[str]) -> None:
    """Measure logs of the given sizes, or run one part for another process."""
    if arguments[:1] == ["--part"]:
        print(json.dumps(here(arguments[1], Path(arguments[2]))))
        return
    for records in map(int, arguments or [str(RECORDS)]):
        print(f"{records:,} records\n\n{markdown(measure(records, apart))}\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
