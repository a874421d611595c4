"""Standard output that cannot be written ends a command with one message, and a closed pipe with none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.audit.logs import decided, write
from tests.support.record_check import skip_validation

if TYPE_CHECKING:
    from typing import IO

PROGRAM = "from authguard.cli import main; main()"
COMMANDS = (
    "--help",
    "audit stats",
    "audit query",
    "audit query --json",
    "audit export",
    "audit export --json",
    "audit tail",
)


def run(folder: Path, command: str, output: int | IO[bytes]) -> tuple[int, str]:
    log = folder / "audit.jsonl"
    skip_validation(folder)
    write(log, *(decided(f"r{number}", number) for number in range(2_000)))
    done = subprocess.run(  # noqa: S603 - this interpreter and this package
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            PROGRAM,
            *command.split(),
            *(("--log", str(log)) if " " in command else ()),
        ],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        check=False,
        timeout=600,
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_behind_standard_output_is_one_message(tmp_path: Path, command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        code, err = run(tmp_path, command, full)
    assert (code, err.splitlines()[0]) == (1, "standard output cannot be written: No space left on device")
    assert "Traceback" not in err
    assert "Exception" not in err


@pytest.mark.parametrize("command", ["audit query -n 2000 --json", "audit export"])
def test_a_reader_that_has_enough_is_no_error_message(tmp_path: Path, command: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process.kill()
    process.wait()
    assert process.stdin is not None
    code, err = run(tmp_path, command, process.stdin)
    process.stdin.close()
    assert (code, err) in {(1, ""), (1, "only the newest 2000 records are shown; --limit shows more\n")}
