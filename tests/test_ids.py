"""Ids of records are unique and sort by time; secrets cannot be guessed."""

from __future__ import annotations

import subprocess
import sys

from authguard.ids import SystemIds


def test_record_ids_are_unique_and_sort_by_time() -> None:
    ids = SystemIds()
    made = [ids.record(1_800_000_000.0 + place / 1_000) for place in range(2_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {len(record) for record in made} == {32}


def test_record_ids_of_one_moment_differ() -> None:
    ids = SystemIds()
    assert len({ids.record(1.0) for _ in range(1_000)}) == 1_000


def test_forked_processes_do_not_count_alike() -> None:
    # a server that loads the app before it forks its workers
    script = """
import os
from authguard.ids import SystemIds
ids = SystemIds()
for _ in range(4):
    if os.fork() == 0:
        os.write(1, f"{ids.record(1.0)} ".encode())  # in one piece, whoever else writes
        os._exit(0)
for _ in range(4):
    os.wait()
print(ids.record(1.0))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - our own interpreter and script
    assert len(set(done.stdout.split())) == 5


def test_a_secret_has_128_bits_and_is_never_the_same() -> None:
    ids = SystemIds()
    assert len(ids.secret()) == 32
    assert ids.secret() != ids.secret()
