"""The progress of long work: a bar with counts on a terminal, nothing elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from authguard.cli.progress import MIN_RECORDS
from authguard.records.chain import GENESIS, format_line
from tests.audit.logs import decided, write
from tests.support.record_check import skip_validation

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "from authguard.cli import main; main()"


def export(log: Path, stderr: int) -> bytes:
    command = ["audit", "export", "--log", str(log), "--output", str(log.with_name("out.csv"))]
    done = subprocess.run(  # noqa: S603 - this interpreter and this package
        [sys.executable, "-c", PROGRAM, *command],
        env={**os.environ, "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=stderr,
        check=True,
        timeout=600,
    )
    return done.stdout


def read_all(terminal: int) -> str:
    """Read a terminal until its last writer has closed it."""
    parts = []
    with suppress(OSError):
        while part := os.read(terminal, 1 << 16):
            parts.append(part)
    return b"".join(parts).decode()


def test_an_export_of_many_records_shows_its_count_on_a_terminal(tmp_path: Path) -> None:
    skip_validation(tmp_path)
    log = tmp_path / "audit.jsonl"
    head = GENESIS
    with log.open("wb") as file:
        for number in range(MIN_RECORDS):
            line, head = format_line(decided(f"r{number}", number), number, head)
            file.write(line)
    terminal, stderr = pty.openpty()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_all, terminal)
        try:
            assert export(log, stderr) == b""
        finally:
            os.close(stderr)
        shown = reading.result()
    os.close(terminal)
    assert "writing the records" in shown
    assert f"/{MIN_RECORDS}" in shown
    assert " ".join(shown.split()).endswith(f"wrote {MIN_RECORDS} records to {tmp_path / 'out.csv'}")


def test_without_a_terminal_there_is_only_the_line_at_the_end(tmp_path: Path) -> None:
    skip_validation(tmp_path)
    log = tmp_path / "audit.jsonl"
    write(log, decided("a"))
    with (tmp_path / "err").open("wb") as stderr:
        assert export(log, stderr.fileno()) == b""
    assert (tmp_path / "err").read_text("utf-8") == f"wrote 1 record to {tmp_path / 'out.csv'}\n"
