"""The log on disk, with processes of their own: full disks, forks, kills, and several writers at once."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from authguard.audit import segment_file
from authguard.audit.verify.log_verifier import verify

if TYPE_CHECKING:
    from pathlib import Path


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(path)]


def run(script: str, *arguments: str, within: tuple[str, ...] = ()) -> str:
    """Run a writer in a process of its own, to its end."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [*within, sys.executable, "-W", "error", "-c", WRITER + script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


WRITER = """
import os, resource, sys
from pathlib import Path
from authguard.audit.write.jsonl import JsonlSink
from authguard.records.entries import ActEntry
from authguard.errors import AuditError
from authguard.ids import SystemIds
from authguard.testing import FakeClock

clock = FakeClock()
sink = JsonlSink(Path(sys.argv[1]), clock=clock, ids=SystemIds(), policy="ab")
def act(note):
    return ActEntry(id="x", at=clock.now(), policy="ab", act="started", by=str(os.getpid()), note=str(note))
sink.open()
"""


def test_a_disk_that_takes_half_a_line_is_repaired_before_the_next(log: Path) -> None:
    # the kernel itself cuts the write short at the limit, then refuses with EFBIG
    printed = run(
        """
for number in range(10): sink.append(act(number))
limit = sink.path.stat().st_size + 100
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
for number in range(3):
    try: sink.append(act("lost"))
    except AuditError as error: print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print(sink.append(act("after")))
sink.close()
""",
        str(log),
    )
    assert "the disk accepted only a part of a line" in printed
    found = verify(log)
    assert found.ok
    assert found.repairs == 1
    assert [record["note"] for record in records(log) if record["act"] == "started"] == [*"0123456789", "after"]
    (note,) = (record["note"] for record in records(log) if record["act"] == "writing_recovered")
    assert note.startswith("3 records were not written since ")
    assert note.endswith(": No space left on device")


def test_a_disk_that_stays_full_loses_no_line_that_was_acknowledged(log: Path) -> None:
    run(
        """
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
written = failed = 0
while failed < 50:
    try:
        sink.append(act(f"kept {written}"))
        written += 1
    except AuditError:
        failed += 1
print(written)
""",
        str(log),
    )
    # the process ended on a full disk; the next one has room
    run("sink.append(act('after'))", str(log))
    found = verify(log)
    assert found.ok
    kept = [record["note"] for record in records(log) if record["note"].startswith("kept")]
    assert kept == [f"kept {number}" for number in range(len(kept))]
    assert len(kept) > 50


#: gives a process mounts of its own, which end with it
APART = ("unshare", "--mount")


def test_a_file_system_that_is_full_is_told_of_once_when_there_is_room_again(tmp_path: Path) -> None:
    # 64 KiB; where no file system may be mounted, the limits above are what a full disk is
    room = tmp_path / "room"
    room.mkdir()
    probe = [*APART, "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(room)]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode:  # noqa: S603 - our own folder
        return
    inside = """
import subprocess
room = Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", room], check=True)
sink.close()
sink = JsonlSink(room / "log" / "audit.jsonl", clock=clock, ids=SystemIds(), policy="ab")
sink.open()
(room / "ballast").write_bytes(b"x" * 40_000)
written = refused = 0
while refused < 20:
    try: written += bool(sink.append(act("x" * 100)))
    except AuditError: refused += 1
(room / "ballast").unlink()
sink.append(act("after"))
sink.close()
from authguard.audit.verify.log_verifier import verify
found = verify(room / "log" / "audit.jsonl")
kept = (room / "log" / "audit.jsonl").read_text()
recovered = kept.count('"writing_recovered"')
print(found.ok, found.chains[0].lines >= written + 2, recovered, '"20 records were not written since ' in kept)
"""
    printed = run(inside, str(tmp_path / "audit.jsonl"), str(room), within=APART)
    assert printed.strip() == "True True 1 True"


def test_processes_that_write_at_once_leave_whole_chains(log: Path) -> None:
    script = "print('ready', flush=True); sys.stdin.readline()\nfor number in range(2000): sink.append(act(number))"
    writers = [
        subprocess.Popen(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-c", WRITER + script, str(log)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.communicate("go\n", timeout=60)
        assert writer.returncode == 0
    found = verify(log)
    assert found.ok
    assert [chain.lines for chain in found.chains] == [2000] * 4
    assert {len({record["by"] for record in records(chain.path)}) for chain in found.chains} == {1}


def test_processes_that_come_and_go_while_others_close_their_files_leave_whole_chains(log: Path) -> None:
    script = """
import random
from authguard.audit.write.retention import RetentionPolicy
chance = random.Random(int(sys.argv[2]))
sink.close()
print("ready", flush=True); sys.stdin.readline()
kept = []
for turn in range(6):
    policy = RetentionPolicy(max_bytes=3_000)
    sink = JsonlSink(Path(sys.argv[1]), clock=clock, ids=SystemIds(), policy="ab", retention=policy)
    sink.open()
    for number in range(chance.randint(1, 60)):
        clock.advance(1)
        note = f"{sys.argv[2]}-{turn}-{number}"
        sink.append(act(note))
        kept.append(note)
    sink.close()
print(*kept)
"""
    writers = [
        subprocess.Popen(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-W", "error", "-c", WRITER + script, str(log), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    written = sorted(note for writer in writers for note in writer.communicate(timeout=60)[0].split())
    assert [writer.returncode for writer in writers] == [0] * 4
    found = verify(log)
    assert found.ok, found
    assert sum(chain.segments for chain in found.chains) > 8
    there = [
        json.loads(line)["note"]
        for chain in segment_file.list_chains(log)
        for piece in segment_file.list_segments(chain)
        for line in piece.path.read_bytes().splitlines()
    ]
    assert sorted(note for note in there if "-" in note) == written


def test_a_forked_child_takes_a_chain_of_its_own(log: Path) -> None:
    run(
        """
for number in range(5): sink.append(act(number))
child = os.fork()
for number in range(5): sink.append(act(number))
if child:
    assert os.waitpid(child, 0)[1] == 0
    sink.append(act("parent"))
sink.close()
""",
        str(log),
    )
    found = verify(log)
    assert found.ok
    assert [chain.lines for chain in found.chains] == [11, 5]


def test_a_writer_that_is_killed_loses_nothing_that_it_was_told_is_written(log: Path) -> None:
    chance = random.Random(20_260_316)  # noqa: S311 - a seed, so that a failure repeats
    script = """
number = 0
while True:
    sink.append(act("x" * (number % 500)))
    number += 1
    os.write(1, b"%d\\n" % number)
"""
    acknowledged = 0
    for _ in range(8):
        writer = subprocess.Popen(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-c", WRITER + script, str(log)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        for _ in range(chance.randint(1, 400)):
            assert writer.stdout.readline()
        writer.kill()
        rest = writer.stdout.read().splitlines()
        acknowledged += int(rest[-1]) if rest and rest[-1].isdigit() else 1
        writer.wait(60)
        writer.stdout.close()
        # what a kill leaves is a matter of luck; a line cut by hand is not
        if chance.random() < 0.5:
            torn = lines(log)[-1]
            with log.open("ab") as file:
                file.write(torn[: chance.randint(1, len(torn) - 1)])
    run("sink.append(act('after'))", str(log))
    found = verify(log)
    assert found.ok
    assert len(found.chains) == 1
    assert found.repairs >= 1
    assert found.chains[0].lines >= acknowledged


def test_a_position_is_durable_after_the_process_says_so(log: Path) -> None:
    run("import anyio\nanyio.run(sink.flush, sink.append(act(1)))\nos._exit(0)", str(log))
    assert verify(log).ok
